//! From a hash to a slot: open addressing with a size fixed for the limit, so that nothing ever rehashes and nothing moves but neighbours.
//!
//! The index knows 32 bits of each hash and the slot; whether a slot is the one that is meant, its owner says. At most 60 % of the
//! places are ever taken, so a search looks at 1.8 places on average when it finds, 3.7 when it does not, and always ends at an
//! empty one. Hashes are keyed, so a peer can not bring entries together; entries that share a hash because they share the thing that is
//! hashed lie side by side, and whoever inserts them bounds how many.

/// Entries taken at most, of 10 places.
const LOAD_MAX_TENTHS: u64 = 6;
const EMPTY: u64 = 0;

/// A multimap from 64-bit hashes to slots. 8 bytes a place, 14 to 27 bytes an entry at the limit; zeroed pages cost nothing until touched.
#[derive(Debug)]
pub struct Index {
    /// High half: the upper 32 bits of the hash. Low half: slot + 1, so that 0 is an empty place.
    places: Vec<u64>,
    mask: u32,
    len: u32,
    max: u32,
}

impl Index {
    /// For at most `max` entries, below 2^31.
    pub fn new(max: u32) -> Self {
        assert!(max < 1 << 31, "an index holds fewer than 2^31 entries");
        let places = (u64::from(max) * 10 / LOAD_MAX_TENTHS + 2).next_power_of_two();
        Index { places: vec![EMPTY; places as usize], mask: (places - 1) as u32, len: 0, max }
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn is_full(&self) -> bool {
        self.len >= self.max
    }

    /// The first slot under this hash that `is_meant`. It is asked about a slot of another hash once in some thousand times, so it must compare.
    pub fn find(&self, hash: u64, mut is_meant: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag_of(hash);
        let mut place = self.home(tag);
        loop {
            let entry = self.places[place as usize];
            if entry == EMPTY {
                return None;
            }
            if (entry >> 32) as u32 == tag && is_meant(slot_of(entry)) {
                return Some(slot_of(entry));
            }
            place = (place + 1) & self.mask;
        }
    }

    /// Adds an entry; false, and nothing done, at the limit. The same pair may be added twice, and is then there twice.
    #[must_use]
    pub fn insert(&mut self, hash: u64, slot: u32) -> bool {
        assert!(slot < u32::MAX, "the last slot number stands for an empty place");
        if self.is_full() {
            return false;
        }
        let tag = tag_of(hash);
        let mut place = self.home(tag);
        while self.places[place as usize] != EMPTY {
            place = (place + 1) & self.mask;
        }
        self.places[place as usize] = u64::from(tag) << 32 | u64::from(slot + 1);
        self.len += 1;
        true
    }

    /// Lets the entry of `old` name `new` from now on; false when there is none.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        assert!(new < u32::MAX, "the last slot number stands for an empty place");
        match self.place_of(hash, old) {
            Some(place) => {
                self.places[place as usize] = u64::from(tag_of(hash)) << 32 | u64::from(new + 1);
                true
            }
            None => false,
        }
    }

    /// Removes one entry of that pair; false when there is none.
    pub fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let Some(mut hole) = self.place_of(hash, slot) else { return false };
        let mut place = hole;
        loop {
            place = (place + 1) & self.mask;
            let entry = self.places[place as usize];
            if entry == EMPTY {
                break;
            }
            // An entry may fall back into the hole when the hole is not before its home. Distances are round the end of the array.
            let from_home = place.wrapping_sub(self.home((entry >> 32) as u32)) & self.mask;
            let from_hole = place.wrapping_sub(hole) & self.mask;
            if from_home >= from_hole {
                self.places[hole as usize] = entry;
                hole = place;
            }
        }
        self.places[hole as usize] = EMPTY;
        self.len -= 1;
        true
    }

    /// Asserts that every entry can be reached from its home and that the count is right. For tests: looks at every place.
    pub fn invariants(&self) {
        let mut count = 0;
        for (place, &entry) in self.places.iter().enumerate().filter(|(_, entry)| **entry != EMPTY) {
            count += 1;
            let mut at = self.home((entry >> 32) as u32);
            while at as usize != place {
                assert_ne!(self.places[at as usize], EMPTY, "an entry lies behind an empty place");
                at = (at + 1) & self.mask;
            }
        }
        assert_eq!(count, self.len);
        assert!(self.len <= self.max);
    }

    fn place_of(&self, hash: u64, slot: u32) -> Option<u32> {
        let wanted = u64::from(tag_of(hash)) << 32 | (u64::from(slot) + 1);
        let mut place = self.home(tag_of(hash));
        loop {
            match self.places[place as usize] {
                EMPTY => return None,
                entry if entry == wanted => return Some(place),
                _ => place = (place + 1) & self.mask,
            }
        }
    }

    /// The home comes from the tag alone: an entry that falls back needs no look at its owner.
    fn home(&self, tag: u32) -> u32 {
        tag & self.mask
    }
}

/// The upper half of a hash; the lower half is left to the choice of the owner shard, so that the two do not depend on each other.
fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn slot_of(entry: u64) -> u32 {
    entry as u32 - 1
}

#[cfg(test)]
mod tests;
