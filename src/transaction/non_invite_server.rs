//! The non-INVITE server transaction: RFC 3261 §17.2.2 with RFC 4320.
//!
//! ```text
//!                        request
//!                        pass to the TU
//!                           |
//!                           v
//!                  +----------------+  request: absorb
//!                  |     Trying     |  Trying: ask the TU for a 100
//!                  +----------------+----------------------+
//!     1xx from      |            | 200-699 from the TU:    |
//!     the TU: send  v            | send                    |
//!           +----------------+   |                         |
//!           |   Proceeding   |   |  request: send again    |
//!           +----------------+   |  1xx from the TU: send  |
//!     200-699 from  |        |   |                         |
//!     the TU: send  v        |   v                         |
//!           +----------------+   |                         |
//!           |   Completed    |<--+  request: send again    |
//!           +----------------+                             |
//!                   | J      | abandoned                   | abandoned
//!                   v        v                             v
//!                  +----------------------------------------+
//!                  |               Terminated               |
//!                  +----------------------------------------+
//! ```
//!
//! A 408 is never sent (RFC 4320 §4.2): when the TU has nothing to say, it abandons the transaction in silence. A 100 is not allowed over
//! UDP before the client's timer E has reached T2, and is due then over any transport (§4.1); the timer `Trying` marks that moment. A
//! transport error is told to the TU and changes no state (RFC 6026 §8.8).

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
    /// The request arrived again.
    Request,
    /// The TU sends a 1xx.
    Provisional,
    /// The TU sends a 200 to 699.
    Final,
    TransportError,
    /// The TU will never answer.
    Abandoned,
    TimerJ,
    TimerTrying,
}

/// The first step, made by the request.
pub const START: Step<State> = Step { state: State::Trying, effects: Effects::PASS.arm(Timer::Trying) };

/// The event that a timer is to this machine; `None` for a timer that it never arms.
pub const fn fired(timer: Timer) -> Option<Event> {
    match timer {
        Timer::J => Some(Event::TimerJ),
        Timer::Trying => Some(Event::TimerTrying),
        Timer::A
        | Timer::B
        | Timer::D
        | Timer::E
        | Timer::F
        | Timer::G
        | Timer::H
        | Timer::I
        | Timer::K
        | Timer::L
        | Timer::M => None,
    }
}

/// One step. `reliable` is the transport of the request.
pub const fn on(state: State, event: Event, reliable: bool) -> Step<State> {
    use Event as E;
    use State::{Completed, Proceeding, Terminated, Trying};
    let (state, effects) = match (state, event) {
        (Trying, E::Request) => (Trying, Effects::NONE),
        (Trying, E::Provisional) => (Proceeding, Effects::SEND),
        (Trying, E::Final) if reliable => (Terminated, Effects::SEND.and(Effects::TERMINATE)),
        (Trying, E::Final) => (Completed, Effects::SEND.arm(Timer::J)),
        (Trying, E::TransportError) => (Trying, Effects::TRANSPORT_ERROR),
        (Trying, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Trying, E::TimerTrying) => (Trying, Effects::TRYING),
        (Trying, E::TimerJ) => (Trying, Effects::NONE),

        (Proceeding, E::Request) => (Proceeding, Effects::RESEND),
        (Proceeding, E::Provisional) => (Proceeding, Effects::SEND),
        (Proceeding, E::Final) if reliable => (Terminated, Effects::SEND.and(Effects::TERMINATE)),
        (Proceeding, E::Final) => (Completed, Effects::SEND.arm(Timer::J)),
        (Proceeding, E::TransportError) => (Proceeding, Effects::TRANSPORT_ERROR),
        (Proceeding, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Proceeding, E::TimerJ | E::TimerTrying) => (Proceeding, Effects::NONE),

        (Completed, E::Request) => (Completed, Effects::RESEND),
        // §17.2.2: any other final response of the TU is discarded.
        (Completed, E::Provisional | E::Final) => (Completed, Effects::NONE),
        (Completed, E::TransportError) => (Completed, Effects::TRANSPORT_ERROR),
        (Completed, E::Abandoned) => (Completed, Effects::NONE),
        (Completed, E::TimerJ) => (Terminated, Effects::TERMINATE),
        (Completed, E::TimerTrying) => (Completed, Effects::NONE),

        (Terminated, E::Request | E::Provisional | E::Final) => (Terminated, Effects::NONE),
        (Terminated, E::TransportError | E::Abandoned) => (Terminated, Effects::NONE),
        (Terminated, E::TimerJ | E::TimerTrying) => (Terminated, Effects::NONE),
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
            Event::Request,
            Event::Provisional,
            Event::Final,
            Event::TransportError,
            Event::Abandoned,
            Event::TimerJ,
            Event::TimerTrying,
        ];
        assert_matrix(&matrix(&states, &events, on), include_str!("non_invite_server.txt"));
        assert_eq!(START.state, State::Trying);
        assert_eq!(START.effects.to_string(), "pass, arm Trying");
    }

    #[test]
    fn every_timer_that_is_armed_is_an_event() {
        let armed: Vec<Timer> = Timer::ALL.into_iter().filter(|&timer| fired(timer).is_some()).collect();
        assert_eq!(armed, [Timer::J, Timer::Trying]);
    }
}
