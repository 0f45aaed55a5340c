//! Makes executors that leave lockable memory to each other.
//!
//! glommio registers 64 KiB of buffers with each of an executor's three rings, which count as locked memory of the user and which a shard never uses. It
//! goes on without them where the kernel refuses. The rings themselves count too, and without those there is no executor: so that the first shards'
//! buffers do not take what the last shards' rings need, executors are made one after another under a soft limit that has room for rings alone.

use std::sync::Mutex;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement};
use rlimit::Resource;

use super::Error;
use super::error::UringCause;
use super::fault::guard;
use super::udp::probe_uring;

/// Submission entries of each ring: a page for them and one for the completions. A shard waits for few things at a time; what does not fit waits in
/// glommio's own queue, or in the kernel's.
const RING_DEPTH: usize = 32;

/// A task that has much to do gives way by itself (`give_way`), so glommio need not watch for it; each time that its timer fires it may fall asleep over
/// tasks that are ready to run.
const PREEMPT_TIMER: std::time::Duration = std::time::Duration::from_secs(1);

/// glommio refuses to start below this soft limit.
const SOFT_LIMIT_MIN: u64 = 512 * 1_024;

/// By which the soft limit is raised when the rings of one more executor do not fit; less than the buffers of one executor.
const SOFT_LIMIT_STEP: u64 = 64 * 1_024;

/// The soft limit that was enough for the executor made last, and the turn to make one.
static SOFT_LIMIT: Mutex<u64> = Mutex::new(SOFT_LIMIT_MIN);

/// Tells why there is no io_uring, where there is none: glommio would panic.
pub(super) fn probe() -> Result<(), Error> {
    probe_uring().map_err(Error::from_uring)
}

/// An executor for the calling thread, pinned to `cpu`.
pub(super) fn make(cpu: usize) -> Result<LocalExecutor, Error> {
    let mut enough = SOFT_LIMIT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (soft, hard) = Resource::MEMLOCK.get().map_err(Error::Io)?;
    if soft < SOFT_LIMIT_MIN {
        return Err(Error::Uring(UringCause::LockableMemory { limit: Some(soft) }));
    }
    let result = loop {
        let limit = (*enough).min(soft);
        // Where the limit can not be changed it stays as it is, and the buffers are registered.
        let is_lowered = limit < soft && Resource::MEMLOCK.set(limit, hard).is_ok();
        match make_under_limit(cpu) {
            Err(Error::Uring(UringCause::LockableMemory { .. })) if is_lowered => *enough += SOFT_LIMIT_STEP,
            result => break result,
        }
    };
    Resource::MEMLOCK.set(soft, hard).map_err(Error::Io)?;
    result
}

fn make_under_limit(cpu: usize) -> Result<LocalExecutor, Error> {
    let mut made = None;
    let builder = LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name("shard")
        .io_memory(0)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT_TIMER)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1));
    // glommio panics over a kernel whose io_uring lacks an operation that it needs.
    let result = guard(|| made = Some(builder.make()));
    match made {
        Some(made) if result.is_ok() => made.map_err(|error| Error::from_executor(error, cpu)),
        _ => Err(Error::Uring(UringCause::Kernel)),
    }
}
