//! Timers: one queue for each length that is in use, because timers of one length end in the order in which they began.
//!
//! Nothing is disarmed: a key names the step of its owner for which it was armed, and the owner passes over the keys of steps that
//! are past. The lengths are RFC 3261's T1 doubled up to 64·T1, the ringing and the holding time, and the refresh: a dozen at most.

use tine::time::queue::TimerQueue;
use tine::time::{Duration, Instant};

/// RFC 3261 §17.1.1.1: the estimate of a round trip.
pub const T1: Duration = Duration::from_millis(500);

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The client transaction of a request that stands alone.
    Request,
    /// The caller's side of a call.
    Caller,
    /// A device's side of a call.
    Device(u8),
    /// An endpoint whose binding is to be refreshed; the slot is the endpoint's.
    Refresh,
}

/// A timer that ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerKey {
    pub slot: u32,
    pub generation: u32,
    pub owner: Owner,
    /// The step of the owner at which it was armed.
    pub step: u16,
}

/// How exactly a timer is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exactness {
    /// To the microsecond: what a latency counts from.
    Exact,
    /// Up to 10 ms later: what only repeats, and has nearly always lost its meaning before, shares its wake-ups.
    Coarse,
}

/// All timers of one thread.
#[derive(Debug, Default)]
pub struct Timers {
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    length: Duration,
    exactness: Exactness,
    queue: TimerQueue<(Instant, TimerKey)>,
}

const COARSE_MICROS: u64 = 10_000;

impl Timers {
    pub fn arm(&mut self, now: Instant, length: Duration, exactness: Exactness, key: TimerKey) {
        let due = match exactness {
            Exactness::Exact => now + length,
            Exactness::Coarse => {
                Instant::from_micros((now + length).as_micros().next_multiple_of(COARSE_MICROS))
            }
        };
        let lane =
            match self.lanes.iter().position(|lane| lane.length == length && lane.exactness == exactness) {
                Some(lane) => lane,
                None => {
                    self.lanes.push(Lane { length, exactness, queue: TimerQueue::new() });
                    self.lanes.len() - 1
                }
            };
        self.lanes[lane].queue.push(due, (due, key));
    }

    /// The earliest deadline; it may belong to a key that has no meaning any more.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.queue.next_deadline()).min()
    }

    /// Takes a timer that is due, with the time at which it was.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, TimerKey)> {
        self.lanes.iter_mut().find_map(|lane| lane.queue.pop_due(now))
    }
}

/// Retransmissions of one message over UDP: how long to wait after transmission number `sent` (1 = the first) for the next; `None`
/// when 64·T1 are over.
pub fn wait_after(sent: u8, is_invite: bool) -> Option<Duration> {
    // Waits of an INVITE (§17.1.1.2, timer A): 1, 2, 4, 8, 16, 32 × T1, then the last 1 × T1 to timer B.
    // Of the others (timer E and G): 1, 2, 4 × T1, then T2 = 8 × T1 seven times, then the last 1 × T1 to timers F and H.
    let (last, capped) = if is_invite { (7, 6) } else { (11, 4) };
    match sent {
        0 => Some(Duration::ZERO),
        _ if sent > last => None,
        _ if sent == last => Some(T1),
        _ => Some(T1.times(1 << (sent.min(capped) - 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_the_rfc_and_end_at_64_t1() {
        let waits = |is_invite| -> Vec<u64> {
            (1..).map_while(|sent| wait_after(sent, is_invite)).map(Duration::as_millis).collect()
        };
        assert_eq!(waits(true), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 500]);
        assert_eq!(waits(false), [500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 500]);
        assert_eq!(waits(true).iter().sum::<u64>(), T1.times(64).as_millis());
        assert_eq!(waits(false).iter().sum::<u64>(), T1.times(64).as_millis());
    }

    #[test]
    fn timers_of_all_lengths_end_at_their_time() {
        let mut timers = Timers::default();
        let begin = Instant::from_micros(1_000);
        let key = |slot| TimerKey { slot, generation: 0, owner: Owner::Request, step: 0 };
        for slot in 0..100 {
            timers.arm(begin, Duration::from_micros(u64::from(slot % 7) * 10), Exactness::Exact, key(slot));
        }
        assert_eq!(timers.next_deadline(), Some(begin));
        let mut count = 0;
        for after in 0..=60 {
            let now = begin + Duration::from_micros(after);
            while let Some((due, key)) = timers.pop_due(now) {
                assert_eq!(due, now);
                assert_eq!(u64::from(key.slot % 7) * 10, after);
                count += 1;
            }
        }
        assert_eq!((count, timers.next_deadline()), (100, None));
    }

    #[test]
    fn coarse_timers_share_their_wake_ups_and_are_never_early() {
        let mut timers = Timers::default();
        let key = TimerKey { slot: 0, generation: 0, owner: Owner::Caller, step: 0 };
        for after in 0..10_000 {
            timers.arm(Instant::from_micros(1 + after), T1, Exactness::Coarse, key);
        }
        assert_eq!(timers.next_deadline(), Some(Instant::from_micros(510_000)));
        let count = core::iter::from_fn(|| timers.pop_due(Instant::from_micros(510_000))).count();
        assert_eq!((count, timers.next_deadline()), (10_000, None));
    }
}
