//! Lower-case base32 (RFC 4648 alphabet, `a`–`z` `2`–`7`, no padding): what branches, tokens and tags are written in. Safe in a SIP token,
//! in the user part of a URI and in a Via parameter.
//!
//! Eight characters are made of five bytes at a time inside one 64-bit word: the five-bit groups are spread to one per byte, then moved
//! to their letters by arithmetic on all eight at once. Decoding is the reverse and strict: upper case, other characters and non-zero
//! bits in the last character's padding are refused, so that each value has exactly one text.

/// Characters that `len` bytes take.
pub const fn text_len(len: usize) -> usize {
    (len * 8).div_ceil(5)
}

/// Writes `bytes` as `text_len(bytes.len())` characters to the front of `out`, which has at least that length.
#[inline]
pub fn encode(bytes: &[u8], out: &mut [u8]) {
    let (groups, rest) = bytes.as_chunks::<5>();
    let (texts, tail) = out[..text_len(bytes.len())].as_chunks_mut::<8>();
    for (group, text) in groups.iter().zip(texts) {
        *text = encode_five(load(group));
    }
    if !rest.is_empty() {
        let mut group = [0; 5];
        group[..rest.len()].copy_from_slice(rest);
        tail.copy_from_slice(&encode_five(load(&group))[..tail.len()]);
    }
}

/// Reads exactly `text_len(out.len())` characters into `out`. False when the text has another length or is no such text; `out` is then
/// not to be used.
#[inline]
pub fn decode(text: &[u8], out: &mut [u8]) -> bool {
    if text.len() != text_len(out.len()) {
        return false;
    }
    let (texts, tail) = text.as_chunks::<8>();
    let (groups, rest) = out.as_chunks_mut::<5>();
    let mut valid = true;
    for (text, group) in texts.iter().zip(groups) {
        let (five, group_valid) = decode_five(*text);
        group.copy_from_slice(&five.to_be_bytes()[3..]);
        valid &= group_valid;
    }
    if !rest.is_empty() {
        let mut text = [b'a'; 8];
        text[..tail.len()].copy_from_slice(tail);
        let (five, group_valid) = decode_five(text);
        let five = five.to_be_bytes();
        let (bytes, padding) = five[3..].split_at(rest.len());
        rest.copy_from_slice(bytes);
        valid &= group_valid && padding.iter().all(|&byte| byte == 0);
    }
    valid
}

const fn load(&[a, b, c, d, e]: &[u8; 5]) -> u64 {
    u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
}

const fn each(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// What letters are ahead of digits: a value below 26 is `'a' + value`, one above is `'2' - 26 + value`.
const LETTER_LEAD: u64 = (b'a' - (b'2' - 26)) as u64;

/// The low 40 bits of `five` as eight characters, those of the most significant bits first.
#[inline]
pub const fn encode_five(five: u64) -> [u8; 8] {
    let halves = (five & 0xff_fff0_0000) << 12 | five & 0xf_ffff;
    let quarters = (halves & 0x000f_fc00_000f_fc00) << 6 | halves & 0x0000_03ff_0000_03ff;
    let values = (quarters & 0x03e0_03e0_03e0_03e0) << 3 | quarters & 0x001f_001f_001f_001f;
    // A value of 26 or more sets the top bit of its byte. No sum here leaves its byte.
    let digits = (values + each(0x80 - 26)) >> 7 & each(1);
    (values + each(b'a') - digits * LETTER_LEAD).to_be_bytes()
}

/// The 40 bits of eight characters, and whether all of these belong to the alphabet; of others the bits mean nothing.
#[inline]
pub const fn decode_five(text: [u8; 8]) -> (u64, bool) {
    let text = u64::from_be_bytes(text);
    const HIGH: u64 = each(0x80);
    // The top bit of each byte of `at_least(k)`: the character (of 7 bits) is k or more. The set top bit keeps borrows inside the byte.
    let seven = text | HIGH;
    let letters = (seven - each(b'a')) & !(seven - each(b'z' + 1)) & HIGH;
    let digits = (seven - each(b'2')) & !(seven - each(b'7' + 1)) & HIGH;
    let valid = text & HIGH == 0 && letters | digits == HIGH;
    let values = text.wrapping_sub(each(b'2' - 26)).wrapping_sub((letters >> 7).wrapping_mul(LETTER_LEAD))
        & each(0x1f);
    let quarters = values >> 3 & 0x03e0_03e0_03e0_03e0 | values & 0x001f_001f_001f_001f;
    let halves = (quarters & 0x03ff_0000_03ff_0000) >> 6 | quarters & 0x0000_03ff_0000_03ff;
    (halves >> 12 & 0xff_fff0_0000 | halves & 0xf_ffff, valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// Bit by bit.
    fn oracle(bytes: &[u8]) -> Vec<u8> {
        let bits: Vec<u8> =
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        bits.chunks(5)
            .map(|five| {
                let value = five.iter().fold(0, |value, bit| value << 1 | bit) << (5 - five.len());
                ALPHABET[usize::from(value)]
            })
            .collect()
    }

    fn samples() -> impl Iterator<Item = Vec<u8>> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        (0..2000).map(move |round| {
            (0..round % 41)
                .map(|_| {
                    seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect()
        })
    }

    #[test]
    fn text_is_that_of_the_oracle_and_comes_back() {
        let bytes_of_one_value = (0..=255).flat_map(|byte| (1..12).map(move |len| vec![byte; len]));
        for bytes in samples().chain(bytes_of_one_value) {
            let mut text = vec![0; text_len(bytes.len())];
            encode(&bytes, &mut text);
            assert_eq!(text, oracle(&bytes), "{bytes:?}");
            let mut back = vec![0; bytes.len()];
            assert!(decode(&text, &mut back));
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn only_the_alphabet_is_read() {
        for position in 0..16 {
            for byte in 0..=255 {
                let mut text = *b"abcdefg2abcdefg7";
                text[position] = byte;
                let in_alphabet = ALPHABET.contains(&byte);
                assert_eq!(decode(&text, &mut [0; 10]), in_alphabet, "{byte} at {position}");
            }
        }
    }

    #[test]
    fn each_value_has_one_text() {
        // One byte takes two characters with two spare bits in the second.
        let mut accepted = 0;
        for first in ALPHABET {
            for second in ALPHABET {
                accepted += usize::from(decode(&[*first, *second], &mut [0]));
            }
        }
        assert_eq!(accepted, 256);
        assert!(!decode(b"abc", &mut [0]));
        assert!(!decode(b"a", &mut [0]));
        assert!(!decode(b"", &mut [0]));
        assert!(decode(b"", &mut []));
    }
}
