//! TOML to plain values. The only place that knows the file; the rooms get their own options made of it.
//!
//! A file is read as a tree with places ([`section`]), section by section ([`read`]); then come the rules over several keys
//! ([`rules`]), and the keys whose feature does not exist yet ([`support`]). Everything that is wrong is found in one reading.

mod check;
mod key;
pub mod log;
mod model;
pub mod options;
mod read;
mod report;
mod rules;
mod section;
mod support;
mod warnings;

use std::fs;
use std::path::Path;

use toml::de::DeTable;

use crate::flow::Transport;
pub use key::{KEY_LEN, draw};
pub use model::*;
pub use report::Problem;
use report::Report;

/// A file that tine can start with.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The key file's bytes; `None` when it has none, and one is to be drawn.
    pub key: Option<Key>,
    /// What is allowed but not safe, or a deviation; one sentence each.
    pub warnings: Vec<String>,
}

/// The key file's bytes; debug output does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; KEY_LEN]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Reads and checks a file, and the key file that it names. Without a path, the defaults.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn load(path: Option<&Path>) -> Result<Loaded, Vec<Problem>> {
    let Some(path) = path else {
        let config = Config::default();
        let warnings = warnings::of(&config);
        return Ok(Loaded { config, key: None, warnings });
    };
    let file = path.display().to_string();
    let unread = |place, text: String| vec![Problem { file: file.clone(), place, key: String::new(), text }];
    let bytes = fs::read(path).map_err(|error| unread(None, format!("can not be read: {error}")))?;
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to here");
            let place = report::line_and_column(valid, valid.len());
            return Err(unread(Some(place), "is not UTF-8, allowed: TOML, which is UTF-8".to_owned()));
        }
    };
    let (config, mut report) = read_text(text);
    let key_file = config.node.key_file.as_deref().map(key::read).transpose();
    let key_file = key_file.unwrap_or_else(|wrong| {
        report.add_rule(&["node.key_file"], wrong);
        None
    });
    if !report.is_empty() {
        return Err(report.into_problems(&file, text));
    }
    let mut warnings = warnings::of(&config);
    if key_file.as_ref().is_some_and(|read| read.is_open_to_others) {
        warnings.push(
            "node.key_file can be read by others than its owner: chmod 600 keeps the tokens trustworthy"
                .to_owned(),
        );
    }
    Ok(Loaded { config, key: key_file.map(|read| Key(read.key)), warnings })
}

/// Reads and checks a text, without the files that it names; `file` is only shown in problems.
///
/// # Errors
/// Every problem, in the order of the text.
pub fn parse(file: &str, text: &str) -> Result<Config, Vec<Problem>> {
    let (config, report) = read_text(text);
    if report.is_empty() { Ok(config) } else { Err(report.into_problems(file, text)) }
}

fn read_text(text: &str) -> (Config, Report) {
    let mut report = Report::default();
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        report.add_syntax(offset, format!("{}, allowed: TOML 1.0", error.message()));
    }
    let config = read::config(tree.get_ref(), &mut report);
    // Rules over several keys would only say of a damaged tree what the damage made of it.
    if errors.is_empty() {
        rules::check(&config, &mut report);
        support::check(&config, &mut report);
    }
    (config, report)
}

impl Config {
    /// What `tine check` says of a valid file: the listeners and the shape, one line each.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        for listen in &self.listen {
            let name = String::from_utf8_lossy(Transport::uri_name(listen.transport)).into_owned();
            let advertised =
                listen.advertise.iter().map(|host| format!(", advertised as {host}")).collect::<String>();
            lines.push(format!(
                "listen {name} {} in zone {}{advertised}",
                listen.address,
                listen.zone.name()
            ));
        }
        let registrar = &self.registrar;
        let domains = if registrar.domains.is_empty() {
            "the listen addresses and localhost".to_owned()
        } else {
            registrar.domains.join(", ")
        };
        lines.push(format!(
            "registrar {} for {domains}: up to {} bindings, {} of one AOR",
            registrar.mode.name(),
            registrar.bindings_max,
            registrar.bindings_per_aor_max
        ));
        lines.push(match &self.auth.users_file {
            None => "auth none: every device may register as everyone".to_owned(),
            Some(file) => format!("auth digest with the users of {}", file.display()),
        });
        lines.push(match (self.api.address, &self.api.token) {
            (None, _) => "api none".to_owned(),
            (Some(address), None) => format!("api http://{address}"),
            (Some(address), Some(_)) => format!("api http://{address} with a token"),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
