//! Tests that run again where mounts, and networks too, are their own. It needs root or unprivileged user namespaces.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Set for a test that runs again.
const INSIDE: &str = "MANYHANDS_TEST_INSIDE";

/// Runs a test where it may mount what it likes.
///
/// `test` is the name of the test that calls this: it runs again there, and then it is `inside`.
pub fn in_own_mounts(test: &str, inside: impl FnOnce()) {
    again(test, &["--mount"], inside);
}

/// … and where there is no network but loopback.
pub fn in_own_network(test: &str, inside: impl FnOnce()) {
    again(test, &["--mount", "--net"], || {
        run("ip", &["link", "set", "lo", "up"]);
        inside();
    });
}

/// What follows would change the machine anywhere else.
pub fn assert_inside() {
    assert!(std::env::var_os(INSIDE).is_some(), "runs in namespaces of its own only");
}

/// A program that must end well.
pub fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program}");
}

fn again(test: &str, namespaces: &[&str], inside: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    // Root needs no user namespace, and inside a chroot gets none.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let user = if is_root { &[][..] } else { &["--user", "--map-root-user"] };
    let done = Command::new("unshare")
        .args(user)
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy;
    assert!(done.status.success(), "{test}: {}{}", text(&done.stdout), text(&done.stderr));
    assert!(text(&done.stdout).contains("1 passed"), "{test} is the name of no test");
}
