use super::*;

fn parse(text: &str) -> Result<Uri<'_>, Flaw> {
    Uri::parse(text.as_bytes())
}

#[test]
fn sip_uris_are_taken_apart() {
    // URI, user, password, host bytes, port, params, headers
    let none: Option<&str> = None;
    for (text, user, password, host, port, params, headers) in [
        ("sip:alice@atlanta.com", Some("alice"), none, "atlanta.com", None, "", ""),
        (
            "sip:alice:secretword@atlanta.com;transport=tcp",
            Some("alice"),
            Some("secretword"),
            "atlanta.com",
            None,
            ";transport=tcp",
            "",
        ),
        (
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            Some("alice"),
            none,
            "atlanta.com",
            None,
            "",
            "subject=project%20x&priority=urgent",
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            Some("+1-212-555-1212"),
            Some("1234"),
            "gateway.com",
            None,
            ";user=phone",
            "",
        ),
        (
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            none,
            none,
            "atlanta.com",
            None,
            ";method=REGISTER",
            "to=alice%40atlanta.com",
        ),
        ("sip:alice;day=tuesday@atlanta.com", Some("alice;day=tuesday"), none, "atlanta.com", None, "", ""),
        (
            "sip:user;par=u%40example.net@example.com",
            Some("user;par=u%40example.net"),
            none,
            "example.com",
            None,
            "",
            "",
        ),
        (
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
            Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"),
            "example.com",
            None,
            "",
            "",
        ),
        (
            "sip:sips%3Auser%40example.com@example.net",
            Some("sips%3Auser%40example.com"),
            none,
            "example.net",
            None,
            "",
            "",
        ),
        (
            "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
            Some("cal%6Cer"),
            none,
            "host5.example.net",
            None,
            ";%6C%72;n%61me=v%61lue%25%34%31",
            "",
        ),
        ("sip:null-%00-null@example.com", Some("null-%00-null"), none, "example.com", None, "", ""),
        ("SIP:bob:@192.0.2.4:65535;lr", Some("bob"), Some(""), "192.0.2.4", Some(65535), ";lr", ""),
        (
            "sIPs:[2001:db8::10]:5061;transport=tls;k=a==",
            none,
            none,
            "[2001:db8::10]",
            Some(5061),
            ";transport=tls;k=a==",
            "",
        ),
        ("sip:*21#@example.com", Some("*21#"), none, "example.com", None, "", ""),
        ("sip:a@b?x=&y=1", Some("a"), none, "b", None, "", "x=&y=1"),
    ] {
        let uri = parse(text).unwrap_or_else(|flaw| panic!("{text}: {flaw:?}"));
        assert_eq!(uri.bytes, text.as_bytes());
        assert_eq!(uri.scheme, if text.as_bytes()[3] == b':' { Scheme::Sip } else { Scheme::Sips }, "{text}");
        assert_eq!(uri.user, user.map(str::as_bytes), "{text}");
        assert_eq!(uri.password, password.map(str::as_bytes), "{text}");
        assert_eq!(uri.host_bytes, host.as_bytes(), "{text}");
        assert_eq!(uri.host, Host::parse(host.as_bytes()).ok(), "{text}");
        assert_eq!(uri.port, port, "{text}");
        assert_eq!(uri.params.bytes(), params.as_bytes(), "{text}");
        assert_eq!(uri.headers, headers.as_bytes(), "{text}");
    }
}

