//! The timers of RFC 3261 §17 (table 4) and RFC 6026 §7, and how long each one runs.

use crate::time::Duration;

/// A timer of a transaction, by its letter. Timer C belongs to the proxy, not to a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Timer {
    /// INVITE client: sends the INVITE again.
    A,
    /// INVITE client: no answer at all.
    B,
    /// INVITE client: absorbs repeated final responses.
    D,
    /// Non-INVITE client: sends the request again.
    E,
    /// Non-INVITE client: no final response.
    F,
    /// INVITE server: sends the final response again.
    G,
    /// INVITE server: no ACK.
    H,
    /// INVITE server: absorbs repeated ACKs.
    I,
    /// Non-INVITE server: answers repeated requests.
    J,
    /// Non-INVITE client: absorbs repeated final responses.
    K,
    /// INVITE server: absorbs repeated INVITEs after a 2xx (RFC 6026).
    L,
    /// INVITE client: takes further 2xx (RFC 6026).
    M,
    /// Non-INVITE server: the moment from which a 100 is allowed, and due (RFC 4320 §4.1). The RFC gives it no letter.
    Trying,
}

/// The base values of the timers. `Options` of whoever holds transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timings {
    /// Estimate of a round trip; 500 ms.
    pub t1: Duration,
    /// Longest interval between two sendings of a non-INVITE request or an INVITE response; 4 s. At least `t1`.
    pub t2: Duration,
    /// How long a message stays in the network; 5 s.
    pub t4: Duration,
    /// How long timers D, J, L and M keep an ended transaction over UDP; 32 s.
    pub linger: Duration,
}

/// Values of the step of a retransmission timer are below this: T1 is at least 10 ms and T2 at most 60 s, hence 13 doublings.
pub const STEPS_MAX: usize = 16;

/// Timer A needs no more steps: after 63·T1 it is B that fires.
const STEP_OF_A_LAST: u8 = 6;

impl Timer {
    pub const ALL: [Timer; 13] = [
        Timer::A,
        Timer::B,
        Timer::D,
        Timer::E,
        Timer::F,
        Timer::G,
        Timer::H,
        Timer::I,
        Timer::J,
        Timer::K,
        Timer::L,
        Timer::M,
        Timer::Trying,
    ];

    /// True for the three timers that send something again and grow from one firing to the next.
    pub const fn is_retransmission(self) -> bool {
        matches!(self, Timer::A | Timer::E | Timer::G)
    }
}

impl Timings {
    /// The values of RFC 3261.
    pub const RFC: Timings = Timings {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        linger: Duration::from_secs(32),
    };

    /// How long `timer` runs. `step` counts the firings of a retransmission timer from 0 and means nothing for the others. The machines
    /// do not arm D, I, J and K over a reliable transport, where they would be zero.
    pub const fn length(&self, timer: Timer, step: u8, reliable: bool) -> Duration {
        match timer {
            Timer::A => self.doubled(step),
            Timer::E | Timer::G => {
                let doubled = self.doubled(step);
                if doubled.as_micros() < self.t2.as_micros() { doubled } else { self.t2 }
            }
            Timer::B | Timer::F | Timer::H => self.t1.times(64),
            Timer::I | Timer::K => self.t4,
            Timer::D | Timer::J => self.linger,
            // RFC 6026 §8.4 and §8.7: over any transport.
            Timer::L | Timer::M => {
                if reliable {
                    self.t1.times(64)
                } else {
                    self.linger
                }
            }
            Timer::Trying => self.until_trying(),
        }
    }

    /// The step at which timers E and G have reached T2. Below `STEPS_MAX` for every T1 and T2 that the configuration admits.
    pub const fn step_at_t2(&self) -> u8 {
        let mut step = 0;
        while (step as usize) < STEPS_MAX - 1 && self.doubled(step).as_micros() < self.t2.as_micros() {
            step += 1;
        }
        step
    }

