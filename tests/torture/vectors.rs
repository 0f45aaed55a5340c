//! Our own bad messages: one change of a good one each, and its verdict.

use tine::sip::Index;

use crate::Verdict::{self, Answered, Dropped, Fine, Keepalive};
use crate::{scanners, verdict_of};

pub const GOOD: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK74bf9;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@example.com>\r\n\
    Call-ID: 3848276298220188511@192.0.2.1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@192.0.2.1:5060>\r\n\
    Route: <sip:192.0.2.9;lr>\r\n\
    Expires: 60\r\n\
    Content-Length: 4\r\n\
    \r\n\
    body";

/// What to replace in `GOOD` by what, and the verdict.
const CHANGES: &[(&str, &str, Verdict)] = &[
    ("", "", Fine),
    // Line ends.
    ("70\r\n", "70\n", Answered(400, "Forbidden Byte")),
    ("70\r\n", "70\r", Answered(400, "Forbidden Byte")),
    ("70\r\n", "70\r\r\n", Answered(400, "Forbidden Byte")),
    ("Length: 4\r\n\r\n", "Length: 4\n\n", Answered(400, "Forbidden Byte")),
    ("INVITE\r\nContact", "INVITE\nContact", Answered(400, "Forbidden Byte")),
    ("Alice\"", "A\0\"", Dropped("forbidden_byte", "Forbidden Byte")),
    ("Alice\"", "A\\\0\"", Fine),
    ("Alice\"", "A\tB\"", Fine),
    ("Max-Forwards: 70", "Max-Forwards: 70\0", Answered(400, "Forbidden Byte")),
    ("body", "\0\n\r\x01", Fine),
    // Start lines.
    ("INVITE sip", "INVITE  sip", Answered(400, "Bad Start Line")),
    ("INVITE sip", "INV(TE sip", Answered(400, "Bad Start Line")),
    ("INVITE sip", " INVITE sip", Answered(400, "Bad Start Line")),
    (" SIP/2.0\r\nVia", " SIP/2.0 \r\nVia", Answered(400, "Bad Start Line")),
    (" SIP/2.0\r\nVia", " sip/2.0\r\nVia", Fine),
    (" SIP/2.0\r\nVia", " SIP/3.0\r\nVia", Answered(505, "Version Not Supported")),
    (" SIP/2.0\r\nVia", " HTTP/1.1\r\nVia", Answered(400, "Bad Start Line")),
    (" SIP/2.0\r\nVia", "\r\nVia", Answered(400, "Bad Start Line")),
    (" SIP/2.0\r\nVia", " SIP/2.0\r\n x\r\nVia", Answered(400, "Bad Start Line")),
    ("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 99999 OK", Dropped("start_line", "Bad Start Line")),
    ("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 99 OK", Dropped("start_line", "Bad Start Line")),
    ("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200", Fine),
    ("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 699 \u{e4}", Fine),
    ("sip:bob@example.com SIP", "sip: SIP", Answered(400, "Bad Request-URI")),
    ("sip:bob@example.com SIP", "bob SIP", Answered(400, "Bad Request-URI")),
    ("sip:bob@example.com SIP", "sip:bob@example.com?a=b SIP", Answered(400, "Bad Request-URI")),
    ("sip:bob@example.com SIP", "sip:b\u{e4}b@example.com SIP", Answered(400, "Bad Request-URI")),
    ("sip:bob@example.com SIP", "http://example.com SIP", Fine),
    // Mandatory headers, missing and repeated.
    ("Via: ", "X-Via: ", Dropped("missing_header", "Missing Via")),
    ("From: ", "X-From: ", Answered(400, "Missing From")),
    ("To: ", "X-To: ", Answered(400, "Missing To")),
    ("Call-ID: ", "X-Call-ID: ", Answered(400, "Missing Call-ID")),
    ("CSeq: ", "X-CSeq: ", Dropped("missing_header", "Missing CSeq")),
    ("Max-Forwards: 70\r\n", "", Fine),
    ("Max-Forwards: 70\r\n", "f: <sip:a@b>;tag=1\r\n", Answered(400, "Multiple From")),
    ("Max-Forwards: 70\r\n", "t: <sip:a@b>;tag=1\r\n", Answered(400, "Multiple To")),
    ("Max-Forwards: 70\r\n", "i: 1\r\n", Answered(400, "Multiple Call-ID")),
    ("Max-Forwards: 70\r\n", "CSEQ: 1 INVITE\r\n", Answered(400, "Multiple CSeq")),
    ("Max-Forwards: 70\r\n", "l: 4\r\n", Answered(400, "Multiple Content-Length")),
    ("Expires: 60\r\n", "Max-Forwards: 70\r\n", Answered(400, "Multiple Max-Forwards")),
    ("Expires: 60\r\n", "Expires: 60\r\nExpires: 60\r\n", Answered(400, "Multiple Expires")),
    // Empty values.
    ("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK74bf9;rport", "Via:", Answered(400, "Bad Via")),
    ("To: Bob <sip:bob@example.com>", "To: ", Answered(400, "Bad To")),
    ("Call-ID: 3848276298220188511@192.0.2.1", "Call-ID:", Answered(400, "Bad Call-ID")),
    ("Contact: <sip:alice@192.0.2.1:5060>", "Contact:", Fine),
    ("Route: <sip:192.0.2.9;lr>", "Route: \r\n ", Fine),
    // Values that do not fit.
    ("SIP/2.0/UDP ", "SIP/2.0 ", Answered(400, "Bad Via")),
    (";rport\r\n", ";rport;;\r\n", Answered(400, "Bad Via")),
    (";rport\r\n", ";rport=99999\r\n", Answered(400, "Bad Via")),
    ("\"Alice\" ", "\"Alice ", Answered(400, "Bad From")),
    ("Bob <sip:bob@example.com>", "Bob <sip:bob@example.com", Answered(400, "Bad To")),
    ("\"Alice\" ", "\"\u{fffd}\u{0}\" ", Dropped("forbidden_byte", "Forbidden Byte")),
    ("3848276298220188511@", "38 48@", Answered(400, "Bad Call-ID")),
    ("Contact: <", "Contact: <sip:a@b>,,<", Answered(400, "Bad Contact")),
    ("Contact: <", "Contact: <sip:a@b>;q=\"1,2\", \"x,\\\"\" <sip:c,d@e>;x=y , <", Fine),
    ("Route: <", "Route: a b c <", Fine),
    ("Route: <", "Route: <sip:a>;x y, <", Answered(400, "Bad Route")),
    // Numbers.
    ("CSeq: 1", "CSeq: 2147483647", Fine),
    ("CSeq: 1", "CSeq: 2147483648", Answered(400, "Bad CSeq")),
    ("CSeq: 1", "CSeq: 4294967296", Answered(400, "Bad CSeq")),
    ("CSeq: 1", "CSeq: 99999999999999999999999999", Answered(400, "Bad CSeq")),
    ("CSeq: 1", "CSeq: -1", Answered(400, "Bad CSeq")),
    ("1 INVITE", "1 invite", Answered(400, "CSeq Method Mismatch")),
    ("Max-Forwards: 70", "Max-Forwards: 300", Answered(400, "Bad Max-Forwards")),
    ("Max-Forwards: 70", "Max-Forwards: seventy", Answered(400, "Bad Max-Forwards")),
    ("Max-Forwards: 70", "Max-Forwards: 0", Fine),
    ("Expires: 60", "Expires: 99999999999999999999", Fine),
    ("Expires: 60", "Expires: soon", Answered(400, "Bad Expires")),
    ("Content-Length: 4", "Content-Length: 5", Answered(400, "Content-Length Too Large")),
    ("Content-Length: 4", "Content-Length: 99999999999999999999", Answered(400, "Content-Length Too Large")),
    ("Content-Length: 4", "Content-Length: -4", Answered(400, "Bad Content-Length")),
    ("Content-Length: 4", "Content-Length: 0x4", Answered(400, "Bad Content-Length")),
    ("Content-Length: 4", "Content-Length: 3", Fine),
    ("Content-Length: 4\r\n", "", Fine),
    // Header lines.
    ("Expires: 60", "Expires 60", Answered(400, "Bad Header Name")),
    ("Expires: 60", ": 60", Answered(400, "Bad Header Name")),
    ("Expires: 60", "Ex pires: 60", Answered(400, "Bad Header Name")),
    ("Expires: 60", "Expires\t :\t60", Fine),
    ("Expires: 60", "Expires:\r\n\t60", Fine),
    ("Expires: 60", "\u{dc}bel: 60", Answered(400, "Bad Header Name")),
    ("Max-Forwards: 70\r\n", "MAX-FORWARDS : 70 \r\nUnknown-Header:\r\n", Fine),
    // An ACK is never answered.
    (
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: ",
        "ACK sip:bob@example.com SIP/2.0\r\nVia: ",
        Dropped("cseq_method", "CSeq Method Mismatch"),
    ),
];

