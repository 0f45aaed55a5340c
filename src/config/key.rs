//! The 32 bytes that authenticate branches, tokens and nonces: read from the key file, or drawn.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a key file.
pub const KEY_LEN: usize = 32;

/// A key, and whether others than its owner may read its file.
pub(super) struct KeyFile {
    pub key: [u8; KEY_LEN],
    pub is_open_to_others: bool,
}

/// Reads a key file.
///
/// # Errors
/// What is wrong and what is allowed, when it can not be read or does not hold `KEY_LEN` bytes.
pub(super) fn read(path: &Path) -> Result<KeyFile, String> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        format!("{shown} can not be read ({error}), allowed: a file with {KEY_LEN} random bytes")
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    let mut bytes = Vec::with_capacity(KEY_LEN + 1);
    file.take(KEY_LEN as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let Ok(key) = <[u8; KEY_LEN]>::try_from(bytes.as_slice()) else {
        let held =
            if bytes.len() > KEY_LEN { format!("more than {KEY_LEN}") } else { bytes.len().to_string() };
        return Err(format!(
            "{shown} holds {held} bytes, allowed: exactly {KEY_LEN}, as `head -c {KEY_LEN} /dev/urandom` makes them"
        ));
    };
    Ok(KeyFile { key, is_open_to_others: mode & 0o077 != 0 })
}

/// Random bytes from the system.
///
/// # Errors
/// When the system's source can not be read.
pub fn draw<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
