//! Timers of any length: a hierarchical wheel. Entries are never taken out early: the owner ignores a key that has no meaning any more,
//! or arms it again when it is due later.
//!
//! A level has 64 slots and a level above it has slots that are 64 times as wide; eleven levels hold any deadline, so nothing
//! is clamped. An entry lies on the level of the highest digit (base 64) in which its tick differs from the tick that was reached; so whatever lies on a lower
//! level is due before whatever lies above, and the first taken slot of the lowest level that has one holds the next entry. The
//! slot keeps the smallest tick in it: the wheel jumps straight there, over any number of empty slots, and the next deadline is exact.

use crate::storage::chunks::Chunks;
use crate::time::{Duration, Instant};

const LEVELS: usize = 11;
const SLOTS: usize = 64;
const DIGIT_BITS: u32 = 6;
const NONE: u32 = u32::MAX;

const _: () = assert!(LEVELS as u32 * DIGIT_BITS >= u64::BITS);

/// A bounded set of deadlines with keys. 12 bytes and the key for each entry, in slots that are used again; 17 KiB for the wheel itself.
#[derive(Debug)]
pub struct Wheel<K> {
    nodes: Chunks<Node<K>>,
    free: u32,
    len: u32,
    tick_us: u64,
    /// The tick that was reached: every entry of the slots is later.
    reached: u64,
    /// Entries whose tick is reached, in the order they became due.
    due: Slot,
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
    taken: [u64; LEVELS],
}

#[derive(Clone, Copy, Debug)]
struct Node<K> {
    tick: u64,
    next: u32,
    key: K,
}

/// A list of nodes, first in first out.
#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    tail: u32,
    /// The smallest tick in the list; `u64::MAX` when it is empty.
    tick_min: u64,
}

impl<K: Copy> Wheel<K> {
    /// Starts at `now`, with ticks of length `tick` (at least a microsecond), for at most `max` entries, those that are stale by now included.
    pub fn new(now: Instant, tick: Duration, max: u32) -> Self {
        assert!(tick > Duration::ZERO, "a tick has a length");
        assert!(max < NONE, "the last node number ends a list");
        Wheel {
            nodes: Chunks::new(max),
            free: NONE,
            len: 0,
            tick_us: tick.as_micros(),
            reached: now.as_micros() / tick.as_micros(),
            due: Slot::EMPTY,
            slots: Box::new([[Slot::EMPTY; SLOTS]; LEVELS]),
            taken: [0; LEVELS],
        }
    }

    /// Entries that wait, stale ones included.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry that is due at `deadline`, rounded up to a whole tick; at once when that is reached. False, and nothing done, at the limit.
    #[must_use]
    pub fn arm(&mut self, deadline: Instant, key: K) -> bool {
        let node = Node { tick: deadline.as_micros().div_ceil(self.tick_us), next: NONE, key };
        let number = if self.free == NONE {
            let Some(number) = self.nodes.push(node) else { return false };
            number
        } else {
            let number = self.free;
            self.free = self.nodes[number].next;
            self.nodes[number] = node;
            number
        };
        self.len += 1;
        self.place(number);
        true
    }

    /// When the next entry is due: exact, in whole ticks.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.due.head != NONE {
            return Some(self.instant(self.due.tick_min));
        }
        let (level, digit) = self.first_taken()?;
        Some(self.instant(self.slots[level][digit].tick_min))
    }

    /// Takes out an entry that is due. Entries come by tick; those of one tick as they were armed, but for those armed a level apart.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        Some(self.pop_due_entry(now)?.1)
    }

    /// The same with the tick that it was armed for, as an instant.
    pub fn pop_due_entry(&mut self, now: Instant) -> Option<(Instant, K)> {
        if self.due.head == NONE {
            self.advance(now.as_micros() / self.tick_us);
        }
        let number = self.due.head;
        if number == NONE {
            return None;
        }
        let Node { tick, next, key } = self.nodes[number];
        self.due.head = next;
        if next == NONE {
            self.due = Slot::EMPTY;
        }
        self.nodes[number].next = self.free;
        self.free = number;
        self.len -= 1;
        Some((self.instant(tick), key))
    }

    /// Asserts that every entry lies where it is found and that the counts are right. For tests: looks at every entry.
    pub fn invariants(&self) {
        let mut count = self.list(self.due).map(|node| assert!(node.tick <= self.reached)).count();
        for level in 0..LEVELS {
            for digit in 0..SLOTS {
                let slot = self.slots[level][digit];
                assert_eq!(self.taken[level] >> digit & 1 == 1, slot.head != NONE);
                assert_eq!(slot.tick_min, self.list(slot).map(|node| node.tick).min().unwrap_or(u64::MAX));
                for node in self.list(slot) {
                    assert!(node.tick > self.reached);
                    assert_eq!(place_of(self.reached, node.tick), (level, digit));
                    count += 1;
                }
            }
        }
        assert_eq!(count, self.len as usize);
    }

    /// Moves `reached` to the next entry's tick, and its like to `due`; to `now_tick` when there is none until then.
    fn advance(&mut self, now_tick: u64) {
        if now_tick <= self.reached {
            return;
        }
        let Some((level, digit)) = self.first_taken() else {
            self.reached = now_tick;
            return;
        };
        let slot = self.slots[level][digit];
        self.reached = now_tick.min(slot.tick_min);
        // When the tick that is reached lies in this slot, its entries belong on lower levels.
        let shift = level as u32 * DIGIT_BITS;
        if self.reached >> shift != slot.tick_min >> shift {
            return;
        }
        self.slots[level][digit] = Slot::EMPTY;
        self.taken[level] &= !(1 << digit);
        let mut number = slot.head;
        while number != NONE {
            let next = self.nodes[number].next;
            self.nodes[number].next = NONE;
            self.place(number);
            number = next;
        }
    }

    /// Appends a node to the list that its tick belongs to.
    fn place(&mut self, number: u32) {
        let tick = self.nodes[number].tick;
        let slot = if tick <= self.reached {
            &mut self.due
        } else {
            let (level, digit) = place_of(self.reached, tick);
            self.taken[level] |= 1 << digit;
            &mut self.slots[level][digit]
        };
        let tail = core::mem::replace(&mut slot.tail, number);
        slot.tick_min = slot.tick_min.min(tick);
        if slot.head == NONE {
            slot.head = number;
        } else {
            self.nodes[tail].next = number;
        }
    }

    fn first_taken(&self) -> Option<(usize, usize)> {
        let level = self.taken.iter().position(|&taken| taken != 0)?;
        Some((level, self.taken[level].trailing_zeros() as usize))
    }

    fn instant(&self, tick: u64) -> Instant {
        Instant::from_micros(tick.saturating_mul(self.tick_us))
    }

    fn list(&self, slot: Slot) -> impl Iterator<Item = &Node<K>> {
        let mut number = slot.head;
        core::iter::from_fn(move || {
            let node = self.nodes.get(number)?;
            number = node.next;
            Some(node)
        })
    }
}

impl Slot {
    const EMPTY: Slot = Slot { head: NONE, tail: NONE, tick_min: u64::MAX };
}

/// Level and slot of a tick that is later than `reached`.
fn place_of(reached: u64, tick: u64) -> (usize, usize) {
    let level = (reached ^ tick).ilog2() / DIGIT_BITS;
    (level as usize, (tick >> (level * DIGIT_BITS)) as usize % SLOTS)
}

#[cfg(test)]
mod tests;
