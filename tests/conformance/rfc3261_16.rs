//! RFC 3261 §16: what a proxy refuses, forwards and answers.

use tine::shard::input::Input;

use crate::network::{Network, invite, register, request};

const CALLER: &str = "198.51.100.9:5060";
const PHONE: &str = "203.0.113.2:5062";
const DESK: &str = "203.0.113.1:5061";

#[test]
fn requests_are_validated() {
    let rows = [
        ("INVITE", "soap.beep://192.0.2.103:3002", "", "SIP/2.0 416"),
        ("INVITE", "sip:bob@example.com", "Proxy-Require: magic\n", "SIP/2.0 420"),
        ("INVITE", "sip:bob@example.org", "", "SIP/2.0 403"),
        ("INVITE", "sip:bob@example.com", "", "SIP/2.0 480"),
        ("MESSAGE", "sip:bob@example.com", "Route: <sip:203.0.113.77;lr>\n", "SIP/2.0 403"),
        ("OPTIONS", "sip:192.0.2.1:5060", "", "SIP/2.0 200"),
        ("OPTIONS", "sip:example.com", "", "SIP/2.0 200"),
        ("OPTIONS", "sip:example.com", "Require: magic\n", "SIP/2.0 420"),
        ("INVITE", "sip:example.com", "", "SIP/2.0 405"),
        ("FETCH", "sip:192.0.2.1", "", "SIP/2.0 405"),
        ("CANCEL", "sip:bob@example.com", "", "SIP/2.0 481"),
    ];
    for (method, uri, extra, expected) in rows {
        let mut network = Network::new();
        network.send(CALLER, &request(method, uri, "bob", CALLER, "v1", extra));
        network.expect(CALLER, expected);
        network.expect_nothing();
    }
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "v2").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    network.expect(CALLER, "SIP/2.0 483");
    network.send(CALLER, &invite("bob", CALLER, "v3").replace("SIP/2.0\n", "SIP/3.0\n"));
    network.expect(CALLER, "SIP/2.0 505");
}

#[test]
fn options_tell_what_is_accepted() {
    let mut network = Network::new();
    network.send(CALLER, &request("OPTIONS", "sip:example.com", "", CALLER, "o1", ""));
    let ok = network.expect(CALLER, "SIP/2.0 200 OK");
    for name in ["Accept", "Accept-Encoding", "Accept-Language", "Supported", "Allow", "Server"] {
        ok.header(name);
    }
}

#[test]
fn the_ack_to_an_answer_of_our_own_is_absorbed() {
    let mut network = Network::new();
    network.send(CALLER, &invite("bob", CALLER, "n1"));
    let refused = network.expect(CALLER, "SIP/2.0 480");
    network.register("bob", PHONE, "");
    let ack = invite("bob", CALLER, "n1")
        .replace("INVITE", "ACK")
        .replace("To: <sip:bob@example.com>", &format!("To: {}", refused.header("To")));
    network.send(CALLER, &ack);
    network.expect_nothing();
}

#[test]
fn nothing_but_the_intended_edits_changes() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let odd = invite("bob", CALLER, "e1")
        .replace("Contact:", "X-Odd :  two   spaces\nsUBJECT:\tfolded\n  line\nm:");
    network.send(CALLER, &odd);
    network.expect(CALLER, "SIP/2.0 100");
    let forwarded = network.expect(PHONE, "INVITE sip:bob@203.0.113.2:5062 SIP/2.0\n");
    let changed = ["INVITE ", "Via: ", "Record-Route: ", "Max-Forwards: "];
    let rest = |text: &str| {
        text.lines()
            .filter(|line| !changed.iter().any(|name| line.starts_with(name)))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(rest(&odd), rest(&forwarded.text));
    assert_eq!(
        forwarded.headers("Via").nth(1).unwrap(),
        "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKe1;rport=5060;received=198.51.100.9"
    );
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_and_forks_once() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "r1"));
    network.expect(CALLER, "SIP/2.0 100");
    let fork = network.expect(PHONE, "INVITE");
    network.send(CALLER, &invite("bob", CALLER, "r1"));
    network.expect(CALLER, "SIP/2.0 100");
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.expect(CALLER, "SIP/2.0 180");
    network.send(CALLER, &invite("bob", CALLER, "r1"));
    network.expect(CALLER, "SIP/2.0 180");
    network.expect_nothing();
}

