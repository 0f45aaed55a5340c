use super::*;
use crate::flow::{Address, Flow};
use crate::ids::{ConnectionId, EndpointId, ShardId};
use crate::location::Span;
use core::net::{IpAddr, Ipv4Addr};

const START_S: u64 = 1_800_000_000;
const ALICE: &str = "alice@example.org";
const ROOMY: Options = Options { bindings_max: 100, bindings_per_aor_max: 10, replaces_oldest: false };

fn at(seconds: u64) -> Instant {
    Instant::from_micros((START_S + seconds) * 1_000_000)
}

/// What the tests give to the table, owned.
#[derive(Clone, PartialEq, Debug)]
struct Row {
    aor: String,
    contact: String,
    call_id: String,
    path: String,
    cseq: u32,
    expires: Instant,
    refreshed: Instant,
}

impl Row {
    fn new(aor: &str, uri: &str, now: Instant, expires: Instant) -> Row {
        let (aor, contact) = (aor.to_string(), format!("<{uri}>;x=y"));
        Row { aor, contact, call_id: "c1".into(), path: String::new(), cseq: 1, expires, refreshed: now }
    }

    fn binding(&self) -> Binding<'_> {
        let uri_len = self.contact.find('>').expect("contacts of these tests are in angle brackets") - 1;
        Binding {
            aor: Aor::new(self.aor.as_bytes()),
            contact: self.contact.as_bytes(),
            uri: Span { start: 1, len: uri_len as u16 },
            expires_param: Span::default(),
            q: 700,
            instance: Span::default(),
            reg_id: 0,
            call_id: self.call_id.as_bytes(),
            cseq: self.cseq,
            branch_hash: 0xB0B,
            flow: Flow::udp(EndpointId(3), Address::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5062)),
            rings_by_flow: true,
            path: self.path.as_bytes(),
            expires: self.expires,
            refreshed_s: self.refreshed.unix_s() as u32,
            node: 7,
        }
    }
}

/// A hash that few AORs have for themselves, so that lists of several AORs meet in the index.
fn hash_of(aor: &str) -> u64 {
    (aor.len() as u64 % 3) << 40
}

fn contacts(table: &Table, now: Instant, aor: &str) -> Vec<String> {
    let bindings = table.bindings(now, hash_of(aor), Aor::new(aor.as_bytes()));
    bindings.map(|(_, binding)| String::from_utf8_lossy(binding.uri()).into_owned()).collect()
}

fn id_of(table: &Table, now: Instant, aor: &str, uri: &str) -> BindingId {
    let mut bindings = table.bindings(now, hash_of(aor), Aor::new(aor.as_bytes()));
    bindings.find(|(_, binding)| binding.uri() == uri.as_bytes()).expect("the test knows it is there").0
}

