//! Fewer trades: without those that earn less than they cost.

use super::STEPS_MAX;
use super::descent::Descent;
use super::flows::Lines;

/// The first bunch is such a part of all.
const FIRST_BUNCH: usize = 16;

/// Leaves pools out as long as what is earned less what the trades cost rises by it. The best choice of pools is a hard problem (mixed
/// integer); this one is made pool by pool and bunch by bunch, the least first.
///
/// A pool that gains more than it costs is never worth leaving out: at these prices the rest gains less by as much, and at the best prices no
/// more. One that gains less may still be needed, as the deep pool is by which a shallow one is paid, so each is tried.
pub(super) fn thin(descent: &mut Descent<'_>, pools: &mut Vec<Lines>, cost: f64) {
    // By the places of their lines.
    let mut needed: Vec<usize> = Vec::new();
    let mut bunch = descent.trades().count() / FIRST_BUNCH + 1;
    loop {
        let mut small: Vec<(f64, usize)> = descent.trades().filter(|(gain, _)| *gain < cost).collect();
        small.retain(|(_, place)| !needed.contains(place));
        if small.is_empty() || descent.is_spent() {
            return;
        }
        small.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        small.truncate(bunch.min(small.len()));
        let (before, net) = (descent.place(), descent.net(cost));
        let is_kept = |lines: &&Lines| small.iter().all(|(_, place)| !lines.contains(place));
        let kept: Vec<Lines> = pools.iter().filter(is_kept).cloned().collect();
        descent.settle(&kept, STEPS_MAX);
        if descent.net(cost) > net {
            *pools = kept;
        } else {
            descent.return_to(before);
            match small.len() {
                1 => needed.push(small[0].1),
                count => bunch = count / 2,
            }
        }
    }
}