#[test]
fn silence_is_408_and_a_cancelled_fork_waits_for_its_provisional() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.register("bob", DESK, "");
    network.send(CALLER, &invite("bob", CALLER, "s1"));
    network.take();
    network.pass_ms(33_000);
    let left = network.take();
    assert_eq!(
        left.iter().filter(|sent| sent.text.starts_with("INVITE")).count(),
        12,
        "each fork goes six times more"
    );
    assert!(left.last().unwrap().text.starts_with("SIP/2.0 408"));

    network.send(CALLER, &invite("bob", CALLER, "s2"));
    let desk = network.expect_any(DESK, "INVITE");
    let phone = network.expect_any(PHONE, "INVITE");
    network.take();
    network.send(DESK, &desk.respond("200 OK", "d", ""));
    network.expect(CALLER, "SIP/2.0 200");
    network.expect_nothing();
    network.send(PHONE, &phone.respond("100 Trying", "", ""));
    network.expect(PHONE, "CANCEL");
    network.expect_nothing();
}

#[test]
fn the_best_failure_goes_up_and_503_becomes_500() {
    let rows = [("404 Not Found", "486 Busy Here", "SIP/2.0 486"), ("503 Down", "503 Down", "SIP/2.0 500")];
    for (desk_says, phone_says, expected) in rows {
        let mut network = Network::new();
        network.register("bob", PHONE, "");
        network.register("bob", DESK, "");
        network.send(CALLER, &invite("bob", CALLER, "f1"));
        let desk = network.expect_any(DESK, "INVITE");
        let phone = network.expect_any(PHONE, "INVITE");
        network.take();
        network.send(PHONE, &phone.respond(phone_says, "p", ""));
        network.expect(PHONE, "ACK");
        network.expect_nothing();
        network.send(DESK, &desk.respond(desk_says, "d", ""));
        network.expect(DESK, "ACK");
        network.expect(CALLER, expected);
        network.expect_nothing();
        // Until it is acknowledged, the failure goes again (timer G).
        network.pass_ms(500);
        network.expect(CALLER, expected);
        network.send(CALLER, &invite("bob", CALLER, "f1").replace("INVITE", "ACK"));
        network.pass_ms(60_000);
        network.expect_nothing();
        assert_eq!(network.shards[0].facts().lingering, 0);
    }
}

#[test]
fn the_challenges_of_all_devices_go_up_together() {
    // Step 7. The second row: the better q takes the place of the first answer.
    for (desk_q, phone_q, expected) in [("", "", "407"), (";q=0.9", ";q=0.2", "401")] {
        let mut network = Network::new();
        network.register("bob", PHONE, phone_q);
        network.register("bob", DESK, desk_q);
        network.send(CALLER, &invite("bob", CALLER, "w1"));
        let desk = network.expect_any(DESK, "INVITE");
        let phone = network.expect_any(PHONE, "INVITE");
        network.take();
        network.send(PHONE, &phone.respond("407 Proxy", "p", "Proxy-Authenticate: Digest realm=\"p\"\n"));
        network.expect(PHONE, "ACK");
        network.send(DESK, &desk.respond("401 Who", "d", "WWW-Authenticate: Digest realm=\"d\"\n"));
        network.expect(DESK, "ACK");
        let up = network.expect(CALLER, &format!("SIP/2.0 {expected}"));
        assert_eq!(up.header("Proxy-Authenticate"), "Digest realm=\"p\"");
        assert_eq!(up.header("WWW-Authenticate"), "Digest realm=\"d\"");
        assert_eq!(up.text.matches("Authenticate").count(), 2);
        assert!(up.text.ends_with("\n\n"));
    }
}

#[test]
fn a_contact_is_rung_without_its_headers() {
    let mut network = Network::new();
    let contact = register("bob", PHONE, "", "")
        .replace(&format!("<sip:bob@{PHONE}>"), &format!("<sip:b?b@{PHONE};x=1?Subject=ad&Priority=urgent>"));
    network.send(PHONE, &contact);
    network.expect(PHONE, "SIP/2.0 200");
    network.send(CALLER, &invite("bob", CALLER, "u1"));
    network.expect_any(PHONE, &format!("INVITE sip:b?b@{PHONE};x=1 SIP/2.0"));
}

#[test]
fn every_2xx_to_an_invite_goes_up_also_when_nothing_else_is_left() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.register("bob", DESK, "");
    network.send(CALLER, &invite("bob", CALLER, "x1"));
    let desk = network.expect_any(DESK, "INVITE");
    let phone = network.expect_any(PHONE, "INVITE");
    network.take();
    // Both answer at once; each repeats its answer until it is acknowledged.
    for (device, fork) in [(PHONE, &phone), (DESK, &desk), (PHONE, &phone), (DESK, &desk)] {
        network.send(device, &fork.respond("200 OK", device, ""));
        assert!(network.expect(CALLER, "SIP/2.0 200").header("To").ends_with(device));
        network.expect_nothing();
    }
    assert_eq!(network.facts().contexts, 0, "the context ended with the second answer");
    network.pass_ms(70_000);
    network.expect_nothing();
    assert_eq!(network.facts().lingering, 0);
}