/// Applies and writes down the events: `+uri`, `=uri`, `-uri reason`.
fn apply(
    table: &mut Table,
    now: Instant,
    aor: &str,
    changes: &[Change<'_>],
) -> (Result<(), Refusal>, Vec<String>) {
    let mut log = Vec::new();
    let result = table
        .apply(now, hash_of(aor), Aor::new(aor.as_bytes()), changes, &mut |event| log.push(line_of(event)));
    table.invariants();
    (result, log)
}

fn line_of(event: Event<'_>) -> String {
    let uri = |binding: Binding<'_>| String::from_utf8_lossy(binding.uri()).into_owned();
    match event {
        Event::Added(binding) => format!("+{}", uri(binding)),
        Event::Refreshed(binding) => format!("={}", uri(binding)),
        Event::Removed(binding, reason) => format!("-{} {reason:?}", uri(binding)),
    }
}

fn expire(table: &mut Table, now: Instant) -> Vec<String> {
    let mut log = Vec::new();
    while table.expire_one(now, &mut |event| log.push(line_of(event))) {}
    table.invariants();
    log
}

#[test]
fn keeps_every_part_of_a_binding() {
    let mut table = Table::new(at(0), ROOMY);
    let mut row = Row::new(ALICE, "sip:a@10.0.0.1", at(0), at(60));
    row.contact = "\"A\" <sip:a@10.0.0.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=2".into();
    row.path = "<sip:p1;lr>,<sip:p2;lr>".into();
    let mut binding = row.binding();
    binding.uri = Span { start: 5, len: 14 };
    binding.instance = Span { start: 36, len: 12 };
    binding.reg_id = 2;
    let connection = ConnectionId { slot: 9, generation: 8, shard: ShardId(1) };
    binding.flow = Flow { connection: Some(connection), ..binding.flow };
    let (result, log) = apply(&mut table, at(0), ALICE, &[Change::Add(binding)]);
    assert_eq!((result, log), (Ok(()), vec!["+sip:a@10.0.0.1".to_string()]));
    let aor = Aor::new(ALICE.as_bytes());
    let (id, kept) = table.bindings(at(0), hash_of(ALICE), aor).next().unwrap();
    assert_eq!(kept, binding);
    assert_eq!(kept.instance(), Some(&b"<urn:uuid:1>"[..]));
    assert_eq!((kept.reg_id(), kept.remaining_s(at(0)), kept.remaining_s(at(59))), (Some(2), 60, 1));
    assert_eq!(table.binding(id), binding);
    assert!(table.bindings(at(0), hash_of(ALICE), Aor::new(b"alice@example.com")).next().is_none());
    assert!(table.bindings(at(0), !hash_of(ALICE), aor).next().is_none());
}

#[test]
fn the_last_refreshed_comes_first() {
    let mut table = Table::new(at(0), ROOMY);
    let rows: Vec<Row> = (0..3).map(|n| Row::new(ALICE, &format!("sip:{n}"), at(n), at(900))).collect();
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(apply(&mut table, at(n as u64), ALICE, &[Change::Add(row.binding())]).0, Ok(()));
    }
    assert_eq!(contacts(&table, at(3), ALICE), ["sip:2", "sip:1", "sip:0"]);
    let again = Row { refreshed: at(5), ..rows[1].clone() };
    let id = id_of(&table, at(5), ALICE, "sip:1");
    assert_eq!(apply(&mut table, at(5), ALICE, &[Change::Refresh(id, again.binding())]).1, ["=sip:1"]);
    assert_eq!(contacts(&table, at(5), ALICE), ["sip:1", "sip:2", "sip:0"]);
    // Longer text moves it to another slot.
    let longer = Row { refreshed: at(6), call_id: "c".repeat(300), ..rows[0].clone() };
    let id = id_of(&table, at(6), ALICE, "sip:0");
    assert_eq!(apply(&mut table, at(6), ALICE, &[Change::Refresh(id, longer.binding())]).1, ["=sip:0"]);
    assert_eq!(contacts(&table, at(6), ALICE), ["sip:0", "sip:1", "sip:2"]);
    assert_eq!(table.len(), 3);
}

#[test]
fn expires_at_its_instant_and_tells_within_the_second() {
    let mut table = Table::new(at(0), ROOMY);
    let half = Instant::from_micros(at(60).as_micros() + 500_000);
    let row = Row::new(ALICE, "sip:a", at(0), half);
    apply(&mut table, at(0), ALICE, &[Change::Add(row.binding())]).0.unwrap();
    assert_eq!(contacts(&table, Instant::from_micros(half.as_micros() - 1), ALICE).len(), 1);
    assert_eq!(contacts(&table, half, ALICE).len(), 0, "a look-up needs no wheel");
    assert_eq!(table.next_deadline(), Some(at(61)));
    assert!(expire(&mut table, at(60)).is_empty());
    assert_eq!(expire(&mut table, at(61)), ["-sip:a Expired"]);
    assert_eq!((table.len(), table.next_deadline()), (0, None));
}

#[test]
fn a_change_of_the_aor_finds_what_has_expired() {
    let mut table = Table::new(at(0), Options { bindings_per_aor_max: 1, ..ROOMY });
    let (old, new) = (Row::new(ALICE, "sip:old", at(0), at(60)), Row::new(ALICE, "sip:new", at(60), at(120)));
    apply(&mut table, at(0), ALICE, &[Change::Add(old.binding())]).0.unwrap();
    let (result, log) = apply(&mut table, at(60), ALICE, &[Change::Add(new.binding())]);
    assert_eq!((result, log), (Ok(()), vec!["-sip:old Expired".into(), "+sip:new".into()]));
    assert!(expire(&mut table, at(61)).is_empty());
    assert_eq!(expire(&mut table, at(120)), ["-sip:new Expired"]);
}

