//! The configuration as plain values: one field a key of `tine.toml`, with the same names, units and defaults.
//!
//! `Default` of each section is what stands when a key is left out. Ranges are checked where the file is read (`read.rs`); a value
//! here is inside its range. What a field is for stands here once, and in `tine.toml`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::flow::{Transport, Zone};

/// The whole file. An empty file gives `Config::default()`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    pub node: Node,
    pub timers: Timers,
    /// Never empty: without any `[[listen]]`, UDP and TCP on 127.0.0.1:5060 in zone access.
    pub listen: Vec<Listen>,
    pub registrar: Registrar,
    pub auth: Auth,
    pub fork: Fork,
    pub voicemail: Voicemail,
    pub group: Vec<Group>,
    pub route: Vec<Route>,
    pub topology: Topology,
    pub nat: Nat,
    pub limits: Limits,
    pub api: Api,
    pub log: Log,
}

/// `[node]`: this process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// In the Server header, logs and metrics: 1 to 64 characters that a Server header may hold. Default `tine`.
    pub name: String,
    /// 1 to 255; 0, the default, is one per CPU that the process may use. More shards than CPUs cost switches, not correctness.
    pub shards: u8,
    /// Shard `i` is pinned to `cpus[i]`; empty, the default, is the allowed CPUs in turn.
    pub cpus: Vec<u16>,
    /// 32 random bytes. `None`, the default: drawn at start, and no token outlives the process.
    pub key_file: Option<PathBuf>,
    /// 0 to 600 seconds that transactions in progress get after SIGTERM. Default 10.
    pub drain_s: u32,
}

/// `[timers]`: RFC 3261 §17 and §16.6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Estimate of the round trip, 10 to 10 000 ms, default 500. Too short: needless retransmissions. Too long: slow repair of loss.
    pub t1_ms: u32,
    /// Longest pause between retransmissions of non-INVITE requests and INVITE responses, T1 to 60 000 ms, default 4 000.
    pub t2_ms: u32,
    /// How long a message may stay in the network, T1 to 60 000 ms, default 5 000.
    pub t4_ms: u32,
    /// How long a fork may ring, 1 to 3 600 s, default 185; §16.6 wants more than 180.
    pub timer_c_s: u32,
    /// How long timers D, J, L and M keep an ended transaction over UDP, 1 to 32 s, default 32. Each second costs one small record
    /// for each transaction a second.
    pub linger_s: u32,
}

/// One `[[listen]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// Default access.
    pub zone: Zone,
    /// Default UDP.
    pub transport: Transport,
    /// Default 0.0.0.0:5060. Port 0: the system chooses.
    pub address: SocketAddr,
    /// `host` or `host:port` that is written into Via, Record-Route and Path. `None`, the default: the address, or with a wildcard
    /// address the local address at which the packet arrived.
    pub advertise: Option<String>,
    /// PEM files, for TLS and WSS only.
    pub certificate: Option<PathBuf>,
    pub private_key: Option<PathBuf>,
    /// PEM file; clients must present a certificate that it signed.
    pub client_ca: Option<PathBuf>,
}

/// `[registrar]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registrar {
    /// Default local.
    pub mode: RegistrarMode,
    /// Where REGISTER goes in mode forward.
    pub core: Option<Destination>,
    /// Hosts whose users are local. Empty, the default: the listen and advertise addresses and `localhost`.
    pub domains: Vec<String>,
    /// Granted when the device asks for nothing, `expires_min_s` to `expires_max_s`, default 3 600.
    pub expires_default_s: u32,
    /// A shorter one gets 423 with Min-Expires; 1 to 3 600, default 60.
    pub expires_min_s: u32,
    /// A longer one is shortened; `expires_min_s` to 4 294 967 295, default 7 200.
    pub expires_max_s: u32,
    /// 1 to 100, default 10.
    pub bindings_per_aor_max: u32,
    /// Of the node, 1 to 100 000 000, default 1 000 000. The indexes are reserved for it at start; 450 bytes for each that is used.
    pub bindings_max: u32,
    /// What happens to one binding more than `bindings_per_aor_max`. Default refuse.
    pub when_full: WhenFull,
    /// 0 to 50: the granted expiry is shortened by a random share up to this. Default 0.
    pub expires_spread_percent: u32,
}

