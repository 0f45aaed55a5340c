use super::*;

const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nSubject: x\r\nCONTENT-LENGTH :\r\n 4\r\n\r\nbody";

fn frames(bytes: &[u8], max: usize) -> Vec<Frame> {
    let mut framer = Framer::new(max);
    let mut at = 0;
    let mut frames = Vec::new();
    loop {
        let frame = framer.next(&bytes[at..]);
        frames.push(frame);
        match frame {
            Frame::Ping { len } | Frame::Pong { len } | Frame::Message { len } => at += len,
            Frame::Partial | Frame::Bad { .. } => return frames,
        }
    }
}

#[test]
fn messages_and_keepalives_are_cut_in_their_order() {
    let len = MESSAGE.len();
    let compact = b"ACK sip:a SIP/2.0\r\nl:0\r\n\r\n";
    let bytes = [b"\r\n\r\n", MESSAGE, b"\r\n", compact, b"\r\n\r\n", b"\r\n", &MESSAGE[..40]].concat();
    assert_eq!(
        frames(&bytes, 1_000),
        [
            Frame::Ping { len: 4 },
            Frame::Message { len },
            Frame::Pong { len: 2 },
            Frame::Message { len: compact.len() },
            Frame::Ping { len: 4 },
            Frame::Pong { len: 2 },
            Frame::Partial,
        ]
    );
}

#[test]
fn byte_by_byte_is_the_same_as_at_once() {
    let bytes = [MESSAGE, b"\r\n\r\n", MESSAGE].concat();
    let mut framer = Framer::new(1_000);
    let mut at = 0;
    let mut seen = Vec::new();
    for end in 1..=bytes.len() {
        match framer.next(&bytes[at..end]) {
            Frame::Partial => {}
            Frame::Ping { len } | Frame::Pong { len } | Frame::Message { len } => {
                seen.push((at, end));
                at += len;
                assert_eq!(at, end, "a frame is told as soon as it is there");
            }
            bad => panic!("{bad:?}"),
        }
    }
    let len = MESSAGE.len();
    assert_eq!(seen, [(0, len), (len, len + 4), (len + 4, 2 * len + 4)]);
}

#[test]
fn what_was_searched_is_not_searched_again() {
    let mut framer = Framer::new(60_000);
    let head = [b"A sip:a SIP/2.0\r\nX: ", &[b'y'; 50_000][..]].concat();
    for len in (1..head.len()).step_by(1_000) {
        assert_eq!(framer.next(&head[..len]), Frame::Partial);
        assert_eq!(framer.searched as usize, len);
    }
}

#[test]
fn a_stream_that_can_not_be_cut_must_end() {
    let header = HeaderId::ContentLength;
    for (bytes, malformed) in [
        (&b"\x16\x03\x01"[..], Malformed::StartLine { offset: 0 }),
        (b"\nA sip:a SIP/2.0\r\n\r\n", Malformed::StartLine { offset: 0 }),
        (b"A sip:a SIP/2.0\r\n\r\n", Malformed::Missing { header }),
        (b"A sip:a SIP/2.0\r\nl: -1\r\n\r\n", Malformed::Bad { header, offset: 17 }),
        (b"A sip:a SIP/2.0\r\nl: 1\r\nl: 1\r\n\r\n", Malformed::Multiple { header, offset: 23 }),
        (b"A sip:a SIP/2.0\r\nl: 99\r\n\r\n", Malformed::TooLarge),
        (b"A sip:a SIP/2.0\r\nl: 4294967295\r\n\r\n", Malformed::TooLarge),
        (&[b'A'; 101], Malformed::TooLarge),
    ] {
        let [Frame::Bad { malformed: found, len }] = frames(bytes, 100)[..] else {
            panic!("{}", bytes.escape_ascii());
        };
        assert_eq!(found, malformed, "{}", bytes.escape_ascii());
        assert!(len > 0 && len <= bytes.len());
    }
    assert_eq!(frames(&[b'A'; 100], 100), [Frame::Partial]);
}
