//! The kit, as every other test here gets it.

use alphapulse_testnet::Kit;

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
