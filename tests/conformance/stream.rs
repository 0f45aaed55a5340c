//! Streams: one flow used in both directions, large requests, connections that fail (RFC 3261 §18, §16.9; RFC 5626).

use tine::flow::Flow;
use tine::ids::{ConnectionId, EndpointId, ShardId};
use tine::shard::Options;
use tine::shard::input::Input;

use crate::network::{Network, address, invite, options, register};

const CALLER: &str = "198.51.100.9:5060";
const PHONE: &str = "203.0.113.2:40001";

fn stream(remote: &str, shard: u8, slot: u32) -> Flow {
    let connection = ConnectionId { slot, generation: 1, shard: ShardId(shard) };
    Flow { remote: address(remote), endpoint: EndpointId(1), connection: Some(connection) }
}

/// A phone that has registered by TCP, its connection held by the last shard.
fn registered(shards: u8) -> (Network, Flow) {
    let mut network = Network::with(Options { shards, ..options() });
    let flow = stream(PHONE, shards - 1, 3);
    network.send_by(flow, &register("bob", PHONE, "", "").replace("UDP", "TCP"));
    network.expect(PHONE, "SIP/2.0 200 OK");
    (network, flow)
}

#[test]
fn a_phone_is_rung_by_the_connection_it_registered_by() {
    for shards in [1, 4] {
        let (mut network, flow) = registered(shards);
        assert_eq!(network.holds.len(), 1, "its connection is not closed for being silent");
        network.send(CALLER, &invite("bob", CALLER, "t1"));
        network.expect(CALLER, "SIP/2.0 100");
        let fork = network.expect(PHONE, "INVITE");
        assert!(fork.header("Via").starts_with("SIP/2.0/TCP 192.0.2.1:5060"));
        let routes: Vec<&str> = fork.headers("Record-Route").collect();
        assert!(
            routes[0].contains(";transport=tcp") && !routes[1].contains("transport"),
            "RFC 5658: {routes:?}"
        );
        network.send_by(flow, &fork.respond("200 OK", "p", ""));
        network.expect(CALLER, "SIP/2.0 200");
        network.pass_ms(400);
        network.expect_nothing();
    }
}

#[test]
fn a_connection_that_ends_ends_what_waits_for_it() {
    for shards in [1, 4] {
        let (mut network, flow) = registered(shards);
        network.send(CALLER, &invite("bob", CALLER, "t2"));
        let fork = network.expect_any(PHONE, "INVITE");
        network.send_by(flow, &fork.respond("180 Ringing", "p", ""));
        network.take();
        let connection = flow.connection.unwrap();
        network.input(usize::from(connection.shard.0), Input::Closed { connection });
        network.expect(CALLER, "SIP/2.0 500");
        network.send(CALLER, &invite("bob", CALLER, "t2").replace("INVITE", "ACK"));
        network.pass_ms(70_000);
        assert!(network.is_quiet() && network.facts().lingering == 0);
    }
}

#[test]
fn a_send_that_fails_is_a_transport_error() {
    for shards in [1, 4] {
        let (mut network, _) = registered(shards);
        network.send(CALLER, &invite("bob", CALLER, "t3"));
        let fork = network.expect_any(PHONE, "INVITE");
        network.take();
        network.input(usize::from(shards - 1), Input::SendFailed { origin: fork.origin.unwrap() });
        network.expect(CALLER, "SIP/2.0 500");
    }
}

/// A phone on the core side is reached by its Contact, as the RFC has it.
fn large_call(network: &mut Network) {
    let phone = "10.0.0.7:5062";
    network.send_from_core(phone, &register("carol", phone, "", ""));
    network.expect(phone, "SIP/2.0 200");
    let long = format!("X-Long: {}\nContent-Length", "x".repeat(1_300));
    network.send(CALLER, &invite("carol", CALLER, "t4").replace("Content-Length", &long));
    network.expect(CALLER, "SIP/2.0 100");
    network.expect_nothing();
}

#[test]
fn a_large_request_goes_by_tcp() {
    let mut network = Network::with(with_core_tcp());
    large_call(&mut network);
    let (origin, remote) = network.connects.pop().expect("a stream is asked for");
    assert_eq!(remote, "10.0.0.7:5062".parse().unwrap());
    let flow = Flow { endpoint: EndpointId(3), ..stream("10.0.0.7:5062", 0, 9) };
    network.input(0, Input::Connected { origin, flow });
    let fork = network.expect("10.0.0.7:5062", "INVITE sip:carol@10.0.0.7:5062");
    assert!(fork.header("Via").starts_with("SIP/2.0/TCP 10.0.0.1:5060"));
    network.send_by(flow, &fork.respond("200 OK", "p", ""));
    network.expect(CALLER, "SIP/2.0 200");
}

#[test]
fn a_large_request_falls_back_to_udp() {
    let mut network = Network::with(with_core_tcp());
    large_call(&mut network);
    let (origin, _) = network.connects.pop().expect("a stream is asked for");
    network.input(0, Input::ConnectFailed { origin });
    let fork = network.expect("10.0.0.7:5062", "INVITE sip:carol@10.0.0.7:5062");
    assert!(fork.header("Via").starts_with("SIP/2.0/UDP 10.0.0.1:5060"));
    network.pass_ms(500);
    network.expect("10.0.0.7:5062", "INVITE");
}

#[test]
fn a_call_cancelled_before_its_connection_opens_reaches_nobody() {
    let mut network = Network::with(with_core_tcp());
    large_call(&mut network);
    let (origin, _) = network.connects.pop().expect("a stream is asked for");
    network.send(CALLER, &invite("carol", CALLER, "t4").replace("INVITE", "CANCEL"));
    network.expect(CALLER, "SIP/2.0 200");
    network.expect(CALLER, "SIP/2.0 487");
    let flow = Flow { endpoint: EndpointId(3), ..stream("10.0.0.7:5062", 0, 9) };
    network.input(0, Input::Connected { origin, flow });
    network.expect_nothing();
}

fn with_core_tcp() -> Options {
    let mut options = options();
    let mut endpoint = options.endpoints[2].clone();
    endpoint.transport = tine::flow::Transport::Tcp;
    options.endpoints.push(endpoint);
    options
}

#[test]
fn a_message_without_a_length_is_refused_on_a_stream_alone() {
    let mut network = Network::new();
    let text = register("bob", PHONE, "", "").replace("Content-Length: 0\n", "");
    network.send_by(stream(PHONE, 0, 3), &text);
    network.expect(PHONE, "SIP/2.0 400 Missing Content-Length");
    network.send(PHONE, &text);
    network.expect(PHONE, "SIP/2.0 200 OK");
}
