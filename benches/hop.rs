//! Bytes in, bytes out: what one operation costs in the shard, with its tables as full as after 32 s of this load.

mod load;
mod smoke;

use criterion::{Criterion, criterion_group, criterion_main};
use load::{BATCH, Load};

/// On the reference machine, tine's own code alone.
const TARGETS: &str = "targets: options 0.5 us, register 0.7 us, call 6 us, forked_call 12 us";

/// One kind of operation.
struct Row {
    name: &'static str,
    users: u64,
    devices: u64,
    /// Operations a second of virtual time.
    rate: u64,
    batch: fn(&mut Load),
}

const ROWS: [Row; 4] = [
    Row { name: "options", users: 10_000, devices: 1, rate: 30_000, batch: Load::options },
    Row { name: "register", users: 1_000_000, devices: 1, rate: 30_000, batch: Load::refresh },
    Row { name: "call", users: 10_000, devices: 1, rate: 10_000, batch: |load| load.call(1) },
    Row { name: "forked_call", users: 10_000, devices: 3, rate: 5_000, batch: |load| load.call(3) },
];

fn hop(criterion: &mut Criterion) {
    let is_smoke = smoke::is_smoke();
    println!("{TARGETS}");
    let mut group = criterion.benchmark_group("hop");
    group.sample_size(20);
    for row in ROWS {
        let mut load = None;
        group.bench_function(row.name, |bench| {
            let load = load.get_or_insert_with(|| {
                let users = if is_smoke { 1_000 } else { row.users };
                let mut load = Load::new(users, row.devices, row.rate, || 0);
                // Longer than anything lingers.
                load.run(if is_smoke { BATCH as u64 } else { 33 * row.rate }, row.batch);
                load
            });
            bench.iter_custom(|count| load.run(count, row.batch));
        });
    }
    group.finish();
}

criterion_group!(benches, hop);
criterion_main!(benches);
