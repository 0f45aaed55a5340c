//! The deterministic core: inputs in, outbox out. The only place that performs what policy decided.
//!
//! | file | what is in it |
//! |---|---|
//! | `receive` | a message arrives: parsed, given to its owner or served here |
//! | `request` | a request of ours: retransmission, ACK, CANCEL, or a new one and where it belongs |
//! | `answer` | responses that tine makes itself |
//! | `register` | REGISTER |
//! | `ping` | flows through NAT that are kept open |
//! | `fork` | a response context and its forks begin |
//! | `response` | what devices answer, and what the caller is told |
//! | `cancel` | CANCEL to forks |
//! | `timer` | what falls due |
//! | `stream` | connections that open, close and fail |
//! | `opened` | connections that this shard opened, to be found again |
//! | `transmit` | bytes leave, or are kept to leave again |
//!
//! The methods that the shell, or a simulator, calls are all in this file.

mod answer;
mod cancel;
pub mod counters;
mod fork;
pub mod input;
mod opened;
pub mod options;
pub mod outbox;
pub mod owner;
mod ping;
pub mod port;
mod receive;
mod register;
mod request;
mod response;
mod stream;
mod timer;
mod transmit;

pub use options::Options;

use crate::flow::mac::Keys;
use crate::guard::source_rate::SourceRateTable;
use crate::ids::{ConnectionId, ContextId, ForkId, ShardId, TransactionId};
use crate::limits::HEADERS_ADDED_MAX;
use crate::location;
use crate::proxy::context::{Fork, ResponseContext};
use crate::proxy::identity::Identity;
use crate::random::Prng;
use crate::registrar::Registrar;
use crate::sip::edit::EditList;
use crate::sip::index::Index;
use crate::storage::buffers::Buffers;
use crate::storage::hash::HashKey;
use crate::storage::index::Index as SlotIndex;
use crate::storage::table::Table as Slots;
use crate::time::queue::TimerQueue;
use crate::time::{Duration, Instant};
use crate::transaction::table::{Kind, Table as TransactionTable, User};
use counters::Counters;
use input::{Command, Input};
use opened::OpenedTable;
use outbox::{Outbox, ShardMessage, Transmit};
use ping::Pings;

/// One core's tables and rules. Its owner calls `on_input` for each input of a batch, with the batch's `now`; then `on_deadline` when
/// `next_deadline` has been reached; then drains the outbox, once.
pub struct Shard {
    options: Options,
    identity: Identity,
    keys: Keys,
    hash: HashKey,
    counters: Counters,
    is_draining: bool,
    /// Taken out while a message is being looked at.
    index: Option<Box<Index>>,
    /// For messages that were kept: a request or a response that is looked at while another one is.
    kept_index: Option<Box<Index>>,
    edits: EditList,
    /// Texts on their way into a message: an AOR, Record-Route lines, the registrar's lines.
    scratch: Vec<u8>,
    aor: Vec<u8>,
    /// A target's text, and a message that was kept, while they are looked at.
    text: Vec<u8>,
    again: Vec<u8>,
    /// The Server line of answers of our own; empty when they have none.
    server_line: Box<[u8]>,
    /// Challenges of other forks on their way into a 401 or 407; empty between two messages.
    challenges: Vec<u8>,
    targets: Vec<fork::Target>,
    buffers: Buffers,
    transactions: TransactionTable,
    contexts: Slots<ResponseContext>,
    forks: Slots<Fork>,
    location: location::Table,
    rates: SourceRateTable,
    pings: Pings,
    registrar: Registrar,
    prng: Prng,
    /// Timer C of the forks: an entry for each time that it was set.
    timers_c: TimerQueue<ForkId>,
    /// 64·T1 after a CANCEL: the INVITE is given up (RFC 3261 §9.1).
    abandons: TimerQueue<TransactionId>,
    abandon_after: Duration,
    /// The first of the forks that were sent by a connection; each names the next.
    on_connection: SlotIndex,
    opened: OpenedTable,
    /// Vectors that came with handoffs.
    pool: Vec<Vec<u8>>,
    /// For `on_fault`: what is being worked on, and how far the outbox was filled before.
    working: Working,
    begun_at: outbox::Mark,
}

