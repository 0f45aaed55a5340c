//! The connections that this shard opened, found by where they lead and, when one ends, by its name.

use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId};
use crate::limits::OPENED_MAX;
use crate::storage::hash::HashKey;
use crate::storage::index::Index;
use crate::storage::table::Table as Slots;

/// At most `limits::OPENED_MAX`; past it a connection is used by the request that asked for it, and not found again.
pub(super) struct OpenedTable {
    flows: Slots<Flow>,
    by_remote: Index,
    by_connection: Index,
    hash: HashKey,
}

impl OpenedTable {
    pub(super) fn new(hash: HashKey) -> Self {
        OpenedTable {
            flows: Slots::new(OPENED_MAX),
            by_remote: Index::new(OPENED_MAX),
            by_connection: Index::new(OPENED_MAX),
            hash,
        }
    }

    /// Takes note of a connection that is open.
    pub(super) fn insert(&mut self, flow: Flow) {
        let Some(connection) = flow.connection else { return };
        let Some((slot, _)) = self.flows.insert(flow) else { return };
        let is_indexed = self.by_remote.insert(self.remote_hash(flow.endpoint, flow.remote), slot)
            && self.by_connection.insert(self.connection_hash(connection), slot);
        assert!(is_indexed, "the indexes have room for as many as the table");
    }

    /// A connection from that endpoint to `remote`.
    pub(super) fn find(&self, endpoint: EndpointId, remote: Address) -> Option<Flow> {
        let at = |slot| self.flows.at(slot).map(|(_, flow)| *flow);
        let slot = self.by_remote.find(self.remote_hash(endpoint, remote), |slot| {
            at(slot).is_some_and(|flow| flow.endpoint == endpoint && flow.remote == remote)
        })?;
        at(slot)
    }

    /// The connection has ended; nothing happens when it is none of these.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        let hash = self.connection_hash(connection);
        let found = self.by_connection.find(hash, |slot| {
            self.flows.at(slot).is_some_and(|(_, flow)| flow.connection == Some(connection))
        });
        let Some((slot, (generation, flow))) = found.and_then(|slot| Some((slot, self.flows.at(slot)?)))
        else {
            return;
        };
        self.by_remote.remove(self.remote_hash(flow.endpoint, flow.remote), slot);
        self.by_connection.remove(hash, slot);
        self.flows.remove(slot, generation);
    }

    /// Panics when table and indexes contradict each other. For tests and simulation.
    pub(super) fn invariants(&self) {
        self.flows.invariants();
        assert_eq!(self.by_remote.len(), self.flows.len(), "each is indexed by its remote");
        assert_eq!(self.by_connection.len(), self.flows.len(), "each is indexed by its name");
    }

    fn remote_hash(&self, endpoint: EndpointId, remote: Address) -> u64 {
        let (port, endpoint) = (remote.port().to_be_bytes(), endpoint.0.to_be_bytes());
        self.hash.hash_parts(&[&remote.octets(), &port, &endpoint])
    }

    fn connection_hash(&self, connection: ConnectionId) -> u64 {
        let ConnectionId { slot, generation, shard } = connection;
        self.hash.hash_parts(&[&slot.to_be_bytes(), &generation.to_be_bytes(), &[shard.0]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardId;

    #[test]
    fn is_found_by_where_it_leads_until_it_ends() {
        let mut opened = OpenedTable::new(HashKey::new([1, 2, 3, 4]));
        let remote = |host| Address::new([10, 0, 0, host].into(), 5060);
        let name = |slot| ConnectionId { slot, generation: 1, shard: ShardId(2) };
        let flow =
            |host, slot| Flow { remote: remote(host), endpoint: EndpointId(3), connection: Some(name(slot)) };
        for (host, slot) in [(1, 10), (2, 20), (1, 11)] {
            opened.insert(flow(host, slot));
        }
        opened.insert(Flow::udp(EndpointId(3), remote(9)));
        opened.invariants();
        assert_eq!(opened.find(EndpointId(3), remote(2)), Some(flow(2, 20)));
        assert_eq!(opened.find(EndpointId(4), remote(2)), None);
        assert_eq!(opened.find(EndpointId(3), remote(9)), None, "no stream");
        // Two lead to the same place: the other one is left.
        opened.remove(name(10));
        opened.remove(name(99));
        assert_eq!(opened.find(EndpointId(3), remote(1)), Some(flow(1, 11)));
        opened.remove(name(11));
        assert_eq!(opened.find(EndpointId(3), remote(1)), None);
        opened.invariants();
    }
}
