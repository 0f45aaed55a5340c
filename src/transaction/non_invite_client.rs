//! The non-INVITE client transaction: RFC 3261 §17.1.2.
//!
//! ```text
//!                       request from the TU
//!                       send
//!                           |
//!     E: send again         v
//!                  +----------------+  F: time-out
//!                  |     Trying     |  transport error: tell the TU
//!                  +----------------+----------------------------+
//!         1xx: pass |            | 200-699: pass                 |
//!                   v            |                               |
//!           +----------------+   |                               |
//!           |   Proceeding   |   |  F: time-out                  |
//!           +----------------+   |  transport error: tell the TU |
//!     E: send again |        |   |                               |
//!     200-699: pass |        +---|-------------------------------+
//!                   v            v                               |
//!           +----------------------+                             |
//!           |      Completed       |                             |
//!           +----------------------+                             |
//!                   | K                                          |
//!                   v                                            v
//!                  +----------------------------------------------+
//!                  |                  Terminated                  |
//!                  +----------------------------------------------+
//! ```
//!
//! What a proxy makes of a time-out is silence, not a 408 (RFC 4320 §4.2); that is the TU's part.

use crate::transaction::step::{Effects, Step};
use crate::transaction::timer::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A 1xx arrived.
    Provisional,
    /// A 200 to 699 arrived.
    Final,
    /// The request could not be sent, or the flow that it went by is gone.
    TransportError,
    /// The TU waits no longer.
    Abandoned,
    TimerE,
    TimerF,
    TimerK,
}

/// The first step, made by the TU's request.
pub const fn start(reliable: bool) -> Step<State> {
    let effects = Effects::SEND.arm(Timer::F);
    Step { state: State::Trying, effects: if reliable { effects } else { effects.arm(Timer::E) } }
}

/// The event that a timer is to this machine; `None` for a timer that it never arms.
pub const fn fired(timer: Timer) -> Option<Event> {
    match timer {
        Timer::E => Some(Event::TimerE),
        Timer::F => Some(Event::TimerF),
        Timer::K => Some(Event::TimerK),
        Timer::A
        | Timer::B
        | Timer::D
        | Timer::G
        | Timer::H
        | Timer::I
        | Timer::J
        | Timer::L
        | Timer::M
        | Timer::Trying => None,
    }
}

/// One step. `reliable` is the transport that the request went by.
pub const fn on(state: State, event: Event, reliable: bool) -> Step<State> {
    use Event as E;
    use State::{Completed, Proceeding, Terminated, Trying};
    const LOST: Effects = Effects::TRANSPORT_ERROR.and(Effects::TERMINATE);
    let (state, effects) = match (state, event) {
        (Trying, E::Provisional) => (Proceeding, Effects::PASS),
        (Trying, E::Final) if reliable => (Terminated, Effects::PASS.and(Effects::TERMINATE)),
        (Trying, E::Final) => (Completed, Effects::PASS.arm(Timer::K)),
        (Trying, E::TransportError) => (Terminated, LOST),
        (Trying, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Trying, E::TimerE) => (Trying, Effects::RESEND.arm_longer(Timer::E)),
        (Trying, E::TimerF) => (Terminated, Effects::TIMEOUT.and(Effects::TERMINATE)),
        (Trying, E::TimerK) => (Trying, Effects::NONE),

        (Proceeding, E::Provisional) => (Proceeding, Effects::PASS),
        (Proceeding, E::Final) if reliable => (Terminated, Effects::PASS.and(Effects::TERMINATE)),
        (Proceeding, E::Final) => (Completed, Effects::PASS.arm(Timer::K)),
        (Proceeding, E::TransportError) => (Terminated, LOST),
        (Proceeding, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Proceeding, E::TimerE) => (Proceeding, Effects::RESEND.arm_at_t2(Timer::E)),
        (Proceeding, E::TimerF) => (Terminated, Effects::TIMEOUT.and(Effects::TERMINATE)),
        (Proceeding, E::TimerK) => (Proceeding, Effects::NONE),

        (Completed, E::Provisional | E::Final) => (Completed, Effects::NONE),
        (Completed, E::TransportError | E::Abandoned) => (Completed, Effects::NONE),
        (Completed, E::TimerK) => (Terminated, Effects::TERMINATE),
        (Completed, E::TimerE | E::TimerF) => (Completed, Effects::NONE),

        (Terminated, E::Provisional | E::Final) => (Terminated, Effects::NONE),
        (Terminated, E::TransportError | E::Abandoned) => (Terminated, Effects::NONE),
        (Terminated, E::TimerE | E::TimerF | E::TimerK) => (Terminated, Effects::NONE),
    };
    Step { state, effects }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::step::{assert_matrix, matrix};

    #[test]
    fn the_whole_machine() {
        let states = [State::Trying, State::Proceeding, State::Completed, State::Terminated];
        let events = [
            Event::Provisional,
            Event::Final,
            Event::TransportError,
            Event::Abandoned,
            Event::TimerE,
            Event::TimerF,
            Event::TimerK,
        ];
        assert_matrix(&matrix(&states, &events, on), include_str!("non_invite_client.txt"));
        assert_eq!(start(false).state, State::Trying);
        assert_eq!(start(false).effects.to_string(), "send, arm E, arm F");
        assert_eq!(start(true).effects.to_string(), "send, arm F");
    }

    #[test]
    fn every_timer_that_is_armed_is_an_event() {
        let armed: Vec<Timer> = Timer::ALL.into_iter().filter(|&timer| fired(timer).is_some()).collect();
        assert_eq!(armed, [Timer::E, Timer::F, Timer::K]);
    }
}
