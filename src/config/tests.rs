use super::*;

/// Every key of the contract with its default.
const DEFAULTS: &str = r#"
[node]
name = "tine"
shards = 0
cpus = []
key_file = ""
drain_s = 10

[timers]
t1_ms = 500
t2_ms = 4000
t4_ms = 5000
timer_c_s = 185
linger_s = 32

[[listen]]
zone = "access"
transport = "udp"
address = "127.0.0.1:5060"
advertise = ""
certificate = ""
private_key = ""
client_ca = ""

[[listen]]
transport = "tcp"
address = "127.0.0.1:5060"

[registrar]
mode = "local"
core = ""
domains = []
expires_default_s = 3600
expires_min_s = 60
expires_max_s = 7200
bindings_per_aor_max = 10
bindings_max = 1_000_000
when_full = "refuse"
expires_spread_percent = 0

[auth]
users_file = ""
realm = ""
algorithms = ["SHA-256", "MD5"]
nonce_lifetime_s = 300
methods = ["REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"]

[fork]
order = "q"
ring_s = 20
keep_ringing = false
decline = "all"
targets_max = 20
late = true
recurse_3xx = false

[voicemail]
uri = ""
on = ["busy", "no-answer", "not-registered", "unreachable", "declined"]

[topology]
hide = []
toward = ["access"]

[nat]
fix = true
ping_s = 25

[limits]
message_bytes_max = 65_535
headers_max = 128
connections_max = 100_000
connection_idle_s = 120
transactions_max = 4_000_000
per_source_pps = 0

[api]
address = "127.0.0.1:8060"
token = ""

[log]
level = "info"
format = "text"
"#;

/// What is wrong with a text, without its file name, one line each.
fn problems(text: &str) -> Vec<String> {
    let found = parse("t", text).err().unwrap_or_default();
    found.iter().map(|problem| problem.to_string().trim_start_matches("t:").to_owned()).collect()
}

#[test]
fn an_empty_file_is_every_default_spelled_out() {
    assert_eq!(parse("t", ""), Ok(Config::default()));
    assert_eq!(parse("t", DEFAULTS), Ok(Config::default()));
}

#[test]
fn every_key_is_read_into_its_field() {
    // Each line is the least change to a default, and must change the result.
    let changes = [
        "node.name = 'edge'",
        "node.shards = 2",
        "node.cpus = [0]",
        "node.key_file = '/k'",
        "node.drain_s = 0",
        "timers.t1_ms = 100",
        "timers.t2_ms = 3999",
        "timers.t4_ms = 4999",
        "timers.timer_c_s = 3",
        "timers.linger_s = 1",
        "listen = [{ zone = 'core' }]",
        "listen = [{ transport = 'tcp' }]",
        "listen = [{ address = '[::1]:0' }]",
        "listen = [{ advertise = 'edge.example.com:5060' }]",
        "registrar.domains = ['example.com']",
        "registrar.expires_default_s = 61",
        "registrar.expires_min_s = 1",
        "registrar.expires_max_s = 3600",
        "registrar.bindings_per_aor_max = 1",
        "registrar.bindings_max = 10",
        "registrar.when_full = 'replace-oldest'",
        "registrar.expires_spread_percent = 50",
        "fork.order = 'parallel'",
        "fork.targets_max = 100",
        "nat.fix = false",
        "nat.ping_s = 0",
        "limits.message_bytes_max = 4096",
        "limits.headers_max = 64",
        "limits.connections_max = 1",
        "limits.connection_idle_s = 1",
        "limits.transactions_max = 100",
        "limits.per_source_pps = 5",
        "api.address = ''",
        "api.token = 'abc'",
        "log.level = 'debug'",
        "log.format = 'json'",
    ];
    let mut seen = vec![Config::default(), Config { listen: vec![Listen::template()], ..Config::default() }];
    for change in changes {
        let config = parse("t", change).unwrap_or_else(|found| panic!("{change}: {found:?}"));
        assert!(!seen.contains(&config), "{change} changes nothing of its own");
        seen.push(config);
    }
}

