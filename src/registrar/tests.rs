use super::*;
use crate::flow::Address;
use crate::ids::{ConnectionId, EndpointId, ShardId};
use crate::location;
use crate::scan::Scanner;
use crate::sip::index::Index;
use core::net::{IpAddr, Ipv4Addr};

const HASH: u64 = 7 << 32;
const AOR: Aor<'static> = Aor::new(b"alice@example.org");
const OPTIONS: Options = Options {
    expires_default_s: 3_600,
    expires_min_s: 60,
    expires_max_s: 7_200,
    expires_spread_percent: 0,
    nat_fix: true,
    ping_s: 25,
    retry_after_s: 9,
    node: 3,
};
const TABLE: location::Options =
    location::Options { bindings_max: 20, bindings_per_aor_max: 3, replaces_oldest: false };

fn at(seconds: u64) -> Instant {
    Instant::from_micros((1_289_690_940 + seconds) * 1_000_000)
}

/// A registrar with its table, and what the tests vary of a REGISTER.
struct Bench {
    registrar: Registrar,
    table: Table,
    zone: Zone,
    is_first_hop: bool,
    random: u64,
    branch_hash: u64,
    flow: Flow,
}

struct Answer {
    status: u16,
    reason: &'static str,
    lines: String,
    events: String,
}

impl Bench {
    fn new(options: Options, table: location::Options) -> Bench {
        let remote = Address::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 40_000);
        Bench {
            registrar: Registrar::new(options),
            table: Table::new(at(0), table),
            zone: Zone::Access,
            is_first_hop: true,
            random: 0,
            branch_hash: 0,
            flow: Flow::udp(EndpointId(1), remote),
        }
    }

    /// Sends a REGISTER with these header lines (`|` between them); every other is by another branch.
    fn send(&mut self, seconds: u64, call_id: &str, cseq: u32, lines: &str) -> Answer {
        self.branch_hash += 1;
        self.send_again(seconds, call_id, cseq, lines)
    }

    /// The same with the branch of the one before.
    fn send_again(&mut self, seconds: u64, call_id: &str, cseq: u32, lines: &str) -> Answer {
        let mut text = String::from("REGISTER sip:example.org SIP/2.0\r\n");
        for line in lines.split('|').filter(|line| !line.is_empty()) {
            text += &format!("{line}\r\n");
        }
        text += "Content-Length: 0\r\n\r\n";
        let mut index = Index::new(Scanner::detect(), 200);
        let message = Message::parse(text.as_bytes(), &mut index).unwrap();
        let expires = message.first_value(HeaderId::Expires);
        let register = Register {
            message: &message,
            aor: AOR,
            aor_hash: HASH,
            call_id: call_id.as_bytes(),
            cseq,
            expires_s: expires.map(|value| crate::sip::number::parse_delta_seconds(value).unwrap()),
            branch_hash: self.branch_hash,
            flow: self.flow,
            zone: self.zone,
            is_first_hop: self.is_first_hop,
            random: self.random,
        };
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let decision =
            self.registrar.decide_register(at(seconds), &register, &mut self.table, &mut out, &mut |event| {
                let (sign, binding) = match event {
                    Event::Added(binding) => ("+", binding),
                    Event::Refreshed(binding) => ("=", binding),
                    Event::Removed(binding, location::Removal::Expired) => ("expired ", binding),
                    Event::Removed(binding, location::Removal::Unregistered) => ("-", binding),
                    Event::Removed(binding, location::Removal::Replaced) => ("replaced ", binding),
                };
                events.push(format!("{sign}{}", String::from_utf8_lossy(binding.uri())));
            });
        self.table.invariants();
        Answer {
            status: decision.status,
            reason: decision.reason,
            lines: String::from_utf8(out).unwrap().trim_end().replace("\r\n", "|"),
            events: events.join(" "),
        }
    }

    fn bindings(&self, seconds: u64) -> Vec<Binding<'_>> {
        self.table.bindings(at(seconds), HASH, AOR).map(|(_, binding)| binding).collect()
    }
}

