//! The transactions of a shard: one record of at most 128 bytes for each, from its first message until the last timer that absorbs
//! retransmissions has fired. A record keeps its slot and generation all that time, because the branch on the wire names them.
//!
//! The table steps the machines and arms their timers; sending, and the bytes that are kept for it, are the shard's.

use crate::flow::Flow;
use crate::ids::{ContextId, ForkId, ShardId, TransactionId};
use crate::storage::buffers::BufferId;
use crate::storage::index::Index;
use crate::storage::table::Table as Slots;
use crate::time::Instant;
use crate::transaction::step::{Effects, Step};
use crate::transaction::timer::{Timer, Timings};
use crate::transaction::timers::Timers;
use crate::transaction::{invite_client, invite_server, non_invite_client, non_invite_server};

/// What bounds the table, and how long its timers run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub timings: Timings,
    /// Transactions at once, those that linger included. 128 bytes each when used, and 14 for the index.
    pub transactions_max: u32,
}

#[derive(Debug)]
pub struct Table {
    shard: ShardId,
    timings: Timings,
    records: Slots<Record>,
    /// Server transactions by the fingerprint of their key (§17.2.3).
    by_key: Index,
    timers: Timers,
    live: [u32; Kind::COUNT],
}

/// One transaction.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub machine: Machine,
    /// How often a retransmission timer has grown.
    step: u8,
    /// Where the answers go (server), or where the request went (client).
    pub flow: Flow,
    /// Of a server: the 128 bits that tell its request from all others. Zero for a client, which is found by its branch.
    fingerprint: [u64; 2],
    /// Server: the response that was sent last. Client: the request, and after a final response to an INVITE its ACK.
    pub kept: Option<BufferId>,
    pub user: User,
    /// Of a client: the server transaction its responses go to, also when the context is gone.
    pub server: Option<TransactionId>,
    /// Of an INVITE client: the client transaction of its CANCEL, which shares its branch.
    pub cancel: Option<TransactionId>,
}

/// Who is told what happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum User {
    Nobody,
    Context(ContextId),
    Fork(ForkId),
    /// The CANCEL of this INVITE client transaction.
    CancelOf(TransactionId),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    InviteServer(invite_server::State),
    InviteClient(invite_client::State),
    NonInviteServer(non_invite_server::State),
    NonInviteClient(non_invite_client::State),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    InviteServer,
    InviteClient,
    NonInviteServer,
    NonInviteClient,
    /// Any that has had its final response and only absorbs retransmissions.
    Lingering,
}

/// An event of any of the four machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    InviteServer(invite_server::Event),
    InviteClient(invite_client::Event),
    NonInviteServer(non_invite_server::Event),
    NonInviteClient(non_invite_client::Event),
}

const _: () = assert!(size_of::<Record>() <= 128, "millions of them linger");

impl Default for Options {
    fn default() -> Self {
        Options { timings: Timings::RFC, transactions_max: 4_000_000 }
    }
}

impl Table {
    pub fn new(shard: ShardId, options: &Options) -> Self {
        Table {
            shard,
            timings: options.timings,
            records: Slots::new(options.transactions_max),
            by_key: Index::new(options.transactions_max),
            timers: Timers::new(&options.timings),
            live: [0; Kind::COUNT],
        }
    }

    /// Opens the server transaction of a new request. `None` when the table is full.
    pub fn open_server(
        &mut self,
        now: Instant,
        is_invite: bool,
        fingerprint: u128,
        flow: Flow,
        user: User,
    ) -> Option<TransactionId> {
        let (machine, effects) = if is_invite {
            (Machine::InviteServer(invite_server::START.state), invite_server::START.effects)
        } else {
            (Machine::NonInviteServer(non_invite_server::START.state), non_invite_server::START.effects)
        };
        let fingerprint = [fingerprint as u64, (fingerprint >> 64) as u64];
        let id = self.insert(Record { fingerprint, ..Record::new(machine, flow, user) })?;
        let is_indexed = self.by_key.insert(fingerprint[0], id.slot);
        assert!(is_indexed, "the index has room for as many as the table");
        self.arm(now, id, effects);
        Some(id)
    }

