//! L1: locating and naming every header. L2: L1 and all that a proxy needs, proved.
//!
//! Targets on the reference machine: L1 at most 130 ns for `invite` and 160 ns a message of the mixed pool, L2 at most 300 ns and 340 ns.

mod messages;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messages::{KINDS, Kind, mixed_pool};
use tine::scan::{Backend, Scanner};
use tine::sip::{Essentials, HeaderId, Index, Message};

/// Proves that what is measured does what it should, before it is measured.
fn verify(bytes: &[u8], index: &mut Index) {
    let message = Message::parse(bytes, index).expect("a bench message is well formed");
    let text = std::str::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let lines: Vec<_> = head.split("\r\n").skip(1).collect();
    assert_eq!(message.lines().len(), lines.len());
    for (line, text) in message.lines().iter().zip(lines) {
        let (name, value) = text.split_once(": ").expect("a header");
        assert_eq!((message.name(line), message.value(line)), (name.as_bytes(), value.as_bytes()));
        assert_eq!(line.id == HeaderId::Other, name == "X-Trace-Id", "{name}");
        assert!(line.id == HeaderId::Other || line.id.name() == name);
    }
    assert_eq!(message.body(), body.as_bytes());
    let essentials = Essentials::parse(&message).expect("essentials");
    assert!(essentials.via.has_cookie() && essentials.from.tag().is_some() && essentials.contacts.count == 1);
    assert!(text.contains(std::str::from_utf8(essentials.call_id).expect("text")));
    assert_eq!(essentials.uri.is_some(), message.is_request());
    assert_eq!(essentials.max_forwards.is_some(), message.is_request());
}

fn bench(c: &mut Criterion) {
    let scanner = Scanner::detect();
    let mut index = Index::new(scanner, 128);
    let pool = mixed_pool();
    for bytes in pool.iter().chain(&KINDS.map(Kind::message)) {
        verify(bytes, &mut index);
    }
    let mean = pool.iter().map(Vec::len).sum::<usize>() / pool.len();
    println!("mixed pool: {} messages, mean {mean} bytes, scanner {}", pool.len(), scanner.backend().name());

    let mut group = c.benchmark_group("L1");
    group.throughput(Throughput::Elements(1));
    for kind in KINDS {
        let bytes = kind.message();
        group.bench_function(format!("{}_{}", kind.name(), bytes.len()), |b| {
            b.iter(|| Message::parse(black_box(&bytes), &mut index).map(|message| message.lines().len()))
        });
    }
    group.bench_function("mixed", |b| {
        let mut messages = pool.iter().cycle();
        b.iter(|| {
            let bytes = messages.next().expect("a cycle");
            Message::parse(black_box(bytes), &mut index).map(|message| message.lines().len())
        })
    });
    for backend in [Backend::Scalar, Backend::Sse2] {
        let mut index = Index::new(Scanner::with(backend).expect("part of x86-64"), 128);
        group.bench_function(format!("mixed_{}", backend.name()), |b| {
            let mut messages = pool.iter().cycle();
            b.iter(|| {
                let bytes = messages.next().expect("a cycle");
                Message::parse(black_box(bytes), &mut index).map(|message| message.lines().len())
            })
        });
    }
    group.finish();

    let mut group = c.benchmark_group("L2");
    group.throughput(Throughput::Elements(1));
    for kind in KINDS {
        let bytes = kind.message();
        group.bench_function(format!("{}_{}", kind.name(), bytes.len()), |b| {
            b.iter(|| essentials(&bytes, &mut index))
        });
    }
    group.bench_function("mixed", |b| {
        let mut messages = pool.iter().cycle();
        b.iter(|| essentials(messages.next().expect("a cycle"), &mut index))
    });
    group.finish();
}

fn essentials(bytes: &[u8], index: &mut Index) -> bool {
    let message = Message::parse(black_box(bytes), index).expect("verified");
    black_box(&Essentials::parse(&message)).is_ok()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = bench
}
criterion_main!(benches);
