use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread::JoinHandle;

use super::*;
use crate::flow::Flow;
use crate::ids::{EndpointId, TransactionId};
use crate::shard::input::Command;
use crate::shard::outbox::{Connect, ShardMessage, Transmit};

/// A core that answers each message with itself, or does what the message says.
struct Echo {
    shard: ShardId,
    counters: Counters,
    /// The last flow that sent "after…", and when to answer it.
    later: Option<(Instant, Flow)>,
    /// Who wants to hear of failures.
    witness: Option<Flow>,
    failed_count: usize,
    is_draining: bool,
}

impl Echo {
    fn new(shard: ShardId) -> Self {
        Echo {
            shard,
            counters: Counters::default(),
            later: None,
            witness: None,
            failed_count: 0,
            is_draining: false,
        }
    }
}

fn say(outbox: &mut Outbox, flow: Flow, text: &str, origin: Option<TransactionId>) {
    let start = outbox.bytes.len() as u32;
    match flow.connection {
        Some(_) => outbox.bytes.extend_from_slice(&framed(text)),
        None => outbox.bytes.extend_from_slice(text.as_bytes()),
    }
    outbox.transmits.push(Transmit { flow, start, len: outbox.bytes.len() as u32 - start, origin });
}

/// What is said on a stream has a head, so that it can be told from what follows.
fn framed(text: &str) -> Vec<u8> {
    format!("SAY sip:x SIP/2.0\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn origin(slot: u32) -> TransactionId {
    TransactionId { slot, generation: 7, shard: ShardId(0) }
}

impl Core for Echo {
    fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox) {
        match input {
            Input::Message { flow, bytes } => {
                let text = std::str::from_utf8(bytes).unwrap();
                let text = text.split_once("\r\n\r\n").map_or(text, |(_, body)| body);
                match text.split_once(' ').unwrap_or((text, "")) {
                    ("panic", _) => panic!("told to"),
                    ("after", ms) => {
                        self.later = Some((now + Duration::from_millis(ms.parse().unwrap()), flow));
                    }
                    ("send", to) => {
                        self.witness = Some(flow);
                        let to: SocketAddr = to.parse().unwrap();
                        say(outbox, Flow::udp(flow.endpoint, to.into()), "hello", Some(origin(41)));
                    }
                    ("connect", to) => {
                        self.witness = Some(flow);
                        outbox.connects.push(Connect {
                            origin: origin(41),
                            // The stream listener stands behind the UDP one in these tests.
                            endpoint: EndpointId(1),
                            remote: to.parse::<SocketAddr>().unwrap().into(),
                            deadline: now + Duration::from_millis(300),
                        });
                    }
                    ("close", _) => {
                        say(outbox, flow, "closing", None);
                        outbox.closes.extend(flow.connection);
                    }
                    ("flood", _) => {
                        for _ in 0..400 {
                            say(outbox, flow, &"x".repeat(10_000), Some(origin(41)));
                        }
                    }
                    ("watch", _) => self.witness = Some(flow),
                    ("to", shard) => {
                        let to = ShardId(shard.split(' ').next().unwrap().parse().unwrap());
                        let message = ShardMessage::Message { flow, bytes: bytes.to_vec() };
                        outbox.handoffs.push((to, message));
                    }
                    _ => say(outbox, flow, &format!("{text} by {}", self.shard.0), None),
                }
            }
            Input::Handoff(ShardMessage::Message { flow, bytes }) => {
                let text = String::from_utf8(bytes).unwrap();
                let text = text.split_once("\r\n\r\n").map_or(text.as_str(), |(_, body)| body);
                if let Some(connection) = flow.connection {
                    let bytes = framed(&format!("{text} by {}", self.shard.0));
                    let write = ShardMessage::Write { flow, bytes, origin: None };
                    outbox.handoffs.push((connection.shard, write));
                    return;
                }
                say(outbox, flow, &format!("{text} by {}", self.shard.0), None);
            }
            Input::Handoff(ShardMessage::Write { flow, bytes, origin }) => {
                let start = outbox.bytes.len() as u32;
                outbox.bytes.extend_from_slice(&bytes);
                outbox.transmits.push(Transmit { flow, start, len: bytes.len() as u32, origin });
            }
            Input::SendFailed { origin: failed } => {
                assert_eq!(failed, origin(41));
                self.failed_count += 1;
                if let Some(witness) = self.witness {
                    say(outbox, witness, "failed", None);
                }
            }
            Input::Connected { origin: made, flow } => {
                assert_eq!(made, origin(41));
                say(outbox, flow, "hello", None);
            }
            Input::ConnectFailed { origin: failed } => {
                assert_eq!(failed, origin(41));
                say(outbox, self.witness.unwrap(), "no connection", None);
            }
            Input::Closed { .. } => {
                if let Some(witness) = self.witness {
                    say(outbox, witness, "closed", None);
                }
            }
            Input::Command(Command::Drain) => self.is_draining = true,
            Input::Handoff(other) => panic!("{other:?}"),
        }
    }

    fn on_deadline(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Some((at, flow)) = self.later
            && at <= now
        {
            self.later = None;
            say(outbox, flow, "now", None);
        }
    }

    fn on_fault(&mut self, _outbox: &mut Outbox) {}

    fn next_deadline(&self) -> Option<Instant> {
        self.later.map(|(at, _)| at)
    }

    fn is_quiet(&self) -> bool {
        self.later.is_none()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// A node that runs until it is told to end.
struct Node {
    thread: JoinHandle<Result<(), Error>>,
    events: mpsc::Sender<Event>,
    listeners: Vec<BoundListener>,
}

struct Told(mpsc::Sender<Vec<BoundListener>>);

impl Observer for Told {
    fn on_ready(&mut self, listeners: &[BoundListener]) {
        self.0.send(listeners.to_vec()).unwrap();
    }

    fn on_reload(&mut self) {
        self.0.send(Vec::new()).unwrap();
    }
}

fn options(listeners: &[(Transport, &str)], shards: usize) -> Options {
    let listeners = listeners.iter().map(|&(transport, address)| ListenerOptions {
        transport,
        zone: Zone::Access,
        address: address.parse().unwrap(),
        advertise: None,
    });
    Options {
        listeners: listeners.collect(),
        shards,
        cpus: Vec::new(),
        connections_max: 100,
        connection_idle: Duration::from_secs(120),
        message_bytes_max: 20_000,
        drain: Duration::from_secs(5),
    }
}

fn start(options: Options) -> Node {
    let (told, ready) = mpsc::channel();
    let (events, happened) = mpsc::channel();
    let ends = (events.clone(), happened);
    let thread = std::thread::Builder::new()
        .spawn(move || {
            run_with(
                &options,
                Vec::new(),
                Arc::new(|shard, _: &[Endpoint]| Echo::new(shard)),
                &mut Told(told),
                ends,
            )
        })
        .unwrap();
    let listeners = ready.recv().expect("the node has not become ready");
    Node { thread, events, listeners }
}

impl Node {
    fn signal(&self, signal: i32) {
        self.events.send(Event::Signal(signal)).unwrap();
    }

    fn end(self) -> Result<(), Error> {
        self.signal(SIGTERM);
        self.thread.join().unwrap()
    }

    /// A socket that talks to the node's first listener. Different ones may be served by different shards.
    fn phone(&self) -> UdpSocket {
        let address = self.listeners[0].address;
        let local = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let phone = UdpSocket::bind(local).unwrap();
        phone.connect((if address.is_ipv4() { "127.0.0.1" } else { "::1" }, address.port())).unwrap();
        phone.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        phone
    }
}

fn ask(phone: &UdpSocket, text: &str) -> String {
    phone.send(text.as_bytes()).unwrap();
    hear(phone)
}

fn hear(phone: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let len = phone.recv(&mut buffer).expect("no answer");
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

#[test]
fn lists_of_cpus_are_read_as_the_kernel_writes_them() {
    for (list, cpus) in [
        ("0", vec![0]),
        ("0-3,8", vec![0, 1, 2, 3, 8]),
        ("2,5-6", vec![2, 5, 6]),
        ("", vec![]),
        ("x,1", vec![1]),
    ] {
        assert_eq!(parse_cpu_list(list), cpus, "{list}");
    }
    assert!(!allowed_cpus().is_empty());
}

#[test]
fn datagrams_are_answered_at_every_kind_of_address() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let node = start(options(&[(Transport::Udp, address)], 1));
        let phone = node.phone();
        assert_eq!(ask(&phone, "hello"), "hello by 0", "{address}");
        let long = "x".repeat(1_000);
        assert_eq!(ask(&phone, &long), format!("{long} by 0"));
        node.end().unwrap();
    }
}

/// Whichever shard a datagram reaches, every shard can be made to answer it, from the address that it was sent to.
#[test]
fn shards_hand_over_to_each_other() {
    let node = start(options(&[(Transport::Udp, "127.0.0.1:0")], 4));
    for _ in 0..8 {
        let phone = node.phone();
        let here = ask(&phone, "who");
        for shard in 0..4 {
            let told = format!("to {shard}");
            let answer = format!("{told} by {shard}");
            // A shard has no ring to itself.
            if here != format!("who by {shard}") {
                assert_eq!(ask(&phone, &told), answer);
            }
        }
    }
    node.end().unwrap();
}

#[test]
fn deadlines_are_kept_and_an_earlier_one_is_not_slept_through() {
    let node = start(options(&[(Transport::Udp, "127.0.0.1:0")], 1));
    let phone = node.phone();
    phone.send(b"after 60000").unwrap();
    assert_eq!(ask(&phone, "first"), "first by 0");
    phone.send(b"after 20").unwrap();
    assert_eq!(hear(&phone), "now");
    node.end().unwrap();
}

#[test]
fn a_refused_datagram_is_told_to_its_origin() {
    let node = start(options(&[(Transport::Udp, "127.0.0.1:0")], 1));
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(ask(&node.phone(), &format!("send {gone}")), "failed");
    node.end().unwrap();
}

#[test]
fn a_fault_costs_its_message_and_the_eleventh_the_process() {
    let node = start(options(&[(Transport::Udp, "127.0.0.1:0")], 1));
    let phone = node.phone();
    for _ in 0..10 {
        phone.send(b"panic").unwrap();
    }
    assert_eq!(ask(&phone, "still there"), "still there by 0");
    phone.send(b"panic").unwrap();
    let error = node.thread.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::TooManyFaults));
    assert_eq!(error.exit_code(), 70);
}

