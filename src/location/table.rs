//! The bindings of one shard.

use crate::location::records::{NONE, Records, TEXT_BYTES_MAX};
use crate::location::{Aor, Binding, BindingId, Change, Event, Refusal, Removal};
use crate::storage::index::Index;
use crate::time::wheel::Wheel;
use crate::time::{Duration, Instant};

/// Entries of the wheel for one slot. A device that shortens its expiry again and again gets no more than these; past them its expiry is
/// noticed late by the wheel, though never by a look-up.
const WHEEL_ENTRIES_MAX: u8 = 3;

/// What bounds a table.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bindings of this shard. Each costs 112 bytes, its text, and 31 to 43 bytes of index and wheel: about 290 in all.
    pub bindings_max: u32,
    /// Bindings of one AOR, 1 to 100.
    pub bindings_per_aor_max: u32,
    /// A binding too many of one AOR takes the place of the one refreshed longest ago, instead of being refused.
    pub replaces_oldest: bool,
}

/// AOR → bindings. Look-up by hash and text; a list per AOR, the binding refreshed last in front.
#[derive(Debug)]
pub struct Table {
    options: Options,
    /// From the hash of an AOR to the first of its bindings.
    index: Index,
    records: Records,
    wheel: Wheel<u32>,
    len: u32,
    /// Slots taken for the changes under way; kept for its memory.
    taken: Vec<u32>,
}

impl Table {
    pub fn new(now: Instant, options: Options) -> Self {
        // Text of half a kilobyte for each on average, and room for one of the longest.
        let text_bytes_max = options.bindings_max as usize * 512 + TEXT_BYTES_MAX;
        Table {
            options,
            index: Index::new(options.bindings_max),
            records: Records::new(text_bytes_max),
            wheel: Wheel::new(
                now,
                Duration::from_secs(1),
                options.bindings_max.saturating_mul(2).saturating_add(64),
            ),
            len: 0,
            taken: Vec::new(),
        }
    }

    /// Bindings in the table, those included whose end the wheel has not come to yet.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// AORs that have bindings.
    pub fn aor_count(&self) -> u32 {
        self.index.len()
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// New limits. What is over them stays until it expires.
    pub fn set_per_aor(&mut self, bindings_per_aor_max: u32, replaces_oldest: bool) {
        self.options.bindings_per_aor_max = bindings_per_aor_max;
        self.options.replaces_oldest = replaces_oldest;
    }

    /// The live bindings of an AOR, the one refreshed last first. `hash` is `aor.hash(key)`, with the same key in every call.
    pub fn bindings(
        &self,
        now: Instant,
        hash: u64,
        aor: Aor<'_>,
    ) -> impl Iterator<Item = (BindingId, Binding<'_>)> {
        self.chain(self.head(hash, aor).unwrap_or(NONE))
            .filter(move |&id| self.records.record(id).expires > now)
            .map(|id| (BindingId(id), self.records.binding(id)))
    }

    /// The binding of that name, while nothing was changed since.
    pub fn binding(&self, id: BindingId) -> Binding<'_> {
        self.records.binding(id.0)
    }

