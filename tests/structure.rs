//! The rules of the house that a compiler does not know: who may import whom, what a floor may touch, what things may be called.
//!
//! The sources are read as text. Comments and literals are blanked first, so that prose is free to speak of what code must not do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of the package `tine`, lowest first: a room may use rooms below it and itself. Rooms of floor 0 may use each other.
const FLOORS: &[&[&str]] = &[
    &["limits", "ids", "time", "storage", "random"],
    &["scan"],
    &["sip"],
    &["flow"],
    &["transaction"],
    &["location", "auth", "guard"],
    &["registrar", "proxy"],
    &["shard"],
    // Both are floor 8; services put their questions into the ring that the shell keeps, so they come after it.
    &["shell"],
    &["services"],
    &["config"],
    &["main"],
];

/// The highest floor that knows no clock, socket, thread, lock or environment.
const PURE_FLOOR_MAX: usize = 7;

/// Names at the top of the repository; hidden ones and the build directory aside.
const TOP: &[&str] = &["Cargo.toml", "Cargo.lock", "src", "benches", "loadtest", "tests", "README.md"];

/// Where unsafe code is fenced in.
const UNSAFE_ROOMS: &[&str] = &["src/scan/arch", "src/shell/udp"];

/// Words that say nothing about what is in a module.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "handler", "handlers", "custom",
    "impl",
];

/// What the pure floors may not take from `std`.
const IMPURE_STD: &[&str] = &["time", "thread", "env", "fs", "process", "sync"];

/// What they may not name at all.
const IMPURE_NAMES: &[&str] = &[
    "async",
    "await",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "SystemTime",
    "thread_local",
    "println",
    "eprintln",
    "glommio",
    "tokio",
    "tracing",
    "libc",
];

/// One source file.
struct Source {
    /// From the root of the repository.
    path: PathBuf,
    raw: String,
    /// `raw` with comments and literals blanked: the same lines, the same columns.
    code: String,
    /// `code` with what is compiled for tests only blanked as well.
    shipped: String,
}

impl Source {
    /// The module path below the crate: `src/sip/name_addr/tests.rs` is `["sip", "name_addr", "tests"]`.
    fn modules(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src").expect("a file of the library").with_extension("");
        let mut names: Vec<_> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        names.pop_if(|last| last == "mod");
        names
    }

    fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), 1 + self.raw[..offset].matches('\n').count())
    }
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let modules = source.modules();
        let Some(room) = modules.first().filter(|room| *room != "lib" && *room != "manual") else { continue };
        let floor =
            floor_of(room).unwrap_or_else(|| panic!("{}: no floor has this room", source.path.display()));
        for (offset, used) in names_after(&source.code, "crate") {
            if let Some(used_floor) = floor_of(&used)
                && (used_floor > floor || used_floor == floor && used != *room && floor != 0)
            {
                wrong.push(format!(
                    "{}: {room} (floor {floor}) uses {used} (floor {used_floor})",
                    source.at(offset)
                ));
            }
        }
        for (offset, supers) in super_chains(&source.code) {
            // One more inside an inline module, which only tests are.
            let inline = usize::from(source.shipped.as_bytes()[offset] == b' ');
            if supers >= modules.len() + inline {
                wrong.push(format!("{}: super leaves the room", source.at(offset)));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn pure_floors_know_no_world() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let modules = source.modules();
        if modules.first().and_then(|room| floor_of(room)).is_none_or(|floor| floor > PURE_FLOOR_MAX) {
            continue;
        }
        for (offset, used) in names_after(&source.shipped, "std") {
            if IMPURE_STD.contains(&used.as_str()) {
                wrong.push(format!("{}: std::{used}", source.at(offset)));
            }
        }
        for (offset, word) in words(&source.shipped) {
            if IMPURE_NAMES.contains(&word) {
                wrong.push(format!("{}: {word}", source.at(offset)));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "loadtest"]) {
        if UNSAFE_ROOMS
            .iter()
            .any(|room| source.path.starts_with(room) || source.path == Path::new(&format!("{room}.rs")))
        {
            continue;
        }
        for (offset, _) in words(&source.shipped).filter(|(_, word)| *word == "unsafe") {
            wrong.push(format!("{}: unsafe", source.at(offset)));
        }
    }
    assert_none(wrong);
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "loadtest"]) {
        for (offset, _) in source.shipped.match_indices(".unwrap()") {
            wrong.push(format!("{}: unwrap", source.at(offset)));
        }
    }
    assert_none(wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut wrong = Vec::new();
    for source in sources(&["src", "loadtest", "tests", "benches"]) {
        for mark in marks {
            for (offset, _) in source.raw.match_indices(mark) {
                wrong.push(format!("{}: {mark}", source.at(offset)));
            }
        }
        for (offset, word) in words(&source.code) {
            let calls = source.code[offset + word.len()..].starts_with('!');
            if calls && (word == "todo" || word == "unimplemented") {
                wrong.push(format!("{}: {word}!", source.at(offset)));
            }
        }
        for (offset, _) in source.code.match_indices("#[ignore") {
            wrong.push(format!("{}: ignored test", source.at(offset)));
        }
        // A module that several benches share has parts that some of them do not use.
        let is_shared = source.path.starts_with("benches") || source.path.starts_with("tests");
        for (offset, _) in source.code.match_indices("allow(dead_code").filter(|_| !is_shared) {
            wrong.push(format!("{}: dead code", source.at(offset)));
        }
    }
    assert_none(wrong);
}

