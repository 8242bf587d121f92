//! Golden bytes of what becomes of a transaction.

use alphapulse_protocol::message::{NonceLease, Outcome, OutcomeStatus, Submission, Submitted, SubmittedStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, OpportunityId, U256, Wei};

use super::{check, run};

#[test]
fn submission_is_its_golden_bytes() {
    let fee_max = 0x2122_2324_2526_2728_292a_2b2c_2d2e_2f30;
    let fees = (FeePerGas(fee_max), FeePerGas(1_000_000_007));
    let submission = Submission::new(OpportunityId(42), 1_001, run(0xa1), fees, Gas(228_000), BlockNumber(18_884_866));
    check("Submission", submission, (0, 1_700_000_126_000_000_004), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(m.nonce, 1_001);
        assert_eq!(m.tx_hash, run(0xa1));
        assert_eq!(m.fee_max, fee_max);
        assert_eq!(m.priority_fee, 1_000_000_007);
        assert_eq!(m.gas_limit, 228_000);
        assert_eq!(m.block_max, 18_884_866);
    });
}

#[test]
fn submitted_is_its_golden_bytes() {
    let submitted = Submitted::new(OpportunityId(42), 1_001, SubmittedStatus::Unknown);
    check("Submitted", submitted, (0, 1_700_000_126_000_000_005), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(m.nonce, 1_001);
        assert_eq!(SubmittedStatus::from_wire(m.status.get()), Some(SubmittedStatus::Unknown));
    });
}

#[test]
fn outcome_is_its_golden_bytes() {
    let (gas_price, gain) = (0x3132_3334_3536_3738_393a_3b3c_3d3e_3f40, U256::from(1) << 200 | U256::from(3));
    let block = BlockRef { number: BlockNumber(18_884_865), hash: run(0xc1) };
    let outcome = Outcome::new(OpportunityId(42), 1_001, run(0xa1), OutcomeStatus::Final, block).with_receipt(
        Gas(187_655),
        FeePerGas(gas_price),
        gain,
    );
    check("Outcome", outcome, (0, 1_700_000_126_000_000_006), |m| {
        assert_eq!(m.opportunity, 42);
        assert_eq!(m.nonce, 1_001);
        assert_eq!(m.tx_hash, run(0xa1));
        assert_eq!(OutcomeStatus::from_wire(m.status.get()), Some(OutcomeStatus::Final));
        assert_eq!(m.block(), block);
        assert_eq!(m.gas_used, 187_655);
        assert_eq!(m.gas_price, gas_price);
        assert_eq!(m.gain.get(), gain);
        assert_eq!(m.gas_cost(), gas_price.checked_mul(187_655).map(Wei));
    });
}

#[test]
fn nonce_lease_is_its_golden_bytes() {
    check("NonceLease", NonceLease::new(run(0xd1), 1_000, 16), (0, 1_700_000_126_000_000_007), |m| {
        assert_eq!(m.sender, run(0xd1));
        assert_eq!(m.count, 16);
        assert_eq!(m.first, 1_000);
    });
}
