use super::*;
use crate::sip::index::Index;

fn edited(bytes: &[u8], edits: &EditList) -> String {
    let mut out = b"before ".to_vec();
    emit_edited(bytes, edits, &mut out);
    assert_eq!(out.len(), "before ".len() + edits.edited_len(bytes.len()));
    String::from_utf8(out.split_off("before ".len())).unwrap()
}

#[test]
fn edits_are_applied_by_position_whatever_the_order_of_calls() {
    let bytes = b"0123456789";
    let mut edits = EditList::new();
    assert_eq!(edited(bytes, &edits), "0123456789");
    edits.replace(8..9, b"eight");
    edits.insert(3, b"<");
    edits.insert_with(3, |out| out.extend_from_slice(b">"));
    edits.remove(5..7);
    edits.insert(10, b"!");
    edits.insert(0, b"^");
    assert_eq!(edited(bytes, &edits), "^012<>347eight9!");
    edits.clear();
    assert!(edits.is_empty());
    assert_eq!(edited(bytes, &edits), "0123456789");
}

#[test]
fn what_is_removed_twice_is_gone_once() {
    let mut edits = EditList::new();
    edits.remove(2..6);
    edits.replace(4..8, b"x");
    edits.remove(3..5);
    assert_eq!(edited(b"0123456789", &edits), "01x89");
}

