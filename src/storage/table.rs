//! Things in numbered slots, each use of a slot with a generation of its own, so that a name that outlives its thing finds nothing.

use crate::storage::chunks::Chunks;

const NONE: u32 = u32::MAX;

/// A bounded slab. Grows by chunks of 4096 slots, moves nothing, and gives freed slots out again, the last freed first (its memory is warm).
/// Costs the size of `T` and 4 to 12 bytes a slot.
#[derive(Debug)]
pub struct Table<T> {
    slots: Chunks<Slot<T>>,
    free: u32,
    len: u32,
}

#[derive(Debug)]
struct Slot<T> {
    /// Of the present or the last use. 2^32 uses pass before one comes again.
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Used(T),
    Free { next: u32 },
}

impl<T> Table<T> {
    /// For at most `max` things, below 2^32 - 1.
    pub fn new(max: u32) -> Self {
        assert!(max < NONE, "the last slot number ends the free list");
        Table { slots: Chunks::new(max), free: NONE, len: 0 }
    }

    /// Things that are in the table.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn is_full(&self) -> bool {
        self.free == NONE && self.slots.is_full()
    }

    /// Puts a thing in and returns its slot and generation; `None`, and the thing dropped, when the table is full.
    pub fn insert(&mut self, value: T) -> Option<(u32, u32)> {
        if self.free == NONE {
            let slot = self.slots.push(Slot { generation: 0, content: Content::Used(value) })?;
            self.len += 1;
            return Some((slot, 0));
        }
        let number = self.free;
        let slot = &mut self.slots[number];
        let Content::Free { next } = slot.content else { unreachable!("the free list names free slots") };
        slot.generation = slot.generation.wrapping_add(1);
        slot.content = Content::Used(value);
        self.free = next;
        self.len += 1;
        Some((number, slot.generation))
    }

    /// `None` when the slot is free, or used by something else by now.
    pub fn get(&self, slot: u32, generation: u32) -> Option<&T> {
        match self.slots.get(slot)? {
            Slot { generation: g, content: Content::Used(value) } if *g == generation => Some(value),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut T> {
        match self.slots.get_mut(slot)? {
            Slot { generation: g, content: Content::Used(value) } if *g == generation => Some(value),
            _ => None,
        }
    }

    /// Whatever is in the slot, with its generation: for an index, which names slots of living things alone.
    pub fn at(&self, slot: u32) -> Option<(u32, &T)> {
        match self.slots.get(slot)? {
            Slot { generation, content: Content::Used(value) } => Some((*generation, value)),
            _ => None,
        }
    }

    pub fn at_mut(&mut self, slot: u32) -> Option<(u32, &mut T)> {
        match self.slots.get_mut(slot)? {
            Slot { generation, content: Content::Used(value) } => Some((*generation, value)),
            _ => None,
        }
    }

    /// Takes a thing out; `None` when it is not there any more.
    pub fn remove(&mut self, slot: u32, generation: u32) -> Option<T> {
        self.get(slot, generation)?;
        let place = &mut self.slots[slot];
        let content = core::mem::replace(&mut place.content, Content::Free { next: self.free });
        let Content::Used(value) = content else { unreachable!("the slot was looked at above") };
        self.free = slot;
        self.len -= 1;
        Some(value)
    }

    /// Slot, generation and thing, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, number)| match &slot.content {
            Content::Used(value) => Some((number, slot.generation, value)),
            Content::Free { .. } => None,
        })
    }

    /// Asserts that every slot is either used or in the free list, once. For tests: looks at every slot.
    pub fn invariants(&self) {
        let mut free_count = 0;
        let mut next = self.free;
        while next != NONE {
            free_count += 1;
            assert!(free_count <= self.slots.len(), "the free list has a loop");
            let Content::Free { next: following } = self.slots[next].content else {
                panic!("slot {next} is used and in the free list")
            };
            next = following;
        }
        assert_eq!(self.iter().count() as u32, self.len);
        assert_eq!(free_count + self.len, self.slots.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_things_that_are_gone_find_nothing() {
        let mut table = Table::new(2);
        let (slot, generation) = table.insert("a").unwrap();
        assert_eq!(table.get(slot, generation), Some(&"a"));
        assert_eq!(table.remove(slot, generation), Some("a"));
        assert_eq!(table.remove(slot, generation), None);
        assert_eq!(table.at(slot), None);
        let (again, newer) = table.insert("b").unwrap();
        assert_eq!((again, newer), (slot, generation + 1));
        assert_eq!(table.get(slot, generation), None);
        assert_eq!(table.get_mut(slot, generation), None);
        assert_eq!(table.get_mut(slot, newer), Some(&mut "b"));
        assert_eq!(table.at_mut(slot), Some((newer, &mut "b")));
        assert_eq!(table.get(99, 0), None);
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let max = 5_000;
        let mut table = Table::new(max);
        let mut model: Vec<(u32, u32, u64)> = Vec::new();
        let mut dead: Vec<(u32, u32)> = Vec::new();
        let mut draw = 88_172_645_463_325_252_u64;
        for step in 0..40_000_u64 {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            // Fills for a while, then drains for a while.
            let adds = if step / 8_000 % 2 == 0 { 3 } else { 1 };
            if draw % 4 < adds {
                match table.insert(step) {
                    Some((slot, generation)) => {
                        assert!(!dead.contains(&(slot, generation)) || dead.len() > 10_000);
                        model.push((slot, generation, step));
                    }
                    None => assert_eq!(model.len(), max as usize),
                }
            } else if !model.is_empty() {
                let (slot, generation, value) = model.swap_remove(draw as usize / 4 % model.len());
                assert_eq!(table.remove(slot, generation), Some(value));
                if dead.len() < 500 {
                    dead.push((slot, generation));
                }
            }
            assert_eq!(table.len() as usize, model.len());
            if step % 1_000 == 0 {
                table.invariants();
                assert!(dead.iter().all(|&(slot, generation)| table.get(slot, generation).is_none()));
            }
        }
        let mut wanted = model;
        wanted.sort_unstable();
        assert!(table.iter().map(|(slot, generation, value)| (slot, generation, *value)).eq(wanted));
    }

    #[test]
    fn a_full_table_says_so() {
        let mut table = Table::new(1);
        assert!(!table.is_full());
        let (slot, generation) = table.insert(1).unwrap();
        assert!(table.is_full());
        assert_eq!(table.insert(2), None);
        table.remove(slot, generation);
        assert!(!table.is_full() && table.is_empty());
    }
}
