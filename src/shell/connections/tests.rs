use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use glommio::LocalExecutor;

use super::*;
use crate::flow::Address;
use crate::ids::EndpointId;
use crate::shell::udp::adopt_stream;

const IDLE: Duration = Duration::from_secs(10);

fn at(s: u64) -> Instant {
    Instant::from_micros(0) + Duration::from_secs(1_000 + s)
}

struct Bench {
    table: Connections,
    counters: Counters,
    late: Vec<Input<'static>>,
    messages: Vec<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let options = Options { shard: ShardId(3), connections_max: 8, message_bytes_max: 1_000, idle: IDLE };
        Bench {
            table: Connections::new(options),
            counters: Counters::default(),
            late: Vec::new(),
            messages: Vec::new(),
            scratch: vec![0; READ_BYTES],
        }
    }

    /// A connection of the table, and its peer.
    fn connect(&mut self, s: u64) -> (ConnectionId, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, remote) = listener.accept().unwrap();
        let flow = Flow { remote: Address::from(remote), endpoint: EndpointId(0), connection: None };
        let stream = ByteStream::Tcp(adopt_stream(own.into()));
        (self.table.insert(at(s), flow, stream).0, peer)
    }

    /// Lets the peer say something, and the connection hear it.
    async fn hear(&mut self, s: u64, id: ConnectionId, peer: &mut std::net::TcpStream, bytes: &[u8]) {
        peer.write_all(bytes).unwrap();
        let mut heard = false;
        std::future::poll_fn(|context| {
            let Bench { table, counters, late, messages, scratch } = self;
            let progress = table.poll((at(s), context), id, scratch, counters, late, |_, message| {
                messages.push(message.to_vec());
            });
            heard |= progress == Progress::Read;
            if heard || progress == Progress::Gone { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn sweep(&mut self, s: u64) -> usize {
        self.table.sweep(at(s), &mut self.counters, &mut self.late);
        self.table.len()
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.counters.value(counter)
    }
}

fn on_executor(test: impl Future<Output = ()>) {
    LocalExecutor::default().run(test);
}

#[test]
fn a_silent_connection_is_closed_unless_it_is_held() {
    on_executor(async {
        let mut bench = Bench::new();
        let (silent, _silent_peer) = bench.connect(0);
        let (held, _held_peer) = bench.connect(0);
        let (talking, mut talking_peer) = bench.connect(0);
        bench.table.hold(held, at(30));
        bench.table.hold(held, at(20));
        bench.hear(8, talking, &mut talking_peer, b"\r\n\r\n").await;
        assert_eq!(bench.sweep(9), 3);
        assert_eq!(bench.sweep(10), 2, "the silent one");
        assert_eq!(bench.sweep(18), 1, "the one whose last word is too old");
        assert_eq!(bench.sweep(29), 1, "the later hold counts");
        assert_eq!(bench.sweep(30), 0);
        assert_eq!(bench.counted(Counter::ConnectionsIdle), 3);
        let closed: Vec<ConnectionId> = bench
            .late
            .iter()
            .map(|input| match input {
                Input::Closed { connection } => *connection,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(closed, [silent, talking, held]);
        assert_eq!(bench.table.next_sweep(), Instant::NEVER);
    });
}

#[test]
fn a_message_must_be_complete_in_time_however_slowly_it_drips() {
    on_executor(async {
        let mut bench = Bench::new();
        let (id, mut peer) = bench.connect(0);
        bench.hear(1, id, &mut peer, b"OPTIONS sip:a SIP/2.0\r\n").await;
        for s in [8, 16, 24, 31] {
            bench.hear(s, id, &mut peer, b"X: y\r\n").await;
            assert_eq!(bench.sweep(s), 1);
        }
        assert_eq!(bench.sweep(33), 0);
        assert_eq!(bench.counted(Counter::ConnectionsStalled), 1);
        assert!(bench.messages.is_empty());
    });
}

#[test]
fn a_slot_that_is_used_again_has_another_name() {
    on_executor(async {
        let mut bench = Bench::new();
        let (first, _peer) = bench.connect(0);
        bench.table.remove(first, &mut bench.late);
        let (second, _peer) = bench.connect(0);
        assert_eq!((first.slot, second.shard), (second.slot, ShardId(3)));
        assert_ne!(first.generation, second.generation);
        assert_eq!(bench.table.queue(first, b"x", None), Err(QueueError::Gone));
        assert_eq!(bench.table.queue(second, b"x", None), Ok(()));
        bench.table.remove(first, &mut bench.late);
        assert_eq!((bench.table.len(), bench.late.len()), (1, 1));
    });
}

/// What does not fit is refused, and what was queued is told as lost when the connection ends, in order.
#[test]
fn the_write_queue_is_bounded_and_its_origins_hear_of_its_end() {
    on_executor(async {
        let mut bench = Bench::new();
        let (id, _peer) = bench.connect(0);
        let origin = |slot| TransactionId { slot, generation: 0, shard: ShardId(0) };
        let half = vec![0; WRITE_QUEUE_BYTES_MAX / 2];
        assert_eq!(bench.table.queue(id, &half, Some(origin(1))), Ok(()));
        assert_eq!(bench.table.queue(id, &half, Some(origin(2))), Ok(()));
        assert_eq!(bench.table.queue(id, b"x", Some(origin(3))), Err(QueueError::Full));
        bench.table.remove(id, &mut bench.late);
        let lost: Vec<u32> = bench
            .late
            .iter()
            .filter_map(|input| match input {
                Input::SendFailed { origin } => Some(origin.slot),
                _ => None,
            })
            .collect();
        assert_eq!(lost, [1, 2]);
        assert!(matches!(bench.late.last(), Some(Input::Closed { connection }) if *connection == id));
    });
}

#[test]
fn a_connection_that_waits_for_another_shard_is_not_read() {
    on_executor(async {
        let mut bench = Bench::new();
        let (id, mut peer) = bench.connect(0);
        let message = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        bench.hear(1, id, &mut peer, message).await;
        bench.table.pause(id);
        peer.write_all(message).unwrap();
        let waker = Waker::noop();
        let Bench { table, counters, late, scratch, .. } = &mut bench;
        let context = &mut Context::from_waker(waker);
        let progress = table.poll((at(1), context), id, scratch, counters, late, |_, _| panic!("read"));
        assert_eq!(progress, Progress::Waits);
        bench.table.resume(id);
        bench.hear(1, id, &mut peer, b"").await;
        assert_eq!(bench.messages, [message, message]);
    });
}

#[test]
fn a_close_shuts_our_half_and_ends_when_the_peer_does_not() {
    on_executor(async {
        let mut bench = Bench::new();
        let (id, mut peer) = bench.connect(0);
        bench.hear(0, id, &mut peer, b"\r\n\r\n").await;
        bench.table.begin_close(at(0), id);
        bench.table.write_dirty(at(0), &mut bench.late);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"\r\n", "the answer to the keepalive, and the end");
        assert_eq!(bench.sweep(1), 1);
        assert_eq!(bench.sweep(2), 0);
    });
}