#[test]
fn a_node_drains_until_its_shards_are_quiet() {
    let node = start(options(&[(Transport::Udp, "127.0.0.1:0")], 2));
    let phone = node.phone();
    phone.send(b"after 400").unwrap();
    phone.send(b"x").unwrap();
    let first = hear(&phone);
    node.signal(SIGTERM);
    // On a busy machine the deadline may be over before the answer is heard.
    let heard = [first, hear(&phone)];
    assert!(heard.iter().any(|text| text == "now") && heard.iter().any(|text| text.starts_with("x by ")));
    node.thread.join().unwrap().unwrap();
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let node =
        start(Options { drain: Duration::from_secs(600), ..options(&[(Transport::Udp, "127.0.0.1:0")], 1) });
    let phone = node.phone();
    phone.send(b"after 500000").unwrap();
    assert_eq!(ask(&phone, "x"), "x by 0");
    node.signal(SIGTERM);
    node.signal(SIGINT);
    node.thread.join().unwrap().unwrap();
}

const BOTH: [(Transport, &str); 2] = [(Transport::Udp, "127.0.0.1:0"), (Transport::Tcp, "127.0.0.1:0")];

impl Node {
    /// A stream to the node's second listener.
    fn stream(&self) -> TcpStream {
        let address = self.listeners[1].address;
        let ip: std::net::IpAddr =
            if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        let stream = TcpStream::connect((ip, address.port())).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        stream
    }
}

