use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::time::Duration;

const START: Instant = Instant::from_micros(1_700_000_000_000_000);

fn at(ms: u64) -> Instant {
    START + Duration::from_millis(ms)
}

fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().expect("address of the test").into()
}

fn table(per_source_pps: u32) -> SourceRateTable {
    SourceRateTable::new(per_source_pps, HashKey::new([1, 2, 3, 4]))
}

/// How many of `count` messages at one moment pass.
fn passed(table: &mut SourceRateTable, now: Instant, remote: Address, count: usize) -> usize {
    (0..count).filter(|_| table.on_message(now, Zone::Access, remote) == Verdict::Pass).count()
}

#[test]
fn one_second_s_worth_at_once_then_the_rate() {
    let mut table = table(10);
    let phone = address("192.0.2.1:5060");
    // Milliseconds, messages at that moment, those that pass.
    for (ms, count, pass) in [
        (0, 25, 10),
        (50, 5, 0),
        (100, 5, 1),
        (199, 5, 0),
        (200, 5, 1),
        (700, 9, 5),
        // Idle for long earns no more than one second.
        (60_000, 25, 10),
        (60_999, 25, 9),
        (61_000, 25, 1),
    ] {
        assert_eq!(passed(&mut table, at(ms), phone, count), pass, "at {ms} ms");
    }
}

#[test]
fn a_steady_source_at_the_rate_is_never_refused() {
    for pps in [1, 3, 7, 1000, 70_000] {
        let mut table = table(pps);
        let phone = address("192.0.2.1:5060");
        for index in 0..3000 {
            let now = START + Duration::from_micros(index * 1_000_000 / u64::from(pps));
            assert_eq!(
                table.on_message(now, Zone::Access, phone),
                Verdict::Pass,
                "{pps} pps, message {index}"
            );
        }
    }
}

#[test]
fn what_counts_as_one_source() {
    let first = address("192.0.2.1:5060");
    let v6 = address("[2001:db8:0:1::1]:5060");
    for (one, two, is_same) in [
        (first, address("192.0.2.1:40000"), true),
        (first, address("192.0.2.2:5060"), false),
        (first, address("[::ffff:192.0.2.1]:5060"), true),
        (first, address("[::c000:201]:5060"), false),
        (v6, address("[2001:db8:0:1:ffff::2]:9"), true),
        (v6, address("[2001:db8:0:2::1]:5060"), false),
    ] {
        let mut table = table(1);
        assert_eq!(passed(&mut table, START, one, 2), 1);
        assert_eq!(passed(&mut table, START, two, 1) == 0, is_same, "{one:?} {two:?}");
    }
}

#[test]
fn core_and_no_limit_pass() {
    let phone = address("192.0.2.1:5060");
    assert_eq!(passed(&mut table(0), START, phone, 1000), 1000);
    assert!(table(0).sets.is_empty());
    let mut limited = table(1);
    for _ in 0..1000 {
        assert_eq!(limited.on_message(START, Zone::Core, phone), Verdict::Pass);
    }
    assert_eq!(passed(&mut limited, START, phone, 2), 1, "zone core is not charged");
}

#[test]
fn a_crowd_replaces_the_idle_first_and_the_table_stays_as_it_is() {
    let mut table = table(10);
    let busy = address("198.51.100.7:5060");
    let sets = table.sets.len();
    assert_eq!(passed(&mut table, START, busy, 20), 10);
    // Half as many sources as there are places come and send one message each, while the busy one keeps at its rate.
    for index in 0..(GUARD_SOURCES_MAX as u32 / 2) {
        let now = START + Duration::from_micros(u64::from(index) * 100);
        let source = Address::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + index)), 5060);
        assert_eq!(table.on_message(now, Zone::Access, source), Verdict::Pass);
        if index % 1000 == 999 {
            passed(&mut table, now, busy, 5);
        }
    }
    let end = START + Duration::from_micros(u64::from(GUARD_SOURCES_MAX as u32 / 2) * 100);
    assert!(passed(&mut table, end, busy, 20) <= 1, "the busy one is still known");
    assert_eq!(table.sets.len(), sets);
}

#[test]
fn the_longest_idle_of_a_set_goes() {
    let sources = [(1, 50), (2, 10), (3, 40), (4, 20)];
    let mut set = Set(sources.map(|(name, paid_ns)| Source { name, paid_ns }));
    assert_eq!(place(&mut set, 3).paid_ns, 40);
    assert_eq!(place(&mut set, 9).paid_ns, 0);
    assert_eq!(set.0.map(|source| source.name), [1, 9, 3, 4]);
}