#[test]
fn a_refresh_leaves_the_wheel_alone_and_a_shorter_expiry_does_not() {
    let mut table = Table::new(at(0), ROOMY);
    let mut row = Row::new(ALICE, "sip:a", at(0), at(100));
    apply(&mut table, at(0), ALICE, &[Change::Add(row.binding())]).0.unwrap();
    for (now, expires, entries) in [(10, 110, 1), (20, 120, 1), (30, 50, 2), (40, 140, 2)] {
        row.expires = at(expires);
        let id = id_of(&table, at(now), ALICE, "sip:a");
        apply(&mut table, at(now), ALICE, &[Change::Refresh(id, row.binding())]).0.unwrap();
        assert_eq!(table.wheel.len(), entries, "at {now}");
    }
    assert!(expire(&mut table, at(139)).is_empty());
    assert_eq!(expire(&mut table, at(140)), ["-sip:a Expired"]);
    assert_eq!(table.wheel.len(), 0);
}

#[test]
fn shortening_again_and_again_is_bounded() {
    let mut table = Table::new(at(0), ROOMY);
    let mut row = Row::new(ALICE, "sip:a", at(0), at(7_200));
    apply(&mut table, at(0), ALICE, &[Change::Add(row.binding())]).0.unwrap();
    for expires in (100..7_200).rev() {
        row.expires = at(expires);
        let id = id_of(&table, at(1), ALICE, "sip:a");
        table
            .apply(
                at(1),
                hash_of(ALICE),
                row.binding().aor,
                &[Change::Refresh(id, row.binding())],
                &mut |_| {},
            )
            .unwrap();
    }
    assert_eq!(table.wheel.len(), u32::from(WHEEL_ENTRIES_MAX));
    assert!(contacts(&table, at(100), ALICE).is_empty());
    assert_eq!(expire(&mut table, at(7_200)), ["-sip:a Expired"]);
    assert_eq!(table.wheel.len(), 0);
}

#[test]
fn limits() {
    // bindings_max, per AOR, replaces, bindings there, adds, refreshes, removes → result, bindings then.
    use Refusal::*;
    let cases = [
        (100, 3, false, 3, 1, 0, 0, Err(AorFull), 3),
        (100, 3, false, 2, 2, 0, 0, Err(AorFull), 2),
        (100, 3, false, 3, 1, 0, 1, Ok(()), 3),
        (100, 3, false, 3, 0, 3, 0, Ok(()), 3),
        (100, 3, true, 3, 1, 0, 0, Ok(()), 3),
        (100, 3, true, 3, 2, 1, 0, Ok(()), 3),
        (100, 3, true, 3, 3, 0, 0, Ok(()), 3),
        (100, 3, true, 3, 4, 0, 0, Err(AorFull), 3),
        (100, 3, true, 3, 2, 2, 0, Err(AorFull), 3),
        (3, 10, false, 3, 1, 0, 0, Err(TableFull), 3),
        (3, 10, false, 3, 1, 0, 1, Ok(()), 3),
        (3, 3, true, 3, 2, 0, 0, Ok(()), 3),
        (3, 10, true, 3, 1, 2, 0, Err(TableFull), 3),
    ];
    for case in cases {
        let (
            bindings_max,
            bindings_per_aor_max,
            replaces_oldest,
            there,
            adds,
            refreshes,
            removes,
            result,
            then,
        ) = case;
        let mut table = Table::new(at(0), Options { bindings_max, bindings_per_aor_max, replaces_oldest });
        let row = |n: u64| Row::new(ALICE, &format!("sip:{n}"), at(n), at(900));
        for n in 0..there {
            apply(&mut table, at(n), ALICE, &[Change::Add(row(n).binding())]).0.unwrap();
        }
        let before = contacts(&table, at(9), ALICE);
        // The oldest are refreshed, and the next oldest removed, so that what gives way is not simply the last.
        let known: Vec<BindingId> =
            (0..there).map(|n| id_of(&table, at(9), ALICE, &format!("sip:{n}"))).collect();
        let rows: Vec<Row> = (0..refreshes).chain(20..20 + adds).map(row).collect();
        let (fresh, new) = rows.split_at(refreshes as usize);
        let mut changes: Vec<Change<'_>> =
            fresh.iter().zip(&known).map(|(row, id)| Change::Refresh(*id, row.binding())).collect();
        changes.extend(known[refreshes as usize..].iter().take(removes).map(|id| Change::Remove(*id)));
        changes.extend(new.iter().map(|row| Change::Add(row.binding())));
        let (got, log) = apply(&mut table, at(30), ALICE, &changes);
        assert_eq!(got, result, "{case:?}");
        assert_eq!(contacts(&table, at(30), ALICE).len(), then, "{case:?}");
        if result.is_err() {
            assert_eq!(contacts(&table, at(30), ALICE), before, "{case:?}");
            assert!(log.is_empty());
        }
        let replaced = log.iter().filter(|line| line.ends_with("Replaced")).count();
        assert_eq!(replaced, if result.is_ok() { (there + adds) as usize - removes - then } else { 0 });
        for n in 0..if result.is_ok() { refreshes } else { 0 } {
            id_of(&table, at(30), ALICE, &format!("sip:{n}"));
        }
    }
}

