//! A load on one shard under a virtual clock: bytes in, bytes out. Devices are played between the batches; what is measured is `on_input` and
//! `on_deadline` alone, for batches of 64 operations, as the shell calls them. Every message that leaves is counted and named.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ThreadTime;
use tine::flow::{Address, Endpoint, Flow, Transport, Zone};
use tine::ids::{EndpointId, ShardId};
use tine::scan::Scanner;
use tine::shard::input::Input;
use tine::shard::outbox::Outbox;
use tine::shard::{Options, Shard};
use tine::time::{Duration as Span, Instant};
use tine::{location, registrar, transaction};

pub const BATCH: usize = 64;

pub struct Load {
    shard: Shard,
    now: Instant,
    outbox: Outbox,
    /// Operations begun: numbers users, Call-IDs and branches.
    count: u64,
    users: u64,
    /// Virtual time between two batches.
    pause: Span,
    /// CPU time inside the shard: what else the machine does is not in it.
    spent: Duration,
    /// Read before and after each call into the shard; `probed` sums the differences.
    probe: fn() -> u64,
    pub probed: u64,
}

/// A message on the wire, and the device that it is for or from.
type Wire = (Address, Vec<u8>);

impl Load {
    /// Registers `devices` for each of `users`. `rate`: operations a second of virtual time.
    pub fn new(users: u64, devices: u64, rate: u64, probe: fn() -> u64) -> Self {
        let now = Instant::from_micros(1_767_225_600_000_000);
        let mut load = Load {
            shard: Shard::new(options(), now),
            now,
            outbox: Outbox::default(),
            count: 0,
            users,
            pause: Span::from_micros(BATCH as u64 * 1_000_000 / rate),
            spent: Duration::ZERO,
            probe,
            probed: 0,
        };
        let mut inputs = Vec::new();
        for (user, device) in (0..users).flat_map(|user| (0..devices).map(move |device| (user, device))) {
            inputs.push((device_address(user, device), register(user, device, 1)));
            if inputs.len() == BATCH {
                expect(&load.feed(&inputs), BATCH, b"SIP/2.0 200");
                inputs.clear();
            }
        }
        expect(&load.feed(&inputs), inputs.len(), b"SIP/2.0 200");
        load
    }

    /// Runs at least `operations`, a batch at a time, and returns the time inside the shard for exactly that many.
    pub fn run(&mut self, operations: u64, mut batch: impl FnMut(&mut Load)) -> Duration {
        self.spent = Duration::ZERO;
        let mut done = 0;
        while done < operations {
            self.pass();
            batch(self);
            done += BATCH as u64;
        }
        self.spent.mul_f64(operations as f64 / done as f64)
    }

    pub fn options(&mut self) {
        let inputs: Vec<Wire> =
            self.numbers().map(|number| (caller(number), options_request(number))).collect();
        expect(&self.feed(&inputs), BATCH, b"SIP/2.0 200");
    }

    /// Refreshes of all users in turn, far apart in memory.
    pub fn refresh(&mut self) {
        let users = self.users;
        let refresh = |number: u64| {
            let user = number.wrapping_mul(0x9E37_79B1) % users;
            (device_address(user, 0), register(user, 0, 2 + number as u32))
        };
        let inputs: Vec<Wire> = self.numbers().map(refresh).collect();
        expect(&self.feed(&inputs), BATCH, b"SIP/2.0 200");
    }