#[test]
fn names_say_something() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "loadtest", "tests", "benches"]) {
        for part in source.path.with_extension("").iter() {
            if EMPTY_NAMES.iter().any(|name| part == *name) {
                wrong.push(format!("{}: a module called {}", source.path.display(), part.display()));
            }
        }
        let mut before = "";
        for (offset, word) in words(&source.code) {
            if before == "mod" && EMPTY_NAMES.contains(&word) {
                wrong.push(format!("{}: a module called {word}", source.at(offset)));
            }
            if before == "fn" && word.starts_with("get_") && word != "get_mut" {
                wrong.push(format!("{}: {word} has the prefix get_", source.at(offset)));
            }
            before = word;
        }
    }
    assert_none(wrong);
}

#[test]
fn the_top_holds_exactly_what_it_should() {
    let found: BTreeSet<String> = fs::read_dir(root())
        .expect("the root of the repository")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    assert_eq!(found, TOP.iter().map(|name| name.to_string()).collect());
}

#[test]
fn the_reader_of_sources_knows_rust() {
    let blanked = blank("a /* b /* c */ d */ e // f\n\"g\\\"h\" 'i' '\\'' &'j str br#\"k\"l\"# m");
    assert_eq!(blanked.split_whitespace().collect::<Vec<_>>(), ["a", "e", "&'j", "str", "m"]);
    let used = names_after("use crate::{sip::Via, flow::{self, token}}; crate::scan::x", "crate");
    assert_eq!(used.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["sip", "flow", "scan"]);
    let shipped = without_tests("a; #[cfg(test)] mod tests { b { c } } d; #[cfg(test)]\nuse e; f");
    assert_eq!(shipped.split_whitespace().collect::<Vec<_>>(), ["a;", "d;", "f"]);
    assert_eq!(super_chains("super::super::x super::y"), [(0, 2), (16, 1)]);
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    let mut folders: Vec<PathBuf> =
        folders.iter().map(|folder| root().join(folder)).filter(|folder| folder.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(!paths.is_empty());
    let mut sources: Vec<Source> = paths.into_iter().map(read).collect();
    let tests: Vec<PathBuf> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let stem = source.path.with_extension("");
        if tests.iter().any(|test| stem.starts_with(test)) || source.path.starts_with("tests") {
            source.shipped = spaces(&source.code);
        }
    }
    sources
}

