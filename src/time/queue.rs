//! Timers of one fixed length: they end in the order in which they begin, so a queue does what a wheel does, for less.

use std::collections::VecDeque;

use crate::time::Instant;

/// Entries of one chunk.
const CHUNK_LEN: usize = 1_024;

/// A queue of deadlines that never decrease. Cancelling is the owner's: it ignores a key that has no meaning any more.
/// Grows by chunks that are kept for reuse; 16 bytes an entry for a key of 8 bytes.
#[derive(Debug)]
pub struct TimerQueue<K> {
    /// The first may be partly taken (`taken`), the last may be partly filled; none is empty but the only one.
    chunks: VecDeque<Vec<(Instant, K)>>,
    /// Entries of the first chunk that were popped.
    taken: usize,
    spare: Vec<Vec<(Instant, K)>>,
    last: Instant,
    len: usize,
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        TimerQueue { chunks: VecDeque::new(), taken: 0, spare: Vec::new(), last: Instant::default(), len: 0 }
    }
}

impl<K: Copy> TimerQueue<K> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries that wait, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry. A deadline before that of the entry in front of it counts as equal to it: late, but in order.
    pub fn push(&mut self, deadline: Instant, key: K) {
        self.last = self.last.max(deadline);
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK_LEN) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_LEN));
            self.chunks.push_back(chunk);
        }
        self.chunks.back_mut().expect("one was added above").push((self.last, key));
        self.len += 1;
    }

    /// The deadline of the first entry, to the microsecond.
    pub fn next_deadline(&self) -> Option<Instant> {
        Some(self.chunks.front()?.get(self.taken)?.0)
    }

    /// Takes out the first entry if its deadline is reached.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let chunk = self.chunks.front_mut()?;
        let &(deadline, key) = chunk.get(self.taken)?;
        if deadline > now {
            return None;
        }
        self.taken += 1;
        self.len -= 1;
        if self.taken == chunk.len() {
            // The last chunk, when all of it is taken, starts again in place.
            chunk.clear();
            self.taken = 0;
            if self.chunks.len() > 1 {
                self.spare.extend(self.chunks.pop_front());
            }
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn gives_back_in_order_and_never_early() {
        let mut queue = TimerQueue::new();
        assert_eq!((queue.next_deadline(), queue.pop_due(Instant::NEVER)), (None, None));
        let (mut pushed, mut popped) = (0_u64, 0_u64);
        for round in 1..200_u64 {
            for _ in 0..round % 37 * 100 {
                queue.push(at(pushed * 10), pushed);
                pushed += 1;
            }
            let now = at(round * 20_000);
            while let Some(key) = queue.pop_due(now) {
                assert_eq!(key, popped);
                assert!(at(key * 10) <= now);
                popped += 1;
            }
            assert_eq!(queue.len() as u64, pushed - popped);
            assert_eq!(queue.next_deadline(), (popped < pushed).then(|| at(popped * 10)));
            assert!(queue.next_deadline().is_none_or(|deadline| deadline > now));
            assert_eq!(queue.is_empty(), pushed == popped);
        }
        assert!(popped > 10 * CHUNK_LEN as u64);
    }

    #[test]
    fn a_deadline_that_steps_back_is_held_in_order() {
        let mut queue = TimerQueue::new();
        queue.push(at(50), 'a');
        queue.push(at(20), 'b');
        queue.push(at(60), 'c');
        assert_eq!(queue.pop_due(at(49)), None);
        assert_eq!(
            (queue.pop_due(at(50)), queue.pop_due(at(50)), queue.pop_due(at(50))),
            (Some('a'), Some('b'), None)
        );
        assert_eq!(queue.next_deadline(), Some(at(60)));
    }

    #[test]
    fn chunks_are_used_again() {
        let mut queue = TimerQueue::new();
        for lap in 0..20_u64 {
            for n in 0..3 * CHUNK_LEN as u64 {
                queue.push(at(lap), n);
            }
            while queue.pop_due(at(lap)).is_some() {}
        }
        assert!(queue.chunks.len() + queue.spare.len() <= 4);
    }
}
