//! Whole operations against the small peer, without a socket and with a clock that jumps from deadline to deadline.

#[path = "../../tests/peer/mod.rs"]
mod peer;

use std::collections::VecDeque;

use clap::Parser;
use tine::time::Duration;

use self::peer::{Fault, Peer};
use super::*;
use crate::cli::Cli;
use crate::tally::Step;

const TARGET: &str = "192.0.2.1:5060";
const BEGIN: Instant = Instant::from_micros(1_700_000_000_000_000);

struct Sim {
    rooms: Rooms,
    peer: Peer,
    locals: Vec<SocketAddr>,
    /// Everything that was sent, by its first word.
    sent: Vec<String>,
}

impl Sim {
    fn new(arguments: &str, fault: Fault) -> Sim {
        let words = ["tine-load"].into_iter().chain(arguments.split(' ')).chain(["--target", TARGET]);
        let plan = Cli::parse_from(words).plan().unwrap();
        let locals: Vec<SocketAddr> =
            (0..3).map(|port| SocketAddr::from(([192, 0, 2, 7], 7000 + port))).collect();
        let mut rooms = Rooms::new(&plan, &locals, BEGIN, 1);
        let peer = Peer::new(TARGET.parse().unwrap(), fault);
        if rooms.calls.is_some() {
            for endpoint in 0..rooms.cx.endpoints.len() {
                rooms.requests.start(&mut rooms.cx, Purpose::Setup, endpoint, BEGIN, false);
            }
        }
        let mut sim = Sim { rooms, peer, locals, sent: Vec::new() };
        sim.settle();
        sim
    }

    /// Carries everything to where it goes until nothing moves; no time passes.
    fn settle(&mut self) {
        let mut wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)> = VecDeque::new();
        loop {
            for (socket, remote, bytes) in self.rooms.cx.outgoing.drain() {
                let word = String::from_utf8_lossy(&bytes).split("\r\n").next().unwrap().to_owned();
                self.sent.push(word);
                wire.push_back((self.locals[socket as usize], SocketAddr::from(remote), bytes));
            }
            let Some((from, to, bytes)) = wire.pop_front() else { return };
            if to == self.peer.address {
                for (bytes, remote) in self.peer.on_datagram(&bytes, from) {
                    wire.push_back((to, remote, bytes));
                }
            } else {
                let socket = self.locals.iter().position(|local| *local == to).unwrap() as u32;
                let datagram = Datagram { bytes: &bytes, remote: Address::from(from), local: None };
                self.rooms.on_datagram(socket, datagram);
            }
        }
    }

    /// Starts so many operations at once and lets time pass until all have ended, or `length` is over.
    fn run(&mut self, count: u64, length: Duration) {
        let end = self.rooms.cx.now + length;
        for number in 0..count {
            let intended = self.rooms.cx.now;
            self.rooms.start(Start { intended, number, measured: true });
            self.settle();
        }
        while self.rooms.cx.tally.in_flight() > 0 {
            let Some(deadline) = self.rooms.cx.timers.next_deadline().filter(|deadline| *deadline < end)
            else {
                self.rooms.cx.now = end;
                return;
            };
            self.rooms.cx.now = deadline;
            self.rooms.on_timers();
            self.settle();
        }
    }

    fn failures(&self) -> String {
        let failures = self.rooms.cx.tally.failures.iter();
        failures.map(|(cause, count)| format!("{cause} {count}")).collect::<Vec<_>>().join(", ")
    }

    fn sent_count(&self, word: &str) -> usize {
        self.sent.iter().filter(|line| line.starts_with(word)).count()
    }
}

const CALL: &str = "call --users 4 --ring 10 --hold 20";
const FORK: &str = "fork --users 4 --devices 3 --ring 10 --hold 20 --answer last";
/// More than a transaction lives, and less than the default grace.
const LONG: Duration = Duration::from_secs(34);

#[test]
fn operations_succeed_without_a_retransmission() {
    for arguments in [
        "options --users 4",
        "register --users 4",
        CALL,
        "call --users 2",
        FORK,
        "fork --users 2 --devices 9",
    ] {
        let mut sim = Sim::new(arguments, Fault::None);
        sim.run(10, LONG);
        let tally = &sim.rooms.cx.tally;
        assert_eq!((tally.succeeded, sim.failures()), (10, String::new()), "{arguments}");
        assert_eq!((tally.retransmissions_sent, tally.retransmissions_received), (0, 0), "{arguments}");
        assert_eq!((tally.strays, tally.malformed), (0, 0), "{arguments}: {}", tally.first_stray);
        assert_eq!(sim.peer.violations, Vec::<String>::new(), "{arguments}");
    }
}

