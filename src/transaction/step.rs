//! What a transaction machine asks for: the next state and a set of effects. Whoever holds the transactions performs them.

use core::fmt;

use crate::transaction::timer::{Timer, Timings};

/// The outcome of one event. Effects are performed in the order in which `Effects` declares them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step<State> {
    pub state: State,
    pub effects: Effects,
}

/// A set of things to perform: flags, and timers to arm.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects(u32);

impl Effects {
    /// Nothing to do: what arrived is absorbed, or the timer that fired is one that no longer matters.
    pub const NONE: Effects = Effects(0);
    /// Send the message that came with the event: at the start of a client the request, in a server the TU's response, which
    /// replaces the one kept for sending again.
    pub const SEND: Effects = Effects(1);
    /// Send what was sent last once more: a client its request, a server its response. Nothing when there is none yet.
    pub const RESEND: Effects = Effects(1 << 1);
    /// Send the ACK to a final response other than 2xx (§17.1.1.3), on the way the INVITE went.
    pub const ACK: Effects = Effects(1 << 2);
    /// Give the message that arrived to the TU.
    pub const PASS: Effects = Effects(1 << 3);
    /// Tell the TU that nothing was heard in time: at a client a 408 in spirit, at an INVITE server the ACK is missing.
    pub const TIMEOUT: Effects = Effects(1 << 4);
    /// Tell the TU that the transport failed (§16.9: a client's failure counts as a 503).
    pub const TRANSPORT_ERROR: Effects = Effects(1 << 5);
    /// Ask the TU for a 100 (RFC 4320 §4.1).
    pub const TRYING: Effects = Effects(1 << 6);
    /// The transaction is over: free it, after everything else.
    pub const TERMINATE: Effects = Effects(1 << 7);

    /// The retransmission timer that is armed runs one step longer than the last time; without it, it starts at step 0.
    const LONGER: Effects = Effects(1 << 8);
    /// The retransmission timer that is armed runs T2.
    const AT_T2: Effects = Effects(1 << 9);

    const TIMER_SHIFT: u32 = 16;

    pub const fn and(self, other: Effects) -> Effects {
        Effects(self.0 | other.0)
    }

    pub const fn has(self, flag: Effects) -> bool {
        self.0 & flag.0 == flag.0
    }

    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Arm a timer, a retransmission timer at step 0.
    pub const fn arm(self, timer: Timer) -> Effects {
        Effects(self.0 | 1 << (timer as u32 + Self::TIMER_SHIFT))
    }

    /// Arm a retransmission timer one step longer than before.
    pub const fn arm_longer(self, timer: Timer) -> Effects {
        self.arm(timer).and(Self::LONGER)
    }

    /// Arm a retransmission timer for T2.
    pub const fn arm_at_t2(self, timer: Timer) -> Effects {
        self.arm(timer).and(Self::AT_T2)
    }

    /// The timers to arm, in the order of `Timer`.
    pub fn timers(self) -> impl Iterator<Item = Timer> {
        let mut left = self.0 >> Self::TIMER_SHIFT;
        core::iter::from_fn(move || {
            let index = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            Timer::ALL.get(index).copied()
        })
    }

    /// The step at which the retransmission timer of this set starts, when `step` is the one it had before. At most one of the timers
    /// of a set is a retransmission timer.
    pub const fn step_of(self, timer: Timer, step: u8, timings: &Timings) -> u8 {
        if self.has(Self::AT_T2) {
            timings.step_at_t2()
        } else if self.has(Self::LONGER) {
            timings.step_after(timer, step)
        } else {
            0
        }
    }
}

/// As the snapshots of the machines show it: `send, pass, arm A+ B`.
impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (Effects::SEND, "send"),
            (Effects::RESEND, "resend"),
            (Effects::ACK, "ack"),
            (Effects::PASS, "pass"),
            (Effects::TIMEOUT, "timeout"),
            (Effects::TRANSPORT_ERROR, "transport-error"),
            (Effects::TRYING, "trying"),
            (Effects::TERMINATE, "terminate"),
        ];
        if self.is_none() {
            return f.write_str("-");
        }
        let mut separator = "";
        for (flag, name) in flags {
            if self.has(flag) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        for timer in self.timers() {
            let growth = match (timer.is_retransmission(), self.has(Self::LONGER), self.has(Self::AT_T2)) {
                (true, true, _) => "+",
                (true, false, true) => "=T2",
                (true, false, false) | (false, _, _) => "",
            };
            write!(f, "{separator}arm {timer:?}{growth}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The whole of a machine as text: a line per state and event, with the effects and the next state over an unreliable transport, and
/// those over a reliable one where they differ.
#[cfg(test)]
pub(crate) fn matrix<State, Event>(
    states: &[State],
    events: &[Event],
    on: impl Fn(State, Event, bool) -> Step<State>,
) -> String
where
    State: Copy + PartialEq + fmt::Debug,
    Event: Copy + fmt::Debug,
{
    let mut text = String::new();
    for &state in states {
        for &event in events {
            let unreliable = on(state, event, false);
            let reliable = on(state, event, true);
            let show = |step: Step<State>| {
                if step.state == state {
                    format!("{}", step.effects)
                } else {
                    format!("{} -> {:?}", step.effects, step.state)
                }
            };
            let mut line =
                format!("{:<10} {:<14} {}", format!("{state:?}"), format!("{event:?}"), show(unreliable));
            if reliable != unreliable {
                line = format!("{line:<72} | {}", show(reliable));
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Compares line by line, so that a failure names the first pair that differs.
#[cfg(test)]
pub(crate) fn assert_matrix(seen: &str, wanted: &str) {
    for (seen, wanted) in seen.lines().zip(wanted.lines()) {
        assert_eq!(seen, wanted);
    }
    assert_eq!(seen.lines().count(), wanted.lines().count(), "the whole is:\n{seen}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_hold_flags_and_timers_apart() {
        for timer in Timer::ALL {
            let effects = Effects::SEND.arm(timer);
            assert_eq!(effects.timers().collect::<Vec<_>>(), [timer]);
            assert!(effects.has(Effects::SEND) && !effects.has(Effects::PASS));
        }
        let two = Effects::NONE.arm(Timer::Trying).arm(Timer::A).and(Effects::TERMINATE);
        assert_eq!(two.timers().collect::<Vec<_>>(), [Timer::A, Timer::Trying]);
        assert_eq!(two.to_string(), "terminate, arm A, arm Trying");
        assert_eq!(Effects::NONE.timers().count(), 0);
    }

    #[test]
    fn steps_start_grow_and_jump() {
        let rfc = Timings::RFC;
        assert_eq!(Effects::NONE.arm(Timer::E).step_of(Timer::E, 2, &rfc), 0);
        assert_eq!(Effects::NONE.arm_longer(Timer::E).step_of(Timer::E, 1, &rfc), 2);
        assert_eq!(Effects::NONE.arm_longer(Timer::E).step_of(Timer::E, 3, &rfc), 3);
        assert_eq!(Effects::NONE.arm_at_t2(Timer::E).step_of(Timer::E, 0, &rfc), 3);
    }
}
