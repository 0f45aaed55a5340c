//! Messages as text with gaps: split once at the start, filled into the send buffer without an allocation.

use crate::names::{BRANCH_COOKIE, Name, RunMark};
use crate::user::{self, Contact};

/// A text with gaps.
#[derive(Debug)]
pub struct Template {
    text: Vec<u8>,
    /// Each gap with the end of the text before it.
    gaps: Vec<(usize, Gap)>,
}

/// What fills a gap; in the text it is written as its name in braces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gap {
    RequestUri,
    Local,
    Branch,
    FromUser,
    FromTag,
    ToUser,
    ToTag,
    CallId,
    Cseq,
    Contact,
    Expires,
    Routes,
}

/// The values of one message.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub mark: RunMark,
    pub request_uri: &'a [u8],
    /// `ip:port` of the socket that sends it.
    pub local: &'a [u8],
    pub branch: Name,
    pub from_user: u32,
    pub from_tag: Name,
    pub to_user: u32,
    /// Without `;tag=`; empty when there is none.
    pub to_tag: &'a [u8],
    pub call_id: Name,
    pub cseq: u32,
    pub contact: Contact,
    pub expires_s: u32,
    /// Whole Route lines.
    pub routes: &'a [u8],
}

impl Template {
    /// Splits a text.
    ///
    /// # Panics
    /// On a gap that has no meaning: the texts are our own.
    pub fn new(text: &str) -> Self {
        let mut template = Template { text: Vec::new(), gaps: Vec::new() };
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').expect("a gap ends");
            template.text.extend_from_slice(before.as_bytes());
            template.gaps.push((template.text.len(), Gap::from_name(name)));
            rest = behind;
        }
        template.text.extend_from_slice(rest.as_bytes());
        template
    }

    /// Appends the text with its gaps filled.
    pub fn emit(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        let mut start = 0;
        for &(end, gap) in &self.gaps {
            out.extend_from_slice(&self.text[start..end]);
            start = end;
            gap.emit(values, out);
        }
        out.extend_from_slice(&self.text[start..]);
    }
}

impl Gap {
    fn from_name(name: &str) -> Gap {
        match name {
            "request_uri" => Gap::RequestUri,
            "local" => Gap::Local,
            "branch" => Gap::Branch,
            "from_user" => Gap::FromUser,
            "from_tag" => Gap::FromTag,
            "to_user" => Gap::ToUser,
            "to_tag" => Gap::ToTag,
            "call_id" => Gap::CallId,
            "cseq" => Gap::Cseq,
            "contact" => Gap::Contact,
            "expires" => Gap::Expires,
            "routes" => Gap::Routes,
            _ => panic!("no such gap: {name}"),
        }
    }

    fn emit(self, values: &Values<'_>, out: &mut Vec<u8>) {
        match self {
            Gap::RequestUri => out.extend_from_slice(values.request_uri),
            Gap::Local => out.extend_from_slice(values.local),
            Gap::Branch => {
                out.extend_from_slice(BRANCH_COOKIE);
                values.mark.emit(values.branch, out);
            }
            Gap::FromUser => user::emit_user(values.from_user, out),
            Gap::FromTag => values.mark.emit(values.from_tag, out),
            Gap::ToUser => user::emit_user(values.to_user, out),
            Gap::ToTag => {
                if !values.to_tag.is_empty() {
                    out.extend_from_slice(b";tag=");
                    out.extend_from_slice(values.to_tag);
                }
            }
            Gap::CallId => values.mark.emit(values.call_id, out),
            Gap::Cseq => emit_number(values.cseq, out),
            Gap::Contact => values.contact.emit(out),
            Gap::Expires => emit_number(values.expires_s, out),
            Gap::Routes => out.extend_from_slice(values.routes),
        }
    }
}

/// Appends a number in decimal.
pub fn emit_number(number: u32, out: &mut Vec<u8>) {
    emit_padded(number, 1, out);
}

/// Appends a number in decimal with at least `width` digits, ten at most.
pub fn emit_padded(mut number: u32, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 10];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    start = start.min(digits.len() - width.clamp(1, digits.len()));
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Kind;

    #[test]
    fn gaps_are_filled_and_nothing_else_changes() {
        let template = Template::new(
            "{request_uri}|{local}|{from_user}|{to_user}{to_tag}|{cseq}|{contact}|{expires}{routes}.",
        );
        let name = Name { kind: Kind::Call, part: 0, slot: 1, generation: 2 };
        let mut values = Values {
            mark: RunMark::new(1),
            request_uri: b"sip:a@b",
            local: b"127.0.0.1:9",
            branch: name,
            from_user: 7,
            from_tag: name,
            to_user: 1_234_567,
            to_tag: b"",
            call_id: name,
            cseq: 0,
            contact: Contact { user: 3, device: 2 },
            expires_s: u32::MAX,
            routes: b"",
        };
        let mut out = b"before ".to_vec();
        template.emit(&values, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "before sip:a@b|127.0.0.1:9|u000007|u1234567|0|u000003-2|4294967295."
        );
        values.to_tag = b"x";
        values.routes = b"R";
        let mut out = Vec::new();
        Template::new("{to_tag}{branch}{call_id}{from_tag}{routes}").emit(&values, &mut out);
        let mut expected = b";tag=x".to_vec();
        expected.extend_from_slice(BRANCH_COOKIE);
        for _ in 0..3 {
            values.mark.emit(name, &mut expected);
        }
        expected.push(b'R');
        assert_eq!(out, expected);
    }

    #[test]
    fn numbers_are_padded_and_never_cut() {
        for (number, width, text) in
            [(0, 1, "0"), (0, 6, "000000"), (42, 1, "42"), (42, 6, "000042"), (u32::MAX, 6, "4294967295")]
        {
            let mut out = Vec::new();
            emit_padded(number, width, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
