//! The reference story: a desk phone, a phone and a tablet under one AOR; all ring, the phone answers, the others are cancelled.

use crate::network::{Network, Sent, invite, options};
use tine::shard::Options;

const CALLER: &str = "198.51.100.9:5060";
const DESK: &str = "203.0.113.1:5061";
const PHONE: &str = "203.0.113.2:5062";
const TABLET: &str = "203.0.113.3:5063";

/// The same story with one shard, and with four on which messages arrive in turn.
fn networks() -> [Network; 2] {
    [1, 4].map(|shards| Network::with(Options { shards, ..options() }))
}

/// All three registered, the INVITE forked, everybody ringing.
fn ringing(network: &mut Network) -> [Sent; 3] {
    for device in [DESK, PHONE, TABLET] {
        network.register("bob", device, "");
    }
    network.send(CALLER, &invite("bob", CALLER, "i1"));
    network.expect(CALLER, "SIP/2.0 100 Trying");
    let forks = [DESK, PHONE, TABLET].map(|device| network.expect_any(device, "INVITE sip:bob@"));
    network.expect_nothing();
    for (fork, device) in forks.iter().zip([DESK, PHONE, TABLET]) {
        network.send(device, &fork.respond("180 Ringing", device, ""));
        let up = network.expect(CALLER, "SIP/2.0 180 Ringing");
        assert!(up.header("To").ends_with(device), "To tags pass untouched");
        assert_eq!(up.headers("Via").count(), 1);
    }
    forks
}

#[test]
fn three_devices_ring_and_one_answers() {
    networks().into_iter().for_each(three_devices_ring_and_one_answers_in);
}

fn three_devices_ring_and_one_answers_in(mut network: Network) {
    let forks = ringing(&mut network);
    for fork in &forks {
        assert_eq!(fork.headers("Via").count(), 2);
        assert_eq!(fork.header("Max-Forwards"), "69");
        assert_eq!(fork.headers("Record-Route").count(), 2);
        assert_eq!(fork.request_uri(), format!("sip:bob@{}", fork.to));
    }
    let [desk, phone, tablet] = forks;

    network.send(PHONE, &phone.respond("200 OK", "phone", &format!("Contact: <sip:bob@{PHONE}>\n")));
    let answer = network.expect(CALLER, "SIP/2.0 200 OK");
    for (device, fork) in [(TABLET, &tablet), (DESK, &desk)] {
        let cancel = network.expect_any(device, "CANCEL sip:bob@");
        assert_eq!(cancel.header("Via"), fork.header("Via"), "the CANCEL has the branch of its INVITE alone");
        assert_eq!(cancel.headers("Via").count(), 1);
        assert_eq!(cancel.header("CSeq"), "1 CANCEL");
        assert_eq!(cancel.header("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
        network.send(device, &cancel.respond("200 OK", "x", ""));
        network.send(device, &fork.respond("487 Request Terminated", "x", ""));
        let ack = network.expect_any(device, "ACK sip:bob@");
        assert_eq!(ack.header("Via"), fork.header("Via"));
        assert!(ack.header("To").ends_with(";tag=x"));
    }
    network.expect_nothing();

    // The caller's route set is the Record-Route of the answer, reversed (RFC 3261 §12.1.2).
    let mut routes: Vec<&str> = answer.headers("Record-Route").collect();
    routes.reverse();
    let routes: String = routes.iter().map(|route| format!("Route: {route}\n")).collect();
    let in_dialog = |method: &str, cseq: u32, branch: &str| {
        format!(
            "{method} sip:bob@{PHONE} SIP/2.0\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{branch};rport\n{routes}Max-Forwards: 70\n\
             From: <sip:caller@example.com>;tag=c1\nTo: <sip:bob@example.com>;tag=phone\nCall-ID: call-1\nCSeq: {cseq} {method}\nContent-Length: 0\n\n"
        )
    };
    network.send(CALLER, &in_dialog("ACK", 1, "a1"));
    let ack = network.expect(PHONE, "ACK sip:bob@203.0.113.2:5062 SIP/2.0");
    assert_eq!(ack.headers("Route").count(), 0, "our own Routes are set aside");
    assert_eq!(ack.headers("Via").count(), 2);
    network.expect_nothing();

    network.send(CALLER, &in_dialog("BYE", 2, "b1"));
    let bye = network.expect(PHONE, "BYE sip:bob@203.0.113.2:5062 SIP/2.0");
    network.send(PHONE, &bye.respond("200 OK", "", ""));
    network.expect(CALLER, "SIP/2.0 200 OK");
    network.expect_nothing();

    network.pass_ms(70_000);
    network.expect_nothing();
    assert!(network.is_quiet());
    assert_eq!(network.facts().lingering, 0, "nothing is left");
}

#[test]
fn the_callee_hangs_up_by_its_route_set() {
    networks().into_iter().for_each(the_callee_hangs_up_by_its_route_set_in);
}

fn the_callee_hangs_up_by_its_route_set_in(mut network: Network) {
    let [_, phone, _] = ringing(&mut network);
    network.send(PHONE, &phone.respond("200 OK", "phone", &format!("Contact: <sip:bob@{PHONE}>\n")));
    network.take();
    let routes: String = phone.headers("Record-Route").map(|route| format!("Route: {route}\n")).collect();
    network.send(
        PHONE,
        &format!(
            "BYE sip:caller@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKb2\n{routes}Max-Forwards: 70\n\
             From: <sip:bob@example.com>;tag=phone\nTo: <sip:caller@example.com>;tag=c1\nCall-ID: call-1\nCSeq: 9 BYE\nContent-Length: 0\n\n"
        ),
    );
    let bye = network.expect_any(CALLER, "BYE sip:caller@198.51.100.9:5060 SIP/2.0");
    assert_eq!(bye.headers("Route").count(), 0);
    network.send(CALLER, &bye.respond("200 OK", "", ""));
    network.expect_any(PHONE, "SIP/2.0 200 OK");
}

#[test]
fn the_caller_gives_up() {
    networks().into_iter().for_each(the_caller_gives_up_in);
}

fn the_caller_gives_up_in(mut network: Network) {
    let forks = ringing(&mut network);
    let cancel = invite("bob", CALLER, "i1")
        .replace("INVITE", "CANCEL")
        .replace("Content-Length", "Reason: SIP;cause=487;text=\"gave up\"\nContent-Length");
    network.send(CALLER, &cancel);
    network.expect(CALLER, "SIP/2.0 200 OK");
    for (fork, device) in forks.iter().zip([DESK, PHONE, TABLET]) {
        let cancel = network.expect_any(device, "CANCEL ");
        assert_eq!(cancel.header("Reason"), "SIP;cause=487;text=\"gave up\"");
        network.send(device, &fork.respond("487 Request Terminated", device, ""));
        network.expect_any(device, "ACK ");
    }
    network.expect(CALLER, "SIP/2.0 487 Request Terminated");
    network.expect_nothing();
    let ack = invite("bob", CALLER, "i1").replace("INVITE", "ACK");
    network.send(CALLER, &ack);
    network.pass_ms(70_000);
    let left = network.take();
    assert!(
        left.iter().all(|sent| sent.text.starts_with("CANCEL")),
        "unanswered CANCELs go again: {left:#?}"
    );
    assert!(network.is_quiet());
}
