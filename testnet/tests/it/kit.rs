//! The kit, as every other test here gets it.

use alphapulse_testnet::{Kit, KitError};

/// The installed kit; installs it first where it is absent.
pub(crate) fn kit() -> Kit {
    Kit::ensure(&mut |line| eprintln!("{line}")).expect("test kit installs")
}

#[test]
fn second_ensure_does_nothing() {
    kit();
    let mut lines = 0;
    Kit::ensure(&mut |_| lines += 1).expect("test kit is installed");
    assert_eq!(lines, 0);
}

#[test]
fn two_installations_at_once_are_one() {
    let installed = kit();
    let folder = tempfile::tempdir().expect("temporary folder");
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(installed.folder().join(file), folder.path().join(file)).expect("copies");
    }
    let install = || {
        let mut lines = Vec::new();
        Kit::ensure_at(folder.path(), &mut |line| lines.push(line.to_owned())).map(|kit| (kit, lines))
    };
    let results = std::thread::scope(|scope| {
        let threads = [scope.spawn(install), scope.spawn(install)];
        threads.map(|thread| thread.join().expect("no panic").expect("installs"))
    });
    let installations = results.iter().filter(|(_, lines)| lines.iter().any(|line| line.contains("installed in")));
    assert_eq!(installations.count(), 1);
    for (kit, _) in results {
        assert!(kit.anvil().expect("platform is supported").is_file());
    }
}

#[test]
fn failed_installation_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("package.json"), "{}").expect("writes");
    std::fs::write(folder.path().join("package-lock.json"), "{ damaged").expect("writes");
    let error = Kit::ensure_at(folder.path(), &mut |_| {}).expect_err("the lock file is damaged");
    assert!(matches!(error, KitError::InstallFailed { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&folder.path().display().to_string()) && text.contains("run again"), "{text}");
}