    /// Reserves a client transaction, so that its branch can be written; `start_client` begins it. `None` when the table is full.
    pub fn open_client(&mut self, is_invite: bool, flow: Flow, user: User) -> Option<TransactionId> {
        let reliable = flow.connection.is_some();
        let machine = if is_invite {
            Machine::InviteClient(invite_client::start(reliable).state)
        } else {
            Machine::NonInviteClient(non_invite_client::start(reliable).state)
        };
        self.insert(Record::new(machine, flow, user))
    }

    /// The request of a reserved client transaction is being sent now, over `flow`: its timers start.
    pub fn start_client(&mut self, now: Instant, id: TransactionId, flow: Flow) {
        let record = self.record_mut(id).expect("it was opened for this");
        record.flow = flow;
        let reliable = flow.connection.is_some();
        let effects = match record.machine {
            Machine::InviteClient(_) => invite_client::start(reliable).effects,
            Machine::NonInviteClient(_) => non_invite_client::start(reliable).effects,
            Machine::InviteServer(_) | Machine::NonInviteServer(_) => unreachable!("a client was opened"),
        };
        self.arm(now, id, effects);
    }

    pub fn find_server(&self, fingerprint: u128) -> Option<TransactionId> {
        let fingerprint = [fingerprint as u64, (fingerprint >> 64) as u64];
        let slot = self.by_key.find(fingerprint[0], |slot| {
            self.records.at(slot).is_some_and(|(_, record)| record.fingerprint == fingerprint)
        })?;
        let (generation, _) = self.records.at(slot)?;
        Some(TransactionId { slot, generation, shard: self.shard })
    }

    pub fn record(&self, id: TransactionId) -> Option<&Record> {
        self.records.get(id.slot, id.generation)
    }

    pub fn record_mut(&mut self, id: TransactionId) -> Option<&mut Record> {
        self.records.get_mut(id.slot, id.generation)
    }

    /// Steps the transaction's machine and arms what it asks for. The effects that are left are the caller's; with `TERMINATE` among them it
    /// calls `remove` when it has performed the others. An event of another machine, or of a transaction that is gone, has no effect.
    pub fn on(&mut self, now: Instant, id: TransactionId, event: Event) -> Effects {
        let Some(record) = self.records.get_mut(id.slot, id.generation) else { return Effects::NONE };
        let reliable = record.flow.connection.is_some();
        let before = Kind::of(record.machine);
        let (machine, effects) = match (record.machine, event) {
            (Machine::InviteServer(state), Event::InviteServer(event)) => {
                let Step { state, effects } = invite_server::on(state, event, reliable);
                (Machine::InviteServer(state), effects)
            }
            (Machine::InviteClient(state), Event::InviteClient(event)) => {
                let Step { state, effects } = invite_client::on(state, event, reliable);
                (Machine::InviteClient(state), effects)
            }
            (Machine::NonInviteServer(state), Event::NonInviteServer(event)) => {
                let Step { state, effects } = non_invite_server::on(state, event, reliable);
                (Machine::NonInviteServer(state), effects)
            }
            (Machine::NonInviteClient(state), Event::NonInviteClient(event)) => {
                let Step { state, effects } = non_invite_client::on(state, event, reliable);
                (Machine::NonInviteClient(state), effects)
            }
            (machine, _) => (machine, Effects::NONE),
        };
        record.machine = machine;
        let after = Kind::of(machine);
        if before != after {
            self.live[before as usize] -= 1;
            self.live[after as usize] += 1;
        }
        self.arm(now, id, effects);
        effects
    }