/// What a fault costs: a transaction, and the context that it belongs to.
#[derive(Clone, Copy, Debug, Default)]
struct Working {
    transaction: Option<TransactionId>,
    context: Option<ContextId>,
}

impl Shard {
    pub fn new(options: Options, now: Instant) -> Self {
        let keys = Keys::derive(&options.key);
        let hash = HashKey::new(keys.hash_seed);
        let transactions_max = options.transaction.transactions_max;
        Shard {
            identity: Identity::new(&options.endpoints, options.domains.iter().map(AsRef::as_ref)),
            counters: Counters::default(),
            is_draining: false,
            index: Some(new_index(&options)),
            kept_index: Some(new_kept_index(&options)),
            edits: EditList::new(),
            scratch: Vec::new(),
            aor: Vec::new(),
            text: Vec::new(),
            again: Vec::new(),
            server_line: answer::server_line(&options.server_name),
            challenges: Vec::new(),
            targets: Vec::with_capacity(usize::from(options.targets_max)),
            buffers: Buffers::new(options.kept_bytes_max),
            transactions: TransactionTable::new(options.shard, &options.transaction),
            contexts: Slots::new(transactions_max),
            forks: Slots::new(transactions_max),
            location: location::Table::new(now, options.location),
            pings: Pings::new(options.ping, options.location.bindings_max, hash.clone()),
            rates: SourceRateTable::new(options.per_source_pps, hash.clone()),
            registrar: Registrar::new(options.registrar),
            prng: Prng::new(options.seed),
            timers_c: TimerQueue::new(),
            abandons: TimerQueue::new(),
            abandon_after: options.transaction.timings.t1.times(64),
            on_connection: SlotIndex::new(transactions_max),
            opened: OpenedTable::new(hash.clone()),
            pool: Vec::new(),
            working: Working::default(),
            begun_at: outbox::Mark::default(),
            keys,
            hash,
            options,
        }
    }

    pub fn id(&self) -> ShardId {
        self.options.shard
    }

    /// Takes one input in; what it causes is appended to `outbox`.
    pub fn on_input(&mut self, now: Instant, input: Input<'_>, outbox: &mut Outbox) {
        self.begin_work(outbox);
        match input {
            Input::Message { flow, bytes } => self.on_message(now, flow, bytes, outbox),
            Input::Connected { origin, flow } => self.on_connected(now, origin, flow, outbox),
            Input::ConnectFailed { origin } => self.on_connect_failed(now, origin, outbox),
            Input::Closed { connection } => self.on_closed(now, connection, outbox),
            Input::SendFailed { origin } => self.on_send_failed(now, origin, outbox),
            Input::Handoff(message) => self.on_handoff(now, message, outbox),
            Input::Command(Command::Drain) => self.is_draining = true,
        }
    }

    /// Lets every timer fire that is due.
    pub fn on_deadline(&mut self, now: Instant, outbox: &mut Outbox) {
        self.begin_work(outbox);
        self.fire_timers(now, outbox);
    }

    /// When `on_deadline` wants to be called next; never late, seldom early. `None` when no timer runs.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.transactions.next_deadline(),
            self.timers_c.next_deadline(),
            self.abandons.next_deadline(),
            self.location.next_deadline(),
            self.pings.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// A panic passed through `on_input` or `on_deadline`: gives up the transaction that was being worked on, and the context with it. What the
    /// outbox had before stays in it.
    pub fn on_fault(&mut self, outbox: &mut Outbox) {
        self.index.get_or_insert_with(|| new_index(&self.options));
        self.kept_index.get_or_insert_with(|| new_kept_index(&self.options));
        outbox.truncate(self.begun_at);
        self.release_targets();
        let working = core::mem::take(&mut self.working);
        self.give_up(working);
    }