/// `[auth]`: digest (RFC 8760).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// `None`, the default: no authentication.
    pub users_file: Option<PathBuf>,
    /// `None`, the default: the domain of the request.
    pub realm: Option<String>,
    /// In the order of the challenges; not empty. Default SHA-256, MD5.
    pub algorithms: Vec<Algorithm>,
    /// 1 to 86 400, default 300.
    pub nonce_lifetime_s: u32,
    /// Methods that are challenged.
    pub methods: Vec<String>,
}

/// `[fork]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fork {
    /// Default q.
    pub order: Order,
    /// How long a group rings before the next one is tried, 1 to 600, default 20.
    pub ring_s: u32,
    /// True: earlier groups ring on when the next one starts. Default false.
    pub keep_ringing: bool,
    /// What a 6xx from one device ends. Default all.
    pub decline: Decline,
    /// Targets of one request, 1 to 100, default 20.
    pub targets_max: u32,
    /// True, the default: a device that registers while its AOR is ringing is rung too.
    pub late: bool,
    /// Follow a 3xx from a device inside the fork. Default false.
    pub recurse_3xx: bool,
}

/// `[voicemail]` (RFC 4458).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voicemail {
    /// A SIP URI. `None`, the default: no voicemail.
    pub uri: Option<String>,
    /// Default: all but unconditional.
    pub on: Vec<VoicemailCause>,
}

/// One `[[group]]`: servers that can be named as `group:NAME`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Unique, not empty.
    pub name: String,
    /// SIP URIs, at least one.
    pub members: Vec<String>,
    /// One a member, 1 to 1 000; empty, the default: all 1.
    pub weights: Vec<u32>,
    /// Default round-robin.
    pub policy: Policy,
    /// OPTIONS every so often, 0 to 3 600; 0, the default: none.
    pub probe_s: u32,
    /// Probes or timeouts in a row before a member is down, 1 to 100, default 2.
    pub fail_after: u32,
    /// Final answers that try the next member, each 300 to 699. Default 408, 500, 503.
    pub next_on: Vec<u16>,
}

/// One `[[route]]`: the first that matches wins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// `None`, the default: any.
    pub zone: Option<Zone>,
    /// Empty, the default: any.
    pub methods: Vec<String>,
    /// Regular expression on the whole user part; `None`, the default: any.
    pub user: Option<String>,
    /// Exact host; `None`, the default: any.
    pub domain: Option<String>,
    pub to: RouteTo,
    /// Digits off the front of the user, 0 to 64, default 0.
    pub strip: u32,
    /// Put before the user. Default nothing.
    pub prepend: String,
}

/// `[topology]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// Empty, the default: nothing is hidden.
    pub hide: Vec<Hidden>,
    /// Zones that must not see the other side. Default access.
    pub toward: Vec<Zone>,
}

/// `[nat]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nat {
    /// In zone access, answer where the packet came from, and ring where the REGISTER came from. Default true.
    pub fix: bool,
    /// Flow-Timer (RFC 5626) told to clients, 0 to 3 600, default 25; 0: none.
    pub ping_s: u32,
}

/// `[limits]`. Those of the node are divided by its shards, plus a tenth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// 1 024 to 65 535, default 65 535.
    pub message_bytes_max: u32,
    /// 16 to 1 024, default 128. 16 bytes each for every message in work.
    pub headers_max: u32,
    /// Of the node, 1 to 10 000 000, default 100 000. Each costs a file descriptor.
    pub connections_max: u32,
    /// A stream that is silent for this long is closed, 1 to 86 400, default 120.
    pub connection_idle_s: u32,
    /// Of the node, those that linger included, 1 to 100 000 000, default 4 000 000. At most 128 bytes for one that lingers.
    pub transactions_max: u32,
    /// Messages a second from one address of zone access, for each shard, 0 to 1 000 000; 0, the default: no limit.
    pub per_source_pps: u32,
}

/// `[api]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Api {
    /// Default 127.0.0.1:8060. `None`: no API. Port 0: the system chooses.
    pub address: Option<SocketAddr>,
    /// When set, every path but `/health` and `/ready` wants it. Default none.
    pub token: Option<Secret>,
}

/// `[log]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Default info.
    pub level: Level,
    /// Default text.
    pub format: LogFormat,
}

/// A text that no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// Where requests can be sent: `sip:…` or `group:NAME`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    Uri(String),
    Group(String),
}

/// What a `[[route]]` does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteTo {
    Group(String),
    Uri(String),
    /// 400 to 699.
    Reject(u16),
    Redirect(String),
}

/// A closed set of words that a key may have as its value.
pub trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    /// As written in the file.
    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, value)| *value == self)
            .map(|(name, _)| *name)
            .expect("ALL names every value")
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($value),* }

        impl Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($text, $name::$value)),*];
        }
    )*};
}

