//! Where one message of a stream ends and the next begins (RFC 3261 §18.3), and the keepalives between them (RFC 5626 §3.5.1).
//!
//! Bytes that were searched once are not searched again, so that a peer that sends one byte at a time costs no more than one that sends
//! all at once. What a stream may make wait is bounded by `message_bytes_max`.

use super::header_id::HeaderId;
use super::malformed::Malformed;
use super::{number, octet};

/// What stands at the start of the bytes that a stream has brought so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Not enough to say; ask again when more has come.
    Partial,
    /// CR LF CR LF, to be answered with CR LF.
    Ping { len: usize },
    /// CR LF alone, the answer to a ping of ours, or an empty line before a message; nothing to answer.
    Pong { len: usize },
    /// A whole message.
    Message { len: usize },
    /// No message can be cut from here on, so the stream must end. The first `len` bytes may be enough for an answer.
    Bad { malformed: Malformed, len: usize },
}

/// The memory of one stream's framing: a few bytes a connection.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    message_bytes_max: u32,
    /// Bytes at the start of the buffer that hold no end of a head.
    searched: u32,
    /// Length of the message that is under way, once its head is complete; 0 before.
    message_len: u32,
}

const HEAD_END: &[u8] = b"\r\n\r\n";

impl Framer {
    /// `message_bytes_max` bounds head and body together.
    pub fn new(message_bytes_max: usize) -> Framer {
        Framer { message_bytes_max: message_bytes_max as u32, searched: 0, message_len: 0 }
    }

    /// Says what stands at the start of `buffer`, which holds all that has come and was not consumed. When the answer has a `len`, the caller consumes
    /// that many bytes before it asks again; else it only appends.
    pub fn next(&mut self, buffer: &[u8]) -> Frame {
        let frame = self.next_frame(buffer);
        if frame != Frame::Partial {
            self.searched = 0;
            self.message_len = 0;
        }
        frame
    }

    fn next_frame(&mut self, buffer: &[u8]) -> Frame {
        match buffer {
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Frame::Partial,
            [b'\r', b'\n', b'\r', b'\n', ..] => return Frame::Ping { len: 4 },
            [b'\r', b'\n', ..] => return Frame::Pong { len: 2 },
            // Neither a method nor SIP/2.0 begins like this: another protocol.
            [first, ..] if !octet::is(*first, octet::TOKEN) => {
                return Frame::Bad { malformed: Malformed::StartLine { offset: 0 }, len: 1 };
            }
            _ => {}
        }
        let max = self.message_bytes_max as usize;
        if self.message_len == 0 {
            // The end of a head may have begun in what was searched.
            let from = (self.searched as usize).saturating_sub(HEAD_END.len() - 1).min(buffer.len());
            let Some(found) = memchr::memmem::find(&buffer[from..], HEAD_END) else {
                self.searched = buffer.len() as u32;
                return if buffer.len() > max { too_large(buffer) } else { Frame::Partial };
            };
            let head_len = from + found + HEAD_END.len();
            let body_len = match content_length(&buffer[..head_len]) {
                Ok(body_len) => body_len,
                Err(malformed) => return Frame::Bad { malformed, len: head_len.min(max) },
            };
            let len = head_len.saturating_add(body_len as usize);
            if len > max {
                return Frame::Bad { malformed: Malformed::TooLarge, len: head_len.min(max) };
            }
            self.message_len = len as u32;
        }
        let len = self.message_len as usize;
        if buffer.len() < len { Frame::Partial } else { Frame::Message { len } }
    }
}

#[cold]
fn too_large(buffer: &[u8]) -> Frame {
    Frame::Bad { malformed: Malformed::TooLarge, len: buffer.len() }
}

/// The Content-Length of a complete head; a stream's message must have one (RFC 3261 §18.3).
fn content_length(head: &[u8]) -> Result<u32, Malformed> {
    let header = HeaderId::ContentLength;
    let mut found = None;
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', head) {
        let line_start = core::mem::replace(&mut start, end + 1);
        if !matches!(head[line_start] | 0x20, b'c' | b'l') {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', &head[line_start..end]) else { continue };
        if HeaderId::from_name(octet::trim(&head[line_start..line_start + colon])) != header {
            continue;
        }
        let offset = line_start.min(usize::from(u16::MAX)) as u16;
        if found.is_some() {
            return Err(Malformed::Multiple { header, offset });
        }
        let value_end = end_of_folded(head, end);
        let value = octet::trim(&head[line_start + colon + 1..value_end]);
        found = Some(number::parse_content_length(value).map_err(|_| Malformed::Bad { header, offset })?);
    }
    found.ok_or(Malformed::Missing { header })
}

/// The line end of a line with all that is folded into it; `end` is its first LF. A complete head ends with an empty line, so each LF but the last has a byte behind it.
fn end_of_folded(head: &[u8], mut end: usize) -> usize {
    while matches!(head.get(end + 1), Some(b' ' | b'\t')) {
        let Some(next) = memchr::memchr(b'\n', &head[end + 1..]) else { break };
        end += 1 + next;
    }
    end
}

#[cfg(test)]
mod tests;
