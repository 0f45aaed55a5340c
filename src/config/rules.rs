//! Rules over several keys. Each broken one is told at the key of the rule that the file has.

use std::net::SocketAddr;

use super::model::{Config, Listen, RegistrarMode};
use super::report::Report;
use crate::flow::Transport;

/// Checks every rule. Values out of their own range were reported before, and stand at their defaults here.
pub(super) fn check(config: &Config, report: &mut Report) {
    shards(config, report);
    timers(config, report);
    expiries(config, report);
    listeners(config, report);
    groups(config, report);
    references(config, report);
}

fn shards(config: &Config, report: &mut Report) {
    let (shards, cpus) = (usize::from(config.node.shards), config.node.cpus.len());
    if cpus != 0 && shards > cpus {
        let text = format!(
            "names {cpus} CPUs for {shards} shards, allowed: one a shard, or [] for the allowed CPUs in turn"
        );
        report.add_rule(&["node.cpus"], text);
    }
}

fn timers(config: &Config, report: &mut Report) {
    let timers = &config.timers;
    for (key, name, value) in
        [("timers.t2_ms", "t2_ms", timers.t2_ms), ("timers.t4_ms", "t4_ms", timers.t4_ms)]
    {
        if value < timers.t1_ms {
            let text =
                format!("{name} is {value}, less than t1_ms, allowed: {} (t1_ms) to 60000", timers.t1_ms);
            report.add_rule(&[key, "timers.t1_ms"], text);
        }
    }
}

fn expiries(config: &Config, report: &mut Report) {
    let registrar = &config.registrar;
    let (least, given, most) =
        (registrar.expires_min_s, registrar.expires_default_s, registrar.expires_max_s);
    if least > most {
        let text = format!(
            "expires_max_s is {most}, less than expires_min_s, allowed: {least} (expires_min_s) or more"
        );
        report.add_rule(&["registrar.expires_max_s", "registrar.expires_min_s"], text);
    } else if given < least || given > most {
        let text = format!(
            "expires_default_s is {given}, allowed: {least} to {most} (expires_min_s to expires_max_s)"
        );
        let other = if given < least { "registrar.expires_min_s" } else { "registrar.expires_max_s" };
        report.add_rule(&["registrar.expires_default_s", other], text);
    }
}

fn listeners(config: &Config, report: &mut Report) {
    for (index, listen) in config.listen.iter().enumerate() {
        let key = |name: &str| format!("listen[{index}].{name}");
        let mut refuse = |name: &str, text: &str| {
            report.add_rule(&[&key(name), &format!("listen[{index}]")], text.to_owned());
        };
        let is_secure = matches!(listen.transport, Transport::Tls | Transport::Wss);
        let files = [
            ("certificate", &listen.certificate),
            ("private_key", &listen.private_key),
            ("client_ca", &listen.client_ca),
        ];
        for (name, file) in files {
            if file.is_some() && !is_secure {
                refuse(name, "is set without encryption, allowed: only with transport \"tls\" or \"wss\"");
            } else if file.is_none() && is_secure && name != "client_ca" {
                refuse(name, "is missing, allowed: a PEM file, as transport \"tls\" and \"wss\" need one");
            }
        }
        if let Some(earlier) = config.listen[..index].iter().position(|earlier| overlaps(earlier, listen)) {
            let text =
                format!("is taken by listen[{earlier}], allowed: an address and port that no other has");
            refuse("address", &text);
        }
    }
}

/// True when both would need the same port of the same address.
fn overlaps(a: &Listen, b: &Listen) -> bool {
    let is_datagram = |listen: &Listen| listen.transport == Transport::Udp;
    let same_port = a.address.port() == b.address.port() && a.address.port() != 0;
    let same_family = a.address.is_ipv4() == b.address.is_ipv4();
    let is_wildcard = |address: SocketAddr| address.ip().is_unspecified();
    let same_ip = a.address.ip() == b.address.ip() || is_wildcard(a.address) || is_wildcard(b.address);
    is_datagram(a) == is_datagram(b) && same_port && same_family && same_ip
}

fn groups(config: &Config, report: &mut Report) {
    for (index, group) in config.group.iter().enumerate() {
        let table = format!("group[{index}]");
        let is_named = !group.name.is_empty();
        if is_named && config.group[..index].iter().any(|earlier| earlier.name == group.name) {
            let text =
                format!("\"{}\" is the name of an earlier group, allowed: a name of its own", group.name);
            report.add_rule(&[&format!("{table}.name")], text);
        }
        if group.members.is_empty() && !report.has_problem_in(&format!("{table}.members")) {
            let text = "has no members, allowed: at least one SIP URI";
            report.add_rule(&[&format!("{table}.members"), &table], text);
        }
        if !group.weights.is_empty()
            && !group.members.is_empty()
            && group.weights.len() != group.members.len()
        {
            let (weights, members) = (group.weights.len(), group.members.len());
            let text = format!("has {weights} weights for {members} members, allowed: one a member, or []");
            report.add_rule(&[&format!("{table}.weights")], text);
        }
    }
}

fn references(config: &Config, report: &mut Report) {
    let mut known =
        config.group.iter().map(|group| format!("\"{}\"", group.name)).collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        known = "none, as there is no [[group]]".to_owned();
    }
    let mut refer = |key: &str, name: Option<&str>| {
        let Some(name) = name else { return };
        if config.group.iter().all(|group| group.name != name) {
            report.add_rule(&[key], format!("there is no group \"{name}\", allowed: {known}"));
        }
    };
    refer("registrar.core", config.registrar.core.as_ref().and_then(|core| core.group()));
    for (index, route) in config.route.iter().enumerate() {
        refer(&format!("route[{index}].to"), route.to.group());
    }
    if config.registrar.mode == RegistrarMode::Forward && config.registrar.core.is_none() {
        let text = "mode \"forward\" without a core, allowed: a SIP URI or group:NAME";
        report.add_rule(&["registrar.core", "registrar.mode"], text);
    }
}
