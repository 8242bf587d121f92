use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alphapulse_protocol::message::{
    BlockContext, HopRecord, Message, NonceLease, Pool, SnapshotBegin, SnapshotEnd, Token, V2Reserves, WireMessage,
};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{Epoch, FeePpm, PoolId, Sequence, TokenId, UnixNanos, VenueId, Wei};

use super::*;
use crate::execution::nonce::{LeaseLog, NonceManager};
use crate::risk::{Limits, RiskContext, RiskManager};
use crate::secret::Secret;
use crate::trade::Hops;

const EXECUTOR: Address = Address::repeat_byte(0xee);
const WETH: [u8; 20] = [0xaa; 20];
const DAI: [u8; 20] = [0xbb; 20];

struct Leases;

impl LeaseLog for Leases {
    fn persist(&mut self, _lease: &NonceLease) -> std::io::Result<()> {
        Ok(())
    }
}

fn key() -> PrivateKey {
    let text = "4646464646464646464646464646464646464646464646464646464646464646";
    PrivateKey::from_hex(&Secret::new(text.into())).expect("a key")
}

fn policy() -> SignerPolicy {
    SignerPolicy { chain_id: ChainId(31337), executor: EXECUTOR, fee_max: FeePerGas(100), gas_max: Gas(500_000) }
}

fn nonces() -> NonceManager {
    NonceManager::resume(key().address(), 16, 9, &[], None).expect("first start")
}

fn nonce(nonces: &mut NonceManager) -> LeasedNonce {
    nonces.allocate(&mut Leases).expect("leased")
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
    fn apply<T: WireMessage>(replica: &mut Replica, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        let message = message.stamped(Sequence(0), UnixNanos(0));
        replica.apply(&Message::from(&message)).expect("a valid stream");
    }
    apply(&mut replica, SnapshotBegin::new(context, ChainId(31337), Epoch(1), 2, 2));
    apply(&mut replica, Token::new(TokenId(0), WETH, "WETH", 18));
    apply(&mut replica, Token::new(TokenId(1), DAI, "DAI", 18));
    for index in 0..2_u8 {
        let id = PoolId(index.into());
        let pool = Pool::uniswap_v2(id, VenueId(0), [index + 1; 20], [TokenId(0), TokenId(1)], FeePpm(3000));
        apply(&mut replica, pool);
        apply(&mut replica, V2Reserves::new(id, 1, 1));
    }
    apply(&mut replica, SnapshotEnd::new(6));
    replica
}

/// A manager that approves anything of the right form, as one whose limits were mistaken would.
fn careless_risk(kill: KillSwitch) -> RiskManager {
    let limits = Limits {
        native_token: WETH.into(),
        tokens: BTreeSet::from([WETH.into(), DAI.into()]),
        pools: BTreeSet::from([Address::repeat_byte(1), Address::repeat_byte(2)]),
        notional_max: BTreeMap::from([(WETH.into(), U256::MAX)]),
        in_flight_max: 64,
        unknown_max: 64,
        profit_min: Wei(0),
        fee_max: FeePerGas(u128::MAX),
        gas_max: Gas(u64::MAX),
        market_age_max: Duration::MAX,
        loss_day_max: Wei(u128::MAX / 2),
        is_simulation_required: false,
    };
    RiskManager::new(limits, kill)
}

fn trade() -> Trade {
    let (weth, dai) = (TokenId(0), TokenId(1));
    let hops = [
        HopRecord::new(PoolId(0), weth, dai, U256::from(10), U256::from(5)),
        HopRecord::new(PoolId(1), dai, weth, U256::from(5), U256::from(u64::MAX)),
    ];
    Trade {
        opportunity: OpportunityId(3),
        strategy: 0,
        block: alphapulse_protocol::BlockRef { number: BlockNumber(5), hash: [5; 32] },
        token: weth,
        token_address: WETH.into(),
        hops: Hops::new(&hops).expect("two hops"),
        amount_in: U256::from(10),
        profit: U256::from(u64::MAX - 10),
        gas: Gas(300_000),
        gas_limit: Gas(400_000),
        fees: Fees { max: FeePerGas(90), priority: FeePerGas(2) },
        expected_gas_price: FeePerGas(7),
        block_max: BlockNumber(6),
    }
}

/// An approval as risk gives it.
fn approved(risk: &mut RiskManager, change: impl FnOnce(&mut Trade)) -> Approved<Trade> {
    let replica = replica();
    let mut trade = trade();
    change(&mut trade);
    let context = RiskContext { now: UnixNanos(0), head_received: UnixNanos(0), replica: &replica };
    let approved = risk.approve(trade, None, &context).expect("careless");
    // Makes room for the next.
    risk.on_abandoned(approved.opportunity);
    approved
}

fn calldata() -> Bytes {
    [&IExecutor::executeCall::SELECTOR[..], b" and more"].concat().into()
}

/// What the signer says of a trade that a careless risk manager approved.
fn sign(change: impl FnOnce(&mut Trade), to: Address, calldata: Bytes) -> Result<SignedTransaction, SignError> {
    let kill = KillSwitch::new();
    let mut signer = Signer::new(&key(), policy(), kill.clone());
    let approved = approved(&mut careless_risk(kill), change);
    signer.sign(approved, nonce(&mut nonces()), calldata, to).map_err(|unsigned| unsigned.error)
}

