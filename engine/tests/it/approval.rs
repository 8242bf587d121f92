//! Approvals as the risk manager gives them: there is no other way to get one, not even for a test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use alphapulse_engine::execution::keystore::PrivateKey;
use alphapulse_engine::execution::nonce::{LeaseLog, NonceManager};
use alphapulse_engine::execution::signer::{SignError, SignedTransaction, Signer, SignerPolicy};
use alphapulse_engine::risk::{Approved, KillSwitch, Limits, RiskContext, RiskManager};
use alphapulse_engine::trade::{Fees, Hops, Trade};
use alphapulse_protocol::message::{
    BlockContext, HopRecord, Message, NonceLease, Pool, SnapshotBegin, SnapshotEnd, Token, V2Reserves, WireMessage,
};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{
    BlockNumber, BlockRef, ChainId, Epoch, FeePerGas, FeePpm, Gas, OpportunityId, PoolId, Sequence, TokenId, UnixNanos,
    VenueId, Wei,
};

const WETH: [u8; 20] = [0xaa; 20];
const DAI: [u8; 20] = [0xbb; 20];

/// What a transaction is made of.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) fee_max: u128,
    pub(crate) priority_fee: u128,
    pub(crate) to: Address,
    pub(crate) calldata: Vec<u8>,
}

/// The transaction as the engine signs it, from a trade that risk approved.
pub(crate) fn sign(key: &PrivateKey, wanted: &Wanted) -> Result<SignedTransaction, SignError> {
    let policy = SignerPolicy {
        chain_id: ChainId(wanted.chain_id),
        executor: wanted.to,
        fee_max: FeePerGas(u128::MAX),
        gas_max: Gas(u64::MAX),
    };
    let mut signer = Signer::new(key, policy, KillSwitch::new());
    let mut nonces = NonceManager::resume(key.address(), 1, wanted.nonce, &[], None).unwrap();
    let nonce = nonces.allocate(&mut Leases).unwrap();
    let calldata = Bytes::copy_from_slice(&wanted.calldata);
    signer.sign(approve(wanted), nonce, calldata, wanted.to).map_err(|unsigned| unsigned.error)
}

struct Leases;

impl LeaseLog for Leases {
    fn persist(&mut self, _lease: &NonceLease) -> std::io::Result<()> {
        Ok(())
    }
}

fn approve(wanted: &Wanted) -> Approved<Trade> {
    let limits = Limits {
        native_token: WETH.into(),
        tokens: BTreeSet::from([WETH.into(), DAI.into()]),
        pools: BTreeSet::from([Address::repeat_byte(1), Address::repeat_byte(2)]),
        notional_max: BTreeMap::from([(WETH.into(), U256::MAX)]),
        in_flight_max: 1,
        unknown_max: 1,
        profit_min: Wei(0),
        fee_max: FeePerGas(u128::MAX),
        gas_max: Gas(u64::MAX),
        market_age_max: Duration::MAX,
        loss_day_max: Wei(u128::MAX),
        is_simulation_required: false,
    };
    let replica = replica();
    let context = RiskContext { now: UnixNanos(0), head_received: UnixNanos(0), replica: &replica };
    RiskManager::new(limits, KillSwitch::new()).approve(trade(wanted), None, &context).unwrap()
}

fn trade(wanted: &Wanted) -> Trade {
    let (weth, dai) = (TokenId(0), TokenId(1));
    let hops = [
        HopRecord::new(PoolId(0), weth, dai, U256::from(10), U256::from(5)),
        HopRecord::new(PoolId(1), dai, weth, U256::from(5), U256::from(11)),
    ];
    Trade {
        opportunity: OpportunityId(1),
        strategy: 0,
        block: BlockRef { number: BlockNumber(5), hash: [5; 32] },
        token: weth,
        token_address: WETH.into(),
        hops: Hops::new(&hops).unwrap(),
        amount_in: U256::from(10),
        profit: U256::from(1),
        gas: Gas(0),
        gas_limit: Gas(wanted.gas_limit),
        fees: Fees { max: FeePerGas(wanted.fee_max), priority: FeePerGas(wanted.priority_fee) },
        expected_gas_price: FeePerGas(0),
        block_max: BlockNumber(6),
    }
}

fn replica() -> Replica {
    let mut replica = Replica::default();
    let context = BlockContext {
        number: 5.into(),
        hash: [5; 32],
        parent_hash: [4; 32],
        timestamp: 0.into(),
        base_fee: 0.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    };
    apply(&mut replica, SnapshotBegin::new(context, ChainId(1), Epoch(1), 2, 2));
    apply(&mut replica, Token::new(TokenId(0), WETH, "WETH", 18));
    apply(&mut replica, Token::new(TokenId(1), DAI, "DAI", 18));
    for index in 0..2_u8 {
        let (id, tokens) = (PoolId(index.into()), [TokenId(0), TokenId(1)]);
        apply(&mut replica, Pool::uniswap_v2(id, VenueId(0), [index + 1; 20], tokens, FeePpm(3000)));
        apply(&mut replica, V2Reserves::new(id, 1, 1));
    }
    apply(&mut replica, SnapshotEnd::new(6));
    replica
}

fn apply<T: WireMessage>(replica: &mut Replica, message: T)
where
    for<'a> Message<'a>: From<&'a T>,
{
    let message = message.stamped(Sequence(0), UnixNanos(0));
    replica.apply(&Message::from(&message)).unwrap();
}
