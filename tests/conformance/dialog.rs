//! Requests inside dialogs: by flow tokens, after a restart, with forged ones (RFC 3261 §16.12; RFC 5626 §5.3).

use tine::shard::Options;

use crate::network::{Network, Sent, invite, options};

const CALLER: &str = "198.51.100.9:5060";
const PHONE: &str = "203.0.113.2:5062";

/// A call that was answered; returns the fork's INVITE, whose Record-Routes are the callee's route set.
fn answered(network: &mut Network) -> Sent {
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "d1"));
    let fork = network.expect_any(PHONE, "INVITE");
    network.send(PHONE, &fork.respond("200 OK", "p", ""));
    network.take();
    fork
}

fn bye(routes: &str, uri: &str) -> String {
    format!(
        "BYE {uri} SIP/2.0\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKd2\n{routes}Max-Forwards: 70\n\
         From: <sip:bob@example.com>;tag=p\nTo: <sip:caller@example.com>;tag=c1\nCall-ID: call-1\nCSeq: 9 BYE\nContent-Length: 0\n\n"
    )
}

fn routes(fork: &Sent) -> String {
    fork.headers("Record-Route").map(|route| format!("Route: {route}\n")).collect()
}

#[test]
fn a_dialog_outlives_a_restart_with_the_same_key() {
    let fork = answered(&mut Network::new());
    let mut later = Network::with(Options { epoch: 2, ..options() });
    later.send(PHONE, &bye(&routes(&fork), "sip:caller@pbx.example.net"));
    later.expect(CALLER, "BYE sip:caller@pbx.example.net SIP/2.0");
    let mut stranger = Network::with(Options { key: [8; 32], ..options() });
    stranger.send(PHONE, &bye(&routes(&fork), "sip:caller@pbx.example.net"));
    stranger.expect(PHONE, "SIP/2.0 403");
}

#[test]
fn several_routes_in_one_line_are_the_same() {
    let mut network = Network::new();
    let fork = answered(&mut network);
    let values: Vec<&str> = fork.headers("Record-Route").collect();
    network.send(PHONE, &bye(&format!("Route: {}\n", values.join(" , ")), "sip:caller@pbx.example.net"));
    let bye = network.expect(CALLER, "BYE sip:caller@pbx.example.net SIP/2.0");
    assert_eq!(bye.headers("Route").count(), 0);
}

#[test]
fn a_forged_token_is_403_and_its_ack_is_nothing() {
    let mut network = Network::new();
    let fork = answered(&mut network);
    let mut forged = routes(&fork);
    let at = forged.find("sip:t1u").unwrap() + 12;
    let other = if &forged[at..=at] == "a" { "b" } else { "a" };
    forged.replace_range(at..=at, other);
    network.send(PHONE, &bye(&forged, "sip:caller@pbx.example.net"));
    network.expect(PHONE, "SIP/2.0 403");
    network.send(PHONE, &bye(&forged, "sip:caller@pbx.example.net").replace("BYE", "ACK"));
    network.expect_nothing();
}

#[test]
fn a_token_is_no_permission_outside_a_dialog() {
    let mut network = Network::new();
    let fork = answered(&mut network);
    let outside = bye(&routes(&fork), "sip:victim@elsewhere.example").replace(";tag=c1", "");
    network.send(PHONE, &outside);
    network.expect(PHONE, "SIP/2.0 403");
}

#[test]
fn a_call_inside_a_dialog_can_be_cancelled() {
    for shards in [1, 4] {
        let mut network = Network::with(Options { shards, ..options() });
        let fork = answered(&mut network);
        let again = bye(&routes(&fork), "sip:caller@pbx.example.net").replace("BYE", "INVITE");
        network.send(PHONE, &again);
        network.expect(PHONE, "SIP/2.0 100");
        let invite = network.expect(CALLER, "INVITE sip:caller@pbx.example.net");
        network.send(CALLER, &invite.respond("180 Ringing", "", ""));
        network.expect(PHONE, "SIP/2.0 180");
        network.send(PHONE, &again.replace("INVITE", "CANCEL"));
        network.expect(PHONE, "SIP/2.0 200");
        network.expect(CALLER, "CANCEL sip:caller@pbx.example.net");
        network.send(CALLER, &invite.respond("487 Request Terminated", "", ""));
        network.expect(CALLER, "ACK sip:caller@pbx.example.net");
        network.expect(PHONE, "SIP/2.0 487");
    }
}

