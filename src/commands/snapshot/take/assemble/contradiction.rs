//! Whether a pool answers as what was read of it does.

use alloy::primitives::Address;
use alphapulse_protocol::replica::PoolInfo;
use alphapulse_protocol::values::PoolDetails;
use alphapulse_relay::source::read::{PoolRead, Told};
use alphapulse_strategies::QuoteError;
use alphapulse_strategies::snapshot::{Amount, Answer, NoAnswer, PoolName, Query, Snapshot};

/// How a file names a pool.
pub(super) fn name(info: &PoolInfo) -> PoolName {
    let id = match &info.details {
        PoolDetails::V4(details) => Some(details.pool_id),
        PoolDetails::MultiToken(details) => Some(details.pool_id).filter(|id| *id != [0; 32]),
        PoolDetails::None => None,
    };
    id.map_or(PoolName::Address(info.address), PoolName::Id)
}

/// What a pool answers that its state in the file does not: its contract is none of those whose arithmetic is known, or what was
/// read is not what it reckons with. `None` where they agree, and where the file does not hold the pool.
pub(super) fn contradiction(file: &Snapshot, read: &PoolRead) -> Option<String> {
    let pool = name(&read.image.info);
    file.pool(&pool)?.sound()?;
    read.told.iter().find_map(|told| {
        let query = Query {
            pool,
            token_in: told.token_in.into_array(),
            token_out: told.token_out.into_array(),
            amount: Amount::In(Some(told.amount_in)),
        };
        differ(told, file.quote(&query))
    })
}

fn differ(told: &Told, ours: Answer) -> Option<String> {
    let ours = match (ours, told.amount_out) {
        (Answer::Out { amount_out, .. }, Some(theirs)) if amount_out == theirs => return None,
        // A refusal is as good as nothing.
        (Answer::None(_), theirs) if theirs.is_none_or(|theirs| theirs.is_zero()) => return None,
        // Some views answer while swaps are refused.
        (Answer::None(NoAnswer::Refused(QuoteError::Paused)), _) => return None,
        (Answer::Out { amount_out, .. }, _) => amount_out.to_string(),
        (ours, _) => ours.to_string(),
    };
    let theirs = told.amount_out.map_or("refuses".to_owned(), |theirs| format!("answers {theirs}"));
    let [token_in, token_out] = [told.token_in, told.token_out].map(|token: Address| format!("{token:#x}"));
    Some(format!(
        "for {} of {token_in} in {token_out} its contract {theirs}, and what was read of it answers {ours}: \
         it reckons in a way that is not known",
        told.amount_in
    ))
}
