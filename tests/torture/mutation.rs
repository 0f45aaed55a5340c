//! Seeded changes of good messages: nothing panics, all scanners say the same, and what is found lies inside the message.

use tine::sip::edit::{edit_remove_first_values, edit_remove_top_via, edit_top_via};
use tine::sip::framing::{Frame, Framer};
use tine::sip::{
    EditList, Essentials, HeaderId, Index, Message, ResponseHead, ViaSource, emit_edited, emit_response,
};

use crate::vectors::GOOD;
use crate::{scanners, verdict_of};

struct Prng(u64);

impl Prng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}

const PIECES: [&[u8]; 24] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"\t",
    b",",
    b";",
    b"\"",
    b"<",
    b">",
    b"\\",
    b"=",
    b"@",
    b"[",
    b"]",
    b"*",
    b"\r\n ",
    b"\r\n\r\n",
    b"99999999999999999999",
    b"\xff\xfe",
    b"Via: ",
    b"Content-Length: ",
];

fn mutate(prng: &mut Prng) -> Vec<u8> {
    let mut bytes = GOOD.as_bytes().to_vec();
    for _ in 0..=prng.below(6) {
        let at = prng.below(bytes.len() + 1);
        match prng.below(5) {
            0 if at < bytes.len() => bytes[at] = prng.below(256) as u8,
            1 => bytes.truncate(at.max(1)),
            2 => {
                let end = (at + prng.below(40)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            3 => {
                let start = prng.below(bytes.len() + 1);
                let end = (start + prng.below(200)).min(bytes.len());
                let copy = bytes[start..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                bytes.splice(at..at, PIECES[prng.below(PIECES.len())].iter().copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    bytes
}

#[test]
fn no_bytes_are_too_bad() {
    let mut prng = Prng(4475);
    let scanners = scanners();
    let mut indexes: Vec<_> = scanners.iter().map(|&scanner| Index::new(scanner, 24)).collect();
    let mut edits = EditList::new();
    let mut out = Vec::new();
    let mut fine = 0;
    for _ in 0..30_000 {
        let bytes = mutate(&mut prng);
        let verdict = verdict_of(&bytes, &mut indexes[0]);
        for index in &mut indexes[1..] {
            assert_eq!(verdict_of(&bytes, index), verdict, "{}", bytes.escape_ascii());
        }
        let (message, located) = Message::parse_lenient(&bytes, &mut indexes[0]);
        for line in message.lines() {
            assert!(
                line.start <= line.name_end
                    && line.value_start <= line.value_end
                    && line.value_end <= line.next
            );
            assert!(usize::from(line.next) <= message.bytes().len());
            message.values(line.id).take(100).for_each(drop);
        }
        out.clear();
        let source = ViaSource { ip: [203, 0, 113, 9].into(), port: 40_000, is_forced: false };
        let head = ResponseHead {
            status: 400,
            reason: b"x",
            to_tag: Some(b"t"),
            via_source: Some(source),
            ..Default::default()
        };
        emit_response(&message, &head, &mut edits, &mut out);
        if message.is_answerable() {
            // What is sent is itself well formed as a whole.
            let result = Message::parse(&out, &mut Index::default()).map(|message| message.status());
            assert_eq!(result, Ok(400), "{}", out.escape_ascii());
        }
        if located.is_ok()
            && let Ok(essentials) = Essentials::parse(&message)
        {
            fine += 1;
            edits.clear();
            edit_top_via(&essentials.via, usize::from(essentials.via_start), source, &mut edits);
            out.clear();
            emit_edited(message.bytes(), &edits, &mut out);
            let mut index = Index::default();
            let edited = Message::parse(&out, &mut index).expect("an edited message is one");
            let edited = Essentials::parse(&edited).expect("with the same values");
            assert_eq!(edited.via.received_ip(), Some(source.ip), "{}", out.escape_ascii());
            assert_eq!((edited.call_id, edited.cseq), (essentials.call_id, essentials.cseq));
            edits.clear();
            edit_remove_top_via(&message, &essentials.via, &mut edits);
            let _ = edit_remove_first_values(&message, HeaderId::Contact, 1, &mut edits);
            emit_edited(message.bytes(), &edits, &mut out);
        }
    }
    assert!(fine > 1_000, "{fine} messages stayed fine: enough to test what comes behind the parser");
}

#[test]
fn no_stream_is_too_bad() {
    let mut prng = Prng(3261);
    for _ in 0..5_000 {
        let bytes = mutate(&mut prng);
        let mut framer = Framer::new(4_096);
        let mut at = 0;
        let mut end = 0;
        // Each frame takes at least a byte, and each call without one gets more.
        for _ in 0..2 * bytes.len() + 2 {
            match framer.next(&bytes[at..end]) {
                Frame::Partial if end == bytes.len() => break,
                Frame::Partial => end = (end + 1 + prng.below(300)).min(bytes.len()),
                Frame::Ping { len } | Frame::Pong { len } | Frame::Message { len } => {
                    assert!(len > 0 && at + len <= end);
                    at += len;
                }
                Frame::Bad { len, .. } => {
                    assert!(at + len <= end);
                    break;
                }
            }
        }
    }
}