fn bench() -> Bench {
    Bench::new(OPTIONS, TABLE)
}

/// The Contact lines of an answer, without their name.
fn contacts(answer: &Answer) -> Vec<&str> {
    answer.lines.split('|').filter_map(|line| line.strip_prefix("Contact: ")).collect()
}

#[test]
fn one_register_after_another() {
    // Seconds, Call-ID, CSeq, lines → status, events, Contacts of the answer.
    type Step = (u64, &'static str, u32, &'static str, u16, &'static str, &'static [&'static str]);
    let stories: &[(&str, &[Step])] = &[
        (
            "add, refresh, query, remove",
            &[
                (
                    0,
                    "a",
                    1,
                    "Contact: <sip:a@x>;q=0.5;foo=bar",
                    200,
                    "+sip:a@x",
                    &["<sip:a@x>;q=0.5;foo=bar;expires=3600"],
                ),
                (9, "a", 2, "Contact: <sip:a@x>", 200, "=sip:a@x", &["<sip:a@x>;expires=3600"]),
                (10, "a", 3, "", 200, "", &["<sip:a@x>;expires=3599"]),
                (11, "a", 4, "Contact: <sip:a@X>;expires=0", 200, "-sip:a@x", &[]),
                (12, "a", 5, "m: <sip:a@x>;expires=0", 200, "", &[]),
            ],
        ),
        (
            "where the expiry comes from",
            &[
                (0, "a", 1, "Contact: <sip:a@x>|Expires: 120", 200, "+sip:a@x", &["<sip:a@x>;expires=120"]),
                (
                    0,
                    "a",
                    2,
                    "Contact: <sip:a@x>;expires=90|Expires: 120",
                    200,
                    "=sip:a@x",
                    &["<sip:a@x>;expires=90"],
                ),
                (
                    0,
                    "a",
                    3,
                    "Contact: <sip:a@x>;expires=90|Expires: 0",
                    200,
                    "=sip:a@x",
                    &["<sip:a@x>;expires=90"],
                ),
                (
                    0,
                    "a",
                    4,
                    "Contact: <sip:a@x>;expires=9999;k|Expires: 0",
                    200,
                    "=sip:a@x",
                    &["<sip:a@x>;k;expires=7200"],
                ),
                (0, "a", 5, "Contact: <sip:a@x>;expires=never", 200, "=sip:a@x", &["<sip:a@x>;expires=3600"]),
                (0, "a", 6, "Contact: <sip:a@x>;expires=60", 200, "=sip:a@x", &["<sip:a@x>;expires=60"]),
                (0, "a", 7, "Contact: <sip:a@x>;expires=59", 423, "", &[]),
                (0, "a", 8, "Contact: <sip:a@x>|Expires: 1", 423, "", &[]),
                (0, "a", 9, "Contact: <sip:a@x>|Expires: 0", 200, "-sip:a@x", &[]),
            ],
        ),
        (
            "one flaw and nothing is changed",
            &[
                (0, "a", 1, "Contact: <sip:a@x>, <sip:b@x>;expires=59", 423, "", &[]),
                (0, "a", 1, "Contact: <sip:a@x>|Contact: <sip:b@x>;q=7", 400, "", &[]),
                (0, "a", 1, "Contact: <sip:a@x>, <sip:b@x", 400, "", &[]),
                (0, "a", 1, "Contact: <sip:a@x>, *|Expires: 0", 400, "", &[]),
                (0, "a", 1, "Contact: <sip:1@x>, <sip:2@x>, <sip:3@x>, <sip:4@x>", 403, "", &[]),
                (0, "a", 1, "", 200, "", &[]),
                (
                    0,
                    "a",
                    1,
                    "Contact: <sip:a@x>, <sip:b@x>",
                    200,
                    "+sip:a@x +sip:b@x",
                    &["<sip:b@x>;expires=3600", "<sip:a@x>;expires=3600"],
                ),
                (
                    1,
                    "b",
                    1,
                    "Contact: <sip:b@x>;expires=0,<sip:c@x>|m: sip:d@x",
                    200,
                    "-sip:b@x +sip:c@x +sip:d@x",
                    &["sip:d@x;expires=3600", "<sip:c@x>;expires=3600", "<sip:a@x>;expires=3599"],
                ),
            ],
        ),
        (
            "the star",
            &[
                (
                    0,
                    "a",
                    5,
                    "Contact: <sip:a@x>, <sip:b@x>",
                    200,
                    "+sip:a@x +sip:b@x",
                    &["<sip:b@x>;expires=3600", "<sip:a@x>;expires=3600"],
                ),
                (0, "a", 6, "Contact: *", 400, "", &[]),
                (0, "a", 6, "Contact: *|Expires: 60", 400, "", &[]),
                (0, "a", 6, "Contact: *|Contact: <sip:a@x>|Expires: 0", 400, "", &[]),
                (0, "a", 6, "Contact: *|Contact: *|Expires: 0", 400, "", &[]),
                (0, "a", 6, "Contact: *;expires=0|Expires: 0", 400, "", &[]),
                (0, "a", 5, "Contact: *|Expires: 0", 500, "", &[]),
                (0, "a", 6, "Contact: *|Expires: 0", 200, "-sip:b@x -sip:a@x", &[]),
                (0, "a", 7, "Contact: *|Expires: 0", 200, "", &[]),
            ],
        ),
        (
            "order within one Call-ID",
            &[
                (0, "a", 5, "Contact: <sip:a@x>", 200, "+sip:a@x", &["<sip:a@x>;expires=3600"]),
                (1, "a", 5, "Contact: <sip:a@x>", 500, "", &[]),
                (1, "a", 4, "Contact: <sip:a@x>", 500, "", &[]),
                (1, "a", 4, "Contact: <sip:a@x>;expires=0", 500, "", &[]),
                (1, "a", 4, "Contact: <sip:b@x>, <sip:a@x>", 500, "", &[]),
                (1, "a", 4, "", 200, "", &["<sip:a@x>;expires=3599"]),
                // Another Call-ID, whatever its number; then the first one again.
                (1, "b", 1, "Contact: <sip:a@x>", 200, "=sip:a@x", &["<sip:a@x>;expires=3600"]),
                (1, "b", 0, "Contact: *|Expires: 0", 500, "", &[]),
                (2, "a", 1, "Contact: <sip:a@x>;expires=0", 200, "-sip:a@x", &[]),
            ],
        ),
        (
            "expiry",
            &[
                (0, "a", 1, "Contact: <sip:a@x>;expires=60", 200, "+sip:a@x", &["<sip:a@x>;expires=60"]),
                (59, "a", 2, "", 200, "", &["<sip:a@x>;expires=1"]),
                (60, "a", 3, "", 200, "", &[]),
                // Order counts for live bindings alone.
                (
                    60,
                    "a",
                    1,
                    "Contact: <sip:a@x>",
                    200,
                    "expired sip:a@x +sip:a@x",
                    &["<sip:a@x>;expires=3600"],
                ),
            ],
        ),
        (
            "devices",
            &[
                (
                    0,
                    "a",
                    1,
                    "Contact: <sip:a@x>;+sip.instance=\"<urn:1>\"",
                    200,
                    "+sip:a@x",
                    &["<sip:a@x>;+sip.instance=\"<urn:1>\";expires=3600"],
                ),
                (
                    0,
                    "b",
                    1,
                    "Contact: <sip:a@y>;+sip.instance=\"<URN:1>\"",
                    200,
                    "=sip:a@y",
                    &["<sip:a@y>;+sip.instance=\"<URN:1>\";expires=3600"],
                ),
                (
                    0,
                    "c",
                    1,
                    "Contact: <sip:a@y>;+sip.instance=\"<urn:2>\"",
                    200,
                    "+sip:a@y",
                    &[
                        "<sip:a@y>;+sip.instance=\"<urn:2>\";expires=3600",
                        "<sip:a@y>;+sip.instance=\"<URN:1>\";expires=3600",
                    ],
                ),
                (
                    0,
                    "d",
                    1,
                    "Contact: <sip:a@y;transport=tcp>",
                    200,
                    "+sip:a@y;transport=tcp",
                    &[
                        "<sip:a@y;transport=tcp>;expires=3600",
                        "<sip:a@y>;+sip.instance=\"<urn:2>\";expires=3600",
                        "<sip:a@y>;+sip.instance=\"<URN:1>\";expires=3600",
                    ],
                ),
            ],
        ),
        (
            "the same device twice in one REGISTER",
            &[
                (
                    0,
                    "a",
                    1,
                    "Contact: <sip:a@x>;q=0.1, <sip:%61@X>;q=0.2",
                    200,
                    "+sip:%61@X",
                    &["<sip:%61@X>;q=0.2;expires=3600"],
                ),
                (0, "a", 2, "Contact: <sip:a@x>, <sip:a@x>;expires=0", 200, "-sip:%61@X", &[]),
                (0, "a", 3, "Contact: <sip:a@x>, <sip:a@x>;expires=0", 200, "", &[]),
                (
                    0,
                    "a",
                    4,
                    "Contact: <sip:a@x>;expires=0, <sip:a@x>",
                    200,
                    "+sip:a@x",
                    &["<sip:a@x>;expires=3600"],
                ),
            ],
        ),
        (
            "other schemes are kept",
            &[(
                0,
                "a",
                1,
                "Contact: <mailto:a@x>;q=0.1, \"A\" <tel:+1>",
                200,
                "+mailto:a@x +tel:+1",
                &["\"A\" <tel:+1>;expires=3600", "<mailto:a@x>;q=0.1;expires=3600"],
            )],
        ),
    ];
    for (name, steps) in stories {
        let mut bench = bench();
        for (seconds, call_id, cseq, lines, status, events, wanted) in *steps {
            let answer = bench.send(*seconds, call_id, *cseq, lines);
            assert_eq!((answer.status, answer.events.as_str()), (*status, *events), "{name}: {lines}");
            assert_eq!(contacts(&answer), *wanted, "{name}: {lines}");
        }
    }
}

#[test]
fn a_retransmission_gets_the_bindings_again() {
    let mut bench = bench();
    let lines = "Contact: <sip:a@x>;expires=100, <sip:b@x>;expires=100";
    let first = bench.send(0, "a", 1, lines);
    let again = bench.send_again(10, "a", 1, lines);
    assert_eq!((again.status, again.events.as_str()), (200, ""));
    assert_eq!(contacts(&first), ["<sip:b@x>;expires=100", "<sip:a@x>;expires=100"]);
    assert_eq!(contacts(&again), ["<sip:b@x>;expires=90", "<sip:a@x>;expires=90"]);
    assert_eq!(
        bench.send(11, "a", 1, lines).status,
        500,
        "the same CSeq by another branch is no retransmission"
    );
    let lines = "Contact: <sip:a@x>;expires=0|Contact: <sip:b@x>;expires=0";
    assert_eq!(bench.send(12, "a", 2, lines).events, "-sip:a@x -sip:b@x");
    assert_eq!(bench.send_again(12, "a", 2, lines).status, 200);
    // Outbound is said again as well.
    let lines = "Contact: <sip:a@x>;+sip.instance=\"<urn:1>\";reg-id=1|Supported: outbound";
    let first = bench.send(13, "a", 3, lines);
    assert_eq!(bench.send_again(13, "a", 3, lines).lines, first.lines);
}

#[test]
fn refusals_say_what_would_help() {
    let mut bench = Bench::new(OPTIONS, location::Options { bindings_max: 2, ..TABLE });
    let brief = bench.send(0, "a", 1, "Contact: <sip:a@x>;expires=1");
    assert_eq!(
        (brief.status, brief.reason, brief.lines.as_str()),
        (423, "Interval Too Brief", "Min-Expires: 60")
    );
    let bad = bench.send(0, "a", 1, "Contact: <sip:a@x>;q=x");
    assert_eq!((bad.status, bad.reason, bad.lines.as_str()), (400, "Bad Contact", ""));
    let bad = bench.send(0, "a", 1, "Contact: <sip:a@x>|Path: <sip:p");
    assert_eq!((bad.status, bad.reason, bad.lines.as_str()), (400, "Bad Path", ""));
    let full = bench.send(0, "a", 1, "Contact: <sip:a@x>, <sip:b@x>, <sip:c@x>");
    assert_eq!((full.status, full.lines.as_str()), (503, "Retry-After: 9"));
    let long = bench.send(0, &"a".repeat(5_000), 1, "Contact: <sip:a@x>");
    assert_eq!((long.status, long.reason), (513, "Message Too Large"));
    let many = format!("Contact: <sip:a@x>{}", ",<sip:a@x>".repeat(CONTACTS_MAX));
    assert_eq!(bench.send(0, "a", 1, &many).status, 403);
    assert!(bench.table.is_empty());
}

#[test]
fn the_oldest_gives_way_where_the_options_say_so() {
    let mut bench = Bench::new(OPTIONS, location::Options { replaces_oldest: true, ..TABLE });
    for (n, uri) in ["a", "b", "c"].iter().enumerate() {
        bench.send(n as u64, uri, 1, &format!("Contact: <sip:{uri}@x>"));
    }
    bench.send(5, "a", 2, "Contact: <sip:a@x>");
    assert_eq!(bench.send(6, "d", 1, "Contact: <sip:d@x>").events, "replaced sip:b@x +sip:d@x");
}

#[test]
fn the_date_is_that_of_the_answer() {
    let mut bench = bench();
    assert_eq!(bench.send(0, "a", 1, "").lines, "Date: Sat, 13 Nov 2010 23:29:00 GMT");
    assert_eq!(bench.send(61, "a", 1, "").lines, "Date: Sat, 13 Nov 2010 23:30:01 GMT");
}

#[test]
fn the_path_is_kept_and_said_again_to_who_knows_it() {
    let mut bench = bench();
    let lines = "Contact: <sip:a@x>|Path: <sip:p1;lr> ,<sip:p2;lr>|Path: <sip:p3;lr>|Supported: gruu, path";
    let joined = "<sip:p1;lr> ,<sip:p2;lr>,<sip:p3;lr>";
    let answer = bench.send(0, "a", 1, lines);
    assert!(answer.lines.ends_with(&format!("|Path: {joined}|Supported: path")), "{}", answer.lines);
    let kept = bench.bindings(0)[0];
    assert_eq!((kept.path, kept.rings_by_flow), (joined.as_bytes(), false));
    let answer = bench.send(0, "a", 2, "Contact: <sip:a@x>|Path: <sip:p1;lr>");
    assert!(answer.status == 200 && !answer.lines.contains("Path"), "{}", answer.lines);
    assert_eq!(bench.bindings(0)[0].path, b"<sip:p1;lr>");
    bench.send(0, "a", 3, "Contact: <sip:a@x>");
    assert_eq!(bench.bindings(0)[0].path, b"", "a refresh without Path takes it away");
}

#[test]
fn who_is_rung_where_the_register_came_from() {
    let plain = "Contact: <sip:a@x>";
    let flow = "Contact: <sip:a@x>;+sip.instance=\"<urn:1>\";reg-id=1";
    for (nat_fix, zone, is_first_hop, lines, rings_by_flow) in [
        (true, Zone::Access, true, plain, true),
        (true, Zone::Access, false, plain, false),
        (true, Zone::Core, true, plain, false),
        (false, Zone::Access, true, plain, false),
        (false, Zone::Core, true, flow, true),
        (true, Zone::Access, false, flow, false),
    ] {
        let mut bench = Bench::new(Options { nat_fix, ..OPTIONS }, TABLE);
        (bench.zone, bench.is_first_hop) = (zone, is_first_hop);
        let connection = ConnectionId { slot: 4, generation: 5, shard: ShardId(6) };
        bench.flow.connection = Some(connection);
        assert_eq!(bench.send(0, "a", 1, lines).status, 200);
        let kept = bench.bindings(0)[0];
        assert_eq!(kept.rings_by_flow, rings_by_flow, "{nat_fix} {zone:?} {is_first_hop} {lines}");
        assert_eq!((kept.flow, kept.node), (bench.flow, 3));
    }
}

#[test]
fn outbound_is_used_where_every_hop_can() {
    let device = "Contact: <sip:a@x>;+sip.instance=\"<urn:1>\";reg-id=1";
    let said = "Require: outbound|Flow-Timer: 25";
    for (is_first_hop, lines, status, reg_id, end) in [
        (true, "|Supported: outbound", 200, Some(1), said),
        (true, "", 200, Some(1), "Flow-Timer: 25"),
        (false, "|Supported: path|Supported: outbound", 439, None, ""),
        (false, "|Path: <sip:p;lr>|Supported: outbound", 439, None, ""),
        (false, "|Path: <sip:p;lr;ob>,<sip:q;lr>|Supported: outbound", 439, None, ""),
        (false, "|Path: <sip:p;lr>,<sip:q;lr;ob>|Supported: outbound", 200, Some(1), said),
        (false, "|Path: <sip:p;lr>", 200, None, "GMT"),
        (false, "", 200, None, "GMT"),
    ] {
        let mut bench = bench();
        bench.is_first_hop = is_first_hop;
        let answer = bench.send(0, "a", 1, &format!("{device}{lines}"));
        assert_eq!(answer.status, status, "{lines}");
        assert!(answer.lines.ends_with(end), "{lines}: {}", answer.lines);
        assert_eq!(bench.bindings(0).first().and_then(|binding| binding.reg_id()), reg_id, "{lines}");
    }
    let mut bench = bench();
    let two = bench.send(0, "a", 1, &format!("{device}|Contact: <sip:b@x>"));
    assert_eq!((two.status, bench.table.len()), (400, 0));
    let other = bench.send(0, "a", 1, &format!("{device}|Contact: <sip:b@x>;expires=0"));
    assert_eq!((other.status, bench.table.len()), (200, 1));
    bench.registrar.set_options(Options { ping_s: 0, ..OPTIONS });
    assert!(!bench.send(0, "a", 2, device).lines.contains("Flow-Timer"));
}

#[test]
fn granted_expiries_are_spread() {
    let spread = Options { expires_spread_percent: 50, ..OPTIONS };
    for (random, asked, granted) in
        [(0, 1000, 1000), (u64::MAX, 1000, 500), (1 << 63, 1000, 750), (u64::MAX, 80, 60), (u64::MAX, 60, 60)]
    {
        let mut bench = Bench::new(spread, TABLE);
        bench.random = random;
        bench.send(0, "a", 1, &format!("Contact: <sip:a@x>;expires={asked}"));
        assert_eq!(bench.bindings(0)[0].remaining_s(at(0)), granted, "{random} {asked}");
    }
}

#[test]
fn a_refresh_reuses_memory() {
    let mut bench = bench();
    bench.send(0, "a", 1, "Contact: <sip:a@x>|Path: <sip:p;lr>");
    let before = (bench.registrar.changes.capacity(), bench.registrar.changes.as_ptr() as usize);
    let path = (bench.registrar.path.capacity(), bench.registrar.path.as_ptr());
    bench.send(0, "a", 2, "Contact: <sip:a@x>|Path: <sip:p;lr>");
    assert!(before.0 > 0 && path.0 > 0);
    assert_eq!((bench.registrar.changes.capacity(), bench.registrar.changes.as_ptr() as usize), before);
    assert_eq!((bench.registrar.path.capacity(), bench.registrar.path.as_ptr()), path);
}

#[test]
fn what_no_message_can_hold_is_left_out() {
    let options =
        location::Options { bindings_max: 1_000, bindings_per_aor_max: 100, replaces_oldest: false };
    let mut bench = Bench::new(OPTIONS, options);
    for n in 0..16 {
        let status = bench.send(0, "a", n, &format!("Contact: <sip:{n}@x>;k={}", "v".repeat(3_900))).status;
        assert_eq!(status, 200);
    }
    let answer = bench.send(0, "b", 1, "");
    assert_eq!(contacts(&answer).len(), 12);
}
