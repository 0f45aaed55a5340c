//! A shard (or several, with a mesh between them) under a virtual clock, and the devices around it as addresses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tine::flow::{Address, Endpoint, Flow, Transport, Zone};
use tine::ids::{EndpointId, ShardId, TransactionId};
use tine::random::Prng;
use tine::scan::{Backend, Scanner};
use tine::shard::input::Input;
use tine::shard::outbox::{Hold, Outbox, ShardMessage};
use tine::shard::port::Facts;
use tine::shard::{Options, Shard};
use tine::time::{Duration, Instant};
use tine::{location, registrar, transaction};

/// 2026-01-01 00:00:00 UTC: every script begins then.
const START_S: u64 = 1_767_225_600;

pub struct Network {
    pub shards: Vec<Shard>,
    pub now: Instant,
    outbox: Outbox,
    /// Datagrams that came so far: each arrives on the next shard.
    arrivals: usize,
    /// What left and was not looked at yet.
    sent: VecDeque<Sent>,
    /// Streams that were asked for and not answered yet.
    pub connects: Vec<(TransactionId, SocketAddr)>,
    pub holds: Vec<Hold>,
    /// Asked for each handoff: true when the mesh was full and it is lost.
    pub mesh_loses: fn(&mut Prng) -> bool,
    pub prng: Prng,
    /// A panic inside of a shard is a fault that the shard recovers from, as it is to a shell, and not the end of the test.
    pub bears_faults: bool,
}

/// A message that left.
#[derive(Clone, Debug)]
pub struct Sent {
    pub to: SocketAddr,
    pub flow: Flow,
    pub text: String,
    pub origin: Option<TransactionId>,
}

pub fn options() -> Options {
    let endpoint = |transport, zone, local: &str| Endpoint {
        listener: 0,
        transport,
        zone,
        local: local.parse::<SocketAddr>().unwrap().into(),
        advertise: local.as_bytes().into(),
    };
    Options {
        shard: ShardId(0),
        shards: 1,
        node: 0,
        key: [7; 32],
        epoch: 1,
        seed: 1,
        endpoints: vec![
            endpoint(Transport::Udp, Zone::Access, "192.0.2.1:5060"),
            endpoint(Transport::Tcp, Zone::Access, "192.0.2.1:5060"),
            endpoint(Transport::Udp, Zone::Core, "10.0.0.1:5060"),
        ],
        domains: vec![b"example.com".as_slice().into()],
        server_name: b"tine".as_slice().into(),
        scanner: Scanner::with(Backend::Scalar).unwrap(),
        transaction: transaction::table::Options {
            transactions_max: 1_000,
            ..transaction::table::Options::default()
        },
        registrar: registrar::Options {
            expires_default_s: 3600,
            expires_min_s: 60,
            expires_max_s: 7200,
            expires_spread_percent: 0,
            nat_fix: true,
            ping_s: 25,
            retry_after_s: 5,
            node: 0,
        },
        location: location::Options { bindings_max: 100, bindings_per_aor_max: 10, replaces_oldest: false },
        timer_c: Duration::from_secs(185),
        targets_max: 20,
        nat_fix: true,
        ping: Duration::from_secs(25),
        message_bytes_max: 65_535,
        headers_max: 128,
        per_source_pps: 0,
        kept_bytes_max: 64 << 20,
    }
}