choices! {
    /// Who holds the bindings.
    RegistrarMode { Local = "local", Forward = "forward" }
    /// What a full AOR does with a further binding.
    WhenFull { Refuse = "refuse", ReplaceOldest = "replace-oldest" }
    /// Digest algorithms.
    Algorithm { Sha256 = "SHA-256", Md5 = "MD5" }
    /// In which order the targets of a fork are tried.
    Order { Q = "q", Parallel = "parallel", Sequential = "sequential" }
    /// What a 6xx from one device ends.
    Decline { All = "all", Device = "device" }
    /// Why a call goes to the voicemail.
    VoicemailCause {
        Busy = "busy",
        NoAnswer = "no-answer",
        NotRegistered = "not-registered",
        Unreachable = "unreachable",
        Declined = "declined",
        Unconditional = "unconditional"
    }
    /// How a member of a group is chosen.
    Policy { RoundRobin = "round-robin", Weight = "weight", Priority = "priority", CallIdHash = "call-id-hash" }
    /// What of the other side is hidden.
    Hidden {
        Via = "via",
        RecordRoute = "record-route",
        Contact = "contact",
        CallId = "call-id",
        UserAgent = "user-agent",
        History = "history"
    }
    /// The least that is logged.
    Level { Error = "error", Warn = "warn", Info = "info", Debug = "debug" }
    /// One line a record, for people or for machines.
    LogFormat { Text = "text", Json = "json" }
}

impl Choice for Zone {
    const ALL: &'static [(&'static str, Self)] = &[("access", Zone::Access), ("core", Zone::Core)];
}

impl Choice for Transport {
    const ALL: &'static [(&'static str, Self)] = &[
        ("udp", Transport::Udp),
        ("tcp", Transport::Tcp),
        ("tls", Transport::Tls),
        ("ws", Transport::Ws),
        ("wss", Transport::Wss),
    ];
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Listen {
    /// What an empty `[[listen]]` means.
    pub(super) fn template() -> Self {
        Listen {
            zone: Zone::Access,
            transport: Transport::Udp,
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5060),
            advertise: None,
            certificate: None,
            private_key: None,
            client_ca: None,
        }
    }

    fn loopback(transport: Transport) -> Self {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
        Listen { transport, address, ..Listen::template() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node: Node::default(),
            timers: Timers::default(),
            listen: vec![Listen::loopback(Transport::Udp), Listen::loopback(Transport::Tcp)],
            registrar: Registrar::default(),
            auth: Auth::default(),
            fork: Fork::default(),
            voicemail: Voicemail::default(),
            group: Vec::new(),
            route: Vec::new(),
            topology: Topology { hide: Vec::new(), toward: vec![Zone::Access] },
            nat: Nat { fix: true, ping_s: 25 },
            limits: Limits::default(),
            api: Api { address: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8060)), token: None },
            log: Log { level: Level::Info, format: LogFormat::Text },
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Node { name: "tine".to_owned(), shards: 0, cpus: Vec::new(), key_file: None, drain_s: 10 }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Timers { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000, timer_c_s: 185, linger_s: 32 }
    }
}

impl Default for Registrar {
    fn default() -> Self {
        Registrar {
            mode: RegistrarMode::Local,
            core: None,
            domains: Vec::new(),
            expires_default_s: 3_600,
            expires_min_s: 60,
            expires_max_s: 7_200,
            bindings_per_aor_max: 10,
            bindings_max: 1_000_000,
            when_full: WhenFull::Refuse,
            expires_spread_percent: 0,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        let methods = ["REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"];
        Auth {
            users_file: None,
            realm: None,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime_s: 300,
            methods: methods.map(str::to_owned).to_vec(),
        }
    }
}

impl Default for Fork {
    fn default() -> Self {
        Fork {
            order: Order::Q,
            ring_s: 20,
            keep_ringing: false,
            decline: Decline::All,
            targets_max: 20,
            late: true,
            recurse_3xx: false,
        }
    }
}

impl Default for Voicemail {
    fn default() -> Self {
        use VoicemailCause::{Busy, Declined, NoAnswer, NotRegistered, Unreachable};
        Voicemail { uri: None, on: vec![Busy, NoAnswer, NotRegistered, Unreachable, Declined] }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 65_535,
            headers_max: 128,
            connections_max: 100_000,
            connection_idle_s: 120,
            transactions_max: 4_000_000,
            per_source_pps: 0,
        }
    }
}
