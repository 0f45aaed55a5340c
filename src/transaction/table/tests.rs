use super::*;
use crate::flow::Address;
use crate::ids::EndpointId;
use crate::time::Duration;

fn table(transactions_max: u32) -> Table {
    Table::new(ShardId(3), &Options { transactions_max, ..Options::default() })
}

fn flow() -> Flow {
    Flow::udp(EndpointId(0), Address::new([192, 0, 2, 1].into(), 5060))
}

#[test]
fn a_server_is_found_by_its_whole_fingerprint() {
    let mut table = table(8);
    // The halves that the index sees are equal; only the others differ.
    let keys = [7u128, 7 | 1 << 64, 7 | 2 << 64];
    let ids: Vec<_> = keys
        .iter()
        .map(|key| table.open_server(Instant::default(), true, *key, flow(), User::Nobody).unwrap())
        .collect();
    for (key, id) in keys.iter().zip(&ids) {
        assert_eq!(table.find_server(*key), Some(*id));
    }
    assert_eq!(table.find_server(7 | 3 << 64), None);
    table.remove(ids[1]).unwrap();
    assert_eq!(table.find_server(keys[1]), None);
    assert_eq!(table.find_server(keys[2]), Some(ids[2]));
    table.invariants();
}

#[test]
fn a_full_table_refuses_and_recovers() {
    let mut table = table(2);
    let first = table.open_client(true, flow(), User::Nobody).unwrap();
    table.open_server(Instant::default(), false, 1, flow(), User::Nobody).unwrap();
    assert_eq!(table.open_client(true, flow(), User::Nobody), None);
    assert_eq!(table.open_server(Instant::default(), false, 2, flow(), User::Nobody), None);
    table.remove(first).unwrap();
    let again = table.open_client(false, flow(), User::Nobody).unwrap();
    assert_eq!(again.slot, first.slot);
    assert_ne!(again.generation, first.generation);
    assert!(table.record(first).is_none(), "an old name finds nothing");
    table.invariants();
}

#[test]
fn an_unanswered_invite_is_sent_seven_times_and_times_out() {
    let mut table = table(8);
    let start = Instant::from_micros(5_000_000);
    let id = table.open_client(true, flow(), User::Nobody).unwrap();
    table.start_client(start, id, flow());
    let mut resent_ms = Vec::new();
    loop {
        let now = table.next_deadline().unwrap();
        let Some((fired, effects)) = table.on_timer(now) else { continue };
        assert_eq!(fired, id);
        let ms = now.since(start).as_millis();
        if effects.has(Effects::TIMEOUT) {
            assert_eq!(ms, 32_000);
            assert!(effects.has(Effects::TERMINATE));
            break;
        }
        assert!(effects.has(Effects::RESEND));
        resent_ms.push(ms);
    }
    // RFC 3261 §17.1.1.2: at 0, T1, 3·T1, 7·T1, 15·T1, 31·T1 and 63·T1.
    assert_eq!(resent_ms, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
}

#[test]
fn what_has_ended_lingers_and_then_is_gone() {
    let mut table = table(8);
    let id = table.open_server(Instant::default(), false, 1, flow(), User::Nobody).unwrap();
    assert_eq!((table.count(Kind::NonInviteServer), table.is_quiet()), (1, false));
    let effects = table.on(Instant::default(), id, Event::NonInviteServer(non_invite_server::Event::Final));
    assert!(effects.has(Effects::SEND) && !effects.has(Effects::TERMINATE));
    assert_eq!((table.count(Kind::Lingering), table.is_quiet()), (1, true));
    let almost = Instant::default() + Duration::from_millis(31_999);
    assert_eq!(table.on_timer(almost), None, "the timer Trying finds nothing to do");
    let (gone, effects) = table.on_timer(almost + Duration::from_millis(1)).unwrap();
    assert!(gone == id && effects.has(Effects::TERMINATE));
    table.remove(id).unwrap();
    assert!(table.is_empty());
    table.invariants();
}

#[test]
fn an_event_of_another_machine_changes_nothing() {
    let mut table = table(8);
    let id = table.open_client(false, flow(), User::Nobody).unwrap();
    let before = table.record(id).unwrap().machine;
    let effects = table.on(Instant::default(), id, Event::InviteServer(invite_server::Event::Ack));
    assert!(effects.is_none());
    assert_eq!(table.record(id).unwrap().machine, before);
}
