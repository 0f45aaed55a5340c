//! Option tags of Require, Proxy-Require, Supported and Unsupported (RFC 3261 §19.2).

use super::flaw::{Flaw, FlawKind};
use super::{list, octet};

/// The tags of one value. An element that is no token is a flaw at its place; after it the others follow.
pub fn tags(value: &[u8]) -> impl Iterator<Item = Result<&[u8], Flaw>> + Clone + '_ {
    list::split(value).map(move |element| {
        let tag = element?;
        let end = octet::end_of_run(tag, 0, octet::TOKEN);
        if end < tag.len() {
            Err(Flaw::at(FlawKind::Token, octet::offset_in(value, tag) + end))
        } else {
            Ok(tag)
        }
    })
}

/// True when `tag` is among those of `value`, in any case.
pub fn has_tag(value: &[u8], tag: &[u8]) -> bool {
    tags(value).any(|found| found.is_ok_and(|found| found.eq_ignore_ascii_case(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_listed() {
        let found: Vec<_> = tags(b"100rel ,\r\n path,gruu").collect();
        assert_eq!(found, [Ok(&b"100rel"[..]), Ok(b"path"), Ok(b"gruu")]);
        assert_eq!(tags(b"").count(), 0);
        let found: Vec<_> = tags(b"a b,,c").collect();
        assert_eq!(
            found,
            [Err(Flaw::at(FlawKind::Token, 1)), Err(Flaw::at(FlawKind::EmptyElement, 4)), Ok(&b"c"[..])]
        );
    }

    #[test]
    fn a_tag_is_found_whole_and_in_any_case() {
        assert!(has_tag(b"100rel, Path", b"path"));
        assert!(!has_tag(b"100rel, pathfinder", b"path"));
        assert!(!has_tag(b"", b"path"));
    }
}
