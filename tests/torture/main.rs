//! Bad input: the verdict and the reason for each message, and that no bytes whatever make the parser panic.
//!
//! The messages of RFC 4475 come from the directory that `TINE_RFC4475` names; our own stand in `vectors.rs`.

mod mutation;
mod rfc4475;
mod vectors;

use tine::scan::{Backend, Scanner};
use tine::sip::{Essentials, Index, Malformed, Message, is_keepalive};

/// What becomes of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All that a proxy needs is there.
    Fine,
    /// It keeps a flow alive, and is nothing else.
    Keepalive,
    /// Answered with this status and reason phrase.
    Answered(u16, &'static str),
    /// Dropped and counted as this kind; the reason is what an answer would have said.
    Dropped(&'static str, &'static str),
}

/// The verdict of the parser alone: L1 and L2.
pub fn verdict_of(bytes: &[u8], index: &mut Index) -> Verdict {
    if is_keepalive(bytes) {
        return Verdict::Keepalive;
    }
    let (message, located) = Message::parse_lenient(bytes, index);
    match located.and_then(|()| Essentials::parse(&message).map(drop)) {
        Ok(()) => Verdict::Fine,
        Err(malformed) if message.is_answerable() => {
            Verdict::Answered(malformed.status(), malformed.reason())
        }
        Err(malformed) => Verdict::Dropped(Malformed::KINDS[malformed.kind_index()], malformed.reason()),
    }
}

/// The backends of this processor, or the one that TINE_SCAN names.
#[allow(clippy::disallowed_methods)]
pub fn scanners() -> Vec<Scanner> {
    let wanted = std::env::var("TINE_SCAN").ok();
    let wanted = wanted.map(|name| Backend::from_name(&name).expect("TINE_SCAN names a backend"));
    let backends = Backend::ALL.into_iter().filter(|&backend| wanted.is_none_or(|wanted| wanted == backend));
    backends.filter_map(Scanner::with).collect()
}
