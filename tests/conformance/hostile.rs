//! Peers that break the rules, and tables that are full: what it costs is theirs, and nothing is left of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tine::flow::Flow;
use tine::ids::{ConnectionId, EndpointId, ShardId};
use tine::shard::Options;
use tine::shard::counters::Counter;
use tine::shard::input::Input;
use tine::shard::outbox::Outbox;
use tine::time::Duration;

use crate::network::{Network, Sent, address, invite, options, register, request, wire};

const CALLER: &str = "198.51.100.9:5060";
const PHONE: &str = "203.0.113.2:5062";
const DESK: &str = "203.0.113.1:5061";

fn assert_nothing_left(network: &mut Network) {
    network.pass_ms(300_000);
    let facts = network.facts();
    let live = facts.contexts + facts.invite_servers + facts.invite_clients + facts.lingering;
    assert_eq!(live + facts.non_invite_servers + facts.non_invite_clients, 0, "{facts:?}");
}

fn called(network: &mut Network, text: &str) -> Sent {
    network.send(CALLER, text);
    let fork = network.expect_any(PHONE, "");
    network.take();
    fork
}

#[test]
fn an_answer_that_lost_the_callers_via_answers_nothing() {
    for method in ["INVITE", "MESSAGE"] {
        for status in ["200 OK", "486 Busy Here"] {
            let mut network = Network::new();
            network.register("bob", PHONE, "");
            let fork = called(&mut network, &request(method, "sip:bob@example.com", "bob", CALLER, "h1", ""));
            let answer = fork.respond(status, "p", "");
            let lost: String =
                answer.split_inclusive('\n').filter(|line| !line.contains("z9hG4bKh1")).collect();
            network.send(PHONE, &lost);
            network.expect_nothing();
            network.send(PHONE, &answer);
            network.expect_any(CALLER, &format!("SIP/2.0 {status}"));
            assert_nothing_left(&mut network);
        }
    }
}

#[test]
fn a_request_with_as_many_headers_as_are_allowed_can_be_cancelled() {
    let mut network = Network::with(Options { headers_max: 16, ..options() });
    network.register("bob", PHONE, "");
    let full = invite("bob", CALLER, "h2").replace("Contact", &format!("{}Contact", "X-More: 1\n".repeat(8)));
    let fork = called(&mut network, &full);
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.take();
    network.send(CALLER, &full.replace("INVITE", "CANCEL"));
    network.expect(CALLER, "SIP/2.0 200");
    network.expect(PHONE, "CANCEL sip:bob@");
    network.send(PHONE, &fork.respond("487 Request Terminated", "p", ""));
    network.expect(PHONE, "ACK sip:bob@");
}

#[test]
fn an_invite_that_can_not_be_kept_does_not_leave() {
    // One chunk for the target, one for the INVITE as it came, and none for the larger one that would leave.
    let mut network = Network::with(Options { kept_bytes_max: 2 << 18, ..options() });
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "h3"));
    network.expect(CALLER, "SIP/2.0 100");
    assert_eq!(network.expect(CALLER, "SIP/2.0 503").header("Retry-After"), "5");
    network.expect_nothing();
    assert_nothing_left(&mut network);
}

#[test]
fn what_is_answered_is_not_kept() {
    // A chunk of 256 for the INVITEs that left; each would stay for 32 s.
    let mut network = Network::with(Options { kept_bytes_max: 3 << 18, ..options() });
    network.register("bob", PHONE, "");
    for call in 0..400 {
        let text = invite("bob", CALLER, &format!("k{call}")).replace("call-1", &format!("call-{call}"));
        let fork = called(&mut network, &text);
        network.send(PHONE, &fork.respond("200 OK", "p", ""));
        network.expect(CALLER, "SIP/2.0 200");
    }
}

#[test]
fn forks_that_ended_do_not_crowd_out_those_to_come() {
    let mut options = options();
    options.transaction.transactions_max = 40;
    let mut network = Network::with(options);
    let stream = |slot: u32| Flow {
        remote: address(&format!("203.0.113.9:{}", 40_000 + slot)),
        endpoint: EndpointId(1),
        connection: Some(ConnectionId { slot, generation: 0, shard: ShardId(0) }),
    };
    for slot in 0..8 {
        let text = register("bob", &format!("203.0.113.9:{}", 40_000 + slot), "", "").replace("UDP", "TCP");
        network.send_by(stream(slot), &text);
    }
    network.take();
    for call in 0..12 {
        // All but one refuse at once, and their transactions end with that; the context and its forks stay.
        network.send(
            CALLER,
            &invite("bob", CALLER, &format!("c{call}")).replace("call-1", &format!("call-{call}")),
        );
        let forks: Vec<Sent> =
            network.take().into_iter().filter(|sent| sent.text.starts_with("INVITE")).collect();
        for fork in forks.iter().skip(1) {
            network.send_by(fork.flow, &fork.respond("486 Busy Here", "p", ""));
        }
        network.take();
    }
    assert_nothing_left(&mut network);
}