    /// Takes the next timer that is due and steps its machine. Stale timers are passed over. `None` when none is due any more.
    pub fn on_timer(&mut self, now: Instant) -> Option<(TransactionId, Effects)> {
        while let Some(due) = self.timers.pop_due(now) {
            let Some((generation, record)) = self.records.at(due.slot) else { continue };
            if !due.is_of(generation) {
                continue;
            }
            let Some(event) = Event::fired(record.machine, due.timer()) else { continue };
            let id = TransactionId { slot: due.slot, generation, shard: self.shard };
            let effects = self.on(now, id, event);
            if !effects.is_none() {
                return Some((id, effects));
            }
        }
        None
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Frees the slot. What the record kept is the caller's to release.
    pub fn remove(&mut self, id: TransactionId) -> Option<Record> {
        let record = self.records.remove(id.slot, id.generation)?;
        self.live[Kind::of(record.machine) as usize] -= 1;
        if record.is_server() {
            let was_indexed = self.by_key.remove(record.fingerprint[0], id.slot);
            assert!(was_indexed, "every server transaction stands in the index");
        }
        Some(record)
    }

    pub fn len(&self) -> u32 {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn count(&self, kind: Kind) -> u32 {
        self.live[kind as usize]
    }

    /// True when every transaction has had its final response.
    pub fn is_quiet(&self) -> bool {
        self.len() == self.count(Kind::Lingering)
    }

    pub fn iter(&self) -> impl Iterator<Item = (TransactionId, &Record)> {
        let shard = self.shard;
        self.records
            .iter()
            .map(move |(slot, generation, record)| (TransactionId { slot, generation, shard }, record))
    }

    /// Panics when the parts contradict each other. For tests and simulation.
    pub fn invariants(&self) {
        self.records.invariants();
        self.by_key.invariants();
        let servers = self.iter().filter(|(_, record)| record.is_server()).count();
        assert_eq!(servers, self.by_key.len() as usize, "each server transaction is indexed once");
        for kind in [
            Kind::InviteServer,
            Kind::InviteClient,
            Kind::NonInviteServer,
            Kind::NonInviteClient,
            Kind::Lingering,
        ] {
            let count = self.iter().filter(|(_, record)| Kind::of(record.machine) == kind).count();
            assert_eq!(count, self.count(kind) as usize, "count of {kind:?}");
        }
    }

    fn insert(&mut self, record: Record) -> Option<TransactionId> {
        let kind = Kind::of(record.machine);
        let (slot, generation) = self.records.insert(record)?;
        self.live[kind as usize] += 1;
        Some(TransactionId { slot, generation, shard: self.shard })
    }

    fn arm(&mut self, now: Instant, id: TransactionId, effects: Effects) {
        let mut timers = effects.timers().peekable();
        if timers.peek().is_none() {
            return;
        }
        let record = self.records.get_mut(id.slot, id.generation).expect("the caller has just stepped it");
        let reliable = record.flow.connection.is_some();
        for timer in timers {
            if timer.is_retransmission() {
                record.step = effects.step_of(timer, record.step, &self.timings);
            }
            self.timers.arm(now, id, timer, record.step, reliable);
        }
    }
}

impl Record {
    fn new(machine: Machine, flow: Flow, user: User) -> Self {
        Record { machine, step: 0, flow, fingerprint: [0; 2], kept: None, user, server: None, cancel: None }
    }

    pub fn is_server(&self) -> bool {
        matches!(self.machine, Machine::InviteServer(_) | Machine::NonInviteServer(_))
    }

    pub fn is_reliable(&self) -> bool {
        self.flow.connection.is_some()
    }
}

impl Kind {
    const COUNT: usize = 5;

    /// In progress by its machine, or lingering.
    pub fn of(machine: Machine) -> Kind {
        use {invite_client as ic, invite_server as is, non_invite_client as nc, non_invite_server as ns};
        match machine {
            Machine::InviteServer(is::State::Proceeding | is::State::Completed) => Kind::InviteServer,
            Machine::InviteServer(is::State::Confirmed | is::State::Accepted | is::State::Terminated) => {
                Kind::Lingering
            }
            Machine::InviteClient(ic::State::Calling | ic::State::Proceeding) => Kind::InviteClient,
            Machine::InviteClient(ic::State::Completed | ic::State::Accepted | ic::State::Terminated) => {
                Kind::Lingering
            }
            Machine::NonInviteServer(ns::State::Trying | ns::State::Proceeding) => Kind::NonInviteServer,
            Machine::NonInviteServer(ns::State::Completed | ns::State::Terminated) => Kind::Lingering,
            Machine::NonInviteClient(nc::State::Trying | nc::State::Proceeding) => Kind::NonInviteClient,
            Machine::NonInviteClient(nc::State::Completed | nc::State::Terminated) => Kind::Lingering,
        }
    }
}

impl Event {
    /// What a timer is to a machine; `None` when that machine never arms it.
    fn fired(machine: Machine, timer: Timer) -> Option<Event> {
        match machine {
            Machine::InviteServer(_) => invite_server::fired(timer).map(Event::InviteServer),
            Machine::InviteClient(_) => invite_client::fired(timer).map(Event::InviteClient),
            Machine::NonInviteServer(_) => non_invite_server::fired(timer).map(Event::NonInviteServer),
            Machine::NonInviteClient(_) => non_invite_client::fired(timer).map(Event::NonInviteClient),
        }
    }
}

#[cfg(test)]
mod tests;
