//! Random operations by seed: devices, callers and wires that do everything they can do, at random, over tables of a few entries. After each
//! input the tables must agree with each other; when all has been silent for 300 s, nothing may be left.

use tine::flow::{Endpoint, Flow, Transport};
use tine::ids::{ConnectionId, EndpointId, ShardId};
use tine::random::Prng;
use tine::shard::Options;
use tine::shard::input::Input;

use crate::network::{Network, Sent, address, invite, options, register, wire};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Messages that went in and may go in again, as they were or damaged.
const POOL_MAX: usize = 64;

/// Messages that left and wait for somebody to answer them.
const INBOX_MAX: usize = 64;

struct Chaos {
    network: Network,
    prng: Prng,
    shards: u8,
    flows: Vec<Flow>,
    connections_made: u32,
    pool: Vec<(Flow, Vec<u8>)>,
    inbox: Vec<Sent>,
    calls: Vec<(Flow, String)>,
    requests_made: u32,
}

impl Chaos {
    fn new(seed: u64, shards: u8) -> Self {
        let mut options = Options { shards, kept_bytes_max: 5 << 18, headers_max: 16, ..options() };
        let core_tcp = Endpoint { transport: Transport::Tcp, ..options.endpoints[2].clone() };
        options.endpoints.push(core_tcp);
        options.transaction.transactions_max = 12 + (seed % 40) as u32;
        options.location.bindings_max = 12;
        options.location.bindings_per_aor_max = 4;
        options.targets_max = 3;
        let mut network = Network::with(options);
        network.prng = Prng::new(!seed);
        network.bears_faults = true;
        network.mesh_loses = |prng| prng.next_u64().is_multiple_of(50);
        let udp = |endpoint, remote: &str| Flow::udp(EndpointId(endpoint), address(remote));
        let mut flows: Vec<Flow> =
            (1..=5).map(|host| udp(0, &format!("203.0.113.{host}:506{host}"))).collect();
        flows.extend((6..=8).map(|host| udp(2, &format!("10.0.0.{host}:506{host}"))));
        let mut chaos = Chaos {
            network,
            prng: Prng::new(seed),
            shards,
            flows,
            connections_made: 0,
            pool: Vec::new(),
            inbox: Vec::new(),
            calls: Vec::new(),
            requests_made: 0,
        };
        for _ in 0..3 {
            chaos.accept();
        }
        chaos
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.prng.next_u64() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn flow(&mut self) -> Flow {
        let at = self.below(self.flows.len());
        self.flows[at]
    }

    fn connection(&mut self) -> ConnectionId {
        self.connections_made += 1;
        let shard = ShardId(self.below(usize::from(self.shards)) as u8);
        ConnectionId { slot: self.connections_made, generation: 0, shard }
    }

    /// A phone opens a stream.
    fn accept(&mut self) {
        let connection = Some(self.connection());
        let remote = address(&format!("203.0.113.9:{}", 40_000 + self.connections_made));
        self.flows.push(Flow { remote, endpoint: EndpointId(1), connection });
    }

    /// In, and remembered.
    fn deliver(&mut self, flow: Flow, text: &str) {
        let text =
            if flow.connection.is_some() { text.replace("SIP/2.0/UDP", "SIP/2.0/TCP") } else { text.into() };
        let bytes = wire(&text);
        if self.pool.len() == POOL_MAX {
            let at = self.below(POOL_MAX);
            self.pool.swap_remove(at);
        }
        self.pool.push((flow, bytes.clone()));
        if !self.one_in(20) {
            self.network.send_bytes(flow, &bytes);
        }
    }

    fn step(&mut self) {
        match self.below(100) {
            0..12 => self.register(),
            12..30 => self.request(),
            30..62 => self.answer(),
            62..68 => self.cancel(),
            68..73 => self.repeat(),
            73..78 => self.damage(),
            78..81 => self.close(),
            81..83 => self.fail_to_send(),
            83..88 => self.settle_connect(),
            88 => self.fault(),
            _ => self.wait(),
        }
        self.inbox.extend(self.network.take());
        while self.inbox.len() > INBOX_MAX {
            let at = self.below(self.inbox.len());
            self.inbox.remove(at);
        }
    }

    fn register(&mut self) {
        let (user, flow) = (self.pick(&USERS), self.flow());
        let remote = std::net::SocketAddr::from(flow.remote).to_string();
        self.requests_made += 1;
        let cseq = self.requests_made;
        let params =
            self.pick(&["", ";q=0.5", ";expires=60", ";expires=0", ";+sip.instance=\"<urn:x>\";reg-id=1"]);
        let expires = self.pick(&["Expires: 3600\n", "Expires: 60\n", "Expires: 0\n", "Expires: 3600\n"]);
        let mut text = register(user, &remote, params, expires)
            .replace("CSeq: 1 ", &format!("CSeq: {cseq} "))
            .replace("branch=z9hG4bKr", &format!("branch=z9hG4bKr{cseq}"));
        if self.one_in(8) {
            text = text.replace(&format!("<sip:{user}@{remote}>{params}"), "*");
        }
        if self.one_in(6) {
            text = text.replace("Expires:", "Supported: path\nPath: <sip:10.0.0.6:5066;lr>\nExpires:");
        }
        self.deliver(flow, &text);
    }

    fn request(&mut self) {
        let (user, flow) = (self.pick(&USERS), self.flow());
        let method = self.pick(&["INVITE", "INVITE", "INVITE", "MESSAGE", "OPTIONS", "FETCH", "SUBSCRIBE"]);
        let remote = std::net::SocketAddr::from(flow.remote);
        let port = self.pick(&[";rport", "", ";maddr=10.0.0.77"]);
        self.requests_made += 1;
        let number = self.requests_made;
        let branch = if self.one_in(10) { String::new() } else { format!(";branch=z9hG4bKq{number}") };
        let extra_count = if self.one_in(8) { 8 } else { self.below(3) };
        let mut extra = "X-Extra: 1\n".repeat(extra_count);
        if self.one_in(8) {
            extra.push_str(&format!("X-Long: {}\n", "x".repeat(1_300)));
        }
        let tag = if self.one_in(6) { ";tag=t" } else { "" };
        let text = format!(
            "{method} sip:{user}@example.com SIP/2.0\nVia: SIP/2.0/UDP {remote}{branch}{port}\nMax-Forwards: 70\n\
             From: <sip:caller@example.com>;tag=c{number}\nTo: <sip:{user}@example.com>{tag}\nCall-ID: call-{number}\n\
             CSeq: {number} {method}\nContact: <sip:caller@{remote}>\n{extra}Content-Length: 0\n\n"
        );
        if method == "INVITE" {
            if self.calls.len() == 16 {
                let at = self.below(16);
                self.calls.swap_remove(at);
            }
            self.calls.push((flow, text.clone()));
        }
        self.deliver(flow, &text);
    }

    fn cancel(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let at = self.below(self.calls.len());
        let is_explained = self.one_in(2);
        let (flow, invite) = &self.calls[at];
        let reason = if is_explained { "Reason: SIP;cause=487\nContent-Length" } else { "Content-Length" };
        let (flow, text) = (*flow, invite.replace("INVITE", "CANCEL").replace("Content-Length", reason));
        self.deliver(flow, &text);
    }

    /// Somebody answers a request, or acknowledges an answer.
    fn answer(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let at = self.below(self.inbox.len());
        // Some are answered twice, out of order.
        let sent = if self.one_in(4) { self.inbox[at].clone() } else { self.inbox.swap_remove(at) };
        if sent.text.starts_with("SIP/2.0") {
            return self.acknowledge(&sent);
        }
        if sent.text.starts_with("ACK") {
            return;
        }
        let status = self.pick(&[
            "100 Trying",
            "180 Ringing",
            "180 Ringing",
            "183 Progress",
            "199 Early Dialog Terminated",
            "200 OK",
            "200 OK",
            "202 Accepted",
            "302 Moved",
            "401 Unauthorized",
            "407 Proxy",
            "408 Timeout",
            "486 Busy",
            "487 Terminated",
            "487 Terminated",
            "500 Bad",
            "503 Down",
            "600 Busy",
            "603 Decline",
            "699 Odd",
        ]);
        let tag = format!("d{}", self.below(3));
        let mut answer = sent.respond(status, &tag, "Contact: <sip:x@203.0.113.1>\n");
        if self.one_in(16) {
            // A device that loses the Vias behind the first.
            let mut vias = 0;
            answer = answer
                .split_inclusive('\n')
                .filter(|line| {
                    vias += usize::from(line.starts_with("Via"));
                    !line.starts_with("Via") || vias == 1
                })
                .collect();
        }
        self.deliver(sent.flow, &answer);
    }

    fn acknowledge(&mut self, sent: &Sent) {
        let (Some(call_id), Some(to)) = (sent.headers("Call-ID").next(), sent.headers("To").next()) else {
            return;
        };
        let Some((flow, invite)) = self.calls.iter().rev().find(|(_, invite)| {
            sent.text.contains("INVITE") && invite.contains(&format!("Call-ID: {}\n", call_id))
        }) else {
            return;
        };
        let (flow, mut ack) = (*flow, invite.replace("INVITE", "ACK"));
        let line = ack.lines().find(|line| line.starts_with("To:")).unwrap().to_string();
        ack = ack.replace(&line, &format!("To: {to}"));
        if sent.text.starts_with("SIP/2.0 2") {
            let mut routes: Vec<&str> = sent.headers("Record-Route").collect();
            routes.reverse();
            let routes: String = routes.iter().map(|route| format!("Route: {route}\n")).collect();
            let ack = ack
                .replace("branch=z9hG4bKq", "branch=z9hG4bKack")
                .replace("Max-Forwards", &format!("{routes}Max-Forwards"));
            self.deliver(flow, &ack);
            let bye = ack.replace("ACK", "BYE").replace("z9hG4bKack", "z9hG4bKbye");
            return self.deliver(flow, &bye);
        }
        if !sent.text.starts_with("SIP/2.0 1") {
            self.deliver(flow, &ack);
        }
    }

    fn repeat(&mut self) {
        if !self.pool.is_empty() {
            let at = self.below(self.pool.len());
            let (flow, bytes) = self.pool[at].clone();
            self.network.send_bytes(flow, &bytes);
        }
    }

    fn damage(&mut self) {
        if self.pool.is_empty() {
            return;
        }
        let at = self.below(self.pool.len());
        let (flow, mut bytes) = self.pool[at].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = self.prng.next_u64() as u8,
                2 => bytes.insert(at, self.prng.next_u64() as u8),
                _ => {
                    let end = (at + 1 + self.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let flow = if self.one_in(3) { self.flow() } else { flow };
        self.network.send_bytes(flow, &bytes);
    }

    fn close(&mut self) {
        let streams: Vec<usize> =
            (0..self.flows.len()).filter(|&at| self.flows[at].connection.is_some()).collect();
        if !streams.is_empty() {
            let at = self.pick(&streams);
            let connection = self.flows.swap_remove(at).connection.expect("filtered above");
            self.network.input(usize::from(connection.shard.0), Input::Closed { connection });
        }
        self.accept();
    }

    fn fail_to_send(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let at = self.below(self.inbox.len());
        let sent = self.inbox.remove(at);
        let Some(origin) = sent.origin else { return };
        let shard = sent.flow.connection.map_or(origin.shard, |connection| connection.shard);
        self.network.input(usize::from(shard.0), Input::SendFailed { origin });
    }

    fn settle_connect(&mut self) {
        if self.network.connects.is_empty() {
            return;
        }
        let at = self.below(self.network.connects.len());
        let (origin, remote) = self.network.connects.swap_remove(at);
        let shard = usize::from(origin.shard.0);
        if self.one_in(2) {
            return self.network.input(shard, Input::ConnectFailed { origin });
        }
        let endpoint = EndpointId(if remote.ip().to_string().starts_with("10.") { 3 } else { 1 });
        let connection = Some(ConnectionId { shard: origin.shard, ..self.connection() });
        let flow = Flow { remote: remote.into(), endpoint, connection };
        self.flows.push(flow);
        self.network.input(shard, Input::Connected { origin, flow });
    }

    /// No shell names an endpoint that is not there: to write its Record-Route is a fault, when half of a call has begun.
    fn fault(&mut self) {
        self.requests_made += 1;
        let (user, branch) = (self.pick(&USERS), format!("fault{}", self.requests_made));
        let nowhere = Flow::udp(EndpointId(99), address("203.0.113.1:5061"));
        self.network.send_by(nowhere, &invite(user, "203.0.113.1:5061", &branch));
    }

    fn wait(&mut self) {
        let millis = self.pick(&[1, 3, 10, 50, 200, 500, 1_000, 4_000, 33_000]);
        self.network.pass_ms(millis);
        if self.one_in(60) {
            self.network.pass_ms(186_000);
        }
    }

    /// Silence, but for what the shell owes: each connection that was asked for fails in the end.
    fn end(mut self) {
        for (origin, _) in std::mem::take(&mut self.network.connects) {
            self.network.input(usize::from(origin.shard.0), Input::ConnectFailed { origin });
        }
        self.network.pass_ms(300_000);
        let facts = self.network.facts();
        let left = [
            facts.contexts,
            facts.invite_servers,
            facts.invite_clients,
            facts.non_invite_servers,
            facts.non_invite_clients,
            facts.lingering,
        ];
        assert_eq!(left, [0; 6], "what is left: {facts:?}");
    }
}

#[test]
fn nothing_breaks_and_nothing_is_left() {
    for shards in [1, 3] {
        for seed in 0..8 {
            println!("seed {seed}, {shards} shards");
            let mut chaos = Chaos::new(seed, shards);
            for _ in 0..1_500 {
                chaos.step();
            }
            chaos.end();
        }
    }
}