impl Network {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: Options) -> Self {
        let now = Instant::from_micros(START_S * 1_000_000);
        let shards = (0..options.shards)
            .map(|shard| Shard::new(Options { shard: ShardId(shard), ..options.clone() }, now))
            .collect();
        Network {
            shards,
            now,
            outbox: Outbox::default(),
            arrivals: 0,
            sent: VecDeque::new(),
            connects: Vec::new(),
            holds: Vec::new(),
            mesh_loses: |_| false,
            prng: Prng::new(1),
            bears_faults: false,
        }
    }

    /// A datagram from that address to the access side; each arrives on another shard. Lines of `text` end in LF here and in CR LF on the wire.
    pub fn send(&mut self, from: &str, text: &str) {
        self.send_by(Flow::udp(EndpointId(0), address(from)), text);
    }

    /// The same from the operator's side.
    pub fn send_from_core(&mut self, from: &str, text: &str) {
        self.send_by(Flow::udp(EndpointId(2), address(from)), text);
    }

    pub fn send_by(&mut self, flow: Flow, text: &str) {
        self.send_bytes(flow, &wire(text));
    }

    /// Bytes as they are, arriving as `send_by` has it.
    pub fn send_bytes(&mut self, flow: Flow, bytes: &[u8]) {
        let shard = self.arrivals % self.shards.len();
        self.arrivals += 1;
        let shard = flow.connection.map_or(shard, |connection| usize::from(connection.shard.0));
        self.input(shard, Input::Message { flow, bytes });
    }

    pub fn input(&mut self, shard: usize, input: Input<'_>) {
        let (core, outbox) = (&mut self.shards[shard], &mut self.outbox);
        let result = catch_unwind(AssertUnwindSafe(|| core.on_input(self.now, input, outbox)));
        if let Err(payload) = result {
            if !self.bears_faults {
                resume_unwind(payload);
            }
            core.on_fault(outbox);
        }
        self.drain(shard);
    }

    /// Lets time pass, firing every timer at its time.
    pub fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            let next = (0..self.shards.len())
                .filter_map(|shard| Some((self.shards[shard].next_deadline()?, shard)))
                .min()
                .filter(|(deadline, _)| *deadline <= end);
            let Some((deadline, shard)) = next else { break };
            self.now = self.now.max(deadline);
            self.shards[shard].on_deadline(self.now, &mut self.outbox);
            self.drain(shard);
        }
        self.now = end;
    }

    /// What all shards hold together.
    pub fn facts(&self) -> Facts {
        self.shards.iter().map(Shard::facts).fold(Facts::default(), |sum, facts| Facts {
            is_draining: sum.is_draining || facts.is_draining,
            aors: sum.aors + facts.aors,
            bindings: sum.bindings + facts.bindings,
            contexts: sum.contexts + facts.contexts,
            invite_servers: sum.invite_servers + facts.invite_servers,
            invite_clients: sum.invite_clients + facts.invite_clients,
            non_invite_servers: sum.non_invite_servers + facts.non_invite_servers,
            non_invite_clients: sum.non_invite_clients + facts.non_invite_clients,
            lingering: sum.lingering + facts.lingering,
            connections: sum.connections + facts.connections,
        })
    }

    pub fn is_quiet(&self) -> bool {
        self.shards.iter().all(Shard::is_quiet)
    }

    pub fn pass_ms(&mut self, millis: u64) {
        self.pass(Duration::from_millis(millis));
    }

    fn drain(&mut self, shard: usize) {
        self.shards[shard].invariants();
        for transmit in &self.outbox.transmits {
            let bytes = &self.outbox.bytes[transmit.start as usize..(transmit.start + transmit.len) as usize];
            let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
            self.sent.push_back(Sent {
                to: transmit.flow.remote.into(),
                flow: transmit.flow,
                text,
                origin: transmit.origin,
            });
        }
        for connect in &self.outbox.connects {
            self.connects.push((connect.origin, connect.remote.into()));
        }
        self.holds.append(&mut self.outbox.holds);
        let handoffs: Vec<(ShardId, ShardMessage)> = self.outbox.handoffs.drain(..).collect();
        self.outbox.clear();
        for (to, message) in handoffs {
            if (self.mesh_loses)(&mut self.prng) {
                continue;
            }
            self.input(usize::from(to.0), Input::Handoff(message));
        }
    }

    /// The next message that left, which must begin like this and go there.
    #[track_caller]
    pub fn expect(&mut self, to: &str, start: &str) -> Sent {
        let Some(sent) = self.sent.pop_front() else { panic!("nothing left; expected `{start}` to {to}") };
        assert!(
            sent.text.starts_with(start) && sent.to == to.parse().unwrap(),
            "expected `{start}` to {to}, but to {} left:\n{}",
            sent.to,
            sent.text
        );
        sent
    }

    /// Whatever left, oldest first.
    pub fn take(&mut self) -> Vec<Sent> {
        self.sent.drain(..).collect()
    }

    /// The one message to that address among all that left; the others stay.
    #[track_caller]
    pub fn expect_any(&mut self, to: &str, start: &str) -> Sent {
        let to: SocketAddr = to.parse().unwrap();
        let Some(at) = self.sent.iter().position(|sent| sent.to == to && sent.text.starts_with(start)) else {
            panic!("no `{start}` to {to} among {:#?}", self.sent);
        };
        self.sent.remove(at).unwrap()
    }

    #[track_caller]
    pub fn expect_nothing(&self) {
        assert!(self.sent.is_empty(), "left: {:#?}", self.sent);
    }

    /// Registers a device of that user at its address; checks the 200.
    pub fn register(&mut self, user: &str, from: &str, params: &str) {
        let text = register(user, from, params, "Expires: 3600\n");
        self.send(from, &text);
        self.expect(from, "SIP/2.0 200 OK");
    }
}

impl Sent {
    /// The value of the first line of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).next().unwrap_or_else(|| panic!("no {name} in:\n{}", self.text))
    }

    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = format!("{name}: ");
        self.text.lines().filter_map(move |line| line.strip_prefix(name.as_str()))
    }

    /// The response to this request: Vias, From, To, Call-ID and CSeq of it.
    pub fn respond(&self, status: &str, to_tag: &str, extra: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\n");
        for line in self.text.lines() {
            let name = line.split(':').next().unwrap_or_default();
            match name {
                "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route" => text.push_str(&format!("{line}\n")),
                "To" if to_tag.is_empty() || line.contains("tag=") => text.push_str(&format!("{line}\n")),
                "To" => text.push_str(&format!("{line};tag={to_tag}\n")),
                _ => {}
            }
        }
        text + extra + "Content-Length: 0\n\n"
    }

    pub fn request_uri(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }
}

pub fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().unwrap().into()
}

pub fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A REGISTER with one Contact at `from`.
pub fn register(user: &str, from: &str, params: &str, extra: &str) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bKr{user}{port};rport\n\
         Max-Forwards: 70\n\
         From: <sip:{user}@example.com>;tag=r1\n\
         To: <sip:{user}@example.com>\n\
         Call-ID: reg-{user}-{from}\n\
         CSeq: 1 REGISTER\n\
         Contact: <sip:{user}@{from}>{params}\n\
         {extra}Content-Length: 0\n\n",
        port = from.rsplit(':').next().unwrap(),
    )
}

/// An INVITE from `from` to a user of example.com, outside a dialog.
pub fn invite(user: &str, from: &str, branch: &str) -> String {
    request("INVITE", &format!("sip:{user}@example.com"), user, from, branch, "")
}

/// A request of the caller at `from`.
pub fn request(method: &str, uri: &str, user: &str, from: &str, branch: &str, extra: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\n\
         Max-Forwards: 70\n\
         From: <sip:caller@example.com>;tag=c1\n\
         To: <sip:{user}@example.com>\n\
         Call-ID: call-1\n\
         CSeq: 1 {method}\n\
         Contact: <sip:caller@{from}>\n\
         {extra}Content-Length: 0\n\n"
    )
}
