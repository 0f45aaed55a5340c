//! Keys whose feature does not exist yet. They are read and checked like all others, and refused when they ask for the feature.
//!
//! One line an entry: it goes when the feature comes.

use super::model::{Config, Decline, Listen, Order, RegistrarMode};
use super::report::Report;
use crate::flow::Transport;

/// A use of the file that is refused: the key, whether the file asks for it, and what is allowed until then.
struct Missing<T> {
    key: &'static str,
    is_asked: fn(&T, &T) -> bool,
    allowed: &'static str,
}

/// Told of the whole file; the second `Config` holds the defaults.
#[rustfmt::skip]
const MISSING: &[Missing<Config>] = &[
    Missing { key: "registrar.mode", is_asked: |c, _| c.registrar.mode == RegistrarMode::Forward, allowed: "\"local\"" },
    Missing { key: "registrar.core", is_asked: |c, _| c.registrar.core.is_some(), allowed: "\"\"" },
    Missing { key: "auth.users_file", is_asked: |c, _| c.auth.users_file.is_some(), allowed: "\"\"" },
    Missing { key: "auth.realm", is_asked: |c, _| c.auth.realm.is_some(), allowed: "\"\"" },
    Missing { key: "auth.algorithms", is_asked: |c, d| c.auth.algorithms != d.auth.algorithms, allowed: "the default" },
    Missing { key: "auth.nonce_lifetime_s", is_asked: |c, d| c.auth.nonce_lifetime_s != d.auth.nonce_lifetime_s, allowed: "300" },
    Missing { key: "auth.methods", is_asked: |c, d| c.auth.methods != d.auth.methods, allowed: "the default" },
    Missing { key: "fork.order", is_asked: |c, _| c.fork.order == Order::Sequential, allowed: "\"q\", \"parallel\"" },
    Missing { key: "fork.ring_s", is_asked: |c, d| c.fork.ring_s != d.fork.ring_s, allowed: "20" },
    Missing { key: "fork.keep_ringing", is_asked: |c, _| c.fork.keep_ringing, allowed: "false" },
    Missing { key: "fork.decline", is_asked: |c, _| c.fork.decline == Decline::Device, allowed: "\"all\"" },
    Missing { key: "fork.late", is_asked: |c, d| c.fork.late != d.fork.late, allowed: "true" },
    Missing { key: "fork.recurse_3xx", is_asked: |c, _| c.fork.recurse_3xx, allowed: "false" },
    Missing { key: "voicemail.uri", is_asked: |c, _| c.voicemail.uri.is_some(), allowed: "\"\"" },
    Missing { key: "voicemail.on", is_asked: |c, d| c.voicemail.on != d.voicemail.on, allowed: "the default" },
    Missing { key: "group[0]", is_asked: |c, _| !c.group.is_empty(), allowed: "no [[group]]" },
    Missing { key: "route[0]", is_asked: |c, _| !c.route.is_empty(), allowed: "no [[route]]" },
    Missing { key: "topology.hide", is_asked: |c, _| !c.topology.hide.is_empty(), allowed: "[]" },
    Missing { key: "topology.toward", is_asked: |c, d| c.topology.toward != d.topology.toward, allowed: "[\"access\"]" },
];

/// Told of each `[[listen]]`.
#[rustfmt::skip]
const MISSING_LISTEN: &[Missing<Listen>] = &[
    Missing { key: "transport", is_asked: |l, _| !matches!(l.transport, Transport::Udp | Transport::Tcp), allowed: "\"udp\", \"tcp\"" },
    Missing { key: "certificate", is_asked: |l, _| l.certificate.is_some(), allowed: "\"\"" },
    Missing { key: "private_key", is_asked: |l, _| l.private_key.is_some(), allowed: "\"\"" },
    Missing { key: "client_ca", is_asked: |l, _| l.client_ca.is_some(), allowed: "\"\"" },
];

/// Reports every key that asks for a feature that does not exist yet.
pub(super) fn check(config: &Config, report: &mut Report) {
    let defaults = Config::default();
    for missing in MISSING {
        if (missing.is_asked)(config, &defaults) {
            report.add_rule(&[missing.key], format!("not yet supported, allowed: {}", missing.allowed));
        }
    }
    let template = Listen::template();
    for (index, listen) in config.listen.iter().enumerate() {
        for missing in MISSING_LISTEN {
            if (missing.is_asked)(listen, &template) {
                let key = format!("listen[{index}].{}", missing.key);
                report.add_rule(&[&key], format!("not yet supported, allowed: {}", missing.allowed));
            }
        }
    }
}
