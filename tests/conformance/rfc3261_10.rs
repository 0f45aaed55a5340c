//! RFC 3261 §10: registrations, as a client sees them.

use crate::network::{Network, register};

const PHONE: &str = "203.0.113.2:5062";

#[test]
fn a_binding_is_added_shown_and_expires() {
    let mut network = Network::new();
    network.send(PHONE, &register("bob", PHONE, ";q=0.5", "Expires: 60\n"));
    let ok = network.expect(PHONE, "SIP/2.0 200 OK");
    assert!(ok.header("Contact").starts_with("<sip:bob@203.0.113.2:5062>"));
    assert!(ok.header("Contact").contains(";q=0.5") && ok.header("Contact").contains("expires=60"));
    assert!(ok.header("To").contains(";tag="));
    assert_eq!(ok.header("Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_eq!(network.shards[0].facts().bindings, 1);
    network.pass_ms(61_000);
    assert_eq!(network.shards[0].facts().bindings, 0);
}

#[test]
fn the_same_register_again_gets_the_same_answer_and_a_stale_one_fails() {
    let mut network = Network::new();
    let first = register("bob", PHONE, "", "Expires: 600\n");
    network.send(PHONE, &first);
    let one = network.expect(PHONE, "SIP/2.0 200 OK");
    network.send(PHONE, &first);
    let two = network.expect(PHONE, "SIP/2.0 200 OK");
    assert_eq!(one.text, two.text);
    network.send(PHONE, &first.replace("branch=z9hG4bKr", "branch=z9hG4bKother"));
    network.expect(PHONE, "SIP/2.0 500");
}

#[test]
fn a_user_elsewhere_is_not_found_and_a_foreign_registrar_is_refused() {
    let mut network = Network::new();
    let elsewhere =
        register("bob", PHONE, "", "").replace("To: <sip:bob@example.com>", "To: <sip:bob@example.org>");
    network.send(PHONE, &elsewhere);
    network.expect(PHONE, "SIP/2.0 404");
    let foreign =
        register("bob", PHONE, "", "").replace("REGISTER sip:example.com", "REGISTER sip:example.org");
    network.send(PHONE, &foreign);
    network.expect(PHONE, "SIP/2.0 403");
}

#[test]
fn too_brief_and_unknown_extension() {
    let mut network = Network::new();
    network.send(PHONE, &register("bob", PHONE, "", "Expires: 5\n"));
    assert_eq!(network.expect(PHONE, "SIP/2.0 423").header("Min-Expires"), "60");
    network.send(PHONE, &register("bob", PHONE, "", "Require: nothing-like-this\n"));
    assert_eq!(network.expect(PHONE, "SIP/2.0 420").header("Unsupported"), "nothing-like-this");
}

#[test]
fn a_flow_through_nat_is_kept_open_until_its_binding_ends() {
    let mut network = Network::new();
    let inside = register("bob", PHONE, "", "Expires: 100\n")
        .replace(&format!("<sip:bob@{PHONE}>"), "<sip:bob@10.1.1.1:5060>");
    network.send(PHONE, &inside);
    network.expect(PHONE, "SIP/2.0 200 OK");
    network.register("carol", "203.0.113.3:5063", "");
    for _ in 0..3 {
        network.pass_ms(25_000);
        assert_eq!(network.expect(PHONE, "\n").text, "\n");
        network.expect_nothing();
    }
    network.pass_ms(60_000);
    network.expect_nothing();
    network.send(PHONE, &inside.replace("CSeq: 1", "CSeq: 2").replace("branch=z9hG4bK", "branch=z9hG4bK2"));
    network.send(
        PHONE,
        &inside
            .replace("CSeq: 1", "CSeq: 3")
            .replace("branch=z9hG4bK", "branch=z9hG4bK3")
            .replace("Expires: 100", "Expires: 0"),
    );
    network.take();
    network.pass_ms(60_000);
    network.expect_nothing();
}
