//! What is wrong with a file, and where: every problem of a file is found in one reading.

use std::collections::BTreeMap;
use std::fmt;

/// One thing that keeps tine from starting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// As given on the command line.
    pub file: String,
    /// Line and column, from 1, the column in characters. `None` when the file could not be read at all.
    pub place: Option<(usize, usize)>,
    /// As `section.key`; elements of lists and tables are counted from 0. Empty when no key is meant.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Collects problems while the tree is read, and where each key of the file has its value, for rules that look at several keys.
#[derive(Debug, Default)]
pub(super) struct Report {
    found: Vec<Found>,
    places: BTreeMap<String, usize>,
    known: Vec<(String, &'static str)>,
    unknown: Vec<Unknown>,
}

#[derive(Debug)]
struct Found {
    offset: usize,
    key: String,
    text: String,
    is_syntax: bool,
}

#[derive(Debug)]
struct Unknown {
    offset: usize,
    section: String,
    path: String,
    name: String,
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.unknown.is_empty()
    }

    pub(super) fn add(&mut self, offset: usize, key: impl Into<String>, text: impl Into<String>) {
        self.found.push(Found { offset, key: key.into(), text: text.into(), is_syntax: false });
    }

    /// The text is not TOML here.
    pub(super) fn add_syntax(&mut self, offset: usize, text: String) {
        self.found.push(Found { offset, key: "syntax".to_owned(), text, is_syntax: true });
    }

    /// A rule over several keys is broken: told at the first of `keys` that the file has. A table that `keys[0]` belongs in may
    /// stand among them, for its place alone.
    pub(super) fn add_rule(&mut self, keys: &[&str], text: impl Into<String>) {
        let place = keys.iter().find_map(|key| Some((*key, *self.places.get(*key)?)));
        let (key, offset) = place.unwrap_or((keys[0], 0));
        let key = if keys[0].starts_with(key) { keys[0] } else { key };
        self.add(offset, key, text);
    }

    /// A key that must be there is not: told at the head of its table.
    pub(super) fn add_missing(&mut self, table: &str, key: &str, text: impl Into<String>) {
        let offset = self.places.get(table).copied().unwrap_or(0);
        self.add(offset, key, text);
    }

    /// True when something was reported of `key` or of an element of it.
    pub(super) fn has_problem_in(&self, key: &str) -> bool {
        self.found.iter().any(|found| found.key.starts_with(key))
    }

    /// The value (or the table) of `key` stands at `offset`.
    pub(super) fn set_place(&mut self, key: String, offset: usize) {
        self.places.insert(key, offset);
    }

    /// A key that `section` may have; the section of the whole file is empty.
    pub(super) fn add_known(&mut self, section: &str, key: &'static str) {
        self.known.push((section.to_owned(), key));
    }

    /// A key that `section` may not have; `path` is the section with its number, where there are several.
    pub(super) fn add_unknown(&mut self, offset: usize, section: &str, path: &str, name: &str) {
        self.unknown.push(Unknown {
            offset,
            section: section.to_owned(),
            path: join(path, name),
            name: name.to_owned(),
        });
    }

    /// The name that was probably meant: the nearest in the same section, or the same name in another one.
    fn nearest(&self, section: &str, name: &str) -> Option<String> {
        let own = self.known.iter().filter(|(of, _)| of == section);
        let near = own.map(|(_, key)| (distance(name, key), *key)).min();
        if let Some((steps, key)) = near
            && steps <= 1 + name.chars().count() / 4
        {
            return Some(format!("\"{key}\""));
        }
        let (section, key) = self.known.iter().find(|(_, key)| *key == name)?;
        Some(if section.is_empty() { format!("[{key}]") } else { format!("\"{key}\" of [{section}]") })
    }

    fn allowed(&self, section: &str) -> String {
        let mut keys: Vec<&str> = Vec::new();
        for (_, key) in self.known.iter().filter(|(of, _)| of == section) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
        keys.join(", ")
    }

    /// The problems in the order of the file.
    pub(super) fn into_problems(mut self, file: &str, text: &str) -> Vec<Problem> {
        let is_damaged_header =
            |found: &&Found| found.is_syntax && line_of(text, found.offset).starts_with('[');
        let damaged_header = self.found.iter().filter(is_damaged_header).map(|found| found.offset).min();
        for unknown in std::mem::take(&mut self.unknown) {
            // The keys below a damaged header are taken for keys of the whole file.
            if unknown.section.is_empty() && damaged_header.is_some_and(|offset| offset < unknown.offset) {
                continue;
            }
            let kind = if unknown.section.is_empty() { "section" } else { "key" };
            let text = match self.nearest(&unknown.section, &unknown.name) {
                Some(name) => format!("unknown {kind}, did you mean {name}?"),
                None => format!("unknown {kind}, allowed: {}", self.allowed(&unknown.section)),
            };
            self.add(unknown.offset, unknown.path, text);
        }
        self.found.sort_by(|a, b| (!a.is_syntax, a.offset, &a.key).cmp(&(!b.is_syntax, b.offset, &b.key)));
        let mut problems: Vec<Problem> = Vec::new();
        let mut damaged_lines: Vec<usize> = Vec::new();
        for found in self.found {
            let (line, column) = line_and_column(text, found.offset);
            // The first syntax error of a line explains the others, and whatever was made of the rest of the line.
            if damaged_lines.contains(&line) {
                continue;
            }
            if found.is_syntax {
                damaged_lines.push(line);
            }
            let (place, file) = (Some((line, column)), file.to_owned());
            problems.push(Problem { file, place, key: found.key, text: found.text });
        }
        problems.sort_by_key(|problem| problem.place);
        problems
    }
}

/// Line and column of a byte offset, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let boundary = (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    let before = &text[..boundary.unwrap_or(0)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn line_of(text: &str, offset: usize) -> &str {
    let (line, _) = line_and_column(text, offset);
    text.lines().nth(line - 1).unwrap_or("").trim_start()
}

/// `section.key`; the key alone at the top of the file.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut steps: Vec<usize> = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |i: usize, j: usize| i * width + j;
            steps[at(i, j)] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = steps[at(i - 1, j - 1)] + usize::from(a[i - 1] != b[j - 1]);
                let best = replaced.min(steps[at(i - 1, j)] + 1).min(steps[at(i, j - 1)] + 1);
                let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if is_swap { best.min(steps[at(i - 2, j - 2)] + 1) } else { best }
            };
        }
    }
    steps[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        let table =
            [("", "", 0), ("a", "", 1), ("t1_ms", "t1_sm", 1), ("expire", "expires", 1), ("abc", "xyz", 3)];
        for (a, b, steps) in table {
            assert_eq!(distance(a, b), steps, "{a} {b}");
            assert_eq!(distance(b, a), steps, "{b} {a}");
        }
    }

    #[test]
    fn places_count_characters_from_one() {
        let text = "a = 1\nä = 2\n";
        let table =
            [(0, (1, 1)), (4, (1, 5)), (6, (2, 1)), (8, (2, 2)), (11, (2, 5)), (13, (3, 1)), (99, (3, 1))];
        for (offset, place) in table {
            assert_eq!(line_and_column(text, offset), place, "offset {offset}");
        }
    }
}