#[test]
fn each_fault_has_its_own_cause() {
    for (arguments, fault, failures) in [
        ("options", Fault::Silence, "timeout 8"),
        ("options", Fault::Refuse("OPTIONS", 503), "status_503 8"),
        ("options", Fault::Refuse("OPTIONS", 202), "unexpected_status_202 8"),
        ("register", Fault::Refuse("REGISTER", 403), "status_403 8"),
        (CALL, Fault::Refuse("INVITE", 486), "status_486 8"),
        (CALL, Fault::Refuse("INVITE", 302), "unexpected_status_302 8"),
        (CALL, Fault::Refuse("BYE", 481), "status_481 8"),
        (CALL, Fault::LoseEvery("1xx"), "no_provisional 8"),
        (CALL, Fault::LoseEvery("ACK"), "no_ack 8"),
        (CALL, Fault::ChangeToTag, "wrong_dialog 8"),
        (CALL, Fault::SecondFinal, "second_final 8"),
        (FORK, Fault::LoseEvery("CANCEL"), "no_cancel 8"),
        (FORK, Fault::LoseEvery("ACK of 487"), "no_ack_of_487 8"),
    ] {
        let mut sim = Sim::new(arguments, fault);
        sim.run(8, LONG);
        let tally = &sim.rooms.cx.tally;
        assert_eq!(sim.failures(), failures, "{arguments}, {fault:?}");
        assert_eq!((tally.succeeded, tally.in_flight()), (0, 0), "{arguments}, {fault:?}");
        assert_eq!(tally.specimens.len(), 5, "{arguments}, {fault:?}");
        assert!(tally.specimens.iter().all(|kept| failures.starts_with(&kept.cause.to_string())));
    }
}

#[test]
fn what_is_lost_is_sent_again_and_the_call_succeeds() {
    let mut sim = Sim::new(CALL, Fault::LoseFirst);
    sim.run(5, LONG);
    assert_eq!((sim.rooms.cx.tally.succeeded, sim.failures()), (5, String::new()));
    // The peer loses the INVITE and the BYE of each call once on their way in; the 200 once; the ACK once.
    assert_eq!((sim.sent_count("INVITE"), sim.sent_count("BYE")), (10, 10));
    let tally = &sim.rooms.cx.tally;
    assert!(tally.retransmissions_sent >= 4 * 5, "{}", tally.retransmissions_sent);
    // A latency counts from the intended start: the lost INVITE shows in it, and the ringing on top.
    let answered = tally.latency(Step::Invite200);
    assert_eq!(answered.len(), 5);
    assert!(answered.min() >= 509_000, "{}", answered.min());
}

#[test]
fn silence_is_tried_seven_times_by_invite_and_eleven_times_by_others() {
    let mut sim = Sim::new("options", Fault::Silence);
    sim.run(1, LONG);
    assert_eq!(sim.sent_count("OPTIONS"), 11);
    assert_eq!(sim.rooms.cx.tally.specimens[0].after.as_secs(), 32);

    let mut sim = Sim::new("call", Fault::None);
    sim.peer = Peer::new(sim.peer.address, Fault::Silence);
    sim.run(1, LONG);
    assert_eq!((sim.sent_count("INVITE"), sim.failures()), (7, "timeout 1".to_owned()));
}

#[test]
fn a_register_that_overlaps_another_has_a_call_id_of_its_own() {
    let mut sim = Sim::new("register --users 2", Fault::Silence);
    for number in 0..4 {
        sim.rooms.start(Start { intended: BEGIN, number, measured: true });
    }
    let value = |bytes: &[u8], name: &str| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.to_owned())).unwrap()
    };
    let seen: Vec<(String, String)> = (sim.rooms.cx.outgoing.drain())
        .map(|(_, _, bytes)| (value(&bytes, "Call-ID: "), value(&bytes, "CSeq: ")))
        .collect();
    let mut call_ids: Vec<&str> = seen.iter().map(|(call_id, _)| call_id.as_str()).collect();
    call_ids.sort_unstable();
    call_ids.dedup();
    assert_eq!(call_ids.len(), 4, "{seen:?}");
    assert_eq!((seen[0].1.as_str(), seen[2].1.as_str()), ("1 REGISTER", "2 REGISTER"));
}

