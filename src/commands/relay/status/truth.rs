//! How the comparison with the chain stands, and the pools that nobody may trade on.

use alphapulse_relay::{QuarantinedPool, RelayStatus};

use super::foreign;
use crate::exit::Failure;
use crate::output::Output;

pub(super) fn show(status: &RelayStatus, output: &mut Output) -> Result<(), Failure> {
    let (truth, stats) = (&status.truth, &status.stats);
    if truth.enabled {
        output.line(format_args!(
            "truth     {} pools a block; {} asked for = {} equal + {} differed + {} read anew + {} unread + {} void",
            truth.sample_pools,
            stats.truth_sampled,
            stats.truth_equal,
            stats.truth_diverged,
            stats.truth_read,
            stats.truth_unread,
            stats.truth_void,
        ))?;
        output.line(format_args!(
            "          {} told anew, {} relapsed, {} re-admitted, {} not told; {} wavered; {} blocks skipped",
            stats.truth_resynced,
            stats.truth_relapsed,
            stats.truth_readmitted,
            stats.truth_untold,
            stats.truth_wavered,
            stats.truth_skipped,
        ))?;
    } else if stats.truth_ended > 0 {
        output.line("truth     ENDED by itself: no pool is compared with the chain any more; see the relay's log, and start it again")?;
    } else {
        output.line("truth     off: no pool is compared with the chain (relay.sample_pools = 0, or a recording)")?;
    }
    truth.quarantined.iter().try_for_each(|pool| output.line(line(pool)))
}

/// A pool in quarantine: what differed after which block, and where it is on its way.
fn line(pool: &QuarantinedPool) -> String {
    let (address, kind, stage) = (foreign(&pool.address), foreign(&pool.kind), foreign(&pool.stage));
    let parts = if pool.parts.is_empty() { "not known".to_owned() } else { foreign(&pool.parts.join(", ")) };
    let value = |value: &Option<String>| value.as_deref().map_or("?".to_owned(), foreign);
    let differed = match &pool.field {
        Some(field) => {
            let (ours, theirs) = (value(&pool.ours), value(&pool.theirs));
            format!("{} is {ours} in the stream and {theirs} on the chain ({parts})", foreign(field))
        }
        None => format!("differed: {parts}"),
    };
    let compared = pool.compared_block.map_or_else(String::new, |block| format!(", compared after block {block}"));
    let read = pool.read_block.map_or_else(String::new, |block| format!(", read after block {block}"));
    let failures = pool.failures;
    format!(
        "QUARANTINED  {address} ({kind}, id {}): {differed}{compared}{read}; {stage}, {failures} failures",
        pool.pool
    )
}
