//! The tree of a file to a `Config`: each section with its keys and their ranges. Rules over several keys are in `rules.rs`.

use toml::de::DeTable;

use super::check;
use super::model::{Config, Destination, Group, Listen, Policy, Route, RouteTo};
use super::report::Report;
use super::section::Section;
use crate::limits::{HEADERS_MAX, LISTENERS_MAX, MESSAGE_BYTES_MAX, SHARDS_MAX};

/// Every valid value of the file in its field, everything else in the report.
pub(super) fn config(tree: &DeTable<'_>, report: &mut Report) -> Config {
    let mut config = Config::default();
    let c = &mut config;
    let mut root = Section::root(tree, report);
    root.table("node", |section| node(section, c));
    root.table("timers", |section| timers(section, c));
    let mut listeners = Vec::new();
    if root.tables("listen", |section| listeners.push(listen(section))) && !listeners.is_empty() {
        c.listen = listeners;
    }
    if c.listen.len() > LISTENERS_MAX {
        root.refuse("listen", format!("has {} entries, allowed: up to {LISTENERS_MAX}", c.listen.len()));
        c.listen.truncate(LISTENERS_MAX);
    }
    root.table("registrar", |section| registrar(section, c));
    root.table("auth", |section| auth(section, c));
    root.table("fork", |section| fork(section, c));
    root.table("voicemail", |section| voicemail(section, c));
    root.tables("group", |section| c.group.push(group(section)));
    root.tables("route", |section| c.route.push(route(section)));
    root.table("topology", |section| topology(section, c));
    root.table("nat", |section| nat(section, c));
    root.table("limits", |section| limits(section, c));
    root.table("api", |section| api(section, c));
    root.table("log", |section| log(section, c));
    root.finish();
    config
}

fn node(section: &mut Section<'_>, config: &mut Config) {
    let node = &mut config.node;
    section.text("name", check::node_name, &mut node.name);
    section.integer("shards", 0..=SHARDS_MAX as i64, &mut node.shards);
    section.integers("cpus", 0..=CPU_MAX, &mut node.cpus);
    section.text_or_none("key_file", check::path, &mut node.key_file);
    section.integer("drain_s", 0..=600, &mut node.drain_s);
}

fn timers(section: &mut Section<'_>, config: &mut Config) {
    let timers = &mut config.timers;
    section.integer("t1_ms", 10..=10_000, &mut timers.t1_ms);
    section.integer("t2_ms", 10..=60_000, &mut timers.t2_ms);
    section.integer("t4_ms", 10..=60_000, &mut timers.t4_ms);
    section.integer("timer_c_s", 1..=3_600, &mut timers.timer_c_s);
    section.integer("linger_s", 1..=32, &mut timers.linger_s);
}

fn listen(section: &mut Section<'_>) -> Listen {
    let mut listen = Listen::template();
    section.choice("zone", &mut listen.zone);
    section.choice("transport", &mut listen.transport);
    section.text("address", check::socket_address, &mut listen.address);
    section.text_or_none("advertise", check::advertise, &mut listen.advertise);
    section.text_or_none("certificate", check::path, &mut listen.certificate);
    section.text_or_none("private_key", check::path, &mut listen.private_key);
    section.text_or_none("client_ca", check::path, &mut listen.client_ca);
    listen
}

fn registrar(section: &mut Section<'_>, config: &mut Config) {
    let registrar = &mut config.registrar;
    section.choice("mode", &mut registrar.mode);
    section.text_or_none("core", check::destination, &mut registrar.core);
    section.texts("domains", check::host, &mut registrar.domains);
    section.integer("expires_default_s", 1..=i64::from(u32::MAX), &mut registrar.expires_default_s);
    section.integer("expires_min_s", 1..=3_600, &mut registrar.expires_min_s);
    section.integer("expires_max_s", 1..=i64::from(u32::MAX), &mut registrar.expires_max_s);
    section.integer("bindings_per_aor_max", 1..=100, &mut registrar.bindings_per_aor_max);
    section.integer("bindings_max", 1..=100_000_000, &mut registrar.bindings_max);
    section.choice("when_full", &mut registrar.when_full);
    section.integer("expires_spread_percent", 0..=50, &mut registrar.expires_spread_percent);
}

fn auth(section: &mut Section<'_>, config: &mut Config) {
    let auth = &mut config.auth;
    section.text_or_none("users_file", check::path, &mut auth.users_file);
    section.text_or_none("realm", check::realm, &mut auth.realm);
    section.choices("algorithms", &mut auth.algorithms);
    if auth.algorithms.is_empty() {
        section.refuse("algorithms", "is empty, allowed: at least one of \"SHA-256\", \"MD5\"");
    }
    section.refuse_repeated("algorithms", &auth.algorithms);
    section.integer("nonce_lifetime_s", 1..=86_400, &mut auth.nonce_lifetime_s);
    section.texts("methods", check::method, &mut auth.methods);
    section.refuse_repeated("methods", &auth.methods);
}

