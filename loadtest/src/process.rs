//! CPU and memory of a process and its children, of all their threads, from `/proc`.
//!
//! CPU is the sum of `schedstat`, nanoseconds on a CPU; `/proc/PID/stat` counts in ticks of 10 ms and misses what runs between them.

use std::fs;
use std::path::Path;

/// What a process had used at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub cpu_ns: u64,
    pub resident_bytes: u64,
}

/// More generations of children than any server has: a bound for a loop over what another process says.
const GENERATIONS_MAX: usize = 8;

/// The usage of a process and its children; `None` when there is no such process.
pub fn usage_of(pid: u32) -> Option<Usage> {
    let mut usage = usage_of_one(pid)?;
    let mut parents = vec![pid];
    for _ in 0..GENERATIONS_MAX {
        let children: Vec<u32> = parents.iter().flat_map(|&parent| children_of(parent)).collect();
        for &child in &children {
            let of_child = usage_of_one(child).unwrap_or_default();
            usage.cpu_ns += of_child.cpu_ns;
            usage.resident_bytes += of_child.resident_bytes;
        }
        if children.is_empty() {
            break;
        }
        parents = children;
    }
    Some(usage)
}

fn usage_of_one(pid: u32) -> Option<Usage> {
    let mut cpu_ns = 0;
    for task in tasks_of(pid)? {
        let path = Path::new(&task).join("schedstat");
        let text = fs::read_to_string(path).unwrap_or_default();
        cpu_ns += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(Usage { cpu_ns, resident_bytes: pages * rustix::param::page_size() as u64 })
}

fn children_of(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for task in tasks_of(pid).unwrap_or_default() {
        let text = fs::read_to_string(Path::new(&task).join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    children
}

fn tasks_of(pid: u32) -> Option<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(entries.flatten().map(|entry| entry.path()).collect())
}

/// Datagrams that the kernel dropped at the given local ports because nobody read them in time.
pub fn drops_at(ports: &[u16]) -> u64 {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .map(|table| drops_in(&table, &sorted))
        .sum()
}

fn drops_in(table: &str, sorted: &[u16]) -> u64 {
    let drops_of = |line: &str| -> Option<u64> {
        let mut words = line.split_whitespace();
        let port = words.nth(1)?.rsplit_once(':')?.1;
        let port = u16::from_str_radix(port, 16).ok()?;
        sorted.binary_search(&port).ok()?;
        words.last()?.parse().ok()
    };
    table.lines().skip(1).filter_map(drops_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_more() {
        let before = usage_of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while usage_of(std::process::id()).unwrap().cpu_ns < before.cpu_ns + 1_000_000 {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 7);
        }
        assert!(before.resident_bytes > 100_000);
        assert_eq!(usage_of(u32::MAX), None);
    }

    #[test]
    fn drops_are_those_of_the_named_ports() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 1 2 0000 5\n\
            2: 0100007F:13C5 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 1 2 0000 7\n";
        assert_eq!(drops_in(table, &[0x13c4]), 5);
        assert_eq!(drops_in(table, &[0x13c4, 0x13c5]), 12);
        assert_eq!(drops_in(table, &[80]), 0);
    }
}
