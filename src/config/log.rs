//! Where log records go: standard error, one line each, as text or as JSON.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use super::model::{Level, Log, LogFormat};

/// Changes the level while the node runs.
pub struct Filter(reload::Handle<Targets, Registry>);

/// Begins logging. Called once.
pub fn start(options: &Log) -> Filter {
    let (filter, handle) = reload::Layer::new(targets(options.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines = match options.format {
        LogFormat::Text => lines.with_target(false).with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Filter(handle)
}

impl Filter {
    pub fn set_level(&self, level: Level) {
        // Fails only when logging has ended, as the process has then.
        let _ = self.0.reload(targets(level));
    }
}

/// tine's own records from `level` on; of the libraries only what is wrong.
fn targets(level: Level) -> Targets {
    let own = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    Targets::new().with_target("tine", own).with_default(own.min(LevelFilter::WARN))
}
