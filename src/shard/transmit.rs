//! Out of the shard: bytes for a flow, to the shell here or, for a connection that another shard holds, over the mesh.

use crate::flow::Flow;
use crate::ids::{ShardId, TransactionId};
use crate::shard::Shard;
use crate::shard::counters::Counter;
use crate::shard::outbox::{Outbox, ShardMessage, Transmit};
use crate::storage::buffers::BufferId;

/// Vectors of handoffs that are kept for reuse; more than one batch seldom needs.
const POOL_MAX: usize = 256;

impl Shard {
    /// Sends what was appended to `outbox.bytes` from `start` on. `origin` is told when it can not be sent.
    pub(super) fn dispatch(
        &mut self,
        flow: Flow,
        start: usize,
        origin: Option<TransactionId>,
        outbox: &mut Outbox,
    ) {
        let len = outbox.bytes.len() - start;
        match flow.connection {
            Some(connection) if connection.shard != self.options.shard => {
                let mut bytes = self.take_vector();
                bytes.extend_from_slice(&outbox.bytes[start..]);
                outbox.bytes.truncate(start);
                outbox.handoffs.push((connection.shard, ShardMessage::Write { flow, bytes, origin }));
            }
            _ => outbox.transmits.push(Transmit { flow, start: start as u32, len: len as u32, origin }),
        }
        self.counters.add(Counter::MessagesSent);
    }

    /// Sends bytes that are kept.
    pub(super) fn resend(&mut self, id: TransactionId, outbox: &mut Outbox) {
        let Some(record) = self.transactions.record(id) else { return };
        let Some(kept) = record.kept else { return };
        let flow = record.flow;
        let start = outbox.bytes.len();
        outbox.bytes.extend_from_slice(self.buffers.bytes(kept));
        self.counters.add(Counter::Retransmissions);
        self.dispatch(flow, start, Some(id), outbox);
    }

    /// Puts what was appended to `outbox.bytes` from `start` on in the place of what the transaction kept. Without room nothing is kept, and
    /// nothing can be sent again: as if the network had lost it. False then.
    pub(super) fn keep(&mut self, id: TransactionId, start: usize, outbox: &Outbox) -> bool {
        let kept = self.buffers.store(&outbox.bytes[start..]);
        if kept.is_none() {
            self.counters.add(Counter::KeptBytesFull);
        }
        self.replace_kept(id, kept);
        kept.is_some()
    }

    pub(super) fn replace_kept(&mut self, id: TransactionId, kept: Option<BufferId>) {
        let Some(record) = self.transactions.record_mut(id) else {
            if let Some(kept) = kept {
                self.buffers.release(kept);
            }
            return;
        };
        let before = core::mem::replace(&mut record.kept, kept);
        if let Some(before) = before {
            self.buffers.release(before);
        }
    }

    /// Gives a message to the shard that owns it, with one copy.
    pub(super) fn hand_off(&mut self, owner: ShardId, flow: Flow, message: &[u8], outbox: &mut Outbox) {
        let mut bytes = self.take_vector();
        bytes.extend_from_slice(message);
        outbox.handoffs.push((owner, ShardMessage::Message { flow, bytes }));
        self.counters.add(Counter::HandedOff);
    }

    /// An empty vector, with the memory of one that came with an earlier handoff if there is one.
    fn take_vector(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_default()
    }

    pub(super) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.pool.len() < POOL_MAX {
            bytes.clear();
            self.pool.push(bytes);
        }
    }
}
