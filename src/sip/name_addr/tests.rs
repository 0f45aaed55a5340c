use super::*;

fn parse(value: &str) -> Result<NameAddr<'_>, Flaw> {
    NameAddr::parse(value.as_bytes())
}

#[test]
fn values_are_taken_apart() {
    // value, display, URI, parameters, bracketed, tag
    for (value, display, uri, params, bracketed, tag) in [
        ("<sip:bob@biloxi.com>", "", "sip:bob@biloxi.com", "", true, None),
        (
            "<sip:bob@biloxi.com;lr>;tag=a6c85cf",
            "",
            "sip:bob@biloxi.com;lr",
            ";tag=a6c85cf",
            true,
            Some("a6c85cf"),
        ),
        ("sip:bob@biloxi.com;TAG=x;y", "", "sip:bob@biloxi.com", ";TAG=x;y", false, Some("x")),
        (
            "\r\n sip:v@c.example.com ;   tag    = 19n",
            "",
            "sip:v@c.example.com",
            " ;   tag    = 19n",
            false,
            Some("19n"),
        ),
        (
            "\"A. G. Bell\" <sip:agb@bell.com> ;tag=a",
            "\"A. G. Bell\"",
            "sip:agb@bell.com",
            " ;tag=a",
            true,
            Some("a"),
        ),
        (
            "caller<sip:caller@example.com>;tag=323",
            "caller",
            "sip:caller@example.com",
            ";tag=323",
            true,
            Some("323"),
        ),
        (
            "Anonymous User \t<sip:c8oq@anonymous.invalid>",
            "Anonymous User",
            "sip:c8oq@anonymous.invalid",
            "",
            true,
            None,
        ),
        (
            "\"J Rosenberg \\\\\\\"\"       <sip:j@e.com>\r\n  ;\r\n  tag = 98",
            "\"J Rosenberg \\\\\\\"\"",
            "sip:j@e.com",
            "\r\n  ;\r\n  tag = 98",
            true,
            Some("98"),
        ),
        (
            "\"NUL:\\\0 <sip:no@x>\" <sip:a,b;c?d@x>",
            "\"NUL:\\\0 <sip:no@x>\"",
            "sip:a,b;c?d@x",
            "",
            true,
            None,
        ),
        (
            "token1~` token2'+_ token3*%!.- <sip:m@e.com>;p=\"\u{431}\";tag=_token~1'+`*%!-.",
            "token1~` token2'+_ token3*%!.-",
            "sip:m@e.com",
            ";p=\"\u{431}\";tag=_token~1'+`*%!-.",
            true,
            Some("_token~1'+`*%!-."),
        ),
        (
            "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
            "",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "",
            true,
            None,
        ),
        ("isbn:2983792873", "", "isbn:2983792873", "", false, None),
        ("\"\"<tel:+1-201-555-0123>", "\"\"", "tel:+1-201-555-0123", "", true, None),
    ] {
        let address = parse(value).unwrap_or_else(|flaw| panic!("{value:?}: {flaw:?}"));
        assert_eq!(address.display, display.as_bytes(), "{value:?}");
        assert_eq!(address.uri, uri.as_bytes(), "{value:?}");
        assert_eq!(address.params.bytes(), params.as_bytes(), "{value:?}");
        assert_eq!(address.bracketed, bracketed, "{value:?}");
        assert_eq!(address.tag(), tag.map(str::as_bytes), "{value:?}");
    }
}

