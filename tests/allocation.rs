//! Nothing allocates on the path of a message once tables, buffers and queues have the size that the load needs.

#![allow(unsafe_code, reason = "a counting allocator is a GlobalAlloc, which is an unsafe trait")]

#[path = "../benches/load/mod.rs"]
mod load;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use load::Load;

/// One batch of an operation.
type Batch = fn(&mut Load);

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those of this method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, and so from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations inside the shard during 2 s of a load that has gone on for 200 s: longer than timer C, the longest that is armed for a call.
fn allocations(users: u64, devices: u64, batch: Batch) -> u64 {
    let rate = 100;
    let mut load = Load::new(users, devices, rate, || COUNT.load(Ordering::Relaxed));
    load.run(200 * rate, batch);
    load.probed = 0;
    load.run(2 * rate, batch);
    load.probed
}

/// One test, because a second one in another thread would be counted too.
#[test]
fn no_kind_of_message_allocates_in_the_steady_state() {
    let rows: [(&str, u64, Batch); 4] = [
        ("OPTIONS", 1, Load::options),
        ("REGISTER refresh", 1, Load::refresh),
        ("call to one device", 1, |load| load.call(1)),
        ("call forked to three devices", 3, |load| load.call(3)),
    ];
    for (name, devices, batch) in rows {
        assert_eq!(allocations(500, devices, batch), 0, "{name}");
    }
}