    /// True when no transaction is in progress (those that only linger do not count), so that a drained node may end.
    pub fn is_quiet(&self) -> bool {
        self.transactions.is_quiet() && self.contexts.is_empty()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is held now. Connections are the shell's to count.
    pub fn facts(&self) -> port::Facts {
        let count = |kind| u64::from(self.transactions.count(kind));
        port::Facts {
            is_draining: self.is_draining,
            aors: u64::from(self.location.aor_count()),
            bindings: u64::from(self.location.len()),
            contexts: u64::from(self.contexts.len()),
            invite_servers: count(Kind::InviteServer),
            invite_clients: count(Kind::InviteClient),
            non_invite_servers: count(Kind::NonInviteServer),
            non_invite_clients: count(Kind::NonInviteClient),
            lingering: count(Kind::Lingering),
            connections: 0,
        }
    }

    /// Panics when the tables contradict each other. For tests and simulation.
    pub fn invariants(&self) {
        self.transactions.invariants();
        self.contexts.invariants();
        self.forks.invariants();
        self.location.invariants();
        self.opened.invariants();
        self.connection_invariants();
        self.pings.invariants();
        let mut kept = self.transactions.iter().filter(|(_, record)| record.kept.is_some()).count();
        for (slot, generation, context) in self.contexts.iter() {
            kept +=
                1 + usize::from(context.cancel_lines.is_some()) + usize::from(context.challenges.is_some());
            kept += usize::from(context.best.is_some_and(|best| best.response.is_some()));
            let id = ContextId { slot, generation };
            let mut live_count = 0;
            let mut next = context.forks;
            while let Some(fork_id) = next {
                let fork = self
                    .forks
                    .get(fork_id.slot, fork_id.generation)
                    .expect("a context's forks live as long as it");
                assert_eq!(fork.context, id, "a fork belongs to the context that lists it");
                live_count += u16::from(fork.is_live());
                kept += 1;
                next = fork.next;
            }
            assert_eq!(live_count, context.live_count, "live forks are counted");
            assert!(live_count > 0, "a context ends with its last fork");
        }
        assert_eq!(kept, self.buffers.live_count(), "every kept message belongs to somebody");
    }

    fn on_handoff(&mut self, now: Instant, message: ShardMessage, outbox: &mut Outbox) {
        match message {
            ShardMessage::Message { flow, bytes } => {
                self.on_own_message(now, flow, &bytes, outbox);
                self.recycle(bytes);
            }
            ShardMessage::Write { flow, bytes, origin } => {
                let start = outbox.bytes.len();
                outbox.bytes.extend_from_slice(&bytes);
                outbox.transmits.push(Transmit {
                    flow,
                    start: start as u32,
                    len: bytes.len() as u32,
                    origin,
                });
                self.recycle(bytes);
            }
            ShardMessage::SendFailed { origin } => self.on_send_failed(now, origin, outbox),
            ShardMessage::Hold { connection, until } => outbox.holds.push(outbox::Hold { connection, until }),
            ShardMessage::Close { connection } => outbox.closes.push(connection),
            ShardMessage::Closed { connection } => self.on_peer_closed(now, connection, outbox),
        }
    }

    /// Whatever was done before is done: a fault from here on leaves it alone.
    fn begin_work(&mut self, outbox: &Outbox) {
        self.working = Working::default();
        self.begun_at = outbox.mark();
    }

    /// Notes whose turn it is, for `on_fault`.
    fn work_on(&mut self, id: TransactionId) {
        let user = self.transactions.record(id).map_or(User::Nobody, |record| record.user);
        self.work_for(id, user);
    }

    /// The same for who has looked at the transaction already.
    fn work_for(&mut self, id: TransactionId, user: User) {
        let context = match user {
            User::Context(context) => Some(context),
            User::Fork(fork) => self.forks.get(fork.slot, fork.generation).map(|fork| fork.context),
            User::Nobody | User::CancelOf(_) => None,
        };
        self.working = Working { transaction: Some(id), context };
    }

    fn context(&mut self, id: ContextId) -> Option<&mut ResponseContext> {
        self.contexts.get_mut(id.slot, id.generation)
    }

    fn fork(&mut self, id: ForkId) -> Option<&mut Fork> {
        self.forks.get_mut(id.slot, id.generation)
    }

    fn is_own_connection(&self, connection: ConnectionId) -> bool {
        connection.shard == self.options.shard
    }
}

fn new_index(options: &Options) -> Box<Index> {
    Box::new(Index::new(options.scanner, options.headers_max))
}

/// For what is kept of a forwarded request, which has more lines than it came with.
fn new_kept_index(options: &Options) -> Box<Index> {
    Box::new(Index::new(options.scanner, options.headers_max + HEADERS_ADDED_MAX))
}
