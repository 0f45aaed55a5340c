use std::net::UdpSocket;
use std::thread::JoinHandle;

use super::*;
use crate::flow::Flow;
use crate::ids::TransactionId;
use crate::shard::input::Command;
use crate::shard::outbox::{ShardMessage, Transmit};

/// A core that answers each message with itself, or does what the message says.
struct Echo {
    shard: ShardId,
    counters: Counters,
    /// The last flow that sent "after…", and when to answer it.
    later: Option<(Instant, Flow)>,
    /// Who wants to hear of failures.
    witness: Option<Flow>,
    is_draining: bool,
}

impl Echo {
    fn new(shard: ShardId) -> Self {
        Echo { shard, counters: Counters::default(), later: None, witness: None, is_draining: false }
    }
}

fn say(outbox: &mut Outbox, flow: Flow, text: &str, origin: Option<TransactionId>) {
    let start = outbox.bytes.len() as u32;
    outbox.bytes.extend_from_slice(text.as_bytes());
    outbox.transmits.push(Transmit { flow, start, len: text.len() as u32, origin });
}

fn origin(slot: u32) -> TransactionId {
    TransactionId { slot, generation: 7, shard: ShardId(0) }
}

impl Core for Echo {
    fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox) {
        match input {
            Input::Message { flow, bytes } => {
                let text = std::str::from_utf8(bytes).unwrap();
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
                    ("to", shard) => {
                        let to = ShardId(shard.parse().unwrap());
                        let message = ShardMessage::Message { flow, bytes: bytes.to_vec() };
                        outbox.handoffs.push((to, message));
                    }
                    _ => say(outbox, flow, &format!("{text} by {}", self.shard.0), None),
                }
            }
            Input::Handoff(ShardMessage::Message { flow, bytes }) => {
                let text = String::from_utf8(bytes).unwrap();
                say(outbox, flow, &format!("{text} by {}", self.shard.0), None);
            }
            Input::SendFailed { origin: failed } => {
                assert_eq!(failed, origin(41));
                say(outbox, self.witness.unwrap(), "failed", None);
            }
            Input::Command(Command::Drain) => self.is_draining = true,
            other => panic!("{other:?}"),
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

    fn on_fault(&mut self, _now: Instant, _outbox: &mut Outbox) {}

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
    Options { listeners: listeners.collect(), shards, cpus: Vec::new(), drain: Duration::from_secs(5) }
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
    phone.send(b"after 200").unwrap();
    assert!(ask(&phone, "x").starts_with("x by "));
    node.signal(SIGTERM);
    assert_eq!(hear(&phone), "now");
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