#[test]
fn what_is_in_flight_when_the_grace_is_over_has_failed() {
    for arguments in ["call --hold 60000", "fork --ring 60000", "options"] {
        let fault = if arguments == "options" { Fault::Silence } else { Fault::None };
        let mut sim = Sim::new(arguments, fault);
        sim.run(3, Duration::from_secs(20));
        assert_eq!(sim.rooms.cx.tally.in_flight(), 3, "{arguments}");
        sim.rooms.give_up();
        assert_eq!(sim.failures(), "timeout 3", "{arguments}");
    }
}

#[test]
fn forks_are_counted_device_by_device() {
    for (answer, won) in [("first", [6, 0, 0]), ("last", [0, 0, 6]), ("1", [0, 6, 0])] {
        let mut sim =
            Sim::new(&format!("fork --users 4 --devices 3 --ring 10 --answer {answer}"), Fault::None);
        sim.run(6, LONG);
        let forks = &sim.rooms.cx.tally.forks;
        assert_eq!((forks.rang, forks.cancelled, forks.acked_487, forks.to_tags_max), (18, 12, 12, 3));
        assert_eq!(forks.won, won);
    }
    let mut sim = Sim::new("fork --users 4 --devices 3 --ring 10 --answer random", Fault::None);
    sim.run(60, LONG);
    let won = &sim.rooms.cx.tally.forks.won;
    assert_eq!(won.iter().sum::<u64>(), 60);
    assert!(won.iter().all(|won| *won > 5), "{won:?}");
}

#[test]
fn requests_out_of_place_are_answered_sensibly() {
    let mut sim = Sim::new("call --users 2", Fault::None);
    let request = |method: &str| {
        format!(
            "{method} sip:u000001-0@192.0.2.7:7001 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:u000001@b>;tag=2\r\nCall-ID: other\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for (method, status) in [
        ("OPTIONS", "200"),
        ("BYE", "481"),
        ("CANCEL", "481"),
        ("INVITE", "480"),
        ("MESSAGE", "405"),
        ("ACK", ""),
    ] {
        let bytes = request(method).into_bytes();
        let remote = Address::from(sim.peer.address);
        sim.rooms.on_datagram(1, Datagram { bytes: &bytes, remote, local: None });
        let answers: Vec<String> =
            sim.rooms.cx.outgoing.drain().map(|(_, _, bytes)| String::from_utf8(bytes).unwrap()).collect();
        match answers.as_slice() {
            [] => assert_eq!(status, "", "{method}"),
            [answer] => {
                assert_eq!(answer[8..11], *status, "{method}");
                assert!(
                    answer.contains(&format!("CSeq: 1 {method}\r\n"))
                        && answer.contains("Call-ID: other\r\n")
                );
            }
            _ => panic!("{method}: {answers:?}"),
        }
    }
    for bytes in
        [&b"\r\n\r\n"[..], b"\x00", b"nonsense", b"SIP/2.0 200 OK\r\n\r\n", b"INVITE sip:a SIP/2.0\r\n\r\n"]
    {
        let remote = Address::from(sim.peer.address);
        sim.rooms.on_datagram(0, Datagram { bytes, remote, local: None });
        assert_eq!(sim.rooms.cx.outgoing.drain().count(), 0);
    }
    assert_eq!(sim.rooms.cx.tally.malformed, 2);
}

#[test]
fn a_call_that_has_ended_is_cancelled_and_refused_without_its_record() {
    let mut sim = Sim::new("call --users 2 --ring 1000", Fault::None);
    sim.run(1, Duration::from_millis(500));
    sim.rooms.give_up();
    // The proxy gives up too: its CANCEL gets a 200, and its INVITE the 487 that it waits for.
    let call_id = sim.rooms.cx.tally.specimens[0].what.split(' ').nth(1).unwrap().to_owned();
    let cancel = format!(
        "CANCEL sip:u000001-0@192.0.2.7:7001 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nCSeq: 1 CANCEL\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:u000001@b>\r\nCall-ID: {call_id}@tine-load\r\nContent-Length: 0\r\n\r\n"
    );
    let remote = Address::from(sim.peer.address);
    sim.rooms.on_datagram(1, Datagram { bytes: cancel.as_bytes(), remote, local: None });
    let answers: Vec<String> =
        sim.rooms.cx.outgoing.drain().map(|(_, _, bytes)| String::from_utf8(bytes).unwrap()).collect();
    assert!(
        answers[0].starts_with("SIP/2.0 200") && answers[0].contains("CSeq: 1 CANCEL\r\n"),
        "{answers:?}"
    );
    assert!(
        answers[1].starts_with("SIP/2.0 487") && answers[1].contains("CSeq: 1 INVITE\r\n"),
        "{answers:?}"
    );
    assert!(!answers[1].contains("CANCEL"));
}
