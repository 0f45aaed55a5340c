//! The program itself, against a small registrar and proxy on loopback.

mod peer;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use peer::{Fault, Peer};
use serde_json::Value;

/// A peer on a thread of its own, and where it listens.
struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Peer>,
}

impl Running {
    fn start(fault: Fault) -> Running {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let address = socket.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().spawn(move || {
            let mut peer = Peer::new(address, fault);
            let mut bytes = vec![0; 65_535];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut bytes) else { continue };
                for (packet, to) in peer.on_datagram(&bytes[..len], from) {
                    let _ = socket.send_to(&packet, to);
                }
            }
            peer
        });
        Running { address, stop, thread: thread.expect("a thread") }
    }

    fn stop(self) -> Peer {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the peer met nothing that it does not know")
    }
}

fn run(arguments: &str, target: SocketAddr) -> (Output, Value) {
    let words: Vec<&str> = arguments.split(' ').collect();
    let json: PathBuf = std::env::temp_dir().join(format!("tine-load-{}-{}.json", words[0], target.port()));
    let output = Command::new(env!("CARGO_BIN_EXE_tine-load"))
        .args(&words)
        .args(["--target", &target.to_string(), "--json"])
        .arg(&json)
        .output()
        .expect("the program starts");
    let summary = std::fs::read(&json).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let _ = std::fs::remove_file(&json);
    (output, summary.unwrap_or(Value::Null))
}

fn assert_held(output: &Output, summary: &Value, count: u64) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(summary["attempted"], count, "{summary:#}");
    assert_eq!(summary["succeeded"], count, "{summary:#}");
    assert_eq!(summary["failed"], 0, "{summary:#}");
}

#[test]
fn options_are_answered() {
    let peer = Running::start(Fault::None);
    let (output, summary) = run("options --count 50 --rate 500 --users 7 --quiet", peer.address);
    assert_held(&output, &summary, 50);
    assert_eq!((&summary["workload"], &summary["transport"]), (&"options".into(), &"udp".into()));
    assert_eq!(summary["latency"]["options_200"]["count"], 50);
    assert!(summary["latency"]["register_200"].is_null() && summary["forks"].is_null());
    assert!(summary["process"].is_null());
    assert!(output.stderr.is_empty(), "--quiet");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("options_200") && table.contains("attempted 50"), "{table}");
    assert_eq!(peer.stop().violations, Vec::<String>::new());
}

#[test]
fn registrations_stay_unless_they_are_removed() {
    for (option, left) in [("", 10), (" --unregister", 0)] {
        let peer = Running::start(Fault::None);
        let (output, summary) = run(
            &format!("register --count 40 --rate 400 --users 10 --expires 60 --quiet{option}"),
            peer.address,
        );
        assert_held(&output, &summary, 40);
        assert_eq!(summary["latency"]["register_200"]["count"], 40);
        let peer = peer.stop();
        assert_eq!(peer.violations, Vec::<String>::new());
        assert_eq!(peer.bindings.values().map(Vec::len).sum::<usize>(), left);
    }
}

#[test]
fn calls_reach_their_users_and_leave_nothing_behind() {
    let peer = Running::start(Fault::None);
    let own_pid = std::process::id();
    let (output, summary) = run(
        &format!("call --count 60 --rate 300 --users 20 --ring 5 --hold 5 --quiet --pid {own_pid}"),
        peer.address,
    );
    assert_held(&output, &summary, 60);
    for step in ["invite_100", "invite_18x", "invite_200", "bye_200"] {
        assert_eq!(summary["latency"][step]["count"], 60, "{step}");
    }
    assert!(summary["latency"]["invite_200"]["p50"].as_u64() >= Some(5_000), "the phone rings for 5 ms");
    assert_eq!(summary["process"]["pid"], own_pid);
    assert!(summary["process"]["rss_bytes_after"].as_u64() > Some(0));
    let peer = peer.stop();
    assert_eq!(peer.violations, Vec::<String>::new());
    assert_eq!(peer.bindings.values().map(Vec::len).sum::<usize>(), 0);
    assert_eq!(peer.bindings.len(), 20);
}

#[test]
fn three_devices_ring_and_the_losers_are_cancelled() {
    let peer = Running::start(Fault::None);
    let (output, summary) = run(
        "fork --count 30 --rate 300 --users 10 --devices 3 --ring 30 --answer 1 --sockets per-user --quiet",
        peer.address,
    );
    assert_held(&output, &summary, 30);
    let forks = &summary["forks"];
    assert_eq!(forks["won"], serde_json::json!([0, 30, 0]));
    assert_eq!((&forks["rang"], &forks["cancelled"]), (&90.into(), &60.into()));
    assert_eq!((&forks["acked_487"], &forks["devices"]), (&60.into(), &3.into()));
    assert_eq!(summary["latency"]["cancel_to_losers"]["count"], 60);
    assert_eq!(peer.stop().violations, Vec::<String>::new());
}

#[test]
fn a_refusal_is_counted_by_cause_and_shown_whole() {
    let peer = Running::start(Fault::Refuse("OPTIONS", 503));
    let (output, summary) = run("options --count 9 --rate 900 --quiet", peer.address);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(summary["failures"], serde_json::json!({ "status_503": 9 }));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.matches("| SIP/2.0 503 Whatever").count(), 5, "{errors}");
    peer.stop();
}

#[test]
fn calls_fail_and_recover_as_they_should() {
    for (fault, failures) in [
        (Fault::Refuse("INVITE", 486), serde_json::json!({ "status_486": 6 })),
        (Fault::Refuse("BYE", 481), serde_json::json!({ "status_481": 6 })),
        (Fault::LoseEvery("1xx"), serde_json::json!({ "no_provisional": 6 })),
        (Fault::LoseFirst, serde_json::json!({})),
    ] {
        let peer = Running::start(fault);
        let (output, summary) = run("call --count 6 --rate 600 --users 6 --quiet", peer.address);
        assert_eq!(summary["failures"], failures, "{fault:?}");
        assert_eq!(output.status.code(), Some(i32::from(fault != Fault::LoseFirst)), "{fault:?}");
        assert_eq!(
            fault == Fault::LoseFirst,
            summary["retransmissions"]["sent"] != 0,
            "{fault:?}: {summary:#}"
        );
        peer.stop();
    }
}

#[test]
fn users_that_nobody_registers_end_the_run() {
    let peer = Running::start(Fault::Refuse("REGISTER", 403));
    let (output, summary) = run("call --count 9 --users 4 --quiet", peer.address);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(summary["failures"], serde_json::json!({ "registration": 4 }));
    peer.stop();
}

#[test]
fn a_wrong_environment_is_exit_code_2() {
    let target = "127.0.0.1:5060".parse().expect("an address");
    for (arguments, word) in [
        ("call --transport wss", "wss"),
        ("call --shards 4", "--shards"),
        ("options --pid 4294967294", "--pid"),
        ("options --cpus 1023", "--cpus"),
        ("options --sockets per-user --users 100000", "sockets"),
        ("options --csv x.csv", "--csv"),
    ] {
        let (output, _) = run(arguments, target);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
        assert!(errors.contains(word), "{arguments}: {errors}");
        assert!(output.stdout.is_empty());
    }
}
