//! Every backend that this processor has says what the scalar one says: byte values, lanes, lengths and alignments each exhaustively alone,
//! their product by seeded sampling.

use super::{Backend, End, Head, Line, Scanner, Sink};

#[derive(Default, PartialEq, Eq, Debug)]
struct Lines {
    lines: Vec<Line>,
    stop_after: Option<usize>,
}

impl Sink for Lines {
    fn on_line(&mut self, line: Line) -> bool {
        self.lines.push(line);
        self.stop_after.is_none_or(|count| self.lines.len() < count)
    }
}

fn scan(backend: Backend, bytes: &[u8], stop_after: Option<usize>) -> (Head, Vec<Line>) {
    let mut sink = Lines { lines: Vec::new(), stop_after };
    let head = Scanner::with(backend).expect("an available backend").scan_head(bytes, &mut sink);
    (head, sink.lines)
}

/// The vector backends of this processor, or the one that TINE_SCAN names.
#[allow(clippy::disallowed_methods)]
fn backends() -> Vec<Backend> {
    let wanted = std::env::var("TINE_SCAN").ok();
    let wanted = wanted.map(|name| Backend::from_name(&name).expect("TINE_SCAN names a backend"));
    let mut backends = Backend::ALL.to_vec();
    backends.retain(|&backend| wanted.is_none_or(|wanted| wanted == backend));
    backends.retain(|&backend| Scanner::with(backend).is_some());
    backends
}

fn assert_same(bytes: &[u8]) {
    for stop_after in [None, Some(1), Some(2)] {
        let expected = scan(Backend::Scalar, bytes, stop_after);
        for backend in backends() {
            assert_eq!(
                scan(backend, bytes, stop_after),
                expected,
                "{backend:?} {:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
}

fn prng(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    }
}

#[test]
fn scalar_finds_lines_colons_folds_and_the_end() {
    let bytes = b"OPTIONS sip:a SIP/2.0\r\nVia : x:y\r\nSubject: one\r\n two:\r\n\tthree\r\nnone\r\n\r\nbody: \0\r\n\r\n";
    let (head, lines) = scan(Backend::Scalar, bytes, None);
    let text = |from: usize, to: usize| bytes[from..to].escape_ascii().to_string();
    let seen: Vec<_> =
        lines.iter().map(|line| (text(line.start, line.colon), text(line.colon, line.end))).collect();
    let expected = [
        ("OPTIONS sip", ":a SIP/2.0"),
        ("Via ", ": x:y"),
        ("Subject", r": one\r\n two:\r\n\tthree"),
        ("", "none"),
    ];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(lines.windows(2).all(|pair| pair[0].next == pair[1].start));
    assert_eq!(head, Head { end: End::Complete, len: bytes.len() - 11, forbidden: None });
}

#[test]
fn forbidden_bytes_are_found() {
    for (head, forbidden) in [
        (&b"a: b\r\n\r\n"[..], None),
        (b"a: b\tc\r\n\tb\r\n\r\n", None),
        (b"a: b\0\r\n\r\n", Some(4)),
        (b"a: b\n\r\n", Some(4)),
        (b"a: b\r\n\n", Some(6)),
        (b"a: b\rc\r\n\r\n", Some(4)),
        (b"a: b\r\r\n\r\n", Some(4)),
        (b"\nb\r\n\r\n", Some(0)),
        (b"a: \0\n\r\n", Some(3)),
        (b"a: \"\\\0 \\\x07\"\r\n\r\n", None),
        (b"a: \"\\\\\0\"\r\n\r\n", Some(6)),
        (b"a: \\\0\r\n\r\n", Some(4)),
        (b"a: \"\r\nb: \\\0\"\r\n\r\n", Some(10)),
        (b"a: \"\r\n \\\0\"\r\n\r\n", None),
        (b"a: \"\\\r\n\"\r\n\r\n", None),
        (b"a: b\r\n\r\n\0\n\r", None),
        (b"a: b\r\n\r", None),
    ] {
        for backend in backends() {
            assert_eq!(
                scan(backend, head, None).0.forbidden,
                forbidden,
                "{backend:?} {:?}",
                head.escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn every_byte_value_in_every_lane() {
    // Two blocks, a line end in each, and the value at each place.
    let mut plain = [b'x'; 130];
    for at in [10, 30, 70, 100] {
        plain[at..at + 2].copy_from_slice(b"\r\n");
        plain[at + 5] = b':';
    }
    plain[126..].copy_from_slice(b"\r\n\r\n");
    for value in 0..=255 {
        for lane in 0..plain.len() {
            let mut bytes = plain;
            bytes[lane] = value;
            assert_same(&bytes);
        }
    }
}

#[test]
fn every_length() {
    let text: Vec<u8> = b"ab: c\r\nd:\r\n e\r\nf:g\r\n".iter().copied().cycle().take(130).collect();
    for len in 0..=130 {
        assert_same(&text[..len]);
        let spaces = vec![b' '; len];
        assert_same(&spaces);
        let mut ended = vec![b'n'; len];
        ended.extend_from_slice(b"\r\n\r\n");
        assert_same(&ended);
    }
}

#[test]
fn every_alignment() {
    let text = b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP host.example.com;branch=z9hG4bK1\r\n x\r\nTo: <sip:b@c>\r\nX: \x01\r\n\r\nbody";
    for offset in 0..128 {
        let mut bytes = vec![b'\n'; offset];
        bytes.extend_from_slice(text);
        assert_same(&bytes[offset..]);
        let mut shifted = vec![b'z'; offset];
        shifted.extend_from_slice(text);
        assert_same(&shifted);
    }
}

#[test]
fn samples_of_everything_at_once() {
    let mut next = prng(1);
    for _ in 0..20_000 {
        let len = next(400);
        let usual = next(20) + 2;
        let bytes: Vec<u8> = (0..len)
            .flat_map(|_| match next(usual) {
                0 => vec![b'\r', b'\n'],
                1 => vec![[b':', b'\t', b' ', b'"', b'\\'][next(5)]],
                _ if next(60) == 0 => vec![next(256) as u8],
                _ => vec![b'a' + next(26) as u8],
            })
            .collect();
        let offset = next(64).min(bytes.len());
        assert_same(&bytes[offset..]);
    }
}

#[test]
fn a_colon_past_the_first_64_bytes_is_found() {
    for len in 60..200 {
        let mut bytes = b"start\r\n".to_vec();
        bytes.resize(bytes.len() + len, b'n');
        bytes.extend_from_slice(b": v:w\r\n\r\n");
        for backend in backends() {
            assert_eq!(scan(backend, &bytes, None).1[1].colon, 7 + len, "{backend:?}");
        }
    }
}

#[test]
fn names_of_backends() {
    for backend in Backend::ALL {
        assert_eq!(Backend::from_name(backend.name()), Some(backend));
    }
    assert_eq!(Backend::from_name("neon"), None);
    assert!(Scanner::with(Scanner::detect().backend()).is_some());
}
