//! Bytes that outlive the message they came in: a pool of buffers in eight sizes.

/// The sizes, in bytes. A message of 700 bytes lies in 1024; the largest holds any message.
pub const CLASS_BYTES: [usize; 8] = [128, 256, 512, 1_024, 2_048, 4_096, 16_384, 65_536];

/// Bytes of one chunk, whatever the class: four of the largest.
const CHUNK_BYTES: usize = 262_144;
const NONE: u32 = u32::MAX;

/// Names bytes in a pool, for as long as they are not released. 8 bytes, and `Option` of it as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferId {
    slot: u32,
    len: u16,
    class: Class,
    generation: u8,
}

/// A pool bounded by the bytes of its chunks. A chunk belongs to one class for good.
#[derive(Debug)]
pub struct Buffers {
    classes: [ClassPool; CLASS_BYTES.len()],
    chunks_left: usize,
    live: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Class {
    B128,
    B256,
    B512,
    B1024,
    B2048,
    B4096,
    B16384,
    B65536,
}

#[derive(Debug)]
struct ClassPool {
    chunks: Vec<Chunk>,
    /// The last one released; each free buffer names the next in its first four bytes.
    free: u32,
    /// Buffers that were ever given out.
    begun: u32,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    /// Of each buffer: counted up when it is released, so that a stale name is noticed.
    generations: Box<[u8]>,
}

const _: () = assert!(size_of::<BufferId>() == 8 && size_of::<Option<BufferId>>() == 8);
const _: () = assert!(CHUNK_BYTES.is_multiple_of(CLASS_BYTES[CLASS_BYTES.len() - 1]));
const _: () =
    assert!(crate::limits::MESSAGE_BYTES_MAX <= u16::MAX as usize, "the length in a name has 16 bits");

impl BufferId {
    /// Length of the bytes.
    pub const fn len(self) -> usize {
        self.len as usize
    }

    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl Buffers {
    /// At most `bytes_max` bytes in chunks of 256 KiB; each is taken when first needed and kept.
    pub fn new(bytes_max: usize) -> Self {
        let chunks_max = bytes_max / CHUNK_BYTES;
        let pool = |_| ClassPool { chunks: Vec::with_capacity(chunks_max), free: NONE, begun: 0 };
        Buffers { classes: core::array::from_fn(pool), chunks_left: chunks_max, live: 0 }
    }

    /// Keeps a copy of `bytes`. `None` when they are longer than any message, or when the pool is at its limit.
    pub fn store(&mut self, bytes: &[u8]) -> Option<BufferId> {
        let (id, room) = self.begin(bytes.len())?;
        room.copy_from_slice(bytes);
        Some(id)
    }

    /// Keeps a copy of all parts, one behind the other.
    pub fn store_parts(&mut self, parts: &[&[u8]]) -> Option<BufferId> {
        let (id, mut rest) = self.begin(parts.iter().map(|part| part.len()).sum())?;
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        Some(id)
    }

    /// The bytes as they were stored. A name that was released is a fault.
    pub fn bytes(&self, id: BufferId) -> &[u8] {
        let (chunk, at) = id.class.locate(id.slot);
        let chunk = &self.classes[id.class as usize].chunks[chunk];
        assert_eq!(chunk.generations[at], id.generation, "a buffer is not read after its release");
        &chunk.bytes[at * id.class.bytes()..][..id.len()]
    }

    /// Gives the bytes up. Every name is released once.
    pub fn release(&mut self, id: BufferId) {
        let pool = &mut self.classes[id.class as usize];
        let (chunk, at) = id.class.locate(id.slot);
        let chunk = &mut pool.chunks[chunk];
        assert_eq!(chunk.generations[at], id.generation, "a buffer is released once");
        chunk.generations[at] = id.generation.wrapping_add(1);
        chunk.bytes[at * id.class.bytes()..][..4].copy_from_slice(&pool.free.to_ne_bytes());
        pool.free = id.slot;
        self.live -= 1;
    }

    /// Buffers stored and not released.
    pub fn live_count(&self) -> usize {
        self.live
    }

    /// Bytes of all chunks taken so far.
    pub fn reserved_bytes(&self) -> usize {
        self.classes.iter().map(|pool| pool.chunks.len() * CHUNK_BYTES).sum()
    }

    /// A buffer, and its room for exactly so many bytes.
    fn begin(&mut self, total: usize) -> Option<(BufferId, &mut [u8])> {
        let len = u16::try_from(total).ok()?;
        let class = Class::of(total);
        let slot = self.take(class)?;
        let (chunk, at) = class.locate(slot);
        let chunk = &mut self.classes[class as usize].chunks[chunk];
        let generation = chunk.generations[at];
        self.live += 1;
        Some((BufferId { slot, len, class, generation }, &mut chunk.bytes[at * class.bytes()..][..total]))
    }

    fn take(&mut self, class: Class) -> Option<u32> {
        let pool = &mut self.classes[class as usize];
        if pool.free != NONE {
            let slot = pool.free;
            let (chunk, at) = class.locate(slot);
            let link = &pool.chunks[chunk].bytes[at * class.bytes()..][..4];
            pool.free = u32::from_ne_bytes(link.try_into().expect("four bytes were taken"));
            return Some(slot);
        }
        if pool.begun as usize == pool.chunks.len() * class.per_chunk() {
            self.chunks_left = self.chunks_left.checked_sub(1)?;
            pool.chunks.push(Chunk {
                bytes: vec![0; CHUNK_BYTES].into_boxed_slice(),
                generations: vec![0; class.per_chunk()].into_boxed_slice(),
            });
        }
        pool.begun += 1;
        Some(pool.begun - 1)
    }
}

impl Class {
    const ALL: [Class; CLASS_BYTES.len()] = [
        Class::B128,
        Class::B256,
        Class::B512,
        Class::B1024,
        Class::B2048,
        Class::B4096,
        Class::B16384,
        Class::B65536,
    ];