#[test]
fn what_is_signed_is_exactly_the_trade() {
    let signed = sign(|_| {}, EXECUTOR, calldata()).expect("within the policy");
    let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).expect("an envelope");
    let inner = envelope.as_eip1559().expect("of type 2");
    let sender = inner.signature().recover_address_from_prehash(&inner.signature_hash());
    assert_eq!(sender.expect("signed"), key().address());
    assert_eq!(*envelope.tx_hash(), signed.hash);
    assert_eq!(envelope.chain_id(), Some(31337));
    assert_eq!((envelope.nonce(), envelope.gas_limit()), (9, 400_000));
    assert_eq!((envelope.max_fee_per_gas(), envelope.max_priority_fee_per_gas()), (90, Some(2)));
    assert_eq!((envelope.to(), envelope.value()), (Some(EXECUTOR), U256::ZERO));
    assert_eq!(*envelope.input(), calldata());
    assert!(envelope.access_list().is_some_and(|list| list.is_empty()));
    let record = signed.to_message();
    assert_eq!((record.opportunity.get(), record.nonce.get(), record.block_max.get()), (3, 9, 6));
    assert_eq!(record.tx_hash, signed.hash.0);
}

#[test]
fn the_same_trade_gives_the_same_bytes() {
    // RFC 6979: no randomness in a signature, so a replay can compare it.
    let first = sign(|_| {}, EXECUTOR, calldata()).expect("signed");
    assert_eq!(sign(|_| {}, EXECUTOR, calldata()).expect("signed"), first);
}

#[test]
fn nothing_but_a_call_of_the_executor_is_signed() {
    for to in [Address::ZERO, key().address(), Address::repeat_byte(0xed)] {
        assert!(matches!(sign(|_| {}, to, calldata()), Err(SignError::Destination { got, .. }) if got == to));
    }
    let calls = [IExecutor::sweepCall::SELECTOR, IExecutor::unpauseCall::SELECTOR, [0; 4]];
    for other in
        calls.iter().map(|selector| Bytes::copy_from_slice(selector)).chain([Bytes::new(), calldata().slice(..3)])
    {
        assert_eq!(sign(|_| {}, EXECUTOR, other), Err(SignError::NotExecute));
    }
}

#[test]
fn the_signer_s_caps_hold_even_when_risk_s_do_not() {
    let fee = |max| sign(|trade| trade.fees.max = FeePerGas(max), EXECUTOR, calldata()).map(|_| ());
    assert_eq!(fee(100), Ok(()));
    assert_eq!(fee(101), Err(SignError::FeeAboveCap { maximum: FeePerGas(100), got: FeePerGas(101) }));
    let gas = |limit| sign(|trade| trade.gas_limit = Gas(limit), EXECUTOR, calldata()).map(|_| ());
    assert_eq!(gas(500_000), Ok(()));
    assert_eq!(gas(500_001), Err(SignError::GasAboveCap { maximum: Gas(500_000), got: Gas(500_001) }));
}

#[test]
fn after_the_kill_no_trade_is_signed_and_all_is_handed_back() {
    let kill = KillSwitch::new();
    let mut signer = Signer::new(&key(), policy(), kill.clone());
    let approved = approved(&mut careless_risk(kill.clone()), |_| {});
    let mut nonces = nonces();
    kill.trip("drill");
    let unsigned = signer.sign(approved, nonce(&mut nonces), calldata(), EXECUTOR).expect_err("killed");
    assert_eq!(unsigned.error, SignError::Killed("drill".to_owned()));
    assert_eq!((unsigned.trade.opportunity, signer.signed_count()), (OpportunityId(3), 0));
    nonces.give_back(unsigned.nonce).expect("the last one");
}

#[test]
fn after_the_kill_nonces_can_still_be_freed() {
    let kill = KillSwitch::new();
    let signer = Signer::new(&key(), policy(), kill.clone());
    kill.trip("drill");
    let fees = Fees { max: FeePerGas(100), priority: FeePerGas(3) };
    let cancel = signer.sign_cancel(9, fees).expect("within the caps");
    let envelope = TxEnvelope::decode_2718(&mut cancel.raw.as_ref()).expect("an envelope");
    assert_eq!((envelope.to(), envelope.value(), envelope.gas_limit()), (Some(key().address()), U256::ZERO, 21_000));
    assert!(envelope.input().is_empty());
    assert_eq!((cancel.opportunity, cancel.nonce), (OpportunityId(0), 9));
    let dear = Fees { max: FeePerGas(101), ..fees };
    assert!(matches!(signer.sign_cancel(9, dear), Err(SignError::FeeAboveCap { .. })));
    let odd = Fees { max: FeePerGas(1), priority: FeePerGas(2) };
    assert_eq!(signer.sign_cancel(9, odd), Err(SignError::PriorityAboveMax(FeePerGas(2))));
}

#[test]
fn approvals_are_signed_in_order_and_none_is_made_up_for() {
    let kill = KillSwitch::new();
    let mut signer = Signer::new(&key(), policy(), kill.clone());
    let mut risk = careless_risk(kill.clone());
    let (first, second) = (approved(&mut risk, |_| {}), approved(&mut risk, |_| {}));
    let mut nonces = nonces();
    signer.sign(second, nonce(&mut nonces), calldata(), EXECUTOR).expect("newest");
    let late = signer.sign(first, nonce(&mut nonces), calldata(), EXECUTOR).expect_err("older than one signed");
    assert_eq!(late.error, SignError::StaleApproval { last: 2, got: 1 });
    // Another manager counts from 1 again: its approvals are not this signer's.
    let foreign = approved(&mut careless_risk(kill), |_| {});
    assert!(signer.sign(foreign, late.nonce, calldata(), EXECUTOR).is_err());
    assert!(signer.signed_count() <= risk.approved_count());
}

#[test]
fn a_signer_does_not_print_its_key() {
    let signer = Signer::new(&key(), policy(), KillSwitch::new());
    let printed = format!("{signer:?} {:?}", key());
    assert!(!printed.contains("4646") && !printed.contains("70, 70"), "{printed}");
}
