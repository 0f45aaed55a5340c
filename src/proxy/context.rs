//! The response context: one per proxied request, with a fork for each target (RFC 3261 §16.7).
//!
//! What enters: provisional and final answers of forks, their silence, the caller's CANCEL. What leaves: a verdict, which the shard performs.
//! Nothing here sends, stores bytes or arms timers. A context has at most `limits::TARGETS_MAX` forks.

use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, ContextId, EndpointId, ForkId, TransactionId};
use crate::proxy::best_response;
use crate::storage::buffers::BufferId;
use crate::time::Instant;

/// All that is known of one proxied request until its final answer has gone upstream and every fork has ended.
#[derive(Clone, Copy, Debug)]
pub struct ResponseContext {
    /// The transaction that the answers go to.
    pub server: TransactionId,
    /// The request as it was received.
    pub request: BufferId,
    /// Where it came from.
    pub upstream: Flow,
    pub is_invite: bool,
    /// A fork was not sent because this node had no room to keep it.
    pub is_overloaded: bool,
    pub phase: Phase,
    /// Head of the list of forks, newest first.
    pub forks: Option<ForkId>,
    /// Forks without a final answer.
    pub live_count: u16,
    pub best: Option<Best>,
    /// What the CANCELs to the forks say; set with the first reason there is.
    pub cancel: Option<CancelReason>,
    /// The Reason header lines of the caller's CANCEL.
    pub cancel_lines: Option<BufferId>,
    /// Header lines of the 401 and 407 that are not the best (§16.7 step 7).
    pub challenges: Option<BufferId>,
}

/// How far a context has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Forks run, nothing final has gone upstream.
    Open,
    /// Every fork was told to end; the best of what they answer goes upstream.
    Cancelled,
    /// A 2xx has gone upstream; further 2xx to an INVITE follow it (§16.7 step 5).
    Answered,
    /// Another final answer has gone upstream, or the request was given up in silence (RFC 4320).
    Done,
}

/// The best final answer so far.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Best {
    pub status: u16,
    /// Absent where tine makes the answer itself: silence (408), a transport error (503).
    pub response: Option<BufferId>,
    /// Of the contact that answered, in thousandths; breaks ties.
    pub q: u16,
}

/// Why forks are cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelReason {
    CompletedElsewhere,
    /// The caller's own Reason is copied, if there is one.
    CallerCancelled,
    /// A 6xx ended all forks (§16.7 step 5); it is told in the Reason.
    Declined(u16),
    /// Timer C fired (§16.8).
    TimerC,
}

/// One client transaction of a context, or the attempt at one.
#[derive(Clone, Copy, Debug)]
pub struct Fork {
    pub context: ContextId,
    pub next: Option<ForkId>,
    pub client: Option<TransactionId>,
    pub state: ForkState,
    pub cancel: ForkCancel,
    /// q of its contact in thousandths.
    pub q: u16,
    /// Request-URI and Path, as `proxy::target` lays them out.
    pub target: BufferId,
    pub way: Way,
    /// The status that a transport error counts as.
    pub failure: u16,
    /// Timer C; moved on by each provisional above 100 (§16.7 step 2).
    pub timer_c: Instant,
    /// The connection that it was sent by, while it lives.
    pub sent_by: Option<ConnectionId>,
    /// Among the forks of that connection.
    pub neighbours: Neighbours,
}

/// Slots of the forks before and behind one in the list of those that were sent by one connection. A trunk may carry every call there is, so
/// joining and leaving must not depend on how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Neighbours {
    pub before: Option<u32>,
    pub behind: Option<u32>,
}

/// How a fork's request travels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Way {
    /// Over a flow that exists: a binding's, or a token's.
    Flow(Flow),
    /// To an address by UDP.
    Datagram(Flow),
    /// To an address over a stream that may have to be opened first. `fallback`: the stream was tried only because the request is large
    /// (§18.1.1), so a refused connection means UDP from that endpoint.
    Stream { endpoint: EndpointId, remote: Address, fallback: Option<EndpointId> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkState {
    /// Waits for a connection.
    Connecting,
    /// Sent; nothing heard.
    Calling,
    /// A provisional has come.
    Proceeding,
    /// A final answer, silence or a transport error has ended it.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkCancel {
    None,
    /// To be sent as soon as a provisional comes (§9.1).
    Held,
    Sent,
}

/// What to do with a final answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Forward it upstream now.
    pub forward: bool,
    /// Keep it: it is the best so far, and takes the place of an earlier one.
    pub keep: bool,
    /// Cancel all forks that still live.
    pub cancel_others: Option<CancelReason>,
    /// Every fork has ended: send the best response.
    pub complete: bool,
}