/// The body of the next message of a stream; `None` when it has ended.
fn hear_stream(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).expect("nothing to hear") == 0 {
            assert!(head.is_empty(), "ended within a head");
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let len: usize = head.split("Content-Length: ").nth(1).unwrap().trim().parse().unwrap();
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    Some(String::from_utf8(body).unwrap())
}

fn ask_stream(stream: &mut TcpStream, text: &str) -> Option<String> {
    stream.write_all(&framed(text)).unwrap();
    hear_stream(stream)
}

#[test]
fn streams_carry_messages_in_any_pieces_and_in_order() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let node = start(options(&[(Transport::Udp, "127.0.0.1:0"), (Transport::Tcp, address)], 1));
        let mut stream = node.stream();
        assert_eq!(ask_stream(&mut stream, "one").as_deref(), Some("one by 0"));
        let mut all = Vec::new();
        for text in ["two", &"x".repeat(15_000), "", "three"] {
            all.extend_from_slice(&framed(text));
        }
        for size in [1, 61, 4_096, 100_000] {
            if size == 1 {
                for byte in framed("slow") {
                    stream.write_all(&[byte]).unwrap();
                }
                assert_eq!(hear_stream(&mut stream).as_deref(), Some("slow by 0"));
                continue;
            }
            for piece in all.chunks(size) {
                stream.write_all(piece).unwrap();
            }
            let heard: Vec<String> = (0..4).map(|_| hear_stream(&mut stream).unwrap()).collect();
            assert_eq!(heard[0], "two by 0");
            assert_eq!(heard[1].len(), 15_000 + " by 0".len());
            assert_eq!(heard[2..], [" by 0", "three by 0"]);
        }
        node.end().unwrap();
    }
}

#[test]
fn a_keepalive_is_answered_between_messages() {
    let node = start(options(&BOTH, 1));
    let mut stream = node.stream();
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    assert_eq!(ask_stream(&mut stream, "still").as_deref(), Some("still by 0"));
    node.end().unwrap();
}