#[test]
fn each_problem_is_told_at_its_place() {
    let table = [
        // Types and ranges.
        ("[node]\nshards = \"two\"", "2:10: node.shards: is a text, allowed: an integer from 0 to 255"),
        (
            "[node]\n  shards = 256",
            "2:12: node.shards: 256 is out of range, allowed: an integer from 0 to 255",
        ),
        (
            "[node]\nshards = 99999999999999999999",
            "2:10: node.shards: 99999999999999999999 is out of range, allowed: an integer from 0 to 255",
        ),
        ("[timers]\nt1_ms = 0.5", "2:9: timers.t1_ms: is a fraction, allowed: an integer from 10 to 10000"),
        (
            "[timers]\nt1_ms = -5",
            "2:9: timers.t1_ms: -5 is out of range, allowed: an integer from 10 to 10000",
        ),
        ("[nat]\nfix = 1", "2:7: nat.fix: is an integer, allowed: true or false"),
        ("[node]\nname = true", "2:8: node.name: is a boolean, allowed: a text in quotes"),
        (
            "[node]\ncpus = 1",
            "2:8: node.cpus: is an integer, allowed: a list of integers, as in cpus = [ … ]",
        ),
        ("[node]\ncpus = [0, \"1\"]", "2:12: node.cpus[1]: is a text, allowed: an integer from 0 to 8191"),
        ("node = 3", "1:8: node: is an integer, must be a table, written as [node]"),
        (
            "[listen]\nzone = \"core\"",
            "1:1: listen: is a table, must be a list of tables, each written as [[listen]]",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "2:9: log.level: \"loud\" is not known, allowed: \"error\", \"warn\", \"info\", \"debug\"",
        ),
        (
            "[registrar]\nwhen_full = \"drop\"",
            "2:13: registrar.when_full: \"drop\" is not known, allowed: \"refuse\", \"replace-oldest\"",
        ),
        (
            "[registrar]\ndomains = [\"a.example\", \"b.example:5060\"]",
            "2:25: registrar.domains[1]: \"b.example:5060\" is not valid, allowed: \
             a host name, an IPv4 address or an IPv6 address in brackets, without a port",
        ),
        (
            "[api]\naddress = \"localhost:80\"",
            "2:11: api.address: \"localhost:80\" is not valid, allowed: ip:port with the port from 0 to 65535, \
             IPv6 in brackets, as in 192.0.2.1:5060 or [2001:db8::1]:5060",
        ),
        // Names.
        ("[timers]\nt1_sm = 5", "2:1: timers.t1_sm: unknown key, did you mean \"t1_ms\"?"),
        ("[timer]", "1:2: timer: unknown section, did you mean \"timers\"?"),
        (
            "[node]\nbindings_max = 5",
            "2:1: node.bindings_max: unknown key, did you mean \"bindings_max\" of [registrar]?",
        ),
        ("[nat]\nxyzzy = 5", "2:1: nat.xyzzy: unknown key, allowed: fix, ping_s"),
        ("t1_ms = 5", "1:1: t1_ms: unknown section, did you mean \"t1_ms\" of [timers]?"),
        (
            "[[listen]]\nport = 5060",
            "2:1: listen[0].port: unknown key, allowed: zone, transport, address, advertise, \
          certificate, private_key, client_ca",
        ),
        // TOML.
        ("[node]\nshards = 1\nshards = 2", "3:1: syntax: duplicate key, allowed: TOML 1.0"),
        ("[node]\nname = tine", "2:8: syntax: invalid boolean, expected `true`, allowed: TOML 1.0"),
        ("[node\nname = \"tine\"", "1:6: syntax: unclosed table, expected `]`, allowed: TOML 1.0"),
        // Several keys.
        (
            "[timers]\nt2_ms = 400",
            "2:9: timers.t2_ms: t2_ms is 400, less than t1_ms, allowed: 500 (t1_ms) to 60000",
        ),
        (
            "[timers]\nt4_ms = 400",
            "2:9: timers.t4_ms: t4_ms is 400, less than t1_ms, allowed: 500 (t1_ms) to 60000",
        ),
        (
            "[timers]\nt4_ms = 9000\nt1_ms = 4001",
            "3:9: timers.t1_ms: t2_ms is 4000, less than t1_ms, allowed: 4001 (t1_ms) to 60000",
        ),
        (
            "[registrar]\nexpires_default_s = 59",
            "2:21: registrar.expires_default_s: expires_default_s is 59, allowed: 60 to 7200 (expires_min_s to expires_max_s)",
        ),
        (
            "[registrar]\nexpires_max_s = 600",
            "2:17: registrar.expires_max_s: expires_default_s is 3600, allowed: 60 to 600 (expires_min_s to expires_max_s)",
        ),
        (
            "[registrar]\nexpires_max_s = 30",
            "2:17: registrar.expires_max_s: expires_max_s is 30, less than expires_min_s, allowed: 60 (expires_min_s) or more",
        ),
        (
            "[node]\nshards = 4\ncpus = [0, 1]",
            "3:8: node.cpus: names 2 CPUs for 4 shards, allowed: one a shard, or [] for the allowed CPUs in turn",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:5060\"\n[[listen]]",
            "3:1: listen[1].address: is taken by listen[0], allowed: an address and port that no other has",
        ),
        (
            "[[listen]]\ncertificate = \"c.pem\"",
            "2:15: listen[0].certificate: is set without encryption, allowed: only with transport \"tls\" or \"wss\"",
        ),
    ];
    for (text, expected) in table {
        let found = problems(text);
        assert!(
            found.first().is_some_and(|first| first == expected),
            "{text}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file() {
    let text = "\
        [node]\n\
        shards = 999\n\
        nmae = \"x\"\n\
        [log]\n\
        level = 3\n\
        [timers]\n\
        t1_ms = 1\n\
        [[listen]]\n\
        address = \"here\"\n\
        zone = \"dmz\"\n\
        [fork]\n\
        late = \"yes\"\n\
        order = \"sequential\"\n\
        [api\n\
        token = 5\n";
    let places: Vec<_> = parse("t", text)
        .unwrap_err()
        .iter()
        .map(|problem| (problem.place.unwrap(), problem.key.clone()))
        .collect();
    let expected = [
        ((2, 10), "node.shards"),
        ((3, 1), "node.nmae"),
        ((5, 9), "log.level"),
        ((7, 9), "timers.t1_ms"),
        ((9, 11), "listen[0].address"),
        ((10, 8), "listen[0].zone"),
        ((12, 8), "fork.late"),
        ((14, 5), "syntax"),
    ];
    assert_eq!(places, expected.map(|(place, key)| (place, key.to_owned())));
}

#[test]
fn a_damaged_line_is_told_once() {
    assert_eq!(problems("[timers]\nt1_ms = \nt2_ms = 1").len(), 2);
    let keys: Vec<_> = parse("t", "[registrar]\ndomains = [\"a\"\nwhen_full = 'x'").unwrap_err();
    assert!(keys.iter().all(|problem| problem.key == "syntax"), "{keys:?}");
}

#[test]
fn features_to_come_are_refused_when_asked_for() {
    let table = [
        ("registrar.core = 'sip:core.example.com'", "1:18: registrar.core: not yet supported, allowed: \"\""),
        ("auth.users_file = 'u'", "1:19: auth.users_file: not yet supported, allowed: \"\""),
        ("auth.realm = 'r'", "1:14: auth.realm: not yet supported, allowed: \"\""),
        ("auth.algorithms = ['MD5']", "1:19: auth.algorithms: not yet supported, allowed: the default"),
        ("auth.nonce_lifetime_s = 1", "1:25: auth.nonce_lifetime_s: not yet supported, allowed: 300"),
        ("auth.methods = []", "1:16: auth.methods: not yet supported, allowed: the default"),
        ("fork.order = 'sequential'", "1:14: fork.order: not yet supported, allowed: \"q\", \"parallel\""),
        ("fork.ring_s = 21", "1:15: fork.ring_s: not yet supported, allowed: 20"),
        ("fork.keep_ringing = true", "1:21: fork.keep_ringing: not yet supported, allowed: false"),
        ("fork.decline = 'device'", "1:16: fork.decline: not yet supported, allowed: \"all\""),
        ("fork.late = false", "1:13: fork.late: not yet supported, allowed: true"),
        ("fork.recurse_3xx = true", "1:20: fork.recurse_3xx: not yet supported, allowed: false"),
        ("voicemail.uri = 'sip:vm@example.com'", "1:17: voicemail.uri: not yet supported, allowed: \"\""),
        ("voicemail.on = ['busy']", "1:16: voicemail.on: not yet supported, allowed: the default"),
        ("[[route]]\nto = 'reject:404'", "1:1: route[0]: not yet supported, allowed: no [[route]]"),
        (
            "[[group]]\nname = 'g'\nmembers = ['sip:a.example']",
            "1:1: group[0]: not yet supported, allowed: no [[group]]",
        ),
        ("topology.hide = ['via']", "1:17: topology.hide: not yet supported, allowed: []"),
        ("topology.toward = ['core']", "1:19: topology.toward: not yet supported, allowed: [\"access\"]"),
        (
            "[[listen]]\ntransport = 'ws'",
            "2:13: listen[0].transport: not yet supported, allowed: \"udp\", \"tcp\"",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn groups_and_references_are_checked_before_they_are_supported() {
    let text = "\
        [registrar]\n\
        mode = \"forward\"\n\
        core = \"group:core\"\n\
        [[group]]\n\
        name = \"a\"\n\
        members = [\"sip:a.example\", \"sip:b.example\"]\n\
        weights = [1]\n\
        [[group]]\n\
        name = \"a\"\n\
        [[route]]\n\
        to = \"group:b\"\n\
        [[route]]\n\
        strip = 65\n";
    let found = problems(text);
    for expected in [
        "3:8: registrar.core: there is no group \"core\", allowed: \"a\", \"a\"",
        "7:11: group[0].weights: has 1 weights for 2 members, allowed: one a member, or []",
        "8:1: group[1].members: has no members, allowed: at least one SIP URI",
        "9:8: group[1].name: \"a\" is the name of an earlier group, allowed: a name of its own",
        "11:6: route[0].to: there is no group \"b\", allowed: \"a\", \"a\"",
        "12:1: route[1].to: must be given in each [[route]]",
        "13:9: route[1].strip: 65 is out of range, allowed: an integer from 0 to 64",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
    }
}

#[test]
fn listeners_may_share_a_number_across_families_and_protocols() {
    let listen = |entries: &[(&str, &str)]| {
        let tables = entries.iter().map(|(transport, address)| {
            format!("[[listen]]\ntransport = '{transport}'\naddress = '{address}'\n")
        });
        problems(&tables.collect::<String>()).len()
    };
    assert_eq!(
        listen(&[
            ("udp", "0.0.0.0:5060"),
            ("tcp", "0.0.0.0:5060"),
            ("udp", "[::]:5060"),
            ("udp", "0.0.0.0:5061")
        ]),
        0
    );
    assert_eq!(listen(&[("udp", "127.0.0.1:0"), ("udp", "127.0.0.1:0")]), 0);
    assert_eq!(listen(&[("udp", "0.0.0.0:5060"), ("udp", "127.0.0.1:5060")]), 1);
    assert_eq!(listen(&[("tcp", "127.0.0.1:5060"), ("tcp", "127.0.0.1:5060")]), 1);
    assert_eq!(listen(&vec![("udp", "127.0.0.1:0"); crate::limits::LISTENERS_MAX + 1]), 1);
}

#[test]
fn what_is_not_safe_is_warned_of() {
    let count = |text: &str| warnings::of(&parse("t", text).unwrap()).len();
    assert_eq!(count(""), 0);
    assert_eq!(count("listen = [{}]"), 1);
    assert_eq!(count("listen = [{ address = '[::1]:5060' }]"), 0);
    assert_eq!(count("listen = [{ zone = 'core' }]"), 0);
    assert_eq!(count("api.address = '0.0.0.0:80'"), 1);
    assert_eq!(count("api = { address = '0.0.0.0:80', token = 't' }"), 0);
    assert_eq!(count("timers = { timer_c_s = 180, linger_s = 31 }"), 2);
}

#[test]
fn secrets_are_not_shown() {
    let config = parse("t", "api.token = 'hunter2'").unwrap();
    assert!(!format!("{config:?} {:?}", Key([77; 32])).contains("hunter2"));
    assert!(!format!("{:?}", Key([77; 32])).contains("77"));
    assert!(!config.summary().contains("hunter2"));
}