/// What a fork answered, or why it did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub status: u16,
    pub q: u16,
}

impl ResponseContext {
    /// Takes note of the end of one live fork and says what follows. For a 2xx that comes after its fork has ended, `decide_late_success`.
    pub fn decide_final(&mut self, outcome: Outcome) -> Verdict {
        assert!(self.live_count > 0, "a fork ends once");
        self.live_count -= 1;
        let complete = self.live_count == 0;
        if outcome.status / 100 == 2 {
            return self.decide_success();
        }
        match self.phase {
            // The caller has its answer; what losers say is absorbed.
            Phase::Answered | Phase::Done => Verdict::default(),
            Phase::Open | Phase::Cancelled => {
                let keep = self.best.is_none_or(|best| {
                    (best_response::rank(outcome.status), outcome_q_order(outcome.q))
                        < (best_response::rank(best.status), outcome_q_order(best.q))
                });
                // §16.7 step 5: a 6xx ends the search. There is no CANCEL for anything but INVITE (§9.1).
                let is_global = outcome.status / 100 == 6 && self.phase == Phase::Open && self.is_invite;
                let cancel_others =
                    (is_global && !complete).then_some(CancelReason::Declined(outcome.status));
                if is_global {
                    self.phase = Phase::Cancelled;
                }
                Verdict { forward: false, keep, cancel_others, complete }
            }
        }
    }

    /// A 2xx to an INVITE is forwarded at any time; to anything else only once.
    fn decide_success(&mut self) -> Verdict {
        let first = matches!(self.phase, Phase::Open | Phase::Cancelled);
        self.phase = Phase::Answered;
        let cancel_others =
            (first && self.is_invite && self.live_count > 0).then_some(CancelReason::CompletedElsewhere);
        Verdict { forward: first || self.is_invite, keep: false, cancel_others, complete: false }
    }

    /// The caller's CANCEL (§16.10). True when the forks are to be cancelled now.
    pub fn decide_cancel(&mut self) -> bool {
        let open = self.phase == Phase::Open;
        if open {
            self.phase = Phase::Cancelled;
        }
        open
    }

    /// The status that goes upstream when every fork has ended: `None` is silence, which is all that RFC 4320 §4.2 leaves to a non-INVITE
    /// request that nobody answered.
    pub fn decide_best(&self) -> Option<Best> {
        let best = self.best.unwrap_or(Best { status: 408, response: None, q: 0 });
        if best.response.is_some() {
            return Some(Best { status: best_response::status_upstream(best.status), ..best });
        }
        match best.status {
            408 if !self.is_invite => None,
            // The caller gave up, and no device had anything to say: that is what it is told.
            _ if self.cancel == Some(CancelReason::CallerCancelled) => Some(Best { status: 487, ..best }),
            503 if self.is_overloaded => Some(best),
            // No device could be reached: nothing is wrong with tine, so not 503 (§16.9, §16.7 step 6).
            503 => Some(Best { status: 500, ..best }),
            _ => Some(best),
        }
    }
}

impl Fork {
    pub fn is_live(&self) -> bool {
        self.state != ForkState::Ended
    }

    /// Asks for a CANCEL: true when it may be sent now, that is when a provisional has come (§9.1); else it is held.
    pub fn decide_cancel(&mut self) -> bool {
        match (self.state, self.cancel) {
            (ForkState::Proceeding, ForkCancel::None | ForkCancel::Held) => {
                self.cancel = ForkCancel::Sent;
                true
            }
            (ForkState::Connecting | ForkState::Calling, ForkCancel::None) => {
                self.cancel = ForkCancel::Held;
                false
            }
            (ForkState::Connecting | ForkState::Calling, ForkCancel::Held | ForkCancel::Sent)
            | (ForkState::Proceeding, ForkCancel::Sent)
            | (ForkState::Ended, _) => false,
        }
    }
}

/// Higher q first.
fn outcome_q_order(q: u16) -> u16 {
    1000 - q.min(1000)
}

#[cfg(test)]
mod tests;
