//! What every room of a run needs: the time, the texts, the way out, the timers, the count, the users.

use tine::flow::Address;
use tine::time::{Duration, Instant};

use crate::names::{Name, RunMark};
use crate::sockets::Outgoing;
use crate::tally::Tally;
use crate::template::{Template, Values};
use crate::texts::Texts;
use crate::timers::{Exactness, Owner, TimerKey, Timers};
use crate::user::Endpoints;

/// The state that the rooms of one thread share.
#[derive(Debug)]
pub struct Context {
    /// Of the batch at hand.
    pub now: Instant,
    pub mark: RunMark,
    pub texts: Texts,
    /// `ip:port` of each socket.
    pub locals: Vec<Box<[u8]>>,
    pub target: Address,
    pub outgoing: Outgoing,
    pub timers: Timers,
    pub tally: Tally,
    pub endpoints: Endpoints,
    pub draw: Draw,
}

impl Context {
    /// The values of a message from an endpoint, with everything else empty.
    pub fn values(&self, endpoint: u32, name: Name) -> Values<'static> {
        let contact = self.endpoints.contact_of(endpoint);
        Values {
            mark: self.mark,
            request_uri: b"",
            local: b"",
            branch: name,
            from_user: contact.user,
            from_tag: name,
            to_user: contact.user,
            to_tag: b"",
            call_id: name,
            cseq: 1,
            contact,
            expires_s: 0,
            routes: b"",
        }
    }

    /// Sends a request by the socket of an endpoint.
    pub fn send(
        &mut self,
        endpoint: u32,
        remote: Address,
        which: impl Fn(&Texts) -> &Template,
        values: &Values<'_>,
    ) {
        let socket = self.endpoints.at(endpoint).socket;
        let values = Values { local: &self.locals[socket as usize], ..*values };
        which(&self.texts).emit(&values, self.outgoing.open());
        self.outgoing.close(socket, remote);
    }

    /// Arms a timer of the protocol.
    pub fn arm(&mut self, length: Duration, name: Name, owner: Owner, step: u16) {
        let key = TimerKey { slot: name.slot, generation: name.generation, owner, step };
        self.timers.arm(self.now, length, Exactness::Coarse, key);
    }

    /// Arms a timer from whose end a latency counts.
    pub fn arm_exact(&mut self, length: Duration, name: Name, owner: Owner, step: u16) {
        let key = TimerKey { slot: name.slot, generation: name.generation, owner, step };
        self.timers.arm(self.now, length, Exactness::Exact, key);
    }
}

/// Numbers that are drawn: which device answers. SplitMix64, seeded for each run.
#[derive(Debug)]
pub struct Draw(pub u64);

impl Draw {
    /// A number below `count`.
    pub fn below(&mut self, count: u8) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (((mixed >> 32) * u64::from(count)) >> 32) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_reach_every_number_and_none_beyond() {
        let mut draw = Draw(1);
        let mut counts = [0_u32; 3];
        for _ in 0..3_000 {
            counts[usize::from(draw.below(3))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
