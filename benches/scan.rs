//! The scanner alone: from bytes to lines, for each backend that this processor has.

mod messages;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messages::{Kind, mixed_pool};
use tine::scan::{Backend, End, Head, Line, Scanner, Sink};

/// Keeps all lines, to compare them.
#[derive(Default)]
struct Lines(Vec<Line>);

impl Sink for Lines {
    fn on_line(&mut self, line: Line) -> bool {
        self.0.push(line);
        true
    }
}

/// Does as little as can be with each line.
#[derive(Default)]
struct Sum(usize);

impl Sink for Sum {
    #[inline(always)]
    fn on_line(&mut self, line: Line) -> bool {
        self.0 += line.colon ^ line.next;
        true
    }
}

/// Every backend finds the lines that splitting the text finds.
fn verify(scanner: Scanner, bytes: &[u8]) {
    let mut lines = Lines::default();
    let head = scanner.scan_head(bytes, &mut lines);
    let text = std::str::from_utf8(bytes).expect("text");
    let (text, body) = text.split_once("\r\n\r\n").expect("a head");
    assert_eq!(head, Head { end: End::Complete, len: bytes.len() - body.len(), forbidden: None });
    let found: Vec<_> = lines.0.iter().map(|line| &bytes[line.start..line.end]).collect();
    assert_eq!(found, text.split("\r\n").map(str::as_bytes).collect::<Vec<_>>());
    for line in &lines.0[1..] {
        assert_eq!(
            bytes[line.start..line.end].iter().position(|&byte| byte == b':'),
            Some(line.colon - line.start)
        );
    }
}

fn bench(c: &mut Criterion) {
    let pool = mixed_pool();
    let invite = Kind::Invite.message();
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(1));
    for scanner in Backend::ALL.into_iter().filter_map(Scanner::with) {
        pool.iter().chain([&invite]).for_each(|bytes| verify(scanner, bytes));
        let name = scanner.backend().name();
        group.bench_function(format!("invite_{name}"), |b| {
            b.iter(|| {
                let mut sum = Sum::default();
                scanner.scan_head(black_box(&invite), &mut sum);
                sum.0
            })
        });
        group.bench_function(format!("mixed_{name}"), |b| {
            let mut messages = pool.iter().cycle();
            b.iter(|| {
                let mut sum = Sum::default();
                scanner.scan_head(black_box(messages.next().expect("a cycle")), &mut sum);
                sum.0
            })
        });
    }
    // How fast the machine is, and how quiet: 116 ns on the reference machine. Places are added up, because counting alone has a way of its own.
    let newlines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).sum::<usize>();
    let expected = invite.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    assert_eq!(newlines(&invite), expected.sum::<usize>());
    group.bench_function("invite_newlines_by_memchr", |b| b.iter(|| newlines(black_box(&invite))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = bench
}
criterion_main!(benches);
