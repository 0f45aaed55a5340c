//! Names on the wire that lead back to their thing without a search: branches, tags and Call-IDs carry a table's slot and generation.
//!
//! `KK PP SSSSSSSS GGGGGGGG` in hexadecimal without the blanks (kind, part, slot, generation), after eight digits that are drawn for
//! each run, so that what is left over from an earlier run finds nothing.

/// What a name belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A request that stands alone; the slot is the request's.
    Request = b'r',
    /// A call; the slot is the call's.
    Call = b'c',
    /// The INVITE of a call's caller.
    Invite = b'i',
    /// The ACK to a 2xx.
    Ack = b'a',
    /// The BYE of a call's caller.
    Bye = b'b',
    /// A call as one of its devices sees it; the part is the device's number.
    Device = b'd',
    /// A registration; the slot is the endpoint's.
    Endpoint = b'e',
}

/// A name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    pub kind: Kind,
    pub part: u8,
    pub slot: u32,
    pub generation: u32,
}

/// The mark of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunMark([u8; 8]);

/// Bytes of a name on the wire, the run's mark included.
pub const NAME_LEN: usize = 8 + 1 + 2 + 8 + 8;

/// RFC 3261 §8.1.1.7: a branch begins so.
pub const BRANCH_COOKIE: &[u8] = b"z9hG4bK";

impl RunMark {
    pub fn new(drawn: u32) -> Self {
        let mut mark = [0; 8];
        put_hex(&mut mark, drawn);
        RunMark(mark)
    }

    /// Writes a name.
    pub fn emit(&self, name: Name, out: &mut Vec<u8>) {
        let mut text = [0; NAME_LEN];
        text[..8].copy_from_slice(&self.0);
        text[8] = name.kind as u8;
        put_hex(&mut text[9..11], u32::from(name.part));
        put_hex(&mut text[11..19], name.slot);
        put_hex(&mut text[19..27], name.generation);
        out.extend_from_slice(&text);
    }

    /// Reads a name at the start of `text`; `None` when it is not one of this run.
    pub fn parse(&self, text: &[u8]) -> Option<Name> {
        let text = text.strip_prefix(&self.0)?.get(..NAME_LEN - 8)?;
        let kind = match text[0] {
            b'r' => Kind::Request,
            b'c' => Kind::Call,
            b'i' => Kind::Invite,
            b'a' => Kind::Ack,
            b'b' => Kind::Bye,
            b'd' => Kind::Device,
            b'e' => Kind::Endpoint,
            _ => return None,
        };
        Some(Name {
            kind,
            part: parse_hex(&text[1..3])? as u8,
            slot: parse_hex(&text[3..11])?,
            generation: parse_hex(&text[11..19])?,
        })
    }

    /// Reads a tag, which is a name and nothing behind it.
    pub fn parse_tag(&self, tag: &[u8]) -> Option<Name> {
        if tag.len() == NAME_LEN { self.parse(tag) } else { None }
    }

    /// Reads the name in a branch of ours, which has nothing behind it either.
    pub fn parse_branch(&self, branch: &[u8]) -> Option<Name> {
        self.parse_tag(branch.strip_prefix(BRANCH_COOKIE)?)
    }
}

impl Name {
    /// The same thing's name as another kind and part.
    pub const fn with(self, kind: Kind, part: u8) -> Name {
        Name { kind, part, ..self }
    }
}

fn put_hex(out: &mut [u8], value: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let top = out.len() - 1;
    for (index, digit) in out.iter_mut().enumerate() {
        *digit = DIGITS[(value >> (4 * (top - index)) & 15) as usize];
    }
}

fn parse_hex(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |value: u32, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        let mark = RunMark::new(0xfeed_0001);
        for (kind, part, slot, generation) in [
            (Kind::Call, 0, 0, 0),
            (Kind::Device, 255, u32::MAX, u32::MAX),
            (Kind::Bye, 16, 0x0123_4567, 0x89ab_cdef),
        ] {
            let name = Name { kind, part, slot, generation };
            let mut text = BRANCH_COOKIE.to_vec();
            mark.emit(name, &mut text);
            assert_eq!(text.len(), BRANCH_COOKIE.len() + NAME_LEN);
            assert_eq!(mark.parse_branch(&text), Some(name));
            text.extend_from_slice(b"@host");
            assert_eq!(mark.parse(&text[BRANCH_COOKIE.len()..]), Some(name));
            assert_eq!(mark.parse_branch(&text), None);
        }
    }

    #[test]
    fn names_of_others_are_none() {
        let mut text = Vec::new();
        let mark = RunMark::new(7);
        mark.emit(Name { kind: Kind::Invite, part: 1, slot: 2, generation: 3 }, &mut text);
        assert_eq!(RunMark::new(8).parse(&text), None);
        assert_eq!(mark.parse(&text[..NAME_LEN - 1]), None);
        assert_eq!(mark.parse(b""), None);
        for (index, byte) in [(8, b'z'), (9, b'G'), (12, b'A'), (26, b' ')] {
            let mut other = text.clone();
            other[index] = byte;
            assert_eq!(mark.parse(&other), None, "byte {index}");
        }
    }
}
