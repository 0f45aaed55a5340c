//! Asking every shard at once, and waiting no longer than `ANSWER_WAIT` for those that hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::shard::port::{Answer, Question, State};
use crate::shell::port::ServiceEnd;

/// A shard that takes longer to answer counts as hanging. It answers between two batches, so this is some thousand batches.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// The state of each shard, in order; `None` for one that did not answer in time.
pub(super) type Snapshot = Arc<Vec<Option<State>>>;

/// The ends of all shards. Requests that come while a round of questions is under way share the next one.
pub(super) struct Shards {
    asker: Mutex<Asker>,
    /// Rounds of questions begun so far.
    rounds: AtomicU64,
}

struct Asker {
    ends: Vec<ServiceEnd>,
    ticket: u32,
    latest: Snapshot,
    latest_round: u64,
}

impl Shards {
    pub(super) fn new(ends: Vec<ServiceEnd>) -> Self {
        let asker = Asker { ends, ticket: 0, latest: Arc::default(), latest_round: 0 };
        Shards { asker: Mutex::new(asker), rounds: AtomicU64::new(0) }
    }

    /// A snapshot that was begun after this call; it takes two `ANSWER_WAIT` at most.
    pub(super) async fn snapshot(&self) -> Snapshot {
        let begun_before = self.rounds.load(Ordering::Relaxed);
        let mut asker = self.asker.lock().await;
        if asker.latest_round <= begun_before {
            let round = self.rounds.fetch_add(1, Ordering::Relaxed) + 1;
            asker.latest = Arc::new(asker.ask_all().await);
            asker.latest_round = round;
        }
        Arc::clone(&asker.latest)
    }
}

impl Asker {
    async fn ask_all(&mut self) -> Vec<Option<State>> {
        self.ticket = self.ticket.wrapping_add(1);
        let ticket = self.ticket;
        let is_asked: Vec<bool> =
            self.ends.iter_mut().map(|end| end.ask(Question::State { ticket }).is_ok()).collect();
        let deadline = Instant::now() + ANSWER_WAIT;
        let mut states = Vec::with_capacity(self.ends.len());
        for (end, is_asked) in self.ends.iter_mut().zip(is_asked) {
            // Past the deadline an answer that lies there already is still taken.
            let answer = async { if is_asked { state(end, ticket).await } else { None } };
            states.push(timeout_at(deadline, answer).await.ok().flatten());
        }
        states
    }
}

/// The answer with this ticket; those to earlier questions came too late and are dropped.
async fn state(end: &mut ServiceEnd, ticket: u32) -> Option<State> {
    while let Some(answer) = end.next_answer().await {
        if let Answer::State { ticket: answered, state } = answer
            && answered == ticket
        {
            return Some(state);
        }
    }
    None
}
