//! `record`: into which folders it goes, and on which chain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use alphapulse_engine::ledger::Manifest;

use crate::command::{Ran, alphapulse, folder};
use crate::config::Configured;
use crate::node::Chain;
use crate::running::Running;

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    names.sort_unstable();
    names
}

/// No node is asked before the folder is looked at, so none is needed.
fn refused(dir: &Path) -> Ran {
    let configured = Configured::with(&[("# listen_unix", "listen_unix")]);
    let before = names(dir);
    let dir_text = dir.to_str().expect("UTF-8");
    let recorded = configured.run(&["record", dir_text]);
    let relayed = configured.run(&["relay", "--journal", dir_text]);
    assert_eq!(names(dir), before);
    assert_eq!((recorded.code, &recorded.stderr), (relayed.code, &relayed.stderr));
    recorded
}

#[test]
fn the_folders_of_runs_and_of_other_things_are_left_alone() {
    let folder = folder();
    let runs = folder.path().join("runs");
    let run = runs.join("20260301-080000");
    Manifest::new(1, false, String::new(), String::new()).create(&run).expect("a new folder");
    // A run without a trade has no record by which its journal could be told from a feed.
    fs::create_dir(run.join("journal")).expect("ours");
    for dir in [run.clone(), run.join("journal")] {
        let whole = fs::canonicalize(&run).expect("it is there").display().to_string();
        refused(&dir).must_fail(1, &["belongs to the run in", &whole, "next: "]);
    }
    refused(&runs).must_fail(1, &["holds no feed", "20260301-080000", "next: "]);
    fs::write(folder.path().join("alphapulse.toml"), "").expect("ours");
    refused(folder.path()).must_fail(1, &["holds no feed", "other things", "next: "]);
    // By another name they are the same.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(run.join("journal"), &link).expect("ours");
    refused(&link).must_fail(1, &["belongs to the run in", "next: "]);
}

/// Waits for a start that is refused; one that is not is ended, and fails.
#[track_caller]
fn end(command: Command) -> Ran {
    let mut running = Running::start(command);
    running.must_say("next: ");
    running.interrupt()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_recorded_by_one_process_and_of_one_chain() {
    let mut first = Chain::start().await;
    let dir = first.path("feed");
    let feed = dir.to_str().expect("UTF-8");
    let mut record = Running::start(first.command(&["record", feed], &[]));
    record.must_say("recording");
    let other = end(first.command(&["record", feed], &[]));
    other.must_fail(1, &["is being written by another process", "next: stop the relay or recorder"]);
    assert!(!other.stderr.contains("relay journal"), "{other:?}");
    first.trade(2).await;
    assert_eq!(record.interrupt().code, Some(130));
    // It is gone on with where it belongs.
    let mut record = Running::start(first.command(&["record", feed], &[]));
    record.must_say("recording");
    assert_eq!(record.interrupt().code, Some(130));

    // Another dev chain has the same id, and blocks of its own where the journal ends.
    let mut second = Chain::start().await;
    second.trade(8).await;
    let before = names(&dir);
    for arguments in [&["record", feed][..], &["relay", "--journal", feed]] {
        let mut command = second.command(arguments, &[]);
        command.env("ALPHAPULSE__RELAY__LISTEN_UNIX", second.path("relay.sock"));
        end(command).must_fail(3, &[feed, "of another chain with the same id", "next: ", "another folder"]);
    }
    assert_eq!(names(&dir), before);
    let verified = Ran::from(alphapulse().args(["journal", "verify", feed]).output().expect("the command starts"));
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
