//! One Contact of a REGISTER, read for what a registrar needs of it (RFC 3261 §20.10, RFC 5626 §4.2).

use crate::location::Span;
use crate::sip::name_addr::NameAddr;
use crate::sip::number;
use crate::sip::octet;
use crate::sip::uri::Uri;

/// A Contact value and where its parts stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ContactValue<'a> {
    /// From the display name to the last parameter.
    pub bytes: &'a [u8],
    pub uri: Span,
    /// `;expires=…` with what stands before the semicolon; empty when there is none.
    pub expires_param: Span,
    pub expires_s: Option<u32>,
    /// Thousandths.
    pub q: u16,
    /// Without quotes and angle brackets; empty when there is none.
    pub instance: Span,
    /// 0 when there is none, or when there is no instance that it could be a flow of.
    pub reg_id: u32,
}

/// An `expires` that is no number counts as an hour (RFC 3261 §10.2.1.1).
const EXPIRES_MALFORMED_S: u32 = 3_600;
const Q_DEFAULT: u16 = 1_000;

impl<'a> ContactValue<'a> {
    /// Reads the element `address` of the header value `value`. `None` when its URI or its q does not fit the grammar, or `expires` stands twice.
    pub fn parse(value: &'a [u8], address: &NameAddr<'a>) -> Option<ContactValue<'a>> {
        // The display name is empty where there is none, and then stands where the URI or its bracket begins.
        let start = octet::offset_in(value, address.display);
        let params = address.params;
        let end = octet::offset_in(value, params.bytes()) + params.bytes().len();
        let bytes = value.get(start..end)?;
        Uri::parse(address.uri).ok()?;
        let mut contact = ContactValue {
            bytes,
            uri: span_in(bytes, address.uri),
            expires_param: Span::default(),
            expires_s: None,
            q: Q_DEFAULT,
            instance: Span::default(),
            reg_id: 0,
        };
        let mut before = octet::offset_in(bytes, params.bytes());
        for param in params {
            let last = param.value.unwrap_or(param.name);
            let end = octet::offset_in(bytes, last) + last.len();
            match param.name.len() {
                1 if param.name.eq_ignore_ascii_case(b"q") => {
                    contact.q = number::parse_q(param.value.unwrap_or_default()).ok()?;
                }
                7 if param.name.eq_ignore_ascii_case(b"expires") => {
                    if contact.expires_s.is_some() {
                        return None;
                    }
                    let seconds = number::parse_delta_seconds(param.value.unwrap_or_default());
                    contact.expires_s = Some(seconds.unwrap_or(EXPIRES_MALFORMED_S));
                    contact.expires_param = Span { start: before as u16, len: (end - before) as u16 };
                }
                6 if param.name.eq_ignore_ascii_case(b"reg-id") => {
                    let id = number::parse_u32(param.value.unwrap_or_default()).unwrap_or_default();
                    contact.reg_id = if id < 1 << 31 { id } else { 0 };
                }
                13 if param.name.eq_ignore_ascii_case(b"+sip.instance") => {
                    contact.instance = span_in(bytes, without_brackets(param.text()));
                }
                _ => {}
            }
            before = end;
        }
        if contact.instance.len == 0 {
            contact.reg_id = 0;
        }
        Some(contact)
    }
}

fn without_brackets(text: &[u8]) -> &[u8] {
    match text {
        [b'<', inner @ .., b'>'] => inner,
        _ => text,
    }
}

/// Positions in a message fit 16 bits. An empty part stands nowhere.
fn span_in(bytes: &[u8], part: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    Span { start: octet::offset_in(bytes, part) as u16, len: part.len() as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String, u16, String, u32, Option<u32>)> {
        let address = NameAddr::list(value.as_bytes()).last()?.ok()?;
        let contact = ContactValue::parse(value.as_bytes(), &address)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (span, bytes) = (contact.expires_param, contact.bytes);
        let rest = [&bytes[..span.start as usize], &bytes[(span.start + span.len) as usize..]].concat();
        Some((
            text(&rest),
            text(contact.uri.of(bytes)),
            contact.q,
            text(contact.instance.of(bytes)),
            contact.reg_id,
            contact.expires_s,
        ))
    }

    #[test]
    fn parts_are_found() {
        for (value, rest, uri, q, instance, reg_id, expires_s) in [
            ("<sip:a@x>", "<sip:a@x>", "sip:a@x", 1000, "", 0, None),
            ("sip:a@x;expires=60;q=0.5", "sip:a@x;q=0.5", "sip:a@x", 500, "", 0, Some(60)),
            (
                "\"A, B\" <sip:a@x;ob> ; Expires = 0 ;k=v",
                "\"A, B\" <sip:a@x;ob> ;k=v",
                "sip:a@x;ob",
                1000,
                "",
                0,
                Some(0),
            ),
            ("Bob <sip:a@x>;expires=soon", "Bob <sip:a@x>", "sip:a@x", 1000, "", 0, Some(3600)),
            ("<sip:a@x>;expires", "<sip:a@x>", "sip:a@x", 1000, "", 0, Some(3600)),
            ("<sip:b@y>, <sip:a@x>;expires=99999999999", "<sip:a@x>", "sip:a@x", 1000, "", 0, Some(u32::MAX)),
            (
                "<sip:a@x>;+sip.instance=\"<urn:uuid:1>\";reg-id=7",
                "<sip:a@x>;+sip.instance=\"<urn:uuid:1>\";reg-id=7",
                "sip:a@x",
                1000,
                "urn:uuid:1",
                7,
                None,
            ),
            ("<sip:a@x>;reg-id=7", "<sip:a@x>;reg-id=7", "sip:a@x", 1000, "", 0, None),
            ("<mailto:a@x>;q=0", "<mailto:a@x>;q=0", "mailto:a@x", 0, "", 0, None),
        ] {
            let wanted = (rest.into(), uri.into(), q, instance.into(), reg_id, expires_s);
            assert_eq!(read(value), Some(wanted), "{value}");
        }
    }

    #[test]
    fn flaws_are_found() {
        for value in [
            "<sip:a@x>;q=2",
            "<sip:a@x>;q",
            "<sip:a@x>;expires=1;Expires=2",
            "<sip:@x>",
            "<sip:a@x:99999>",
            "<no scheme>",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