#[test]
fn the_oldest_gives_way() {
    let options = Options { bindings_per_aor_max: 2, replaces_oldest: true, ..ROOMY };
    let mut table = Table::new(at(0), options);
    for n in 0..3 {
        let row = Row::new(ALICE, &format!("sip:{n}"), at(n), at(900));
        apply(&mut table, at(n), ALICE, &[Change::Add(row.binding())]).0.unwrap();
    }
    assert_eq!(contacts(&table, at(3), ALICE), ["sip:2", "sip:1"]);
}

#[test]
fn text_that_is_too_long_changes_nothing() {
    let mut table = Table::new(at(0), ROOMY);
    let good = Row::new(ALICE, "sip:a", at(0), at(900));
    let bad = Row { call_id: "c".repeat(TEXT_BYTES_MAX), ..Row::new(ALICE, "sip:b", at(0), at(900)) };
    let (result, log) =
        apply(&mut table, at(0), ALICE, &[Change::Add(good.binding()), Change::Add(bad.binding())]);
    assert_eq!((result, log, table.len()), (Err(Refusal::TooLong), vec![], 0));
    let fits = Row { call_id: "c".repeat(TEXT_BYTES_MAX - ALICE.len() - 11), ..good };
    assert_eq!(apply(&mut table, at(0), ALICE, &[Change::Add(fits.binding())]).0, Ok(()));
}

#[test]
fn text_memory_that_runs_out_changes_nothing() {
    let mut table = Table::new(at(0), Options { bindings_max: 8, ..ROOMY });
    let rows: Vec<Row> = (0..8)
        .map(|n| Row { call_id: "c".repeat(3_500), ..Row::new(ALICE, &format!("sip:{n}"), at(0), at(900)) })
        .collect();
    let changes: Vec<Change<'_>> = rows.iter().map(|row| Change::Add(row.binding())).collect();
    let (result, log) = apply(&mut table, at(0), ALICE, &changes);
    assert_eq!((result, log, table.len()), (Err(Refusal::TableFull), vec![], 0));
    assert_eq!(apply(&mut table, at(0), ALICE, &changes[..2]).0, Ok(()));
}

#[test]
fn restored_rows_come_in_the_order_of_their_refreshes() {
    let mut table = Table::new(at(0), ROOMY);
    let row = |n: u64, expires| Row::new(ALICE, &format!("sip:{n}"), at(n), at(expires));
    for (n, expires) in [(2, 900), (5, 900), (3, 900), (1, 10), (4, 900)] {
        table.restore(at(20), hash_of(ALICE), &row(n, expires).binding()).unwrap();
        table.invariants();
    }
    assert_eq!(contacts(&table, at(20), ALICE), ["sip:5", "sip:4", "sip:3", "sip:2"]);
    // The same device again, newer: not a second row.
    let again = Row { refreshed: at(30), ..row(3, 950) };
    table.restore(at(30), hash_of(ALICE), &again.binding()).unwrap();
    assert_eq!(contacts(&table, at(30), ALICE), ["sip:3", "sip:5", "sip:4", "sip:2"]);
    table.restore_removal(at(30), hash_of(ALICE), &again.binding());
    table.invariants();
    assert_eq!(contacts(&table, at(30), ALICE), ["sip:5", "sip:4", "sip:2"]);
}

