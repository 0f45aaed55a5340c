use super::*;

fn at_ms(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Lengths from a microsecond to weeks, most of them short.
fn draw_length(state: &mut u64) -> Duration {
    let bits = draw(state) % 41;
    Duration::from_micros(draw(state) % (1 << bits))
}

#[test]
fn agrees_with_a_sorted_model() {
    for (seed, tick) in (1..13_u64)
        .zip([Duration::from_millis(1), Duration::from_secs(1), Duration::from_micros(7)].into_iter().cycle())
    {
        let mut state = seed * 0x9E37_79B9;
        let mut now = Instant::from_micros(1_700_000_000_000_000 + draw(&mut state) % 1_000_000_000);
        let mut wheel = Wheel::new(now, tick, 1_000);
        let mut model: Vec<(u64, u32)> = Vec::new();
        for key in 0..1_500_u32 {
            if !draw(&mut state).is_multiple_of(3) {
                let deadline = if draw(&mut state).is_multiple_of(8) {
                    now - draw_length(&mut state)
                } else {
                    now + draw_length(&mut state)
                };
                assert_eq!(wheel.arm(deadline, key), model.len() < 1_000);
                if model.len() < 1_000 {
                    model.push((deadline.as_micros().div_ceil(tick.as_micros()), key));
                }
            } else {
                now += draw_length(&mut state);
                let now_tick = now.as_micros() / tick.as_micros();
                let mut fired = Vec::new();
                while let Some((deadline, key)) = wheel.pop_due_entry(now) {
                    assert!(deadline <= now);
                    fired.push((deadline.as_micros() / tick.as_micros(), key));
                    wheel.invariants();
                }
                assert!(
                    fired.is_sorted_by_key(|&(tick, _)| tick) || fired.iter().any(|&(t, _)| t <= now_tick)
                );
                let mut wanted: Vec<_> = model.extract_if(.., |&mut (tick, _)| tick <= now_tick).collect();
                wanted.sort_unstable();
                fired.sort_unstable();
                assert_eq!(fired, wanted, "seed {seed}");
            }
            wheel.invariants();
            let next = model.iter().map(|&(t, _)| Instant::from_micros(t * tick.as_micros())).min();
            assert_eq!(wheel.next_deadline(), next, "seed {seed}");
            assert_eq!(wheel.len() as usize, model.len());
        }
    }
}

#[test]
fn never_early_and_one_tick_late_at_most() {
    let mut wheel = Wheel::new(at_ms(0), Duration::from_millis(1), 10);
    assert!(wheel.arm(Instant::from_micros(1_001), 'a'));
    assert_eq!(wheel.next_deadline(), Some(at_ms(2)));
    assert_eq!(wheel.pop_due(Instant::from_micros(1_999)), None);
    assert_eq!(wheel.pop_due(at_ms(2)), Some('a'));
    assert_eq!((wheel.pop_due(at_ms(2)), wheel.next_deadline()), (None, None));
}

#[test]
fn entries_of_one_tick_come_as_they_were_armed() {
    let mut wheel = Wheel::new(at_ms(0), Duration::from_millis(1), 100);
    for key in 0..50 {
        assert!(wheel.arm(at_ms(70_000), key));
    }
    let mut fired = Vec::new();
    while let Some(key) = wheel.pop_due(at_ms(80_000)) {
        fired.push(key);
    }
    assert!(fired.into_iter().eq(0..50));
}

#[test]
fn an_idle_wheel_wakes_once_for_an_hour() {
    let mut wheel = Wheel::new(at_ms(12_345), Duration::from_millis(1), 10);
    assert!(wheel.arm(at_ms(12_345 + 3_600_000), ()));
    let mut wakes = 0;
    while let Some(deadline) = wheel.next_deadline() {
        wakes += 1;
        while wheel.pop_due(deadline).is_some() {}
    }
    assert_eq!(wakes, 1);
}

#[test]
fn the_end_of_time_is_a_deadline_like_any_other() {
    let mut wheel = Wheel::new(at_ms(5), Duration::from_millis(1), 10);
    assert!(wheel.arm(Instant::NEVER, 'n'));
    assert!(wheel.arm(at_ms(9), 's'));
    assert_eq!(wheel.pop_due(Instant::from_micros(u64::MAX / 2)), Some('s'));
    assert_eq!(wheel.pop_due(Instant::from_micros(u64::MAX / 2)), None);
    wheel.invariants();
    assert_eq!(wheel.len(), 1);
}

#[test]
fn nodes_are_used_again() {
    let mut wheel = Wheel::new(at_ms(0), Duration::from_millis(1), 3);
    for lap in 0..1_000 {
        for key in 0..3 {
            assert!(wheel.arm(at_ms(lap * 10 + key), key));
        }
        assert!(!wheel.arm(at_ms(0), 9));
        while wheel.pop_due(at_ms(lap * 10 + 9)).is_some() {}
    }
    assert_eq!((wheel.nodes.len(), wheel.len()), (3, 0));
}