#[test]
fn the_first_2xx_to_anything_else_is_the_only_one() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.register("bob", DESK, "");
    let text = request("MESSAGE", "sip:bob@example.com", "bob", CALLER, "x2", "");
    network.send(CALLER, &text);
    let desk = network.expect_any(DESK, "MESSAGE");
    let phone = network.expect_any(PHONE, "MESSAGE");
    network.send(DESK, &desk.respond("603 Decline", "d", ""));
    network.expect_nothing();
    network.send(PHONE, &phone.respond("200 OK", "p", ""));
    network.expect(CALLER, "SIP/2.0 200");
    network.send(CALLER, &text);
    network.expect(CALLER, "SIP/2.0 200");
    network.send(DESK, &desk.respond("200 OK", "d", ""));
    network.expect_nothing();
    // Neither can be reached: not silence, and not this proxy's fault.
    network.send(CALLER, &text.replace("x2", "x3"));
    for sent in network.take() {
        network.input(0, Input::SendFailed { origin: sent.origin.unwrap() });
    }
    network.expect(CALLER, "SIP/2.0 500");
}

#[test]
fn timer_c_cancels_a_phone_that_rings_for_ever() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "c1"));
    let fork = network.expect_any(PHONE, "INVITE");
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.take();
    network.pass_ms(100_000);
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.take();
    network.pass_ms(184_000);
    network.expect_nothing();
    network.pass_ms(1_500);
    network.expect(PHONE, "CANCEL");
    network.send(PHONE, &fork.respond("487 Request Terminated", "p", ""));
    network.expect_any(PHONE, "ACK");
    network.expect_any(CALLER, "SIP/2.0 487");
}

#[test]
fn a_message_of_any_method_is_forwarded_and_a_forged_branch_is_not_believed() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &request("FETCH", "sip:bob@example.com", "bob", CALLER, "m1", ""));
    let fork = network.expect(PHONE, "FETCH sip:bob@203.0.113.2:5062 SIP/2.0");
    network.send(PHONE, &fork.respond("200 OK", "p", "").replacen("z9hG4bKa", "z9hG4bKb", 1));
    network.expect_nothing();
    network.send(PHONE, &fork.respond("200 OK", "p", ""));
    network.expect(CALLER, "SIP/2.0 200 OK");
    // RFC 3261 §17.2.2: the same request again gets the same answer again.
    network.send(CALLER, &request("FETCH", "sip:bob@example.com", "bob", CALLER, "m1", ""));
    network.expect(CALLER, "SIP/2.0 200 OK");
    network.expect_nothing();
}

#[test]
fn an_unanswered_message_ends_in_silence() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &request("MESSAGE", "sip:bob@example.com", "bob", CALLER, "m2", ""));
    network.take();
    network.pass_ms(40_000);
    let to_caller =
        network.take().into_iter().filter(|sent| sent.to == CALLER.parse().unwrap()).collect::<Vec<_>>();
    assert!(to_caller.iter().all(|sent| sent.text.starts_with("SIP/2.0 100")), "no 408: {to_caller:#?}");
    assert!(network.shards[0].is_quiet());
}

#[test]
fn what_is_malformed_is_told_by_name_or_dropped() {
    let mut options = crate::network::options();
    options.message_bytes_max = 2_000;
    let mut network = Network::with(options);
    let whole = request("OPTIONS", "sip:example.com", "", CALLER, "w1", "");
    let rows = [
        (whole.replace("CSeq: 1 OPTIONS", "CSeq: 4294967296 OPTIONS"), "SIP/2.0 400 Bad CSeq"),
        (whole.replace("Call-ID: call-1\n", ""), "SIP/2.0 400 Missing Call-ID"),
        (whole.replace("CSeq:", "CSeq: 1 OPTIONS\nCSeq:"), "SIP/2.0 400 Multiple CSeq"),
        (whole.replace("Contact", &format!("X: {}\nContact", "x".repeat(2_000))), "SIP/2.0 513"),
    ];
    for (text, expected) in rows {
        network.send(CALLER, &text);
        network.expect(CALLER, expected);
    }
    for nothing in ["\n\n", "rubbish", "SIP/2.0 200 OK\n\n", &whole.replace("Via: ", "Vja: ")] {
        network.send(CALLER, nothing);
        network.expect_nothing();
    }
}