/// The Contact lines of a message after `change`, without the line ends.
fn contacts_after(
    lines: &[&str],
    change: impl Fn(&Message<'_>, &mut EditList) -> Result<(), Malformed>,
) -> Vec<String> {
    let bytes = format!("INVITE sip:a SIP/2.0\r\nTo: x\r\n{}\r\n\r\nbody", lines.join("\r\n"));
    let mut index = Index::default();
    let message = Message::parse(bytes.as_bytes(), &mut index).unwrap();
    let mut edits = EditList::new();
    change(&message, &mut edits).unwrap();
    let out = edited(message.bytes(), &edits);
    let out = out.strip_prefix("INVITE sip:a SIP/2.0\r\nTo: x\r\n").unwrap().strip_suffix("\r\n\r\nbody");
    out.unwrap_or_default().split("\r\n").map(str::to_owned).filter(|line| !line.is_empty()).collect()
}

#[test]
fn removed_elements_leave_a_valid_list() {
    for (lines, removed, left) in [
        (&["m: <a>, <b>, <c>"][..], "", &["m: <a>, <b>, <c>"][..]),
        (&["m: <a>, <b>, <c>"], "a", &["m: <b>, <c>"]),
        (&["m: <a>, <b>, <c>"], "b", &["m: <a>, <c>"]),
        (&["m: <a>, <b>, <c>"], "c", &["m: <a>, <b>"]),
        (&["m: <a>, <b>, <c>"], "ab", &["m: <c>"]),
        (&["m: <a>, <b>, <c>"], "bc", &["m: <a>"]),
        (&["m: <a>, <b>, <c>"], "ac", &["m: <b>"]),
        (&["m: <a>,<b> ,  <c>,<d>"], "bc", &["m: <a>,<d>"]),
        (&["m: <a>,<b> ,  <c>,<d>"], "ad", &["m: <b> ,  <c>"]),
        (&["m: <a>, <b>"], "ab", &[]),
        (&["m: <a>, <b>", "X: y", "Contact: <c>"], "ab", &["X: y", "Contact: <c>"]),
        (&["m: <a>, <b>", "X: y", "Contact: <c>"], "bc", &["m: <a>", "X: y"]),
        (&["m: \"x,y\" <a>;p=\",\", <b>"], "b", &["m: \"x,y\" <a>;p=\",\""]),
    ] {
        let is_removed = |element: &[u8]| {
            let open = element.iter().position(|&byte| byte == b'<').unwrap();
            removed.as_bytes().contains(&element[open + 1])
        };
        let found = contacts_after(lines, |message, edits| {
            edit_remove_values(message, HeaderId::Contact, edits, is_removed)
        });
        assert_eq!(found, left, "{lines:?} without {removed:?}");
    }
}

#[test]
fn the_first_elements_are_removed_over_line_ends() {
    let lines = ["m: <a>, <b>", "X: y", "Contact: <c>,<d>"];
    for (count, left) in [
        (0, &["m: <a>, <b>", "X: y", "Contact: <c>,<d>"][..]),
        (1, &["m: <b>", "X: y", "Contact: <c>,<d>"]),
        (2, &["X: y", "Contact: <c>,<d>"]),
        (3, &["X: y", "Contact: <d>"]),
        (9, &["X: y"]),
    ] {
        let found = contacts_after(&lines, |message, edits| {
            edit_remove_first_values(message, HeaderId::Contact, count, edits)
        });
        assert_eq!(found, left, "{count}");
    }
}

#[test]
fn the_topmost_via_goes_and_the_others_stay() {
    for (lines, left) in [
        ("Via: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b\r\n", "Via: SIP/2.0/UDP b\r\n"),
        ("v: SIP/2.0/UDP a;branch=1 ,\r\n SIP/2.0/UDP b\r\n", "v: SIP/2.0/UDP b\r\n"),
        ("X: y\r\nVIA : SIP/2.0/UDP a;b\r\n ;c\r\n", "X: y\r\n"),
    ] {
        let bytes = format!("SIP/2.0 200 OK\r\n{lines}\r\n");
        let mut index = Index::default();
        let message = Message::parse(bytes.as_bytes(), &mut index).unwrap();
        let mut edits = EditList::new();
        let via = Via::parse(message.first_value(HeaderId::Via).unwrap()).unwrap();
        edit_remove_top_via(&message, &via, &mut edits);
        assert_eq!(edited(message.bytes(), &edits), format!("SIP/2.0 200 OK\r\n{left}\r\n"));
    }
}

#[test]
fn the_source_is_noted_in_the_via() {
    let source = |is_forced| ViaSource { ip: [192, 0, 2, 1].into(), port: 4711, is_forced };
    for (via, is_forced, noted) in [
        // RFC 3261 §18.2.1: only where sent-by is something else.
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=b", false, "SIP/2.0/UDP 192.0.2.1:5060;branch=b"),
        (
            "SIP/2.0/UDP 10.0.0.1:5060;branch=b",
            false,
            "SIP/2.0/UDP 10.0.0.1:5060;branch=b;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP a.example, SIP/2.0/UDP c",
            false,
            "SIP/2.0/UDP a.example;received=192.0.2.1, SIP/2.0/UDP c",
        ),
        // RFC 3581 §4: with rport, always.
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=b",
            false,
            "SIP/2.0/UDP 192.0.2.1;rport=4711;branch=b;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP 192.0.2.1;rport=1;branch=b", false, "SIP/2.0/UDP 192.0.2.1;rport=1;branch=b"),
        (
            "SIP/2.0/UDP 192.0.2.1;branch=b",
            true,
            "SIP/2.0/UDP 192.0.2.1;branch=b;rport=4711;received=192.0.2.1",
        ),
        // What the client says of itself is not kept.
        ("SIP/2.0/UDP h;received=1.1.1.1 ;branch=b", false, "SIP/2.0/UDP h;received=192.0.2.1 ;branch=b"),
        (
            "SIP/2.0/UDP h;received=192.0.2.1;rport;branch=b",
            false,
            "SIP/2.0/UDP h;received=192.0.2.1;rport=4711;branch=b",
        ),
    ] {
        let mut edits = EditList::new();
        edit_top_via(&Via::parse(via.as_bytes()).unwrap(), 5, source(is_forced), &mut edits);
        assert_eq!(edited(format!("Via: {via}").as_bytes(), &edits), format!("Via: {noted}"));
    }
}

#[test]
fn numbers_and_addresses() {
    let mut out = Vec::new();
    for number in [0, 7, 10, 65_535, u64::MAX] {
        out.clear();
        emit_number(number, &mut out);
        assert_eq!(out, number.to_string().as_bytes());
    }
    for text in ["192.0.2.255", "0.0.0.0", "2001:db8::1", "::1"] {
        out.clear();
        emit_ip(text.parse().unwrap(), &mut out);
        assert_eq!(out, text.as_bytes());
    }
    out.clear();
    emit_ip("::ffff:192.0.2.1".parse().unwrap(), &mut out);
    assert_eq!(out, b"192.0.2.1");
}