    /// Whole calls to users with `devices` each; of each call the first fork answers, and the others are cancelled.
    pub fn call(&mut self, devices: usize) {
        let users = self.users;
        let invites: Vec<Wire> =
            self.numbers().map(|number| (caller(number), invite(number, number % users))).collect();
        let (forks, trying) = split(self.feed(&invites), b"INVITE");
        expect(&trying, BATCH, b"SIP/2.0 100");
        assert_eq!(forks.len(), BATCH * devices);
        let ringing: Vec<Wire> = forks.iter().map(|fork| respond(fork, "180 Ringing", "")).collect();
        expect(&self.feed(&ringing), BATCH * devices, b"SIP/2.0 180");

        let winners = forks.iter().step_by(devices);
        let contact = "Contact: <sip:bob@198.51.100.1>\r\n";
        let answers: Vec<Wire> = winners.map(|fork| respond(fork, "200 OK", contact)).collect();
        let (cancels, dialogs) = split(self.feed(&answers), b"CANCEL");
        expect(&dialogs, BATCH, b"SIP/2.0 200");
        assert_eq!(cancels.len(), BATCH * (devices - 1));
        if devices > 1 {
            let oks: Vec<Wire> = cancels.iter().map(|cancel| respond(cancel, "200 OK", "")).collect();
            expect(&self.feed(&oks), 0, b"");
            let losers = forks.iter().enumerate().filter(|(index, _)| index % devices != 0);
            let ended: Vec<Wire> =
                losers.map(|(_, fork)| respond(fork, "487 Request Terminated", "")).collect();
            expect(&self.feed(&ended), BATCH * (devices - 1), b"ACK");
        }
        let acks: Vec<Wire> = dialogs.iter().map(|answer| in_dialog(answer, "ACK", 1)).collect();
        expect(&self.feed(&acks), BATCH, b"ACK");
        let byes: Vec<Wire> = dialogs.iter().map(|answer| in_dialog(answer, "BYE", 2)).collect();
        let byes = self.feed(&byes);
        expect(&byes, BATCH, b"BYE");
        let oks: Vec<Wire> = byes.iter().map(|bye| respond(bye, "200 OK", "")).collect();
        expect(&self.feed(&oks), BATCH, b"SIP/2.0 200");
    }

    /// Hands a batch in, measured, and returns what left.
    fn feed(&mut self, inputs: &[Wire]) -> Vec<Wire> {
        self.outbox.clear();
        let probe = (self.probe)();
        let start = ThreadTime::now();
        for (from, bytes) in inputs {
            let flow = Flow::udp(EndpointId(0), *from);
            self.shard.on_input(self.now, Input::Message { flow, bytes: black_box(bytes) }, &mut self.outbox);
        }
        self.spent += start.elapsed();
        self.probed += (self.probe)() - probe;
        let cut = |start: u32, len: u32| self.outbox.bytes[start as usize..(start + len) as usize].to_vec();
        self.outbox.transmits.iter().map(|sent| (sent.flow.remote, cut(sent.start, sent.len))).collect()
    }

    /// Lets virtual time pass; what falls due is measured too.
    fn pass(&mut self) {
        self.now += self.pause;
        self.outbox.clear();
        let probe = (self.probe)();
        let start = ThreadTime::now();
        if self.shard.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.shard.on_deadline(self.now, &mut self.outbox);
        }
        self.spent += start.elapsed();
        self.probed += (self.probe)() - probe;
        assert!(self.outbox.transmits.is_empty(), "nothing has to be sent again");
    }

    fn numbers(&mut self) -> std::ops::Range<u64> {
        let first = self.count;
        self.count += BATCH as u64;
        first..self.count
    }
}

fn options() -> Options {
    let local = "192.0.2.1:5060";
    let endpoint = Endpoint {
        listener: 0,
        transport: Transport::Udp,
        zone: Zone::Access,
        local: local.parse::<std::net::SocketAddr>().expect("an address").into(),
        advertise: local.as_bytes().into(),
    };
    Options {
        shard: ShardId(0),
        shards: 1,
        node: 0,
        key: [7; 32],
        epoch: 0x5eed_5eed,
        seed: 1,
        endpoints: vec![endpoint],
        domains: vec![b"example.com".as_slice().into()],
        server_name: b"tine".as_slice().into(),
        scanner: Scanner::detect(),
        transaction: transaction::table::Options::default(),
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
        location: location::Options {
            bindings_max: 1_000_000,
            bindings_per_aor_max: 10,
            replaces_oldest: false,
        },
        timer_c: Span::from_secs(185),
        targets_max: 20,
        nat_fix: true,
        ping: Span::from_secs(25),
        message_bytes_max: 65_535,
        headers_max: 128,
        per_source_pps: 0,
        kept_bytes_max: 4 << 30,
    }
}