#[test]
fn flaws_are_found_where_they_are() {
    for (value, kind, offset) in [
        ("", FlawKind::Empty, 0),
        (" ", FlawKind::Empty, 1),
        ("<>", FlawKind::Empty, 1),
        ("<sip:bob@biloxi.com", FlawKind::UnbalancedBracket, 0),
        ("sip:bob@biloxi.com>", FlawKind::UnbalancedBracket, 18),
        ("\"Mr. J. User <sip:j.user@example.com>", FlawKind::UnbalancedQuote, 0),
        ("\"Mr. J. User\\\" <sip:j.user@example.com>", FlawKind::UnbalancedQuote, 0),
        ("\"Watson, Thomas\" < sip:t.watson@example.org >", FlawKind::Scheme, 18),
        ("Bell, Alexander <sip:a.g.bell@example.com>;tag=43", FlawKind::DisplayName, 4),
        ("\"Bob\" sip:bob@biloxi.com", FlawKind::DisplayName, 6),
        ("bob", FlawKind::DisplayName, 3),
        ("sip:user@example.com?Route=%3Csip:sip.example.com%3E", FlawKind::NeedsBrackets, 20),
        ("sip:a,b@example.com", FlawKind::Trailing, 5),
        ("<sip:a@b>,<sip:c@d>", FlawKind::Trailing, 9),
        ("<sip:a@b> x", FlawKind::Trailing, 10),
        ("\"Joe\" <sip:joe@example.org>;;;;", FlawKind::ParamName, 28),
        ("<sip:a@b>;tag=1;tag=2", FlawKind::RepeatedParam, 16),
        ("<sip:a@b>;tag", FlawKind::ParamValue, 10),
        ("*", FlawKind::DisplayName, 1),
    ] {
        assert_eq!(parse(value), Err(Flaw::at(kind, offset)), "{value:?}");
    }
}

#[test]
fn contact_parameters_are_read() {
    let contact = parse(
        "<sip:1@10.0.0.1;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=2;Q=0.75;expires=600",
    )
    .unwrap();
    assert_eq!(contact.instance(), Some(&b"urn:uuid:00000000-0000-1000-8000-000A95A0E128"[..]));
    assert_eq!(contact.reg_id(), Some(2));
    assert_eq!(contact.q(), Ok(Some(750)));
    assert_eq!(contact.expires_s(), Some(600));
    assert!(contact.parse_uri().unwrap().has_ob());

    let plain = parse("<sip:1@10.0.0.1>").unwrap();
    assert_eq!(
        (plain.instance(), plain.reg_id(), plain.q(), plain.expires_s()),
        (None, None, Ok(None), None)
    );

    let odd = parse("<sip:1@10.0.0.1>;+sip.instance=\"x\";reg-id=0;q=7;expires=soon").unwrap();
    assert_eq!(odd.instance(), None);
    assert_eq!(odd.reg_id(), None);
    assert_eq!(odd.q(), Err(Flaw::at(FlawKind::Number, 30)));
    assert_eq!(odd.expires_s(), Some(3600));
    assert_eq!(parse("<sip:1@x>;expires=99999999999999999999").unwrap().expires_s(), Some(u32::MAX));
    assert_eq!(parse("<sip:1@x>;reg-id=2147483648").unwrap().reg_id(), None);
}

#[test]
fn the_star_is_a_contact_alone() {
    assert_eq!(Contact::parse(b"*"), Ok(Contact::Star));
    assert!(Contact::parse(b"*;expires=0").is_err());
    assert!(matches!(Contact::parse(b"* <sip:a@b>"), Ok(Contact::Address(a)) if a.display == b"*"));
}

#[test]
fn lists_are_walked_to_the_first_flaw() {
    let uris = |value: &'static str| -> Vec<_> {
        NameAddr::list(value.as_bytes()).map(|a| a.map(|a| std::str::from_utf8(a.uri).unwrap())).collect()
    };
    assert_eq!(uris(""), []);
    assert_eq!(
        uris("<sip:a,b@c;lr>;x=\"1,2\" , sip:d;y,\"e, f\"<sip:g>"),
        [Ok("sip:a,b@c;lr"), Ok("sip:d"), Ok("sip:g")]
    );
    assert_eq!(uris("<sip:a>,"), [Ok("sip:a"), Err(Flaw::at(FlawKind::Empty, 8))]);
    assert_eq!(uris("<sip:a>,,<sip:b>"), [Ok("sip:a"), Err(Flaw::at(FlawKind::EmptyElement, 8))]);

    let (first, rest) = NameAddr::parse_first(b"<sip:a>;lr, <sip:b>").unwrap();
    assert_eq!((first.uri, rest), (&b"sip:a"[..], Some(&b" <sip:b>"[..])));
    assert_eq!(NameAddr::parse_first(b"<sip:a>").unwrap().1, None);
}
