//! The command line of the real binary: exit codes, what goes to which output, signals, and the HTTP paths.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod node;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A directory of its own for one test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tine-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `tine` to its end; one that does not end by itself is ended, and fails the test.
fn tine(arguments: &[&str], directory: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tine"))
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let has_ended = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        child.try_wait().unwrap().is_some()
    });
    if !has_ended {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(has_ended, "{arguments:?} goes on: {}", text(&output.stdout));
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const WRONG: &str = "\
[node]
nmae = \"edge\"
shards = 300

[fork]
order = \"sequential\"
  late = 1

[[listen]]
address = \"here\"
";

const WRONG_TOLD: &str = "\
wrong.toml:2:1: node.nmae: unknown key, did you mean \"name\"?
wrong.toml:3:10: node.shards: 300 is out of range, allowed: an integer from 0 to 255
wrong.toml:6:9: fork.order: not yet supported, allowed: \"q\", \"parallel\"
wrong.toml:7:10: fork.late: is an integer, allowed: true or false
wrong.toml:10:11: listen[0].address: \"here\" is not valid, allowed: ip:port with the port from 0 to 65535, \
IPv6 in brackets, as in 192.0.2.1:5060 or [2001:db8::1]:5060
";

#[test]
fn check_tells_every_error_with_its_place() {
    let scratch = Scratch::new("check-wrong");
    scratch.write("wrong.toml", WRONG);
    let output = tine(&["check", "-c", "wrong.toml"], &scratch.0);
    assert_eq!(text(&output.stderr), WRONG_TOLD);
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn run_refuses_a_wrong_file_with_the_same_errors() {
    let scratch = Scratch::new("run-wrong");
    scratch.write("wrong.toml", WRONG);
    for arguments in [&["run", "-c", "wrong.toml"][..], &["-c", "wrong.toml"]] {
        let output = tine(arguments, &scratch.0);
        assert_eq!(text(&output.stderr), WRONG_TOLD, "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn check_sums_up_a_right_file() {
    let scratch = Scratch::new("check-right");
    scratch
        .write("tine.toml", "[[listen]]\naddress = \"192.0.2.1:5060\"\nadvertise = \"edge.example.com\"\n");
    let output = tine(&["check", "-c", "tine.toml"], &scratch.0);
    let summary = text(&output.stdout);
    assert!(summary.starts_with("tine.toml: ok\n"), "{summary}");
    assert!(
        summary.contains("listen udp 192.0.2.1:5060 in zone access, advertised as edge.example.com\n"),
        "{summary}"
    );
    assert!(text(&output.stderr).starts_with("warning: the registrar is open"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let scratch = Scratch::new("check-files");
    scratch.write("latin.toml", b"[node]\nname = \"t\xefne\"\n");
    scratch.write("key.toml", "[node]\nkey_file = \"short.key\"\n");
    scratch.write("short.key", [7; 31]);
    scratch.write("no-key.toml", "[node]\nkey_file = \"missing.key\"\n");
    let table = [
        ("none.toml", "none.toml: can not be read: "),
        ("latin.toml", "latin.toml:2:10: is not UTF-8"),
        ("key.toml", "key.toml:2:12: node.key_file: short.key holds 31 bytes, allowed: exactly 32"),
        ("no-key.toml", "no-key.toml:2:12: node.key_file: missing.key can not be read "),
    ];
    for (file, told) in table {
        let output = tine(&["check", "-c", file], &scratch.0);
        assert!(text(&output.stderr).starts_with(told), "{file}: {}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{file}");
    }
}

#[test]
fn a_key_file_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("check-key");
    let key = scratch.write("node.key", [7; 32]);
    scratch.write("tine.toml", "[node]\nkey_file = \"node.key\"\n");
    for (mode, is_warned) in [(0o600, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let output = tine(&["check", "-c", "tine.toml"], &scratch.0);
        assert_eq!(output.status.code(), Some(0), "{mode:o}");
        assert_eq!(text(&output.stderr).contains("node.key_file"), is_warned, "{mode:o}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let here = std::env::temp_dir();
    let help = tine(&["--help"], &here);
    assert_eq!(help.status.code(), Some(0));
    for word in ["run", "check", "--config", "Exit codes"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    let version = tine(&["--version"], &here);
    assert_eq!(text(&version.stdout), concat!("tine ", env!("CARGO_PKG_VERSION"), "\n"));
    for arguments in [&["explode"][..], &["check"], &["run", "--port", "5060"]] {
        let output = tine(arguments, &here);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}
