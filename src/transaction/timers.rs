//! The timers of all transactions of a shard. Every one has one of a few lengths, so each length is a queue: arming is a push, and nothing is
//! ever disarmed: a timer that has lost its meaning is ignored by the state that it meets, or finds its transaction gone.

use crate::ids::TransactionId;
use crate::time::queue::TimerQueue;
use crate::time::{Duration, Instant};
use crate::transaction::timer::{STEPS_MAX, Timer, Timings};

/// One queue per length; 16 bytes for each timer that has not fired.
#[derive(Debug)]
pub struct Timers {
    queues: Vec<(Duration, TimerQueue<Due>)>,
    /// Which queue, by transport (unreliable, reliable), timer and step.
    queue_of: [[[u8; STEPS_MAX]; Timer::ALL.len()]; 2],
}

/// A timer that has fired. It may be stale: `is_of` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub slot: u32,
    /// The low 24 bits of the transaction's generation, and the timer. A slot would have to be used 16 million times within one timer's
    /// length for a stale timer to be taken for a live one, and then the state that it meets ignores most of them.
    stamp: u32,
}

impl Timers {
    pub fn new(timings: &Timings) -> Self {
        let mut timers = Timers { queues: Vec::new(), queue_of: Default::default() };
        for (reliable, timer, step) in (0..2 * Timer::ALL.len() * STEPS_MAX).map(|number| {
            let (rest, step) = (number / STEPS_MAX, number % STEPS_MAX);
            (rest / Timer::ALL.len(), rest % Timer::ALL.len(), step)
        }) {
            let length = timings.length(Timer::ALL[timer], step as u8, reliable == 1);
            let queue = timers.queues.iter().position(|(known, _)| *known == length).unwrap_or_else(|| {
                timers.queues.push((length, TimerQueue::new()));
                timers.queues.len() - 1
            });
            timers.queue_of[reliable][timer][step] = queue as u8;
        }
        timers
    }

    /// `step` is read for the retransmission timers A, E and G alone.
    pub fn arm(&mut self, now: Instant, id: TransactionId, timer: Timer, step: u8, reliable: bool) {
        let queue =
            self.queue_of[usize::from(reliable)][timer as usize][usize::from(step).min(STEPS_MAX - 1)];
        let (length, queue) = &mut self.queues[usize::from(queue)];
        queue.push(now + *length, Due { slot: id.slot, stamp: (id.generation << 8) | timer as u32 });
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|(_, queue)| queue.next_deadline()).min()
    }

    /// Timers fire in the order of their deadlines within one length; a batch of different lengths that are due together, in any order.
    pub fn pop_due(&mut self, now: Instant) -> Option<Due> {
        self.queues.iter_mut().find_map(|(_, queue)| queue.pop_due(now))
    }
}

impl Due {
    pub fn timer(self) -> Timer {
        Timer::ALL[usize::from(self.stamp as u8)]
    }

    /// Whether it was armed for this use of the slot.
    pub fn is_of(self, generation: u32) -> bool {
        self.stamp >> 8 == generation & 0x00FF_FFFF
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardId;

    #[test]
    fn every_timer_fires_after_its_length() {
        let id = TransactionId { slot: 7, generation: 0x8123_4567, shard: ShardId(0) };
        for (timer, step, reliable) in Timer::ALL
            .iter()
            .flat_map(|timer| (0..STEPS_MAX as u8).map(move |step| (*timer, step)))
            .flat_map(|(timer, step)| [(timer, step, false), (timer, step, true)])
        {
            let mut timers = Timers::new(&Timings::RFC);
            let now = Instant::from_micros(1_000_000);
            timers.arm(now, id, timer, step, reliable);
            let deadline = timers.next_deadline().unwrap();
            assert_eq!(deadline, now + Timings::RFC.length(timer, step, reliable));
            assert_eq!(timers.pop_due(deadline - Duration::from_micros(1)), None);
            let due = timers.pop_due(deadline).unwrap();
            assert_eq!((due.slot, due.timer()), (7, timer));
            assert!(due.is_of(0x8123_4567) && !due.is_of(0x8123_4568));
            assert_eq!(timers.next_deadline(), None);
        }
    }
}
