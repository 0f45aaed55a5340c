use super::*;

fn parse(value: &str) -> Result<Via<'_>, Flaw> {
    Via::parse(value.as_bytes())
}

#[test]
fn sent_protocol_and_sent_by_are_taken_apart() {
    // value, SIP/2.0, transport, host bytes, port, branch
    for (value, is_sip_2, transport, host, port, branch) in [
        (
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK87asdks7",
            true,
            "UDP",
            "192.0.2.1",
            Some(5060),
            Some("z9hG4bK87asdks7"),
        ),
        ("SIP/2.0/TCP bobspc.biloxi.com", true, "TCP", "bobspc.biloxi.com", None, None),
        ("SIP/2.0/tls [2001:db8::9:1]:0;branch=z", true, "tls", "[2001:db8::9:1]", Some(0), Some("z")),
        (
            "SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
            true,
            "UDP",
            "192.0.2.2",
            None,
            Some("390skdjuw"),
        ),
        (
            "SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0",
            true,
            "TCP",
            "spindle.example.com",
            None,
            Some("z9hG4bK9ikj8"),
        ),
        (
            "SIP/2.0/UDP first.example.com: 4000 ;ttl=16\r\n ;maddr=224.2.0.1 ;branch=a7c6a8dlze.1",
            true,
            "UDP",
            "first.example.com",
            Some(4000),
            Some("a7c6a8dlze.1"),
        ),
        ("SIP/2.0/UDP a : 4000", true, "UDP", "a", Some(4000), None),
        (
            "sip/2.0/UNKNOWN t4.example.com;branch=z9hG4bK-.!%66*_+`'~",
            true,
            "UNKNOWN",
            "t4.example.com",
            None,
            Some("z9hG4bK-.!%66*_+`'~"),
        ),
        ("SIP/7.0/UDP c.example.com", false, "UDP", "c.example.com", None, None),
        ("HTTP/2.0/TLS-SCTP h", false, "TLS-SCTP", "h", None, None),
    ] {
        let via = parse(value).unwrap_or_else(|flaw| panic!("{value:?}: {flaw:?}"));
        assert_eq!(via.is_sip_2, is_sip_2, "{value:?}");
        assert_eq!(via.transport_name, transport.as_bytes(), "{value:?}");
        assert_eq!(via.transport, Transport::from_name(transport.as_bytes()), "{value:?}");
        assert_eq!(via.host_bytes, host.as_bytes(), "{value:?}");
        assert_eq!(via.port, port, "{value:?}");
        assert_eq!(via.branch, branch.map(str::as_bytes), "{value:?}");
    }
}

#[test]
fn parameters_have_their_slots() {
    let via =
        parse("SIP/2.0/UDP a;TTL=1;maddr=224.0.0.1;Received=[2001:db8::1];rport=5062;x=\"a,b\"").unwrap();
    assert_eq!(via.ttl, Some(&b"1"[..]));
    assert_eq!(via.maddr, Some(&b"224.0.0.1"[..]));
    assert_eq!(via.received, Some(&b"[2001:db8::1]"[..]));
    assert_eq!(via.received_ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(via.rport, Rport::Port(5062));
    assert_eq!(via.params.value_of(b"x"), Some(&b"\"a,b\""[..]));
    assert_eq!(
        parse("SIP/2.0/UDP a;received=2001:db8::1").unwrap().received_ip(),
        "2001:db8::1".parse().ok()
    );
    assert_eq!(parse("SIP/2.0/UDP a;received=a").unwrap().received_ip(), None);
    assert_eq!(parse("SIP/2.0/UDP a").unwrap().rport, Rport::Absent);
}

#[test]
fn edits_know_their_places() {
    // Each value with `^` where `=port` goes, `$` where `;received=…` goes and `|` where the next Via begins.
    for marked in [
        "SIP/2.0/UDP a;rport^;branch=z9hG4bKx$",
        "SIP/2.0/UDP a;branch=z9hG4bKx;rport^$",
        "SIP/2.0/UDP a ; rport^ ; branch=z9hG4bKx$ ,| SIP/2.0/UDP b;rport",
        "SIP/2.0/UDP a$,|SIP/2.0/UDP b;rport",
        "SIP/2.0/UDP a:5060$\r\n ,|",
    ] {
        let value = marked.replace(['^', '$', '|'], "");
        let place = |mark: char| {
            let before = &marked[..marked.find(mark)?];
            Some(before.replace(['^', '$', '|'], "").len() as u16)
        };
        let via = parse(&value).unwrap();
        let fill_at = if let Rport::Empty { fill_at } = via.rport { Some(fill_at) } else { None };
        assert_eq!((fill_at, Some(via.end), via.next), (place('^'), place('$'), place('|')), "{marked:?}");
    }
}

#[test]
fn flaws_are_found_where_they_are() {
    for (value, kind, offset) in [
        ("", FlawKind::Empty, 0),
        ("SIP/2.0", FlawKind::Protocol, 7),
        ("SIP/2.0/ ", FlawKind::Protocol, 9),
        ("SIP/2.0/UDP", FlawKind::Protocol, 11),
        ("SIP/2.0/UDP:5060", FlawKind::Protocol, 11),
        ("/2.0/UDP a", FlawKind::Protocol, 0),
        ("SIP//UDP a", FlawKind::Protocol, 4),
        ("SIP/2.0/UDP ", FlawKind::Host, 12),
        ("SIP/2.0/UDP ;branch=x", FlawKind::Host, 12),
        ("SIP/2.0/UDP [2001:db8::1", FlawKind::Host, 12),
        ("SIP/2.0/UDP a:", FlawKind::Port, 14),
        ("SIP/2.0/UDP a:65536", FlawKind::Port, 14),
        ("SIP/2.0/UDP a:x", FlawKind::Port, 14),
        ("SIP/2.0/UDP a b", FlawKind::Trailing, 14),
        ("SIP/2.0/UDP 192.0.2.15;;,;,,", FlawKind::ParamName, 23),
        ("SIP/2.0/UDP a;branch=x;branch=x", FlawKind::RepeatedParam, 23),
        ("SIP/2.0/UDP a;rport;rport=1", FlawKind::RepeatedParam, 20),
        ("SIP/2.0/UDP a;branch", FlawKind::ParamValue, 14),
        ("SIP/2.0/UDP a;rport=99999", FlawKind::Port, 14),
        (",SIP/2.0/UDP a", FlawKind::Protocol, 0),
    ] {
        assert_eq!(parse(value), Err(Flaw::at(kind, offset)), "{value:?}");
    }
}

#[test]
fn the_cookie_needs_something_behind_it() {
    for (branch, wanted) in [("z9hG4bKa", true), ("Z9HG4BKa", true), ("z9hG4bK", false), ("390skdjuw", false)]
    {
        assert_eq!(
            parse(&format!("SIP/2.0/UDP a;branch={branch}")).unwrap().has_cookie(),
            wanted,
            "{branch}"
        );
    }
    assert!(!parse("SIP/2.0/UDP a").unwrap().has_cookie());
}
