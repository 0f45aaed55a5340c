//! The exact answer about bytes that must not be in a head.

/// The first forbidden byte of `head`. A control character other than HT is allowed in one place alone, behind the backslash of a quoted string
/// (RFC 3261 §25.1 `quoted-pair`), and CR and LF only as a pair. A CR at the end
/// of what has come so far may still become one.
#[cold]
pub fn find_forbidden(head: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    let mut index = 0;
    while index < head.len() {
        match head[index] {
            b'\r' if matches!(head.get(index + 1), None | Some(b'\n')) => {
                // A quoted string may go on in a folded line, and nowhere else.
                is_quoted &= matches!(head.get(index + 2), Some(b' ' | b'\t'));
                index += 1;
            }
            b'\t' => {}
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted && !matches!(head.get(index + 1), None | Some(b'\r' | b'\n')) => index += 1,
            0..=0x1f => return Some(index),
            _ => {}
        }
        index += 1;
    }
    None
}
