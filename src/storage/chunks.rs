//! A vector that grows a chunk at a time: growth neither moves nor copies what is there, so it never stalls the shard.

use core::ops::{Index, IndexMut};

/// Elements of one chunk.
pub const CHUNK_LEN: usize = 4_096;

/// Elements numbered from 0, at most `max` of them; pushed, changed in place, never taken out.
#[derive(Debug)]
pub struct Chunks<T> {
    /// All but the last are full; each is reserved whole when it is begun, and its pages are touched as they fill.
    chunks: Vec<Vec<T>>,
    max: u32,
}

impl<T> Chunks<T> {
    /// Room for the list of chunks is taken now (24 bytes per 4096 elements), for the elements as they come.
    pub fn new(max: u32) -> Self {
        Chunks { chunks: Vec::with_capacity((max as usize).div_ceil(CHUNK_LEN)), max }
    }

    pub fn len(&self) -> u32 {
        match self.chunks.last() {
            Some(last) => ((self.chunks.len() - 1) * CHUNK_LEN + last.len()) as u32,
            None => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// Appends an element and returns its number; `None`, and the element dropped, when there are `max` of them.
    pub fn push(&mut self, element: T) -> Option<u32> {
        let number = self.len();
        if number >= self.max {
            return None;
        }
        if (number as usize).is_multiple_of(CHUNK_LEN) {
            let left = (self.max - number) as usize;
            self.chunks.push(Vec::with_capacity(left.min(CHUNK_LEN)));
        }
        self.chunks.last_mut().expect("a chunk was begun above or is not full").push(element);
        Some(number)
    }

    pub fn get(&self, number: u32) -> Option<&T> {
        self.chunks.get(number as usize / CHUNK_LEN)?.get(number as usize % CHUNK_LEN)
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.chunks.get_mut(number as usize / CHUNK_LEN)?.get_mut(number as usize % CHUNK_LEN)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.chunks[number as usize / CHUNK_LEN][number as usize % CHUNK_LEN]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[number as usize / CHUNK_LEN][number as usize % CHUNK_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_moves_nothing_and_ends_at_the_limit() {
        let max = CHUNK_LEN as u32 * 2 + 3;
        let mut chunks = Chunks::new(max);
        assert_eq!(chunks.push(0), Some(0));
        let first: *const u32 = &chunks[0];
        for number in 1..max {
            assert_eq!(chunks.push(number), Some(number));
            assert_eq!(chunks.len(), number + 1);
        }
        assert_eq!(chunks.push(0), None);
        assert!(chunks.is_full());
        assert_eq!(first, &chunks[0] as *const u32);
        assert!(chunks.iter().copied().eq(0..max));
        assert_eq!((chunks.get(max - 1), chunks.get(max)), (Some(&(max - 1)), None));
        chunks[5000] = 1;
        assert_eq!(chunks[5000], 1);
    }
}
