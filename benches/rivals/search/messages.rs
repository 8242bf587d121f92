//! Messages and blocks of a bench.

use alphapulse_protocol::message::{BlockContext, Message, WireMessage};

pub(crate) fn bytes<T: WireMessage>(message: T) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    Message::from(&message).as_bytes().to_vec()
}

pub(crate) fn context(number: u64) -> BlockContext {
    let hash_of = |number: u64| {
        let mut hash = [0xb1; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    };
    BlockContext {
        number: number.into(),
        hash: hash_of(number),
        parent_hash: hash_of(number - 1),
        timestamp: (1_700_000_000 + 12 * number).into(),
        base_fee: 1_000_000_000.into(),
        gas_used: 15_000_000.into(),
        gas_limit: 30_000_000.into(),
    }
}
