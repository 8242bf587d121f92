//! What a figure was measured on, and what disturbed it.

use std::fs;
use std::process::Command;
use std::time::Instant;

/// Lines that name machine, compiler and source.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cpu = line_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
    let cores = std::thread::available_parallelism().map_or_else(|_| unknown(), |count| count.to_string());
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    vec![
        ("date", run("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", run("git", &["describe", "--always", "--dirty", "--abbrev=12"])),
        ("cpu", format!("{cpu}, {cores} cores seen")),
        ("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown)),
        ("compiler", run("rustc", &["-V"])),
        (
            "governor",
            read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").unwrap_or_else(|| "not readable".to_owned()),
        ),
        ("clock", read("/sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_else(unknown)),
        ("clock resolution", format!("{} ns", clock_resolution_ns())),
    ]
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or_else(unknown, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn line_of(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Least step that the clock was seen to make.
pub(crate) fn clock_resolution_ns() -> u128 {
    let step = |_| {
        let start = Instant::now();
        std::iter::repeat_with(|| start.elapsed().as_nanos()).find(|elapsed| *elapsed > 0)
    };
    (0..1_000).filter_map(step).min().unwrap_or(0)
}

/// Counters of the system that tell whether others used the cores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disturbance {
    /// Ticks of 10 ms that the host gave to other guests.
    steal: u64,
    /// Ticks of 10 ms in which a core was busy, ours or not.
    busy: u64,
    /// Times that this process was made to wait for a core.
    preempted: u64,
}

impl Disturbance {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> =
            stat.lines().next().unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
        let preempted = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().filter_map(|task| {
            let status = task.path().join("status");
            line_of(status.to_str()?, "nonvoluntary_ctxt_switches")?.parse::<u64>().ok()
        });
        Self { steal: at(7), busy: at(0) + at(1) + at(2), preempted: preempted.sum() }
    }

    /// What happened since `before`.
    pub(crate) fn since(self, before: Self) -> String {
        format!(
            "{} ms stolen by the host, {} ms busy on all cores, {} times preempted",
            (self.steal - before.steal) * 10,
            (self.busy - before.busy) * 10,
            self.preempted.saturating_sub(before.preempted)
        )
    }
}
