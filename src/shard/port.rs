//! What the services ask of a shard, and what it answers: plain values, so that any ring can carry them.
//!
//! A question has a ticket that the answer repeats: the asker gives up after a while, and an answer that comes too late must not
//! be taken for that to its next question.

use crate::shard::counters::Counters;

/// Asked by the services, answered by each shard between two batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// Answered by `Answer::State`. Its coming at all says that the shard lives and that its sockets are bound.
    State { ticket: u32 },
    /// Refuse new calls and registrations from now on, as after SIGTERM, without an end of the process. Answered by
    /// `Answer::Draining`.
    Drain { ticket: u32 },
}

/// What a shard says to a question, in the order of the questions.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every answer is a state, and the rings are short")]
pub enum Answer {
    State { ticket: u32, state: State },
    Draining { ticket: u32 },
}

/// What one shard has counted, and what it holds now.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub counters: Counters,
    pub facts: Facts,
}

/// What a shard holds at one moment: gauges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// True once `Command::Drain` was taken in.
    pub is_draining: bool,
    /// Addresses-of-record with at least one binding.
    pub aors: u64,
    pub bindings: u64,
    /// Response contexts (RFC 3261 §16.7): requests whose forks have not all ended.
    pub contexts: u64,
    /// Transactions in progress, by kind; those that only linger are in `lingering`.
    pub invite_servers: u64,
    pub invite_clients: u64,
    pub non_invite_servers: u64,
    pub non_invite_clients: u64,
    /// Ended transactions that are kept for retransmissions (timers D, I, J, K, L and M).
    pub lingering: u64,
    /// Stream connections that this shard's shell holds.
    pub connections: u64,
}

impl Question {
    pub const fn ticket(self) -> u32 {
        match self {
            Question::State { ticket } | Question::Drain { ticket } => ticket,
        }
    }
}

impl Answer {
    pub const fn ticket(&self) -> u32 {
        match self {
            Answer::State { ticket, .. } | Answer::Draining { ticket } => *ticket,
        }
    }
}
