use super::*;
use crate::sip::index::Index;

const REQUEST: &[u8] = b"INVITE sip:bob@b.example SIP/2.0\r\n\
Subject: not copied\r\n\
v: SIP/2.0/UDP a.example;rport;branch=z9hG4bK1 , SIP/2.0/UDP b.example\r\n\
Record-Route: <sip:p1;lr>\r\n\
Via: SIP/2.0/TCP c.example\r\n\
CSeq: 7 INVITE\r\n\
f: <sip:a@a.example>;tag=1 \r\n\
Timestamp: 54\r\n\
t: Bob <sip:bob@b.example>\r\n\
Call-ID: c\r\n\
Content-Length: 0\r\n\
\r\n";

fn response_to(request: &[u8], head: &ResponseHead<'_>) -> String {
    let mut index = Index::default();
    let (message, _) = Message::parse_lenient(request, &mut index);
    let mut out = Vec::new();
    emit_response(&message, head, &mut EditList::new(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_response_is_made_of_the_requests_lines() {
    let source = ViaSource { ip: [192, 0, 2, 1].into(), port: 5062, is_forced: false };
    let head = ResponseHead {
        status: 200,
        reason: b"OK",
        to_tag: Some(b"xyz"),
        via_source: Some(source),
        has_record_route: true,
        extra: &[b"Contact: <sip:x>\r\n"],
        body: b"body",
        essentials: None,
    };
    assert_eq!(
        response_to(REQUEST, &head),
        "SIP/2.0 200 OK\r\n\
         v: SIP/2.0/UDP a.example;rport=5062;branch=z9hG4bK1;received=192.0.2.1 , SIP/2.0/UDP b.example\r\n\
         Record-Route: <sip:p1;lr>\r\n\
         Via: SIP/2.0/TCP c.example\r\n\
         CSeq: 7 INVITE\r\n\
         f: <sip:a@a.example>;tag=1\r\n\
         t: Bob <sip:bob@b.example>;tag=xyz\r\n\
         Call-ID: c\r\n\
         Contact: <sip:x>\r\n\
         Content-Length: 4\r\n\r\nbody"
    );
}

#[test]
fn a_100_answers_the_timestamp_and_has_no_tag() {
    let head = ResponseHead { status: 100, reason: b"Trying", ..ResponseHead::default() };
    let response = response_to(REQUEST, &head);
    assert!(response.contains("Timestamp: 54\r\n") && !response.contains("Record-Route"));
    assert!(response.contains("t: Bob <sip:bob@b.example>\r\n") && response.contains(";rport;"));
    let head = ResponseHead { status: 180, reason: b"Ringing", ..ResponseHead::default() };
    assert!(!response_to(REQUEST, &head).contains("Timestamp"));
}

#[test]
fn a_to_with_a_tag_keeps_it() {
    let head =
        ResponseHead { status: 404, reason: b"Not Found", to_tag: Some(b"new"), ..ResponseHead::default() };
    for (to, wanted) in [
        ("<sip:b@b>;tag=old", "<sip:b@b>;tag=old"),
        ("sip:b@b", "sip:b@b;tag=new"),
        ("\"tag=1\" <sip:b@b;tag=2>", "\"tag=1\" <sip:b@b;tag=2>;tag=new"),
        ("<sip:b@b", "<sip:b@b"),
    ] {
        let request = format!("BYE sip:b SIP/2.0\r\nTo: {to}\r\n\r\n");
        let response = response_to(request.as_bytes(), &head);
        assert_eq!(response, format!("SIP/2.0 404 Not Found\r\nTo: {wanted}\r\nContent-Length: 0\r\n\r\n"));
    }
}

#[test]
fn repeated_lines_are_copied_once() {
    let request =
        b"BYE sip:b SIP/2.0\r\nCSeq: 1 BYE\r\nCSeq: 2 BYE\r\nVia: x\r\nVia: y\r\ni: 1\r\ni: 2\r\n\r\n";
    let head = ResponseHead { status: 400, reason: b"Multiple CSeq", ..ResponseHead::default() };
    assert_eq!(
        response_to(request, &head),
        "SIP/2.0 400 Multiple CSeq\r\nCSeq: 1 BYE\r\nVia: x\r\nVia: y\r\ni: 1\r\nContent-Length: 0\r\n\r\n"
    );
}