#[test]
fn pages_show_every_live_binding_once() {
    let mut table = Table::new(at(0), ROOMY);
    let mut wanted = Vec::new();
    for n in 0..40_u64 {
        let aor = format!("u{n}@h");
        let row = Row { call_id: "c".repeat(n as usize * 20), ..Row::new(&aor, "sip:d", at(0), at(10 + n)) };
        apply(&mut table, at(0), &aor, &[Change::Add(row.binding())]).0.unwrap();
        if n > 5 {
            wanted.push(aor);
        }
    }
    let (mut seen, mut start) = (Vec::new(), 0);
    loop {
        let page: Vec<_> = table.page(at(15), start).take(7).collect();
        seen.extend(page.iter().map(|(_, binding)| String::from_utf8_lossy(binding.aor.text()).into_owned()));
        let Some((last, _)) = page.last() else { break };
        start = last + 1;
    }
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
}

/// Random changes of few AORs against a list that does the same the simple way; and a second table that is fed by the events alone.
#[test]
fn agrees_with_a_naive_model_and_its_events_rebuild_it() {
    for seed in 1..13_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut draw = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let mut now = at(0);
        let options = Options { bindings_max: 40, bindings_per_aor_max: 5, replaces_oldest: seed % 2 == 0 };
        let mut table = Table::new(now, options);
        let mut twin = Table::new(now, options);
        let mut model: Vec<(Row, u64)> = Vec::new();
        for step in 0..400_u64 {
            now += Duration::from_millis(draw(20_000));
            let aor = format!("{}@h", "u".repeat(1 + draw(8) as usize));
            let uri = format!("sip:{}", draw(6));
            let mut row = Row::new(&aor, &uri, now, now + Duration::from_millis(1 + draw(300_000)));
            row.call_id = "c".repeat(draw(200) as usize);
            row.cseq = step as u32;
            model.retain(|(row, _)| row.expires > now);
            let known = model.iter().position(|(other, _)| other.aor == aor && other.contact == row.contact);
            let of_aor = model.iter().filter(|(other, _)| other.aor == aor).count();
            let change = match known {
                Some(_) if draw(4) == 0 => Change::Remove(id_of(&table, now, &aor, &uri)),
                Some(_) => Change::Refresh(id_of(&table, now, &aor, &uri), row.binding()),
                None => Change::Add(row.binding()),
            };
            let result =
                table.apply(now, hash_of(&aor), row.binding().aor, &[change], &mut |event| match event {
                    Event::Added(binding) | Event::Refreshed(binding) => {
                        twin.restore(now, hash_of(&aor), &binding).unwrap();
                    }
                    Event::Removed(binding, _) => twin.restore_removal(now, hash_of(&aor), &binding),
                });
            match (change, known) {
                (Change::Remove(_), Some(at)) => {
                    model.remove(at);
                }
                (Change::Refresh(..), Some(at)) => model[at] = (row.clone(), step),
                _ if of_aor == 5 && !options.replaces_oldest => assert_eq!(result, Err(Refusal::AorFull)),
                _ => {
                    if of_aor == 5 {
                        let oldest =
                            model.iter().filter(|(other, _)| other.aor == aor).map(|(_, step)| *step).min();
                        model.retain(|(_, step)| Some(*step) != oldest);
                    }
                    model.push((row.clone(), step));
                }
            }
            if draw(3) == 0 {
                while table.expire_one(now, &mut |event| match event {
                    Event::Removed(binding, Removal::Expired) => assert!(binding.expires <= now),
                    other => panic!("expiry told {other:?}"),
                }) {}
                assert!(table.page(now - Duration::from_secs(1), 0).count() == table.len() as usize);
                assert_eq!(table.page(now, 0).count(), model.len());
            }
            table.invariants();
            twin.invariants();
            for other in [&table, &twin] {
                let mut wanted: Vec<&(Row, u64)> = model.iter().filter(|(row, _)| row.aor == aor).collect();
                wanted.sort_by_key(|(_, step)| u64::MAX - step);
                let seen: Vec<Binding<'_>> = other
                    .bindings(now, hash_of(&aor), row.binding().aor)
                    .map(|(_, binding)| binding)
                    .collect();
                assert!(
                    seen.iter().copied().eq(wanted.iter().map(|(row, _)| row.binding())),
                    "seed {seed} step {step}"
                );
            }
        }
        expire(&mut table, now + Duration::from_secs(300));
        assert_eq!((table.len(), table.wheel.len()), (0, 0));
    }
}