#[test]
fn nothing_but_a_final_answer_is_for_others_than_invite() {
    let options = Options { timer_c: Duration::from_secs(2), ..options() };
    let mut network = Network::with(options);
    network.register("bob", PHONE, "");
    let fork = called(&mut network, &request("MESSAGE", "sip:bob@example.com", "bob", CALLER, "n1", ""));
    // RFC 4320 §4.1: no 1xx above 100; §4.2: no 408. Nor is there a timer C, or anything to cancel.
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.expect_nothing();
    network.pass_ms(3_000);
    assert!(network.take().iter().all(|sent| !sent.text.starts_with("CANCEL")));
    network.send(PHONE, &fork.respond("408 Request Timeout", "p", ""));
    network.expect_nothing();
    assert_nothing_left(&mut network);
    network.expect_nothing();
}

#[test]
fn the_ack_to_a_400_is_absorbed() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let text = invite("bob", CALLER, "b1");
    network.send(CALLER, &text.replace("Max-Forwards: 70", "Max-Forwards: many"));
    let refused = network.expect(CALLER, "SIP/2.0 400");
    let ack = text
        .replace("INVITE", "ACK")
        .replace("To: <sip:bob@example.com>", &format!("To: {}", refused.header("To")));
    network.send(CALLER, &ack);
    network.expect_nothing();
}

#[test]
fn a_dead_flow_on_the_senders_own_side_is_no_matter() {
    let mut network = Network::new();
    let flow = |slot| Flow {
        remote: address(&format!("203.0.113.7:{}", 40_000 + slot)),
        endpoint: EndpointId(1),
        connection: Some(ConnectionId { slot, generation: 0, shard: ShardId(0) }),
    };
    network.register("bob", PHONE, "");
    network.send_by(flow(1), &invite("bob", "203.0.113.7:40001", "s1").replace("UDP", "TCP"));
    let fork = network.expect_any(PHONE, "INVITE");
    // The caller's route set, in its order: its own side first.
    let mut routes: Vec<&str> = fork.headers("Record-Route").collect();
    routes.reverse();
    let bye = |routes: &[&str]| {
        let routes: String = routes.iter().map(|route| format!("Route: {route}\n")).collect();
        request("BYE", &format!("sip:bob@{PHONE}"), "bob", "203.0.113.7:40002", "s2", &routes)
            .replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=p")
            .replace("UDP", "TCP")
    };
    let mut later = Network::with(Options { epoch: 2, ..options() });
    later.send_by(flow(2), &bye(&routes));
    later.expect(PHONE, &format!("BYE sip:bob@{PHONE} SIP/2.0"));
    routes.reverse();
    later.send_by(flow(2), &bye(&routes).replace("s2", "s3"));
    later.expect("203.0.113.7:40002", "SIP/2.0 430");
}

#[test]
fn a_request_that_outgrows_a_datagram_is_513() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let small = called(&mut network, &invite("bob", CALLER, "g0"));
    let text = invite("bob", CALLER, "g1");
    // Past what a datagram holds, and below what a message may have.
    let body = "x".repeat(65_520 - wire(&small.text).len());
    let text = text.replace("Content-Length: 0", &format!("Content-Length: {}", body.len())) + &body;
    network.send(CALLER, &text);
    network.expect(CALLER, "SIP/2.0 100");
    network.expect(CALLER, "SIP/2.0 513");
    network.expect_nothing();
    assert_nothing_left(&mut network);
}

#[test]
fn a_flood_of_nonsense_is_bounded_too() {
    let mut network = Network::with(Options { per_source_pps: 10, ..options() });
    for number in 0..100 {
        let text = request("OPTIONS", "sip:example.com", "bob", CALLER, &format!("r{number}"), "");
        network.send(CALLER, &text.replace("Max-Forwards: 70", "Max-Forwards: many"));
    }
    assert_eq!(network.take().len(), 10);
}

#[test]
fn a_via_that_names_an_address_of_the_other_family_is_not_followed() {
    let mut network = Network::new();
    let core = "10.0.0.7:5060";
    let options = |maddr: &str| {
        request("OPTIONS", "sip:example.com", "bob", core, "m1", "")
            .replace(";rport", &format!(";maddr={maddr}"))
    };
    network.send_from_core(core, &options("2001:db8::1"));
    network.expect(core, "SIP/2.0 200");
    network.send_from_core(core, &options("10.0.0.8"));
    network.expect("10.0.0.8:5060", "SIP/2.0 200");
}