    /// The smallest that holds `len` bytes, at most 65,536.
    fn of(len: usize) -> Class {
        let index = CLASS_BYTES.iter().position(|&bytes| len <= bytes).expect("the caller bounds the length");
        Class::ALL[index]
    }

    const fn bytes(self) -> usize {
        CLASS_BYTES[self as usize]
    }

    const fn per_chunk(self) -> usize {
        CHUNK_BYTES / self.bytes()
    }

    /// Chunk, and place in it.
    const fn locate(self, slot: u32) -> (usize, usize) {
        (slot as usize / self.per_chunk(), slot as usize % self.per_chunk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_was_given() {
        let mut buffers = Buffers::new(64 << 20);
        let mut kept = Vec::new();
        for len in (0..5_000).step_by(61).chain([127, 128, 129, 4_096, 4_097, 16_385, 65_535]) {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            let (head, tail) = bytes.split_at(len / 3);
            kept.push((buffers.store_parts(&[head, b"", tail]).unwrap(), bytes.clone()));
            kept.push((buffers.store(&bytes).unwrap(), bytes));
        }
        assert_eq!(buffers.live_count(), kept.len());
        for (id, bytes) in &kept {
            assert_eq!(buffers.bytes(*id), bytes);
            assert_eq!((id.len(), id.is_empty()), (bytes.len(), bytes.is_empty()));
        }
        for (id, _) in kept {
            buffers.release(id);
        }
        assert_eq!(buffers.live_count(), 0);
        assert_eq!(buffers.store(&[0; 65_536]), None, "longer than any message");
    }

    #[test]
    fn released_buffers_are_used_again_and_the_limit_holds() {
        let mut buffers = Buffers::new(CHUNK_BYTES);
        let first: Vec<BufferId> = (0..64).map(|n| buffers.store(&[n; 4_000]).unwrap()).collect();
        assert_eq!(buffers.store(&[1; 4_000]), None);
        assert_eq!(buffers.store(&[1; 10]), None, "the one chunk belongs to another class");
        for id in &first {
            buffers.release(*id);
        }
        for n in 0..64 {
            let id = buffers.store(&[n; 4_096]).unwrap();
            assert!(!first.contains(&id));
        }
        assert_eq!(buffers.store(&[1; 4_000]), None);
        assert_eq!((buffers.live_count(), buffers.reserved_bytes()), (64, CHUNK_BYTES));
    }

    #[test]
    #[should_panic(expected = "released once")]
    fn a_second_release_is_a_fault() {
        let mut buffers = Buffers::new(CHUNK_BYTES);
        let id = buffers.store(b"x").unwrap();
        buffers.release(id);
        buffers.release(id);
    }

    #[test]
    #[should_panic(expected = "after its release")]
    fn a_stale_name_is_a_fault() {
        let mut buffers = Buffers::new(CHUNK_BYTES);
        let id = buffers.store(b"x").unwrap();
        buffers.release(id);
        buffers.store(b"y").unwrap();
        buffers.bytes(id);
    }
}
