//! The memory of the bindings: fixed records, and their text in slots of 32 sizes.
//!
//! A binding's number says its size class and its place there, so the record and its text are both found by arithmetic, and both
//! are fetched from memory at once. A slot whose binding is gone keeps what the expiry wheel still knows about it (`armed_s`, `wheel_entries`).

use core::net::{IpAddr, Ipv4Addr};

use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId, ShardId};
use crate::limits::SHARDS_MAX;
use crate::location::{Aor, Binding, Span};
use crate::storage::chunks::{CHUNK_LEN, Chunks};
use crate::time::Instant;

/// Text of one binding: AOR, Contact value, Call-ID, Path values. Longer is refused; the longest that phones send are below 1 KiB.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// Bytes of text that a slot of each class holds. Rounding up costs 8 bytes on average for ordinary bindings.
const CLASS_BYTES: [usize; 32] = [
    64,
    80,
    96,
    112,
    128,
    144,
    160,
    176,
    192,
    208,
    224,
    240,
    256,
    272,
    288,
    304,
    320,
    336,
    352,
    368,
    384,
    400,
    448,
    512,
    576,
    640,
    768,
    1_024,
    1_536,
    2_048,
    3_072,
    TEXT_BYTES_MAX,
];
const CLASS_SHIFT: u32 = 27;
const NUMBER_MAX: u32 = (1 << CLASS_SHIFT) - 1;
pub(super) const NONE: u32 = u32::MAX;
/// No shard has this number.
const NO_CONNECTION: u8 = SHARDS_MAX as u8;

const _: () = assert!(CLASS_BYTES.len() << CLASS_SHIFT == 1 << 32);
const _: () = assert!(size_of::<Record>() <= 112, "a million bindings pay for each byte");

/// Names a binding of one table as long as no change removes or moves it: within one call of policy, no longer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BindingId(pub(super) u32);

/// What is kept of a binding beside its text.
#[derive(Debug)]
pub(super) struct Record {
    pub aor_hash: u64,
    branch_hash: u64,
    pub expires: Instant,
    remote: Address,
    connection_slot: u32,
    connection_generation: u32,
    /// The next binding of the AOR, or the next free slot.
    pub next: u32,
    /// Second of Unix time at which the earliest entry of the wheel for this slot fires; 0 when it has none.
    pub armed_s: u32,
    pub refreshed_s: u32,
    cseq: u32,
    reg_id: u32,
    aor_len: u16,
    contact_len: u16,
    call_id_len: u16,
    path_len: u16,
    uri: Span,
    instance: Span,
    expires_param: Span,
    q: u16,
    node: u16,
    endpoint: EndpointId,
    /// Of the connection; `NO_CONNECTION` for UDP.
    connection_shard: u8,
    /// Entries of the wheel that name this slot, stale ones included.
    pub wheel_entries: u8,
    pub is_used: bool,
    rings_by_flow: bool,
}

#[derive(Debug)]
pub(super) struct Records {
    classes: Vec<ClassRecords>,
    /// Bytes of text that slots never used before may still take.
    text_bytes_left: usize,
}

#[derive(Debug)]
struct ClassRecords {
    records: Chunks<Record>,
    texts: Vec<Box<[u8]>>,
    free: u32,
}

impl Records {
    pub fn new(text_bytes_max: usize) -> Self {
        let class = |bytes: usize| ClassRecords {
            records: Chunks::new((text_bytes_max / bytes).min(NUMBER_MAX as usize - 1) as u32),
            texts: Vec::new(),
            free: NONE,
        };
        Records { classes: CLASS_BYTES.map(class).into(), text_bytes_left: text_bytes_max }
    }

    pub fn record(&self, id: u32) -> &Record {
        &self.classes[class_of(id)].records[number_of(id)]
    }

    pub fn record_mut(&mut self, id: u32) -> &mut Record {
        &mut self.classes[class_of(id)].records[number_of(id)]
    }

    /// The AOR alone: what a look-up compares.
    pub fn aor(&self, id: u32) -> &[u8] {
        &self.text(id)[..self.record(id).aor_len as usize]
    }