#[test]
fn a_caller_without_branches_is_served_by_the_old_rule() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let old = |text: String| text.replace(";branch=z9hG4bKo1;rport", "");
    let text = old(invite("bob", CALLER, "o1"));
    let fork = called(&mut network, &text);
    network.send(CALLER, &text);
    network.expect(CALLER, "SIP/2.0 100");
    network.send(PHONE, &fork.respond("180 Ringing", "p", ""));
    network.expect(CALLER, "SIP/2.0 180");
    network.send(CALLER, &text.replace("INVITE", "CANCEL"));
    network.expect(CALLER, "SIP/2.0 200");
    network.expect(PHONE, "CANCEL");
    network.send(PHONE, &fork.respond("487 Request Terminated", "p", ""));
    network.expect(PHONE, "ACK");
    let failed = network.expect(CALLER, "SIP/2.0 487");
    let to = format!("To: {}\n", failed.header("To"));
    network.send(CALLER, &text.replace("INVITE", "ACK").replace("To: <sip:bob@example.com>\n", &to));
    network.pass_ms(400);
    network.expect_nothing();
    network.pass_ms(2_000);
    assert!(network.take().iter().all(|sent| sent.text.starts_with("CANCEL")), "the 487 was acknowledged");
}

#[test]
fn a_failure_over_a_stream_is_sent_once() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let connection = Some(ConnectionId { slot: 5, generation: 0, shard: ShardId(0) });
    let caller = Flow { remote: address("203.0.113.7:40005"), endpoint: EndpointId(1), connection };
    let text = invite("bob", "203.0.113.7:40005", "t1").replace("UDP", "TCP");
    network.send_by(caller, &text);
    let fork = network.expect_any(PHONE, "INVITE");
    network.take();
    network.send(PHONE, &fork.respond("486 Busy Here", "p", ""));
    network.expect(PHONE, "ACK");
    assert_eq!(network.expect("203.0.113.7:40005", "SIP/2.0 486").flow, caller);
    network.pass_ms(10_000);
    network.expect_nothing();
    network.send_by(caller, &text.replace("INVITE", "ACK"));
    assert_eq!(network.facts().invite_servers, 0, "timer I is zero over a stream");
    // RFC 3261 §17.1.1.2: what UDP repeats downstream is still acknowledged.
    network.send(PHONE, &fork.respond("486 Busy Here", "p", ""));
    network.expect(PHONE, "ACK");
    assert_nothing_left(&mut network);
}

#[test]
fn a_call_is_counted_once() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    let fork = called(&mut network, &invite("bob", CALLER, "n2"));
    for _ in 0..3 {
        network.send(PHONE, &fork.respond("200 OK", "p", ""));
        network.expect(CALLER, "SIP/2.0 200");
    }
    assert_eq!(network.shards[0].counters().value(Counter::CallsAnswered), 1);
}

#[test]
fn a_cancelled_call_that_reached_nobody_is_487() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.register("bob", DESK, "");
    network.send(CALLER, &invite("bob", CALLER, "n3"));
    let fork = network.expect_any(PHONE, "INVITE");
    let other = network.expect_any(DESK, "INVITE");
    network.take();
    network.send(CALLER, &invite("bob", CALLER, "n3").replace("INVITE", "CANCEL"));
    network.expect(CALLER, "SIP/2.0 200");
    network.input(0, Input::SendFailed { origin: fork.origin.unwrap() });
    network.input(0, Input::SendFailed { origin: other.origin.unwrap() });
    network.expect(CALLER, "SIP/2.0 487");
}

#[test]
fn a_fault_costs_the_call_that_met_it() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.register("carol", DESK, "");
    let before = called(&mut network, &invite("bob", CALLER, "f1"));
    let now = network.now;
    let shard = &mut network.shards[0];
    let mut outbox = Outbox::default();
    let answer = wire(&before.respond("180 Ringing", "p", ""));
    let phone = Flow::udp(EndpointId(0), address(PHONE));
    shard.on_input(now, Input::Message { flow: phone, bytes: &answer }, &mut outbox);
    assert_eq!(outbox.transmits.len(), 1);
    // No shell names an endpoint that is not there: writing its Record-Route is a fault, in the middle of a fork.
    let nowhere = Flow::udp(EndpointId(99), address(CALLER));
    let text = invite("carol", CALLER, "f2").replace("call-1", "call-2");
    let bytes = wire(&text);
    let input = Input::Message { flow: nowhere, bytes: &bytes };
    assert!(catch_unwind(AssertUnwindSafe(|| shard.on_input(now, input, &mut outbox))).is_err());
    shard.on_fault(&mut outbox);
    shard.invariants();
    assert_eq!(outbox.transmits.len(), 1, "what was done before is done");
    assert_eq!(shard.facts().contexts, 1, "the other call goes on");
    network.send(DESK, &text);
    network.expect_any(DESK, "INVITE");
    network.take();
    network.send(PHONE, &before.respond("200 OK", "p", ""));
    network.expect(CALLER, "SIP/2.0 200");
    assert_nothing_left(&mut network);
}