    /// Makes all changes of one REGISTER, in their order, or none. Names in `changes` come from `bindings` with the same `now`, each at most once; every
    /// new binding is of this AOR. Expired bindings of the AOR go first.
    pub fn apply(
        &mut self,
        now: Instant,
        hash: u64,
        aor: Aor<'_>,
        changes: &[Change<'_>],
        listener: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Refusal> {
        let head = self.expire_aor(now, hash, aor, listener);
        if let [Change::Refresh(id, binding)] = changes
            && head == id.0
            && self.refresh_head(id.0, aor, binding, listener)
        {
            return Ok(());
        }
        let evicted_count = self.admit(hash, aor, changes)?;
        let mut taken = core::mem::take(&mut self.taken);
        let is_taken = self.take_slots(changes, &mut taken);
        if is_taken {
            for change in changes {
                if let Change::Remove(id) = change {
                    self.remove(id.0, Removal::Unregistered, listener);
                }
            }
            for _ in 0..evicted_count {
                self.remove_oldest(hash, aor, changes, listener);
            }
            let mut slots = taken.iter().copied();
            for change in changes {
                let slot =
                    if matches!(change, Change::Remove(_)) { NONE } else { slots.next().unwrap_or(NONE) };
                self.put(hash, change, slot, listener);
            }
        } else {
            taken.iter().filter(|&&slot| slot != NONE).for_each(|&slot| self.records.release(slot));
        }
        taken.clear();
        self.taken = taken;
        if is_taken { Ok(()) } else { Err(Refusal::TableFull) }
    }

    /// Takes in a binding that was made elsewhere, or before a restart, as an event told it: adds it, or replaces that of the same device.
    /// Nothing is told to anyone, not even what of the AOR has expired: rows elsewhere carry their own end.
    pub fn restore(&mut self, now: Instant, hash: u64, binding: &Binding<'_>) -> Result<(), Refusal> {
        if !binding.is_live(now) {
            return Ok(());
        }
        let known = self.find_device(now, hash, binding);
        let change = known.map_or(Change::Add(*binding), |id| Change::Refresh(id, *binding));
        self.apply(now, hash, binding.aor, &[change], &mut |_| {})
    }

    /// Removes a binding that was removed elsewhere, as an event told it. Nothing is told to anyone.
    pub fn restore_removal(&mut self, now: Instant, hash: u64, binding: &Binding<'_>) {
        if let Some(id) = self.find_device(now, hash, binding) {
            self.remove(id.0, Removal::Unregistered, &mut |_| {});
        }
    }

    /// Removes one binding whose time is over and tells it; false when there is none left. The caller bounds how many it asks for at once.
    pub fn expire_one(&mut self, now: Instant, listener: &mut impl FnMut(Event<'_>)) -> bool {
        while let Some((deadline, id)) = self.wheel.pop_due_entry(now) {
            let record = self.records.record_mut(id);
            record.wheel_entries -= 1;
            if u64::from(record.armed_s) != deadline.unix_s() {
                continue;
            }
            record.armed_s = 0;
            if !record.is_used {
                continue;
            }
            if record.expires <= now {
                self.remove(id, Removal::Expired, listener);
                return true;
            }
            self.arm(id);
        }
        false
    }

    /// When `expire_one` has something to do next, to the second.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Live bindings of all AORs, in pages: begins with `start` (0 at first); the next page begins with the returned number of its last
    /// binding, plus 1. Bindings that are there throughout come once; those that move or come meanwhile may be missed, or come twice.
    pub fn page(&self, now: Instant, start: u32) -> impl Iterator<Item = (u32, Binding<'_>)> {
        self.records
            .used_from(start)
            .filter(move |&id| self.records.record(id).expires > now)
            .map(|id| (id, self.records.binding(id)))
    }

    /// Asserts what must hold between records, index and wheel. For tests: looks at everything.
    pub fn invariants(&self) {
        self.index.invariants();
        self.wheel.invariants();
        let mut heads = 0;
        let mut chained = 0;
        let mut entries = 0;
        for id in self.records.used_from(0) {
            let record = self.records.record(id);
            let binding = self.records.binding(id);
            assert!(binding.has_valid_spans());
            assert!(record.armed_s > 0 && record.wheel_entries > 0, "a binding has an entry in the wheel");
            entries += u32::from(record.wheel_entries);
            let head = self.head(record.aor_hash, binding.aor).expect("the AOR of a binding is in the index");
            assert_eq!(
                self.chain(head).filter(|&other| other == id).count(),
                1,
                "a binding is once in its list"
            );
            if head == id {
                heads += 1;
                chained += self.chain(head).count() as u32;
            }
        }
        assert_eq!((heads, chained), (self.index.len(), self.len));
        assert_eq!(self.records.free_count() + self.len as usize, self.records.slot_count());
        assert!(entries <= self.wheel.len());
        assert!(self.len <= self.options.bindings_max);
    }

    /// How many old bindings have to give way; or why the changes can not be made.
    fn admit(&self, hash: u64, aor: Aor<'_>, changes: &[Change<'_>]) -> Result<u32, Refusal> {
        let (mut adds, mut refreshes, mut removes) = (0, 0, 0);
        for change in changes {
            match change {
                Change::Add(_) => adds += 1,
                Change::Refresh(..) => refreshes += 1,
                Change::Remove(_) => removes += 1,
            }
            if let Change::Add(binding) | Change::Refresh(_, binding) = change {
                assert!(
                    binding.aor == aor && binding.has_valid_spans(),
                    "a change is of the AOR that it is for"
                );
                if binding.text_len() > TEXT_BYTES_MAX {
                    return Err(Refusal::TooLong);
                }
            }
        }
        if adds == 0 {
            return Ok(0);
        }
        let known = self.chain(self.head(hash, aor).unwrap_or(NONE)).count() as u32;
        let after = known - removes + adds;
        let evicted_count = after.saturating_sub(self.options.bindings_per_aor_max);
        let may_evict = self.options.replaces_oldest && adds + refreshes <= self.options.bindings_per_aor_max;
        if evicted_count > 0 && !may_evict {
            return Err(Refusal::AorFull);
        }
        if self.len - removes - evicted_count + adds > self.options.bindings_max {
            return Err(Refusal::TableFull);
        }
        Ok(evicted_count)
    }

    /// Takes a slot for each change that needs one, `NONE` for each that stays where it is. False when there are not enough.
    fn take_slots(&mut self, changes: &[Change<'_>], taken: &mut Vec<u32>) -> bool {
        // Each slot may want one more entry in the wheel.
        let wheel_left = wheel_entries_max(&self.options) - self.wheel.len();
        if changes.len() > wheel_left as usize {
            return false;
        }
        for change in changes {
            let slot = match change {
                Change::Remove(_) => continue,
                Change::Refresh(id, binding) if Records::fits(id.0, binding.text_len()) => Some(NONE),
                Change::Add(binding) | Change::Refresh(_, binding) => self.records.take(binding.text_len()),
            };
            let Some(slot) = slot else { return false };
            taken.push(slot);
        }
        true
    }

    /// Makes one change that `admit` and `take_slots` have seen; `slot` is what was taken for it.
    fn put(&mut self, hash: u64, change: &Change<'_>, slot: u32, listener: &mut impl FnMut(Event<'_>)) {
        match change {
            Change::Remove(_) => {}
            Change::Add(binding) => {
                self.records.store(slot, hash, binding);
                self.link(hash, binding.aor, slot);
                self.len += 1;
                self.arm(slot);
                listener(Event::Added(self.records.binding(slot)));
            }
            Change::Refresh(id, binding) if slot == NONE => {
                if !self.records.refresh_in_place(id.0, binding) {
                    self.records.store(id.0, hash, binding);
                }
                if self.head(hash, binding.aor) != Some(id.0) {
                    self.unlink(hash, binding.aor, id.0);
                    self.link(hash, binding.aor, id.0);
                }
                self.arm(id.0);
                listener(Event::Refreshed(self.records.binding(id.0)));
            }
            Change::Refresh(id, binding) => {
                self.unlink(hash, binding.aor, id.0);
                self.records.release(id.0);
                self.records.store(slot, hash, binding);
                self.link(hash, binding.aor, slot);
                self.arm(slot);
                listener(Event::Refreshed(self.records.binding(slot)));
            }
        }
    }

    /// Sees to it that the wheel comes to this slot when its binding expires. A later entry is left alone and arms itself again when it fires.
    fn arm(&mut self, id: u32) {
        let record = self.records.record_mut(id);
        let expires_s = u32::try_from(record.expires.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let is_armed = record.armed_s != 0 && record.armed_s <= expires_s;
        if is_armed || record.wheel_entries >= WHEEL_ENTRIES_MAX {
            return;
        }
        record.armed_s = expires_s;
        record.wheel_entries += 1;
        let deadline = Instant::from_micros(u64::from(expires_s) * 1_000_000);
        assert!(self.wheel.arm(deadline, id), "room in the wheel was looked for first");
    }

    fn remove(&mut self, id: u32, reason: Removal, listener: &mut impl FnMut(Event<'_>)) {
        let binding = self.records.binding(id);
        let hash = self.records.record(id).aor_hash;
        listener(Event::Removed(binding, reason));
        let head = self.head(hash, binding.aor).expect("the AOR of a binding is in the index");
        self.unlink_from(hash, head, id);
        self.records.release(id);
        self.len -= 1;
    }

    /// Removes the last of the list that no change names.
    fn remove_oldest(
        &mut self,
        hash: u64,
        aor: Aor<'_>,
        changes: &[Change<'_>],
        listener: &mut impl FnMut(Event<'_>),
    ) {
        let is_named =
            |id| changes.iter().any(|change| matches!(change, Change::Refresh(named, _) if named.0 == id));
        let head = self.head(hash, aor).unwrap_or(NONE);
        if let Some(oldest) = self.chain(head).filter(|&id| !is_named(id)).last() {
            self.remove(oldest, Removal::Replaced, listener);
        }
    }

    /// Removes what has expired; returns the first binding that is left, or `NONE`.
    fn expire_aor(
        &mut self,
        now: Instant,
        hash: u64,
        aor: Aor<'_>,
        listener: &mut impl FnMut(Event<'_>),
    ) -> u32 {
        let mut first = NONE;
        let mut id = self.head(hash, aor).unwrap_or(NONE);
        while id != NONE {
            let record = self.records.record(id);
            let next = record.next;
            if record.expires <= now {
                self.remove(id, Removal::Expired, listener);
            } else if first == NONE {
                first = id;
            }
            id = next;
        }
        first
    }

    /// Refreshes the first binding of an AOR where neither its text nor the list changes, as nearly every REGISTER does; false, and nothing done, where
    /// they do, or where the wheel may be full.
    fn refresh_head(
        &mut self,
        id: u32,
        aor: Aor<'_>,
        binding: &Binding<'_>,
        listener: &mut impl FnMut(Event<'_>),
    ) -> bool {
        assert!(binding.aor == aor && binding.has_valid_spans(), "a change is of the AOR that it is for");
        if self.wheel.len() >= wheel_entries_max(&self.options) || !self.records.refresh_in_place(id, binding)
        {
            return false;
        }
        self.arm(id);
        listener(Event::Refreshed(self.records.binding(id)));
        true
    }

    fn find_device(&self, now: Instant, hash: u64, binding: &Binding<'_>) -> Option<BindingId> {
        let mut known = self.bindings(now, hash, binding.aor);
        known.find(|(_, other)| crate::location::identity::is_same_device(other, binding)).map(|(id, _)| id)
    }

    /// The first binding of the AOR.
    fn head(&self, hash: u64, aor: Aor<'_>) -> Option<u32> {
        self.index
            .find(hash, |id| self.records.record(id).aor_hash == hash && self.records.aor(id) == aor.text())
    }

    /// This binding and those behind it. Bounded by `bindings_per_aor_max`.
    fn chain(&self, head: u32) -> impl Iterator<Item = u32> {
        let mut next = head;
        core::iter::from_fn(move || {
            let id = next;
            (id != NONE).then(|| {
                next = self.records.record(id).next;
                id
            })
        })
    }

    /// Puts a slot into the AOR's list, before those refreshed earlier or at the same time: in front, but for what is restored out of order.
    fn link(&mut self, hash: u64, aor: Aor<'_>, id: u32) {
        let head = self.index.find(hash, |other| {
            other != id
                && self.records.record(other).aor_hash == hash
                && self.records.aor(other) == aor.text()
        });
        match head {
            Some(head) => {
                let refreshed_s = self.records.record(id).refreshed_s;
                let newer = self
                    .chain(head)
                    .take_while(|&other| self.records.record(other).refreshed_s > refreshed_s);
                match newer.last() {
                    Some(before) => {
                        self.records.record_mut(id).next = self.records.record(before).next;
                        self.records.record_mut(before).next = id;
                    }
                    None => {
                        self.records.record_mut(id).next = head;
                        assert!(self.index.replace(hash, head, id), "the head was found in the index");
                    }
                }
            }
            None => {
                self.records.record_mut(id).next = NONE;
                assert!(self.index.insert(hash, id), "the index holds as many AORs as there may be bindings");
            }
        }
    }

    fn unlink(&mut self, hash: u64, aor: Aor<'_>, id: u32) {
        let head = self.head(hash, aor).expect("the AOR of a binding is in the index");
        self.unlink_from(hash, head, id);
    }

    fn unlink_from(&mut self, hash: u64, head: u32, id: u32) {
        let next = self.records.record(id).next;
        if head == id {
            let is_known =
                if next == NONE { self.index.remove(hash, id) } else { self.index.replace(hash, id, next) };
            assert!(is_known, "the head was found in the index");
            return;
        }
        let before = self.chain(head).find(|&other| self.records.record(other).next == id);
        let before = before.expect("a binding is in the list of its AOR");
        self.records.record_mut(before).next = next;
    }
}

/// Those of all bindings, and as many again of slots that are free by now.
fn wheel_entries_max(options: &Options) -> u32 {
    options
        .bindings_max
        .saturating_mul(2 * u32::from(WHEEL_ENTRIES_MAX))
        .saturating_add(100)
        .min(u32::MAX - 1)
}

#[cfg(test)]
mod tests;
