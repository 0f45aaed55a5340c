//! The INVITE client transaction: RFC 3261 §17.1.1 as corrected by RFC 6026 §7.2.
//!
//! ```text
//!                        INVITE from the TU
//!                        send
//!                           |
//!     A: send again         v
//!                  +----------------+  B: time-out
//!                  |    Calling     |  transport error: tell the TU
//!                  +----------------+-----------------------------+
//!       300-699:    |      | 1xx: pass   | 2xx: pass              |
//!       ACK, pass   |      v             |                        |
//!                   |  +----------------+|  transport error:      |
//!                   |  |   Proceeding   |+  tell the TU           |
//!                   |  +----------------+|------------------------+
//!                   |      |       | 2xx:|                        |
//!                   |      |       | pass|                        |
//!                   v      v       v     v                        |
//!          +-------------+        +-------------+                 |
//!          |  Completed  |        |  Accepted   |  2xx: pass      |
//!          +-------------+        +-------------+                 |
//!   300-699: ACK     |                   |                        |
//!                    | D, transport      | M                      |
//!                    | error             |                        |
//!                    v                   v                        v
//!                  +------------------------------------------------+
//!                  |                   Terminated                   |
//!                  +------------------------------------------------+
//! ```
//!
//! In Proceeding it is the proxy's timer C that guards, not this machine. A proxy passes every 2xx on and sends no ACK for it.

use crate::transaction::step::{Effects, Step};
use crate::transaction::timer::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A 1xx arrived.
    Provisional,
    /// A 2xx arrived.
    Success,
    /// A 300 to 699 arrived.
    Failure,
    /// The INVITE could not be sent, or the flow that it went by is gone.
    TransportError,
    /// The TU waits no longer: 64·T1 after its CANCEL (§9.1), or after timer C (§16.8).
    Abandoned,
    TimerA,
    TimerB,
    TimerD,
    TimerM,
}

/// The first step, made by the TU's INVITE.
pub const fn start(reliable: bool) -> Step<State> {
    let effects = Effects::SEND.arm(Timer::B);
    Step { state: State::Calling, effects: if reliable { effects } else { effects.arm(Timer::A) } }
}

/// The event that a timer is to this machine; `None` for a timer that it never arms.
pub const fn fired(timer: Timer) -> Option<Event> {
    match timer {
        Timer::A => Some(Event::TimerA),
        Timer::B => Some(Event::TimerB),
        Timer::D => Some(Event::TimerD),
        Timer::M => Some(Event::TimerM),
        Timer::E
        | Timer::F
        | Timer::G
        | Timer::H
        | Timer::I
        | Timer::J
        | Timer::K
        | Timer::L
        | Timer::Trying => None,
    }
}

/// One step. `reliable` is the transport that the INVITE went by.
pub const fn on(state: State, event: Event, reliable: bool) -> Step<State> {
    use Event as E;
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};
    const LOST: Effects = Effects::TRANSPORT_ERROR.and(Effects::TERMINATE);
    const REFUSED: Effects = Effects::ACK.and(Effects::PASS);
    let (state, effects) = match (state, event) {
        (Calling, E::Provisional) => (Proceeding, Effects::PASS),
        (Calling, E::Success) => (Accepted, Effects::PASS.arm(Timer::M)),
        (Calling, E::Failure) if reliable => (Terminated, REFUSED.and(Effects::TERMINATE)),
        (Calling, E::Failure) => (Completed, REFUSED.arm(Timer::D)),
        (Calling, E::TransportError) => (Terminated, LOST),
        (Calling, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Calling, E::TimerA) => (Calling, Effects::RESEND.arm_longer(Timer::A)),
        (Calling, E::TimerB) => (Terminated, Effects::TIMEOUT.and(Effects::TERMINATE)),
        (Calling, E::TimerD | E::TimerM) => (Calling, Effects::NONE),

        (Proceeding, E::Provisional) => (Proceeding, Effects::PASS),
        (Proceeding, E::Success) => (Accepted, Effects::PASS.arm(Timer::M)),
        (Proceeding, E::Failure) if reliable => (Terminated, REFUSED.and(Effects::TERMINATE)),
        (Proceeding, E::Failure) => (Completed, REFUSED.arm(Timer::D)),
        // The figure has no such arrow, but a flow that closes takes the device with it: a proxy treats it as a 503 (§16.9) at once
        // instead of ringing into nothing until timer C.
        (Proceeding, E::TransportError) => (Terminated, LOST),
        (Proceeding, E::Abandoned) => (Terminated, Effects::TERMINATE),
        (Proceeding, E::TimerA | E::TimerB | E::TimerD | E::TimerM) => (Proceeding, Effects::NONE),

        (Completed, E::Provisional | E::Success) => (Completed, Effects::NONE),
        (Completed, E::Failure) => (Completed, Effects::ACK),
        (Completed, E::TransportError) => (Terminated, LOST),
        (Completed, E::Abandoned) => (Completed, Effects::NONE),
        (Completed, E::TimerD) => (Terminated, Effects::TERMINATE),
        (Completed, E::TimerA | E::TimerB | E::TimerM) => (Completed, Effects::NONE),

        (Accepted, E::Success) => (Accepted, Effects::PASS),
        (Accepted, E::Provisional | E::Failure) => (Accepted, Effects::NONE),
        // Nothing more is sent from here, and a further 2xx may come another way.
        (Accepted, E::TransportError | E::Abandoned) => (Accepted, Effects::NONE),
        (Accepted, E::TimerM) => (Terminated, Effects::TERMINATE),
        (Accepted, E::TimerA | E::TimerB | E::TimerD) => (Accepted, Effects::NONE),

        (Terminated, E::Provisional | E::Success | E::Failure) => (Terminated, Effects::NONE),
        (Terminated, E::TransportError | E::Abandoned) => (Terminated, Effects::NONE),
        (Terminated, E::TimerA | E::TimerB | E::TimerD | E::TimerM) => (Terminated, Effects::NONE),
    };
    Step { state, effects }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::step::{assert_matrix, matrix};

    #[test]
    fn the_whole_machine() {
        let states =
            [State::Calling, State::Proceeding, State::Completed, State::Accepted, State::Terminated];
        let events = [
            Event::Provisional,
            Event::Success,
            Event::Failure,
            Event::TransportError,
            Event::Abandoned,
            Event::TimerA,
            Event::TimerB,
            Event::TimerD,
            Event::TimerM,
        ];
        assert_matrix(&matrix(&states, &events, on), include_str!("invite_client.txt"));
        assert_eq!(start(false).state, State::Calling);
        assert_eq!(start(false).effects.to_string(), "send, arm A, arm B");
        assert_eq!(start(true).effects.to_string(), "send, arm B");
    }

    #[test]
    fn every_timer_that_is_armed_is_an_event() {
        let armed: Vec<Timer> = Timer::ALL.into_iter().filter(|&timer| fired(timer).is_some()).collect();
        assert_eq!(armed, [Timer::A, Timer::B, Timer::D, Timer::M]);
    }
}
