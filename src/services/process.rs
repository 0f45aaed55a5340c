//! What the system knows of this process, read from /proc.

use std::fs;

/// CPU time of all living threads in nanoseconds, and resident memory in bytes; `None` where the system does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Usage {
    pub cpu_ns: Option<u64>,
    pub resident_bytes: Option<u64>,
}

impl Usage {
    pub(super) fn read() -> Usage {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Usage { cpu_ns: cpu_ns(), resident_bytes: resident_bytes(&status) }
    }
}

fn cpu_ns() -> Option<u64> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let times =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    let times: Vec<u64> = times.filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_has_used_something() {
        let usage = Usage::read();
        assert!(usage.cpu_ns.is_some_and(|ns| ns > 0), "{usage:?}");
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{usage:?}");
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident_bytes("Name:\ttine\nVmRSS:\t   13544 kB\n"), Some(13_869_056));
        assert_eq!(resident_bytes("Name:\ttine\n"), None);
    }
}