#[test]
fn one_change_each() {
    for scanner in scanners() {
        let mut index = Index::new(scanner, 128);
        for &(from, to, verdict) in CHANGES {
            assert!(GOOD.contains(from), "{from:?}");
            let bytes = GOOD.replacen(from, to, 1);
            assert_eq!(verdict_of(bytes.as_bytes(), &mut index), verdict, "{from:?} -> {to:?} {scanner:?}");
        }
    }
}

#[test]
fn every_truncation() {
    let head_len = GOOD.len() - "body".len();
    // From here on there is a CSeq to answer to.
    let answerable = GOOD.find("Contact").expect("a Contact");
    for scanner in scanners() {
        let mut index = Index::new(scanner, 128);
        for len in 1..GOOD.len() {
            let expected = match len {
                _ if len >= head_len => Answered(400, "Content-Length Too Large"),
                _ if len >= answerable => Answered(400, "Truncated Message"),
                _ => Dropped("truncated", "Truncated Message"),
            };
            assert_eq!(verdict_of(&GOOD.as_bytes()[..len], &mut index), expected, "{len}");
        }
    }
}

#[test]
fn other_bytes() {
    let mut index = Index::default();
    let many_vias = "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n".repeat(1_000);
    let listed_vias = "SIP/2.0/UDP h;branch=x,".repeat(2_000);
    let with_vias = |vias: &str| GOOD.replacen("Via: ", vias, 1).into_bytes();
    let commas = GOOD.replacen("Contact: ", &format!("Contact: {}", ",".repeat(10_000)), 1).into_bytes();
    let long_line = format!("X: {}\r\n", "y".repeat(60_000));
    for (bytes, verdict) in [
        (Vec::new(), Keepalive),
        (b"\r\n".to_vec(), Keepalive),
        (b"\r\n\r\n".to_vec(), Keepalive),
        (b"\0\0\0\0".to_vec(), Keepalive),
        (b"\r\n".repeat(100), Dropped("truncated", "Truncated Message")),
        (vec![0; 1_000], Dropped("truncated", "Truncated Message")),
        (vec![0xff; 1_000], Dropped("truncated", "Truncated Message")),
        (vec![b'a'; 65_535], Dropped("truncated", "Truncated Message")),
        (vec![b'a'; 65_536], Dropped("too_large", "Message Too Large")),
        ([b"\r\n\r\n", GOOD.as_bytes()].concat(), Fine),
        ([GOOD.as_bytes(), GOOD.as_bytes()].concat(), Fine),
        // The lines behind the last that fits are not seen, so there is no CSeq to answer to.
        (with_vias(&format!("{many_vias}Via: ")), Dropped("too_many_headers", "Too Many Headers")),
        (with_vias(&format!("Via: {listed_vias}")), Fine),
        (commas, Answered(400, "Bad Contact")),
        (GOOD.replacen("Expires: 60\r\n", &long_line, 1).into_bytes(), Fine),
    ] {
        let text: String = bytes.iter().take(60).map(|&byte| byte as char).collect();
        assert_eq!(verdict_of(&bytes, &mut index), verdict, "{text:?}");
    }
}