#[test]
fn a_strict_router_before_and_behind_is_understood() {
    // RFC 3261 §16.4: our own value in the Request-URI, the target in the last Route.
    let mut network = Network::new();
    let fork = answered(&mut network);
    let values: Vec<String> = fork.headers("Record-Route").map(String::from).collect();
    let own = values[0].trim_matches(['<', '>']).to_string();
    let rest = format!("Route: {}\nRoute: <sip:caller@pbx.example.net>\n", values[1]);
    network.send(PHONE, &bye(&rest, &own));
    let bye_out = network.expect(CALLER, "BYE sip:caller@pbx.example.net SIP/2.0");
    assert_eq!(bye_out.headers("Route").count(), 0);
    // §16.6 step 6: a next hop without lr wants itself as the Request-URI, and the target as the last Route.
    let next = format!("{}Route: <sip:10.0.0.9>, <sip:10.0.0.8;lr>\n", routes(&fork));
    network.send(PHONE, &bye(&next, "sip:caller@pbx.example.net").replace("z9hG4bKd2", "z9hG4bKd3"));
    let strict = network.expect(CALLER, "BYE sip:10.0.0.9 SIP/2.0");
    let left: Vec<&str> = strict.headers("Route").collect();
    assert_eq!(left, ["<sip:10.0.0.8;lr>", "<sip:caller@pbx.example.net>"]);
}

#[test]
fn a_loop_is_482_and_a_spiral_is_allowed() {
    let mut network = Network::new();
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "l1"));
    let fork = network.expect_any(PHONE, "INVITE");
    network.take();
    // The phone's proxy sends the request back as it was before: it would go the same way again.
    let back = fork.text.replacen("sip:bob@203.0.113.2:5062", "sip:bob@example.com", 1).replacen(
        "Via: ",
        &format!("Via: SIP/2.0/UDP {PHONE};branch=z9hG4bKl2\nVia: "),
        1,
    );
    network.send(PHONE, &back);
    network.expect(PHONE, "SIP/2.0 482");
    // To another user it is a spiral.
    network.register("carol", "203.0.113.3:5063", "");
    network.send(
        PHONE,
        &back.replacen("sip:bob@example.com", "sip:carol@example.com", 1).replace("z9hG4bKl2", "z9hG4bKl3"),
    );
    network.expect_any("203.0.113.3:5063", "INVITE");
}

#[test]
fn a_draining_node_lets_dialogs_end_and_begins_none() {
    let mut network = Network::new();
    let fork = answered(&mut network);
    network.input(0, tine::shard::input::Input::Command(tine::shard::input::Command::Drain));
    network.send(CALLER, &invite("bob", CALLER, "d9"));
    assert_eq!(network.expect(CALLER, "SIP/2.0 503").header("Retry-After"), "5");
    network.send(PHONE, &bye(&routes(&fork), "sip:caller@pbx.example.net"));
    network.expect(CALLER, "BYE ");
}

#[test]
fn a_full_table_is_503() {
    let mut options = options();
    options.transaction.transactions_max = 3;
    let mut network = Network::with(options);
    network.register("bob", PHONE, "");
    network.send(CALLER, &invite("bob", CALLER, "x1"));
    network.expect(CALLER, "SIP/2.0 100");
    network.expect(PHONE, "INVITE");
    network.send(CALLER, &invite("bob", CALLER, "x2"));
    network.expect(CALLER, "SIP/2.0 503").header("Retry-After");
}