fn read(path: PathBuf) -> Source {
    let raw = fs::read_to_string(&path).expect("a source file");
    let code = blank(&raw);
    let shipped = without_tests(&code);
    let path = path.strip_prefix(root()).expect("below the root").to_owned();
    Source { path, raw, code, shipped }
}

/// The files, without extension, of the modules that this one declares for tests only.
fn test_modules(source: &Source) -> Vec<PathBuf> {
    let owner = match source.path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => source.path.parent().expect("a folder").to_owned(),
        _ => source.path.with_extension(""),
    };
    let declared = source.code.split("#[cfg(test)]").skip(1).filter_map(|rest| {
        let item = rest.trim_start().strip_prefix("mod ")?;
        let (name, _) = item.split_once(';')?;
        Some(owner.join(name)).filter(|_| !name.contains('{'))
    });
    declared.collect()
}

/// Blanks comments, strings and character literals.
fn blank(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("whole characters are blanked, the rest of Rust is ASCII")
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none does. A lifetime is none.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let within_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment_len(rest),
        [b'"', ..] => at + string_len(rest),
        [b'r', b'"' | b'#', ..] if !within_word => at + raw_string_len(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !within_word => at + raw_string_len(rest, 2),
        [b'\'', b'\\', ..] => {
            at + 3 + rest[3..].iter().position(|byte| *byte == b'\'').map_or(rest.len() - 3, |end| end + 1)
        }
        [b'\'', first, ..] => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { at + 2 + width } else { at }
        }
        _ => at,
    }
}

fn block_comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_len(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A raw string whose `r` and `b` take `prefix` bytes; 0 for a raw identifier.
fn raw_string_len(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let start = prefix + hashes + 1;
    rest[start..]
        .windows(close.len())
        .position(|window| window == close.as_bytes())
        .map_or(rest.len(), |at| start + at + close.len())
}

/// Blanks the items behind `#[cfg(test)]`: up to the semicolon, or to the end of the braces.
fn without_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    while let Some(start) = shipped.find("#[cfg(test)]") {
        let (mut depth, mut end) = (0, shipped.len());
        for (offset, byte) in shipped[start..].bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (byte == b';' || byte == b'}') {
                end = start + offset + 1;
                break;
            }
        }
        let blanked = spaces(&shipped[start..end]);
        shipped.replace_range(start..end, &blanked);
    }
    shipped
}

fn spaces(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The words of the code with their offsets.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// The first names of the paths that start with `root::`, groups included: `crate::{sip, flow::token}` has `sip` and `flow`.
fn names_after(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (offset, _) in words(code).filter(|(_, word)| *word == root) {
        let Some(rest) = code[offset + root.len()..].strip_prefix("::") else { continue };
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(first_word(rest).map(|name| (offset, name)));
            continue;
        };
        let mut depth = 0;
        let mut expects_name = true;
        for (inner, byte) in group.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => break,
                b'}' => depth -= 1,
                b',' if depth == 0 => expects_name = true,
                _ if expects_name && is_word(byte) => {
                    names.extend(first_word(&group[inner..]).map(|name| (offset, name)));
                    expects_name = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn first_word(text: &str) -> Option<String> {
    words(text).next().map(|(_, word)| word.to_owned())
}

/// Where a path starts with `super`, and how many times.
fn super_chains(code: &str) -> Vec<(usize, usize)> {
    let mut chains: Vec<(usize, usize)> = Vec::new();
    let mut end = usize::MAX;
    for (offset, _) in words(code).filter(|(_, word)| *word == "super") {
        match chains.last_mut() {
            Some((_, count)) if offset == end => *count += 1,
            _ => chains.push((offset, 1)),
        }
        end = offset + "super::".len();
    }
    // `pub(super)` is a visibility, not a path.
    chains.retain(|(offset, _)| code[offset + "super".len()..].starts_with("::"));
    chains
}
