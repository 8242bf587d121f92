//! A recorded run replays to the decisions it made, every time.

use std::collections::BTreeMap;

use alphapulse_engine::ledger::JOURNAL_FOLDER;
use alphapulse_engine::replay::replay;
use alphapulse_protocol::message::{Found, Message, OutcomeStatus};
use alphapulse_relay::journal::JournalReader;
use alphapulse_strategies::{Registry, StrategyKind};
use alphapulse_testnet::session::SessionOptions;
use alphapulse_testnet::validate::{ValidateOptions, validate};

use crate::kit::kit;

/// Bytes of a record without its header, whose sequence and time belong to the record and not to the decision.
fn body(message: &Message<'_>) -> Option<Vec<u8>> {
    match message {
        Message::Opportunity(found) => Some(message.as_bytes()[size_of_val(&found.header)..].to_vec()),
        Message::SwapPlan(found) => Some(message.as_bytes()[size_of_val(&found.header)..].to_vec()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replays_of_a_live_run_decide_as_it_did() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let run_dir = folder.path().join("run");
    let options = ValidateOptions { blocks: 12, session: SessionOptions::standard(4, Some(run_dir.clone())) };
    let report = validate(&kit(), &options, &mut |_| {}).await.expect("validation runs");
    assert!(report.included > 0, "{report:?}");

    let mut live = Vec::new();
    let mut journal = JournalReader::open(run_dir.join(JOURNAL_FOLDER)).expect("the run has a journal");
    while let Some(message) = journal.next_message().expect("the journal is whole") {
        live.extend(body(&message));
    }
    assert_eq!(live.len() as u64, report.opportunities);

    let mut found = Vec::new();
    let first =
        replay(&run_dir, &Registry::built_in(), |decision| found.extend(body(decision))).expect("the run replays");
    let second = replay(&run_dir, &Registry::built_in(), |_| {}).expect("the run replays again");
    assert_eq!(found, live, "a replay finds what the live run found, byte for byte");
    assert_eq!(first.decision_hash, second.decision_hash);
    assert_eq!(first.decision_hash, first.recorded_decision_hash);
    assert_eq!((first.opportunities, first.approved), (report.opportunities, report.approved));
}

/// A strategy that splits and joins routes, alone: the contract makes its plans, each gains what was said to the wei, and a replay finds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_of_swaps_are_made_on_chain_and_replayed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let run_dir = folder.path().join("run");
    let session =
        SessionOptions { strategies: vec![StrategyKind::JOINT], ..SessionOptions::standard(5, Some(run_dir.clone())) };
    let report =
        validate(&kit(), &ValidateOptions { blocks: 16, session }, &mut |_| {}).await.expect("validation runs");
    assert_eq!((report.reverted, report.unknown, report.mismatched_predictions), (0, 0, 0), "{report:?}");
    assert!(report.ledger_matches_chain, "{report:?}");

    let (mut plans, mut gains) = (BTreeMap::new(), BTreeMap::new());
    let mut journal = JournalReader::open(run_dir.join(JOURNAL_FOLDER)).expect("the run has a journal");
    while let Some(message) = journal.next_message().expect("the journal is whole") {
        match message {
            Message::SwapPlan(plan) => {
                let found = Found::from(plan);
                plans.insert(found.opportunity.0, (found.profit(), found.hops.len()));
            }
            Message::Outcome(outcome) if outcome.status.get() == OutcomeStatus::Included as u16 => {
                gains.insert(outcome.opportunity.get(), outcome.gain.get());
            }
            _ => {}
        }
    }
    let made: Vec<_> = plans.iter().filter(|(id, _)| gains.contains_key(id)).collect();
    assert!(made.len() >= 5 && made.iter().any(|(_, (_, swaps))| *swaps > 4), "{plans:?}, of which {made:?}");
    for (id, (profit, _)) in made {
        assert_eq!(gains[id], *profit, "opportunity {id}");
    }
    let again = replay(&run_dir, &Registry::built_in(), |_| {}).expect("the run replays");
    assert_eq!(again.decision_hash, again.recorded_decision_hash);
    assert_eq!((again.opportunities, again.approved), (report.opportunities, report.approved));
}
