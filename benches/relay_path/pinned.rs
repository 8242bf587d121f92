//! Threads of a bench on cores of their own, where there are some.

use std::sync::OnceLock;
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Cores of this process. Asked for once, before the first hold: a held thread, and those that it starts, see one.
static CORES: OnceLock<usize> = OnceLock::new();

/// Holds the calling thread on a core, counted anew from the first when there are fewer.
pub(crate) fn hold(core: usize) {
    let cores = *CORES.get_or_init(|| thread::available_parallelism().map_or(1, |cores| cores.get()));
    let mut set = CpuSet::new();
    set.set(core % cores);
    // Where it is not allowed the figures are noisier, and that is all.
    let _ = sched_setaffinity(None, &set);
}

/// Lets the calling thread run on every core again: who is started by a held thread is held as well.
pub(crate) fn release() {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    let _ = sched_setaffinity(None, &set);
}
