//! What the machine takes for the parts that no design can leave out, in the same run.

use std::hint::black_box;
use std::time::Instant;

use alloy::consensus::{SignableTransaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{B256, keccak256};
use alloy::signers::SignerSync;
use anyhow::{Result, bail};

use crate::account;
use crate::stats::{Samples, Summary};

const ROUNDS: u64 = 2_000;

/// Floors, each with its name, for a transaction such as this one.
pub(crate) fn measure(raw: &[u8]) -> Result<Vec<(String, Summary)>> {
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut &*raw)? else {
        bail!("not an EIP-1559 transaction")
    };
    let payload = signed.tx().encoded_for_signing();
    let signer = account::alloy_signer();
    let hashes: Vec<B256> = (0..ROUNDS).map(|round| keccak256(round.to_be_bytes())).collect();
    let mut hash = hashes.iter().cycle();
    Ok(vec![
        ("two readings of the clock".to_owned(), time(|| ())),
        (format!("Keccak-256 of the {} byte payload", payload.len()), time(|| keccak256(black_box(&payload)))),
        (
            "ECDSA, k256, RFC 6979, with recovery id".to_owned(),
            time(|| {
                signer.sign_hash_sync(black_box(hash.next().expect("endless"))).expect("a local key signs anything")
            }),
        ),
    ])
}

fn time<T>(mut work: impl FnMut() -> T) -> Summary {
    let mut samples = Samples::default();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        black_box(work());
        samples.add(started.elapsed());
    }
    samples.end_block();
    samples.summary()
}
