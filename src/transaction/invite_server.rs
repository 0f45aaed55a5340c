//! The INVITE server transaction: RFC 3261 §17.2.1 as corrected by RFC 6026 §7.1.
//!
//! ```text
//!                            INVITE
//!                            pass to the TU
//!                               |
//!     INVITE: send again        v        1xx from the TU: send
//!                    +------------------+
//!                    |    Proceeding    |
//!                    +------------------+
//!     300-699 from     |              |     2xx from
//!     the TU: send     |              |     the TU: send
//!                      v              v
//!            +-------------+        +-------------+
//!            |  Completed  |        |  Accepted   |  INVITE: absorb
//!            +-------------+        +-------------+  2xx from the TU: send
//!     INVITE, G: send    |  |              |         ACK: pass
//!     again         ACK  |  | H: time-out  | L
//!                        v  |              |
//!            +-------------+|              |
//!            |  Confirmed  ||              |
//!            +-------------+|              |
//!                      | I  |              |
//!                      v    v              v
//!                    +----------------------+
//!                    |      Terminated      |
//!                    +----------------------+
//! ```
//!
//! A transport error is told to the TU and changes no state: the next retransmission may pass, and H or L ends the rest (RFC 6026 §8.8).
//! The TU sends the 100 at once, as an ordinary provisional response.

use crate::transaction::step::{Effects, Step};
use crate::transaction::timer::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The INVITE arrived again.
    Invite,
    Ack,
    /// The TU sends a 1xx.
    Provisional,
    /// The TU sends a 2xx.
    Success,
    /// The TU sends a 300 to 699.
    Failure,
    TransportError,
    TimerG,
    TimerH,
    TimerI,
    TimerL,
}

/// The first step, made by the INVITE.
pub const START: Step<State> = Step { state: State::Proceeding, effects: Effects::PASS };

/// The event that a timer is to this machine; `None` for a timer that it never arms.
pub const fn fired(timer: Timer) -> Option<Event> {
    match timer {
        Timer::G => Some(Event::TimerG),
        Timer::H => Some(Event::TimerH),
        Timer::I => Some(Event::TimerI),
        Timer::L => Some(Event::TimerL),
        Timer::A
        | Timer::B
        | Timer::D
        | Timer::E
        | Timer::F
        | Timer::J
        | Timer::K
        | Timer::M
        | Timer::Trying => None,
    }
}

/// One step. `reliable` is the transport of the INVITE.
pub const fn on(state: State, event: Event, reliable: bool) -> Step<State> {
    use Event as E;
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    let (state, effects) = match (state, event) {
        (Proceeding, E::Invite) => (Proceeding, Effects::RESEND),
        (Proceeding, E::Ack) => (Proceeding, Effects::NONE),
        (Proceeding, E::Provisional) => (Proceeding, Effects::SEND),
        (Proceeding, E::Success) => (Accepted, Effects::SEND.arm(Timer::L)),
        (Proceeding, E::Failure) if reliable => (Completed, Effects::SEND.arm(Timer::H)),
        (Proceeding, E::Failure) => (Completed, Effects::SEND.arm(Timer::G).arm(Timer::H)),
        (Proceeding, E::TransportError) => (Proceeding, Effects::TRANSPORT_ERROR),
        (Proceeding, E::TimerG | E::TimerH | E::TimerI | E::TimerL) => (Proceeding, Effects::NONE),

        (Completed, E::Invite) => (Completed, Effects::RESEND),
        (Completed, E::Ack) if reliable => (Terminated, Effects::TERMINATE),
        (Completed, E::Ack) => (Confirmed, Effects::NONE.arm(Timer::I)),
        (Completed, E::Provisional | E::Success | E::Failure) => (Completed, Effects::NONE),
        (Completed, E::TransportError) => (Completed, Effects::TRANSPORT_ERROR),
        (Completed, E::TimerG) => (Completed, Effects::RESEND.arm_longer(Timer::G)),
        (Completed, E::TimerH) => (Terminated, Effects::TIMEOUT.and(Effects::TERMINATE)),
        (Completed, E::TimerI | E::TimerL) => (Completed, Effects::NONE),

        (Confirmed, E::Invite | E::Ack) => (Confirmed, Effects::NONE),
        (Confirmed, E::Provisional | E::Success | E::Failure) => (Confirmed, Effects::NONE),
        (Confirmed, E::TransportError) => (Confirmed, Effects::NONE),
        (Confirmed, E::TimerI) => (Terminated, Effects::TERMINATE),
        (Confirmed, E::TimerG | E::TimerH | E::TimerL) => (Confirmed, Effects::NONE),

        // RFC 6026 §7.1: the TU alone repeats a 2xx, and it may send those of several forks.
        (Accepted, E::Invite) => (Accepted, Effects::NONE),
        (Accepted, E::Ack) => (Accepted, Effects::PASS),
        (Accepted, E::Success) => (Accepted, Effects::SEND),
        (Accepted, E::Provisional | E::Failure) => (Accepted, Effects::NONE),
        (Accepted, E::TransportError) => (Accepted, Effects::TRANSPORT_ERROR),
        (Accepted, E::TimerL) => (Terminated, Effects::TERMINATE),
        (Accepted, E::TimerG | E::TimerH | E::TimerI) => (Accepted, Effects::NONE),

        (Terminated, E::Invite | E::Ack) => (Terminated, Effects::NONE),
        (Terminated, E::Provisional | E::Success | E::Failure) => (Terminated, Effects::NONE),
        (Terminated, E::TransportError) => (Terminated, Effects::NONE),
        (Terminated, E::TimerG | E::TimerH | E::TimerI | E::TimerL) => (Terminated, Effects::NONE),
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
            [State::Proceeding, State::Completed, State::Confirmed, State::Accepted, State::Terminated];
        let events = [
            Event::Invite,
            Event::Ack,
            Event::Provisional,
            Event::Success,
            Event::Failure,
            Event::TransportError,
            Event::TimerG,
            Event::TimerH,
            Event::TimerI,
            Event::TimerL,
        ];
        assert_matrix(&matrix(&states, &events, on), include_str!("invite_server.txt"));
        assert_eq!(START.state, State::Proceeding);
        assert_eq!(START.effects.to_string(), "pass");
    }

    #[test]
    fn every_timer_that_is_armed_is_an_event() {
        let armed: Vec<Timer> = Timer::ALL.into_iter().filter(|&timer| fired(timer).is_some()).collect();
        assert_eq!(armed, [Timer::G, Timer::H, Timer::I, Timer::L]);
    }
}