fn fork(section: &mut Section<'_>, config: &mut Config) {
    let fork = &mut config.fork;
    section.choice("order", &mut fork.order);
    section.integer("ring_s", 1..=600, &mut fork.ring_s);
    section.boolean("keep_ringing", &mut fork.keep_ringing);
    section.choice("decline", &mut fork.decline);
    section.integer("targets_max", 1..=100, &mut fork.targets_max);
    section.boolean("late", &mut fork.late);
    section.boolean("recurse_3xx", &mut fork.recurse_3xx);
}

fn voicemail(section: &mut Section<'_>, config: &mut Config) {
    let voicemail = &mut config.voicemail;
    section.text_or_none("uri", check::sip_uri, &mut voicemail.uri);
    section.choices("on", &mut voicemail.on);
    section.refuse_repeated("on", &voicemail.on);
}

fn group(section: &mut Section<'_>) -> Group {
    let mut group = Group {
        name: String::new(),
        members: Vec::new(),
        weights: Vec::new(),
        policy: Policy::RoundRobin,
        probe_s: 0,
        fail_after: 2,
        next_on: vec![408, 500, 503],
    };
    section.required_text("name", check::group_name, &mut group.name);
    section.texts("members", check::sip_uri, &mut group.members);
    section.refuse_repeated("members", &group.members);
    section.integers("weights", 1..=1_000, &mut group.weights);
    section.choice("policy", &mut group.policy);
    section.integer("probe_s", 0..=3_600, &mut group.probe_s);
    section.integer("fail_after", 1..=100, &mut group.fail_after);
    section.integers("next_on", 300..=699, &mut group.next_on);
    section.refuse_repeated("next_on", &group.next_on);
    group
}

fn route(section: &mut Section<'_>) -> Route {
    let mut route = Route {
        zone: None,
        methods: Vec::new(),
        user: None,
        domain: None,
        // Stands for a missing or wrong one, which is reported and needs no group.
        to: RouteTo::Reject(403),
        strip: 0,
        prepend: String::new(),
    };
    section.choice_or_none("zone", &mut route.zone);
    section.texts("methods", check::method, &mut route.methods);
    section.refuse_repeated("methods", &route.methods);
    section.text_or_none("user", check::any, &mut route.user);
    section.text_or_none("domain", check::host, &mut route.domain);
    section.required_text("to", check::route_to, &mut route.to);
    section.integer("strip", 0..=64, &mut route.strip);
    section.text("prepend", check::user_part, &mut route.prepend);
    route
}

fn topology(section: &mut Section<'_>, config: &mut Config) {
    let topology = &mut config.topology;
    section.choices("hide", &mut topology.hide);
    section.refuse_repeated("hide", &topology.hide);
    section.choices("toward", &mut topology.toward);
    section.refuse_repeated("toward", &topology.toward);
}

fn nat(section: &mut Section<'_>, config: &mut Config) {
    section.boolean("fix", &mut config.nat.fix);
    section.integer("ping_s", 0..=3_600, &mut config.nat.ping_s);
}

fn limits(section: &mut Section<'_>, config: &mut Config) {
    let limits = &mut config.limits;
    section.integer("message_bytes_max", 1_024..=MESSAGE_BYTES_MAX as i64, &mut limits.message_bytes_max);
    section.integer("headers_max", 16..=HEADERS_MAX as i64, &mut limits.headers_max);
    section.integer("connections_max", 1..=10_000_000, &mut limits.connections_max);
    section.integer("connection_idle_s", 1..=86_400, &mut limits.connection_idle_s);
    section.integer("transactions_max", 1..=100_000_000, &mut limits.transactions_max);
    section.integer("per_source_pps", 0..=1_000_000, &mut limits.per_source_pps);
}

fn api(section: &mut Section<'_>, config: &mut Config) {
    section.text_or_none("address", check::socket_address, &mut config.api.address);
    section.text_or_none("token", check::token_secret, &mut config.api.token);
}

fn log(section: &mut Section<'_>, config: &mut Config) {
    section.choice("level", &mut config.log.level);
    section.choice("format", &mut config.log.format);
}

impl Destination {
    /// The group that it names.
    pub(super) fn group(&self) -> Option<&str> {
        match self {
            Destination::Group(name) => Some(name),
            Destination::Uri(_) => None,
        }
    }
}

impl RouteTo {
    /// The group that it names.
    pub(super) fn group(&self) -> Option<&str> {
        match self {
            RouteTo::Group(name) => Some(name),
            RouteTo::Uri(_) | RouteTo::Reject(_) | RouteTo::Redirect(_) => None,
        }
    }
}

/// CPUs are numbered from 0; Linux is built for at most 8 192 of them.
const CPU_MAX: i64 = 8_191;
