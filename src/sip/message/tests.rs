use super::*;

const INVITE: &[u8] = b"INVITE sip:bob@b.example SIP/2.0\r\n\
v: SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/UDP b.example\r\n\
VIA : SIP/2.0/TCP\r\n c.example\r\n\
From:<sip:a@a.example>;tag=1 \r\n\
t:   <sip:bob@b.example>\r\n\
X-Other: kept\r\n\
Supported:\r\n\
Contact: \"a, b\" <sip:a@a.example;x=,>, <sip:c@c.example>\r\n\
Content-Length: 4\r\n\
\r\n\
bodyexcess";

#[test]
fn lines_are_located_and_named() {
    let mut index = Index::default();
    let message = Message::parse(INVITE, &mut index).unwrap();
    let seen: Vec<_> = message
        .lines()
        .iter()
        .map(|line| {
            (
                line.id,
                message.name(line).escape_ascii().to_string(),
                message.value(line).escape_ascii().to_string(),
            )
        })
        .collect();
    let expected = [
        (HeaderId::Via, "v", "SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/UDP b.example"),
        (HeaderId::Via, "VIA", r"SIP/2.0/TCP\r\n c.example"),
        (HeaderId::From, "From", "<sip:a@a.example>;tag=1"),
        (HeaderId::To, "t", "<sip:bob@b.example>"),
        (HeaderId::Other, "X-Other", "kept"),
        (HeaderId::Supported, "Supported", ""),
        (HeaderId::Contact, "Contact", r#"\"a, b\" <sip:a@a.example;x=,>, <sip:c@c.example>"#),
        (HeaderId::ContentLength, "Content-Length", "4"),
    ];
    assert_eq!(seen, expected.map(|(id, name, value)| (id, name.to_owned(), value.to_owned())));
    assert_eq!(message.body(), b"body");
    assert_eq!(message.bytes().len(), INVITE.len() - 6);
    assert_eq!(
        message.start(),
        Start::Request { method: Method::Invite, method_name: b"INVITE", uri: b"sip:bob@b.example" }
    );
    let ends: Vec<_> = message.lines().windows(2).map(|pair| (pair[0].next, pair[1].start)).collect();
    assert!(ends.iter().all(|(next, start)| next == start));
}

#[test]
fn elements_of_one_line_and_of_several_are_the_same() {
    let mut index = Index::default();
    let message = Message::parse(INVITE, &mut index).unwrap();
    let values = |id| -> Vec<&[u8]> { message.values(id).map(|value| value.unwrap().bytes).collect() };
    assert_eq!(
        values(HeaderId::Via),
        [
            &b"SIP/2.0/UDP a.example;branch=z9hG4bK1"[..],
            b"SIP/2.0/UDP b.example",
            b"SIP/2.0/TCP\r\n c.example"
        ]
    );
    assert_eq!(values(HeaderId::Contact), [&b"\"a, b\" <sip:a@a.example;x=,>"[..], b"<sip:c@c.example>"]);
    assert_eq!(values(HeaderId::Supported), [&b""[..]; 0]);
    assert_eq!(values(HeaderId::Route), [&b""[..]; 0]);
    for value in message.values(HeaderId::Contact) {
        let value = value.unwrap();
        assert_eq!(&INVITE[value.range()], value.bytes);
    }
}

#[test]
fn first_and_all_by_name() {
    let mut index = Index::default();
    let message = Message::parse(INVITE, &mut index).unwrap();
    assert_eq!(message.first(HeaderId::Via), Some(&message.lines()[0]));
    assert_eq!(message.all(HeaderId::Via).count(), 2);
    assert_eq!(message.first(HeaderId::CallId), None);
    assert_eq!(message.all(HeaderId::CallId).count(), 0);
    assert_eq!(message.first_value(HeaderId::To), Some(&b"<sip:bob@b.example>"[..]));
}

#[test]
fn an_index_forgets_the_message_before() {
    let mut index = Index::default();
    Message::parse(INVITE, &mut index).unwrap();
    let message = Message::parse(b"SIP/2.0 180 Ringing\r\nTo: x\r\n\r\n", &mut index).unwrap();
    assert_eq!(message.start(), Start::Response { status: 180, reason: b"Ringing" });
    assert_eq!(message.lines().len(), 1);
    assert_eq!(message.first(HeaderId::Via), None);
    assert!(!message.is_request() && message.request_uri().is_empty() && message.body().is_empty());
}

#[test]
fn line_ends_before_the_start_line_are_not_part_of_it() {
    let mut index = Index::default();
    let bytes = b"\r\n\r\nACK sip:a SIP/2.0\r\nTo: x\r\n\r\n";
    let message = Message::parse(bytes, &mut index).unwrap();
    assert_eq!(message.bytes(), &bytes[4..]);
    assert_eq!(message.first_value(HeaderId::To), Some(&b"x"[..]));
}

#[test]
fn what_is_malformed_as_a_whole() {
    let bad = |header, offset| Malformed::Bad { header, offset };
    for (bytes, malformed) in [
        (&b""[..], Malformed::Truncated { offset: 0 }),
        (b"INVITE sip:a SIP/2.0\r\nTo: x\r\n", Malformed::Truncated { offset: 29 }),
        (b"INVITE sip:a SIP/2.0\r\n\r\n", Malformed::TooLarge),
        (b"INVITE sip:a SIP/2.0\nTo: x\r\n\r\n", Malformed::ForbiddenByte { offset: 20 }),
        (b"INVITE sip:a SIP/2.0\r\nTo: \0\r\n\r\n", Malformed::ForbiddenByte { offset: 26 }),
        (b"INVITE  sip:a SIP/2.0\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 7 }),
        (b"INVITE sip:a SIP/2.0 \r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 21 }),
        (b"INVITE sip:a SIP/7.0\r\nTo: x\r\n\r\n", Malformed::Version { offset: 13 }),
        (b"INVITE sip:a HTTP/1.1\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 13 }),
        (b"INVITE SIP/2.0\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 7 }),
        (b"INVITE\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 6 }),
        (b"SIP/2.0 99999 x\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 8 }),
        (b"SIP/2.0 700 x\r\nTo: x\r\n\r\n", Malformed::StartLine { offset: 8 }),
        (b"SIP/3.0 200 x\r\nTo: x\r\n\r\n", Malformed::Version { offset: 0 }),
        (b"ACK sip:a SIP/2.0\r\nno colon\r\n\r\n", Malformed::HeaderName { offset: 19 }),
        (b"ACK sip:a SIP/2.0\r\n: x\r\n\r\n", Malformed::HeaderName { offset: 19 }),
        (b"ACK sip:a SIP/2.0\r\nA b: x\r\n\r\n", Malformed::HeaderName { offset: 19 }),
        (b"ACK sip:a SIP/2.0\r\nl: -1\r\n\r\n", bad(HeaderId::ContentLength, 22)),
        (b"ACK sip:a SIP/2.0\r\nl: 1 x\r\n\r\n", bad(HeaderId::ContentLength, 23)),
        (b"ACK sip:a SIP/2.0\r\nl: 1\r\n\r\n", Malformed::BodyShort { offset: 22 }),
        (b"ACK sip:a SIP/2.0\r\nl: 99999999999999999999999\r\n\r\n", Malformed::BodyShort { offset: 22 }),
        (
            b"ACK sip:a SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n",
            Malformed::Multiple { header: HeaderId::ContentLength, offset: 25 },
        ),
    ] {
        let mut index = Index::default();
        let result = Message::parse(bytes, &mut index);
        // A message without any header is located; what is missing is for those to say who need it.
        let expected = (malformed != Malformed::TooLarge).then_some(malformed);
        assert_eq!(result.err(), expected, "{}", bytes.escape_ascii());
    }
    let mut index = Index::default();
    assert_eq!(Message::parse(&vec![b'a'; 65_536], &mut index).err(), Some(Malformed::TooLarge));
}

#[test]
fn more_lines_than_there_is_room_for() {
    let mut index = Index::new(crate::scan::Scanner::detect(), 3);
    let head = |count| [b"ACK sip:a SIP/2.0\r\n", "To: x\r\n".repeat(count).as_bytes(), b"\r\n"].concat();
    assert_eq!(Message::parse(&head(3), &mut index).unwrap().lines().len(), 3);
    let bytes = head(4);
    let (message, result) = Message::parse_lenient(&bytes, &mut index);
    assert_eq!(result, Err(Malformed::TooManyHeaders { offset: 47 }));
    assert_eq!(message.lines().len(), 3);
}

#[test]
fn what_was_located_before_an_error_is_there() {
    let bytes = b"BYE sip:a SIP/2.0\r\nVia: v\r\nFrom: f\r\nTo: t\r\ni: c\r\nCSeq: 1 BYE\r\nbroken\r\n\r\n";
    let mut index = Index::default();
    let (message, result) = Message::parse_lenient(bytes, &mut index);
    assert_eq!(result, Err(Malformed::HeaderName { offset: 62 }));
    assert!(message.is_answerable());
    let mut ack = bytes.to_vec();
    ack[..3].copy_from_slice(b"ACK");
    assert!(!Message::parse_lenient(&ack, &mut index).0.is_answerable());
    let mut dirty = bytes.to_vec();
    dirty[33] = 0;
    assert!(!Message::parse_lenient(&dirty, &mut index).0.is_answerable());
    assert!(!Message::parse_lenient(&bytes[..40], &mut index).0.is_answerable());
}

#[test]
fn keepalives() {
    assert!(is_keepalive(b"\r\n\r\n") && is_keepalive(b"") && is_keepalive(b"\0\0\0\0"));
    assert!(!is_keepalive(b"\r\nx") && !is_keepalive(&[b'\n'; 9]));
}