#[test]
fn connections_past_the_limit_are_closed_at_once_and_a_place_is_given_again() {
    // One for the node makes two for its only shard: the share, 10 % more, rounded up.
    let node = start(Options { connections_max: 1, ..options(&BOTH, 1) });
    let mut streams: Vec<TcpStream> = (0..2).map(|_| node.stream()).collect();
    for stream in &mut streams {
        assert_eq!(ask_stream(stream, "in").as_deref(), Some("in by 0"));
    }
    let mut refused = node.stream();
    assert_eq!(hear_stream(&mut refused), None);
    streams.pop();
    // The node notices the end in its own time.
    let again = (0..1_000).any(|_| {
        let mut stream = node.stream();
        let sent = stream.write_all(&framed("in"));
        sent.is_ok() && matches!(stream.read(&mut [0]), Ok(1))
    });
    assert!(again);
    node.end().unwrap();
}

#[test]
fn a_stream_that_can_not_be_framed_is_answered_and_closed() {
    let node = start(options(&BOTH, 1));
    let mut stream = node.stream();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nand more that nobody reads").unwrap();
    assert_eq!(hear_stream(&mut stream).as_deref(), Some(" by 0"));
    assert_eq!(hear_stream(&mut stream), None);
    node.end().unwrap();
}

#[test]
fn a_close_lets_what_was_said_before_out() {
    let node = start(options(&BOTH, 1));
    let phone = node.phone();
    phone.send(b"watch").unwrap();
    assert_eq!(ask(&phone, "x"), "x by 0");
    let mut stream = node.stream();
    assert_eq!(ask_stream(&mut stream, "close").as_deref(), Some("closing"));
    assert_eq!(hear_stream(&mut stream), None);
    drop(stream);
    assert_eq!(hear(&phone), "closed");
    node.end().unwrap();
}

#[test]
fn a_peer_that_does_not_read_fills_its_queue_and_is_closed() {
    let node = start(options(&BOTH, 1));
    let phone = node.phone();
    phone.send(b"watch").unwrap();
    assert_eq!(ask(&phone, "x"), "x by 0");
    let mut stream = node.stream();
    for _ in 0..4 {
        stream.write_all(&framed("flood")).unwrap();
    }
    let heard: Vec<String> =
        std::iter::repeat_with(|| hear(&phone)).take_while(|text| text != "closed").collect();
    assert!(!heard.is_empty() && heard.iter().all(|text| text == "failed"), "{heard:?}");
    node.end().unwrap();
}

#[test]
fn connections_are_opened_and_refusals_told() {
    let node = start(options(&BOTH, 1));
    let phone = node.phone();
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    phone.send(format!("connect {address}").as_bytes()).unwrap();
    let (mut stream, from) = peer.accept().unwrap();
    assert_eq!(from.ip(), node.listeners[1].address.ip());
    assert_eq!(hear_stream(&mut stream).as_deref(), Some("hello"));
    // One flow in both directions.
    assert_eq!(ask_stream(&mut stream, "back").as_deref(), Some("back by 0"));
    drop((peer, stream));
    assert_eq!(hear(&phone), "closed");
    assert_eq!(ask(&phone, &format!("connect {address}")), "no connection");
    node.end().unwrap();
}

#[test]
fn streams_reach_every_shard_and_their_answers_come_back() {
    let node = start(options(&BOTH, 3));
    for _ in 0..3 {
        let mut stream = node.stream();
        let here = ask_stream(&mut stream, "who").unwrap();
        for shard in (0..3).filter(|shard| here != format!("who by {shard}")) {
            let told = format!("to {shard}");
            // More than a ring holds, so that some may have to wait: none may be lost, and none overtake another.
            let count = 2 * crate::limits::MESH_RING_MAX;
            let mut writer = stream.try_clone().unwrap();
            let bytes: Vec<u8> = (0..count).flat_map(|n| framed(&format!("{told} {n}"))).collect();
            let thread =
                std::thread::Builder::new().spawn(move || writer.write_all(&bytes).unwrap()).unwrap();
            let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
            for n in 0..count {
                assert_eq!(hear_stream(&mut reader).unwrap(), format!("{told} {n} by {shard}"));
            }
            thread.join().unwrap();
        }
    }
    node.end().unwrap();
}

/// A wildcard socket answers from the address that it was asked at, though the way back would suggest another one.
#[test]
fn every_address_of_the_host_answers_for_itself() {
    let node = start(options(&[(Transport::Udp, "0.0.0.0:0")], 1));
    let port = node.listeners[0].address.port();
    for ip in udp::host_addresses().unwrap().into_iter().filter(std::net::IpAddr::is_ipv4) {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        phone.connect((ip, port)).unwrap();
        assert_eq!(ask(&phone, "who"), "who by 0", "{ip}");
    }
    node.end().unwrap();
}
