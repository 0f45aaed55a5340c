//! The location table and the registrar with a million AORs, one binding each: what a look-up and a refresh cost when nothing is in the cache, and what
//! a binding costs in memory.

mod smoke;

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use tine::flow::{Address, Flow, Zone};
use tine::ids::EndpointId;
use tine::location::{self, Aor, Binding, Change, Event, Span, Table};
use tine::registrar::{self, Register, Registrar};
use tine::scan::Scanner;
use tine::sip::{Index, Message};
use tine::storage::hash::HashKey;
use tine::time::Instant;

/// Operations of one timed batch, each on another AOR.
const BATCH: usize = 512;

fn main_now() -> Instant {
    Instant::from_micros(1_800_000_000_000_000)
}

/// The texts of one subscriber's registration.
struct Subscriber {
    aor: String,
    contact: String,
    call_id: String,
}

impl Subscriber {
    /// As a phone behind NAT says it, or as a phone with RFC 5626 does.
    fn new(number: u32, with_instance: bool) -> Subscriber {
        let aor = format!("user{number:07}@example.org");
        let (a, b) = (number >> 8 & 0xFF, number & 0xFF);
        let mut contact = format!("<sip:user{number:07}@192.168.{a}.{b}:5060>");
        if with_instance {
            contact +=
                &format!(";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{number:012x}>\";reg-id=1");
        }
        Subscriber { aor, contact, call_id: format!("{number:08x}-71f3-4b2a-9d0c@192.168.{a}.{b}") }
    }

    fn binding(&self, now: Instant, cseq: u32) -> Binding<'_> {
        let uri_len = self.contact.find('>').expect("the URI is in brackets") - 1;
        let instance =
            self.contact.find("urn:").map_or(Span::default(), |start| Span { start: start as u16, len: 45 });
        Binding {
            aor: Aor::new(self.aor.as_bytes()),
            contact: self.contact.as_bytes(),
            uri: Span { start: 1, len: uri_len as u16 },
            expires_param: Span::default(),
            q: 1000,
            instance,
            reg_id: u32::from(instance.len > 0),
            call_id: self.call_id.as_bytes(),
            cseq,
            branch_hash: u64::from(cseq),
            flow: flow(),
            rings_by_flow: true,
            path: b"",
            expires: now + tine::time::Duration::from_secs(3600),
            refreshed_s: now.unix_s() as u32,
            node: 0,
        }
    }

    fn register(&self, cseq: u32) -> Vec<u8> {
        format!(
            "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.2:5060;branch=z9hG4bK{cseq:08x};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{aor}>;tag=abcdef\r\nTo: <sip:{aor}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: {contact}\r\nExpires: 3600\r\nSupported: path, outbound\r\n\
             User-Agent: phone/1.0\r\nContent-Length: 0\r\n\r\n",
            aor = self.aor,
            call_id = self.call_id,
            contact = self.contact
        )
        .into_bytes()
    }
}

fn flow() -> Flow {
    Flow::udp(EndpointId(1), Address::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 40_000))
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

/// A table with a binding for each subscriber.
fn filled(key: &HashKey, count: u32, with_instance: bool) -> Table {
    let options = location::Options { bindings_max: count, bindings_per_aor_max: 10, replaces_oldest: false };
    let before = resident_bytes();
    let mut table = Table::new(main_now(), options);
    for number in 0..count {
        let subscriber = Subscriber::new(number, with_instance);
        let binding = subscriber.binding(main_now(), 1);
        let hash = binding.aor.hash(key);
        let added = table.apply(main_now(), hash, binding.aor, &[Change::Add(binding)], &mut |_| {});
        assert_eq!(added, Ok(()));
    }
    let text_len = Subscriber::new(0, with_instance);
    println!(
        "memory: {} bytes resident for each of {count} bindings, of which text {}",
        (resident_bytes() - before) / count as usize,
        text_len.aor.len() + text_len.contact.len() + text_len.call_id.len()
    );
    table
}

struct Draw(u64);

impl Draw {
    fn number(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(bound)) as u32
    }
}

fn bench(criterion: &mut Criterion) {
    // As a smoke test, a small table is enough.
    let count = if smoke::is_smoke() { 20_000 } else { 1_000_000 };
    let key = HashKey::new([1, 2, 3, 4]);
    for (name, with_instance, count) in
        [("plain", false, count), ("instance", true, count), ("cached", true, count.min(2_000))]
    {
        let mut table = filled(&key, count, with_instance);
        let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
        let mut group = criterion.benchmark_group(format!("location/{name}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let batch = |draw: &mut Draw| -> Vec<Subscriber> {
            (0..BATCH).map(|_| Subscriber::new(draw.number(count), with_instance)).collect()
        };

        group.bench_function("lookup", |bencher| {
            bencher.iter_batched_ref(
                || batch(&mut draw),
                |batch| {
                    for subscriber in batch {
                        let aor = Aor::new(subscriber.aor.as_bytes());
                        let (_, binding) =
                            table.bindings(main_now(), aor.hash(&key), aor).next().expect("each has one");
                        assert_eq!(binding.contact, subscriber.contact.as_bytes());
                        black_box(binding);
                    }
                },
                BatchSize::LargeInput,
            );
        });

        let options = registrar::Options {
            expires_default_s: 3600,
            expires_min_s: 60,
            expires_max_s: 7200,
            expires_spread_percent: 0,
            nat_fix: true,
            ping_s: 25,
            retry_after_s: 5,
            node: 0,
        };
        let mut registrar = Registrar::new(options);
        let mut cseq = 1;
        group.bench_function("refresh", |bencher| {
            bencher.iter_batched_ref(
                || {
                    cseq += 1;
                    let prepared = batch(&mut draw).into_iter().map(|subscriber| {
                        let text = subscriber.register(cseq);
                        let mut index = Index::new(Scanner::detect(), 16);
                        Message::parse(&text, &mut index).expect("the REGISTER is well-formed");
                        (subscriber, text, index)
                    });
                    (cseq, prepared.collect::<Vec<_>>(), Vec::with_capacity(4_096))
                },
                |(cseq, batch, lines)| {
                    for (subscriber, text, index) in batch {
                        let message = Message::view(text, index);
                        let aor = Aor::new(subscriber.aor.as_bytes());
                        let register = Register {
                            message: &message,
                            aor,
                            aor_hash: aor.hash(&key),
                            call_id: subscriber.call_id.as_bytes(),
                            cseq: *cseq,
                            expires_s: Some(3600),
                            branch_hash: u64::from(*cseq),
                            flow: flow(),
                            zone: Zone::Access,
                            is_first_hop: true,
                            random: 0,
                        };
                        lines.clear();
                        let mut events = 0;
                        let decision = registrar.decide_register(
                            main_now(),
                            &register,
                            &mut table,
                            lines,
                            &mut |event| {
                                events += u32::from(matches!(event, Event::Refreshed(_)));
                            },
                        );
                        // One drawn twice in a batch is a retransmission.
                        assert!(decision.status == 200 && events <= 1);
                        assert!(lines.starts_with(b"Contact: <sip:user"));
                    }
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
        assert_eq!(table.len(), count);
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