#[test]
fn flaws_are_found_where_they_are() {
    for (text, kind, offset) in [
        ("", FlawKind::Empty, 0),
        ("sip", FlawKind::Scheme, 3),
        (":a", FlawKind::Scheme, 0),
        ("1sip:a", FlawKind::Scheme, 4),
        ("foo:a b", FlawKind::Scheme, 5),
        ("foo:<a>", FlawKind::Scheme, 4),
        ("sip:", FlawKind::Host, 4),
        ("sip:@b", FlawKind::User, 4),
        ("sip::x@b", FlawKind::User, 4),
        ("sip:a:b:c@d", FlawKind::User, 7),
        ("sip:a b@c", FlawKind::User, 5),
        ("sip:a\r\n b@c", FlawKind::User, 5),
        ("sip:\u{e4}@c", FlawKind::User, 4),
        ("sip:a%4@c", FlawKind::Escape, 5),
        ("sip:a%zz@c", FlawKind::Escape, 5),
        ("sip:a%", FlawKind::Host, 5),
        ("sip:a@b@c", FlawKind::Host, 7),
        ("sip:a@", FlawKind::Host, 6),
        ("sip:a@b c", FlawKind::Host, 7),
        (" sip:a@b", FlawKind::Scheme, 0),
        ("sip:a@b\0", FlawKind::Host, 7),
        ("sip:a@[::1", FlawKind::Host, 6),
        ("sip:a@b:", FlawKind::Port, 8),
        ("sip:a@b:65536", FlawKind::Port, 8),
        ("sip:a@b:99999999999999999999999", FlawKind::Port, 8),
        ("sip:a@b:50x", FlawKind::Host, 10),
        ("sip:a@b;", FlawKind::ParamName, 8),
        ("sip:a@b;;lr", FlawKind::ParamName, 8),
        ("sip:a@b;lr=", FlawKind::ParamValue, 11),
        ("sip:a@b;x=a b", FlawKind::ParamValue, 11),
        ("sip:a@b;x=%0", FlawKind::Escape, 10),
        ("sip:a@b?", FlawKind::UriHeaders, 8),
        ("sip:a@b?x", FlawKind::UriHeaders, 9),
        ("sip:a@b?x=1&", FlawKind::UriHeaders, 12),
        ("sip:a@b?x=<", FlawKind::UriHeaders, 10),
        ("tel:", FlawKind::User, 4),
        ("tel:+", FlawKind::User, 5),
        ("tel:+12x", FlawKind::User, 7),
        ("tel:---", FlawKind::User, 7),
        ("tel:+1;", FlawKind::ParamName, 7),
        ("<sip:a@b>", FlawKind::Scheme, 0),
    ] {
        assert_eq!(parse(text), Err(Flaw::at(kind, offset)), "{text:?}");
    }
}

#[test]
fn tel_uris_are_numbers_with_parameters() {
    let uri = parse("tel:+1-201-555-0123;phone-context=example.com").unwrap();
    assert_eq!((uri.scheme, uri.user, uri.host), (Scheme::Tel, Some(&b"+1-201-555-0123"[..]), None));
    assert_eq!(uri.param(b"phone-context").unwrap().value, Some(&b"example.com"[..]));
    assert_eq!(parse("TEL:*21#").unwrap().user, Some(&b"*21#"[..]));
    assert_eq!(parse("tel:7042;phone-context=+1").unwrap().user, Some(&b"7042"[..]));
}

#[test]
fn other_schemes_are_kept() {
    for (text, name) in [
        ("nobodyKnowsThisScheme:totallyopaquecontent", "nobodyKnowsThisScheme"),
        ("soap.beep://192.0.2.103:3002", "soap.beep"),
        ("http://www.example.com", "http"),
        ("sipx:a", "sipx"),
        ("urn:service:sos", "urn"),
    ] {
        let uri = parse(text).unwrap();
        assert_eq!((uri.scheme, uri.bytes, uri.host), (Scheme::Other, text.as_bytes(), None));
        assert_eq!(uri.scheme_name(), name.as_bytes());
    }
    assert_eq!(parse("Sip:a").unwrap().scheme_name(), b"Sip");
}

#[test]
fn parameters_are_found_by_what_they_mean() {
    let uri = parse("sip:a@b;Transport=WSS;%6C%72;maddr=1.2.3.4;ttl=5;method=INVITE;user=Phone;ob").unwrap();
    assert_eq!(uri.transport(), Some(Some(Transport::Wss)));
    assert!(uri.is_loose() && uri.has_ob() && uri.is_phone());
    assert_eq!(uri.maddr(), Some(&b"1.2.3.4"[..]));
    assert_eq!(uri.ttl(), Some(&b"5"[..]));
    assert_eq!(uri.method(), Some(&b"INVITE"[..]));
    let plain = parse("sip:a@b;transport=x;user=ip;lrx").unwrap();
    assert_eq!(plain.transport(), Some(None));
    assert!(!plain.is_loose() && !plain.has_ob() && !plain.is_phone());
    assert_eq!(parse("sip:a@b").unwrap().transport(), None);
}