    /// The step that follows `step`: it stops growing where the interval does.
    pub const fn step_after(&self, timer: Timer, step: u8) -> u8 {
        let last = match timer {
            Timer::A => STEP_OF_A_LAST,
            Timer::E | Timer::G => self.step_at_t2(),
            Timer::B
            | Timer::D
            | Timer::F
            | Timer::H
            | Timer::I
            | Timer::J
            | Timer::K
            | Timer::L
            | Timer::M
            | Timer::Trying => 0,
        };
        if step < last { step + 1 } else { last }
    }

    const fn doubled(&self, step: u8) -> Duration {
        let step = if (step as usize) < STEPS_MAX { step } else { STEPS_MAX as u8 - 1 };
        self.t1.times(1 << step)
    }

    /// RFC 4320 §4.1: the time that a client's timer E takes to be reset to T2.
    const fn until_trying(&self) -> Duration {
        let mut total = 0;
        let mut step = 0;
        while step < self.step_at_t2() {
            total += self.doubled(step).as_micros();
            step += 1;
        }
        Duration::from_micros(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(timings: &Timings, timer: Timer, count: usize) -> Vec<u64> {
        let mut step = 0;
        (0..count)
            .map(|_| {
                let length = timings.length(timer, step, false).as_millis();
                step = timings.step_after(timer, step);
                assert!((step as usize) < STEPS_MAX);
                length
            })
            .collect()
    }

    #[test]
    fn retransmissions_follow_table_4() {
        let rfc = Timings::RFC;
        assert_eq!(intervals(&rfc, Timer::A, 7), [500, 1000, 2000, 4000, 8000, 16_000, 32_000]);
        assert_eq!(intervals(&rfc, Timer::E, 6), [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(intervals(&rfc, Timer::G, 6), [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(rfc.step_at_t2(), 3);
        let odd = Timings { t1: Duration::from_millis(300), t2: Duration::from_millis(1000), ..rfc };
        assert_eq!(intervals(&odd, Timer::E, 5), [300, 600, 1000, 1000, 1000]);
    }

    #[test]
    fn the_extremes_of_the_configuration_fit_the_steps() {
        let wide = Timings { t1: Duration::from_millis(10), t2: Duration::from_secs(60), ..Timings::RFC };
        assert_eq!(wide.step_at_t2(), 13);
        assert_eq!(wide.length(Timer::E, 13, false), wide.t2);
        assert!(wide.length(Timer::E, 12, false) < wide.t2);
        let flat = Timings { t1: Duration::from_secs(4), ..Timings::RFC };
        assert_eq!(flat.step_at_t2(), 0);
        assert_eq!(flat.length(Timer::Trying, 0, false), Duration::ZERO);
    }

    #[test]
    fn single_timers_have_one_length() {
        let rfc = Timings::RFC;
        for (timer, unreliable_ms, reliable_ms) in [
            (Timer::B, 32_000, 32_000),
            (Timer::D, 32_000, 32_000),
            (Timer::F, 32_000, 32_000),
            (Timer::H, 32_000, 32_000),
            (Timer::I, 5_000, 5_000),
            (Timer::J, 32_000, 32_000),
            (Timer::K, 5_000, 5_000),
            (Timer::L, 32_000, 32_000),
            (Timer::M, 32_000, 32_000),
            (Timer::Trying, 3_500, 3_500),
        ] {
            assert_eq!(rfc.length(timer, 0, false).as_millis(), unreliable_ms, "{timer:?}");
            assert_eq!(rfc.length(timer, 0, true).as_millis(), reliable_ms, "{timer:?}");
        }
        let short = Timings { linger: Duration::from_secs(2), ..rfc };
        for timer in [Timer::D, Timer::J, Timer::L, Timer::M] {
            assert_eq!(short.length(timer, 0, false).as_secs(), 2, "{timer:?}");
        }
        assert_eq!(short.length(Timer::L, 0, true).as_secs(), 32);
    }
}