fn device_address(user: u64, device: u64) -> Address {
    let ip = [203, (user >> 16) as u8, (user >> 8) as u8, user as u8];
    Address::new(ip.into(), 5060 + device as u16)
}

fn caller(number: u64) -> Address {
    Address::new([198, 51, (number >> 8) as u8, number as u8].into(), 5060)
}

fn register(user: u64, device: u64, cseq: u32) -> Vec<u8> {
    let from = device_address(user, device);
    format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from:?};branch=z9hG4bK-r{user}-{device}-{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{user}@example.com>;tag=f{user}\r\nTo: <sip:user{user}@example.com>\r\n\
         Call-ID: 5f2d{user}-{device}@{from:?}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:user{user}@{from:?}>;expires=3600\r\n\
         User-Agent: Deskphone 400/2.1\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn options_request(number: u64) -> Vec<u8> {
    let from = caller(number);
    format!(
        "OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {from:?};branch=z9hG4bK-o{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:probe@example.com>;tag=p{number}\r\nTo: <sip:192.0.2.1:5060>\r\nCall-ID: opt{number}@{from:?}\r\nCSeq: 1 OPTIONS\r\n\
         Contact: <sip:probe@{from:?}>\r\nAccept: application/sdp\r\nUser-Agent: Probe/1.0\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn invite(number: u64, user: u64) -> Vec<u8> {
    let from = caller(number);
    let body = format!(
        "v=0\r\no=- {number} 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 18 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    format!(
        "INVITE sip:user{user}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {from:?};branch=z9hG4bK-i{number};rport\r\nMax-Forwards: 70\r\n\
         From: \"Caller {number}\" <sip:caller{number}@example.com>;tag=c{number}\r\nTo: <sip:user{user}@example.com>\r\n\
         Call-ID: call{number}-7d1f@{from:?}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller{number}@{from:?}>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO\r\nSupported: 100rel, timer, replaces\r\n\
         User-Agent: Softphone/5.2 (build 77)\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn lines(message: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(message).expect("ASCII").split("\r\n")
}

/// What a device answers.
fn respond((device, request): &Wire, status: &str, extra: &str) -> Wire {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in lines(request).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if matches!(name, "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route" | "To") {
            text.push_str(line);
            if name == "To" && !line.contains(";tag=") {
                text.push_str(&format!(";tag=d{}", device.port()));
            }
            text.push_str("\r\n");
        }
    }
    text.push_str(extra);
    text.push_str("User-Agent: Deskphone 400/2.1\r\nContent-Length: 0\r\n\r\n");
    (*device, text.into_bytes())
}

/// A request of the caller inside the dialog that a 200 has made: by the route set, which is its Record-Route reversed.
fn in_dialog((caller, answer): &Wire, method: &str, cseq: u32) -> Wire {
    let value = |name: &str| lines(answer).find_map(|line| line.strip_prefix(name)).expect("it is there");
    let mut routes: Vec<&str> =
        lines(answer).filter_map(|line| line.strip_prefix("Record-Route: ")).collect();
    routes.reverse();
    let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
    let (from, to, call_id) = (value("From: "), value("To: "), value("Call-ID: "));
    let text = format!(
        "{method} sip:bob@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP {caller:?};branch=z9hG4bK-{method}-{call_id};rport\r\n{routes}\
         Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
         User-Agent: Softphone/5.2 (build 77)\r\nContent-Length: 0\r\n\r\n"
    );
    (*caller, text.into_bytes())
}

/// Those that begin like this, and the others.
fn split(left: Vec<Wire>, start: &[u8]) -> (Vec<Wire>, Vec<Wire>) {
    left.into_iter().partition(|(_, bytes)| bytes.starts_with(start))
}

fn expect(left: &[Wire], count: usize, start: &[u8]) {
    assert_eq!(left.len(), count, "messages that left");
    for (_, bytes) in left {
        assert!(bytes.starts_with(start), "unexpected: {}", String::from_utf8_lossy(bytes));
    }
}