    pub fn binding(&self, id: u32) -> Binding<'_> {
        let record = self.record(id);
        let (aor, rest) = self.text(id).split_at(record.aor_len as usize);
        let (contact, rest) = rest.split_at(record.contact_len as usize);
        let (call_id, rest) = rest.split_at(record.call_id_len as usize);
        Binding {
            aor: Aor::new(aor),
            contact,
            uri: record.uri,
            expires_param: record.expires_param,
            q: record.q,
            instance: record.instance,
            reg_id: record.reg_id,
            call_id,
            cseq: record.cseq,
            branch_hash: record.branch_hash,
            flow: record.flow(),
            rings_by_flow: record.rings_by_flow,
            path: &rest[..record.path_len as usize],
            expires: record.expires,
            refreshed_s: record.refreshed_s,
            node: record.node,
        }
    }

    /// A slot for this much text, not used yet; `None` at the limit. The caller stores a binding there or releases it.
    pub fn take(&mut self, text_len: usize) -> Option<u32> {
        let class = class_for(text_len);
        let bytes = CLASS_BYTES[class];
        let slots = &mut self.classes[class];
        if slots.free != NONE {
            let id = slots.free;
            let record = &mut slots.records[number_of(id)];
            slots.free = record.next;
            record.next = NONE;
            return Some(id);
        }
        if self.text_bytes_left < bytes {
            return None;
        }
        let number = slots.records.push(Record::UNUSED)?;
        if (number as usize).is_multiple_of(CHUNK_LEN) {
            slots.texts.push(vec![0; CHUNK_LEN * bytes].into_boxed_slice());
        }
        self.text_bytes_left -= bytes;
        Some((class as u32) << CLASS_SHIFT | number)
    }

    /// Gives a slot back. What the wheel knows of it stays.
    pub fn release(&mut self, id: u32) {
        let slots = &mut self.classes[class_of(id)];
        let record = &mut slots.records[number_of(id)];
        record.is_used = false;
        record.next = slots.free;
        slots.free = id;
    }

    /// True when this slot is of the class for so much text.
    pub fn fits(id: u32, text_len: usize) -> bool {
        class_of(id) == class_for(text_len)
    }

    /// Writes all of a binding but its links.
    pub fn store(&mut self, id: u32, aor_hash: u64, binding: &Binding<'_>) {
        let mut rest = self.text_mut(id);
        for part in [binding.aor.text(), binding.contact, binding.call_id, binding.path] {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        let record = self.record_mut(id);
        record.aor_hash = aor_hash;
        record.is_used = true;
        record.aor_len = binding.aor.text().len() as u16;
        record.contact_len = binding.contact.len() as u16;
        record.call_id_len = binding.call_id.len() as u16;
        record.path_len = binding.path.len() as u16;
        record.uri = binding.uri;
        record.instance = binding.instance;
        record.expires_param = binding.expires_param;
        record.refresh(binding);
    }

    /// Writes what a refresh changes when the text stays as it is; false, and nothing written, when the text differs.
    pub fn refresh_in_place(&mut self, id: u32, binding: &Binding<'_>) -> bool {
        let old = self.binding(id);
        let is_same_text =
            old.contact == binding.contact && old.call_id == binding.call_id && old.path == binding.path;
        if is_same_text {
            self.record_mut(id).refresh(binding);
        }
        is_same_text
    }

    /// Numbers of the bindings from this one on, in no order that means anything, free slots left out.
    pub fn used_from(&self, start: u32) -> impl Iterator<Item = u32> {
        (class_of(start)..CLASS_BYTES.len()).flat_map(move |class| {
            let first = if class == class_of(start) { number_of(start) } else { 0 };
            let records = &self.classes[class].records;
            (first..records.len())
                .filter(move |&number| records[number].is_used)
                .map(move |number| (class as u32) << CLASS_SHIFT | number)
        })
    }

    /// Slots that hold no binding, found by their lists. For tests.
    pub fn free_count(&self) -> usize {
        let mut count = 0;
        for class in &self.classes {
            let mut id = class.free;
            while id != NONE {
                let record = self.record(id);
                assert!(!record.is_used, "a used slot is in a free list");
                count += 1;
                id = record.next;
            }
        }
        count
    }

    /// Slots ever begun.
    pub fn slot_count(&self) -> usize {
        self.classes.iter().map(|class| class.records.len() as usize).sum()
    }

    fn text(&self, id: u32) -> &[u8] {
        let (class, number) = (class_of(id), number_of(id) as usize);
        &self.classes[class].texts[number / CHUNK_LEN][number % CHUNK_LEN * CLASS_BYTES[class]..]
            [..CLASS_BYTES[class]]
    }

    fn text_mut(&mut self, id: u32) -> &mut [u8] {
        let (class, number) = (class_of(id), number_of(id) as usize);
        &mut self.classes[class].texts[number / CHUNK_LEN][number % CHUNK_LEN * CLASS_BYTES[class]..]
            [..CLASS_BYTES[class]]
    }
}

impl Record {
    const UNUSED: Record = Record {
        aor_hash: 0,
        branch_hash: 0,
        expires: Instant::NEVER,
        remote: Address::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        connection_slot: 0,
        connection_generation: 0,
        next: NONE,
        armed_s: 0,
        refreshed_s: 0,
        cseq: 0,
        reg_id: 0,
        aor_len: 0,
        contact_len: 0,
        call_id_len: 0,
        path_len: 0,
        uri: Span { start: 0, len: 0 },
        instance: Span { start: 0, len: 0 },
        expires_param: Span { start: 0, len: 0 },
        q: 0,
        node: 0,
        endpoint: EndpointId(0),
        connection_shard: NO_CONNECTION,
        wheel_entries: 0,
        is_used: false,
        rings_by_flow: false,
    };

    fn flow(&self) -> Flow {
        let connection = (self.connection_shard != NO_CONNECTION).then_some(ConnectionId {
            slot: self.connection_slot,
            generation: self.connection_generation,
            shard: ShardId(self.connection_shard),
        });
        Flow { remote: self.remote, endpoint: self.endpoint, connection }
    }

    fn refresh(&mut self, binding: &Binding<'_>) {
        self.branch_hash = binding.branch_hash;
        self.expires = binding.expires;
        self.remote = binding.flow.remote;
        self.endpoint = binding.flow.endpoint;
        self.connection_shard = NO_CONNECTION;
        if let Some(connection) = binding.flow.connection {
            self.connection_slot = connection.slot;
            self.connection_generation = connection.generation;
            self.connection_shard = connection.shard.0;
        }
        self.refreshed_s = binding.refreshed_s;
        self.cseq = binding.cseq;
        self.reg_id = binding.reg_id;
        self.q = binding.q;
        self.node = binding.node;
        self.rings_by_flow = binding.rings_by_flow;
    }
}

const fn class_of(id: u32) -> usize {
    (id >> CLASS_SHIFT) as usize
}

const fn number_of(id: u32) -> u32 {
    id & NUMBER_MAX
}

/// The smallest class that holds `text_len` bytes, at most `TEXT_BYTES_MAX`.
fn class_for(text_len: usize) -> usize {
    assert!(text_len <= TEXT_BYTES_MAX, "the table refuses longer text");
    CLASS_BYTES.partition_point(|&bytes| bytes < text_len)
}
