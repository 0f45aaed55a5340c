//! Why a node does not start, or ends: one line for the operator each.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use glommio::GlommioError;

use crate::flow::Transport;

#[derive(Debug)]
pub enum Error {
    /// Somebody else, perhaps another tine, holds the port.
    PortTaken { transport: Transport, address: SocketAddr },
    /// An address can not be bound for any other reason.
    Bind { transport: Transport, address: SocketAddr, source: io::Error },
    /// io_uring is not to be had.
    Uring(UringCause),
    /// A CPU of `[node].cpus` that a shard can not be pinned to.
    Cpu(usize),
    /// The system refused something that every process needs: descriptors, threads, a list of its addresses.
    Io(io::Error),
    /// Asserts fired too often; their messages are in the log.
    TooManyFaults,
    /// A shard's thread has ended by a fault outside of the shard's own rules.
    ShardEnded,
}

/// What keeps io_uring from a process.
#[derive(Debug)]
pub enum UringCause {
    /// The kernel does not have it, or not all of it (ENOSYS, EINVAL).
    Kernel,
    /// `kernel.io_uring_disabled` has this value and forbids it.
    Sysctl(u8),
    /// EPERM without the sysctl: a container's seccomp profile, as a rule.
    Seccomp,
    /// The limit of lockable memory, in bytes, is used up (ENOMEM), or is too low from the start.
    LockableMemory {
        limit: Option<u64>,
    },
    /// No more file descriptors.
    Descriptors,
    Other(io::Error),
}

impl Error {
    /// The exit code of a process that ends by it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::TooManyFaults | Error::ShardEnded => 70,
            Error::PortTaken { .. } | Error::Bind { .. } | Error::Uring(_) | Error::Cpu(_) | Error::Io(_) => {
                1
            }
        }
    }

    /// What the kernel says when it makes no io_uring at all.
    pub(super) fn from_uring(source: io::Error) -> Error {
        Error::Uring(UringCause::from_io(source, read_sysctl()))
    }

    /// What glommio says when it can not make an executor that is pinned to `cpu`.
    pub(super) fn from_executor<T>(error: GlommioError<T>, cpu: usize) -> Error {
        match error {
            GlommioError::IoError(source) | GlommioError::EnhancedIoError { source, .. } => {
                Error::from_uring(source)
            }
            GlommioError::BuilderError(_) => Error::Cpu(cpu),
            other => Error::Io(io::Error::other(other.to_string())),
        }
    }
}

impl UringCause {
    fn from_io(source: io::Error, sysctl: u8) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOSYS | libc::EINVAL) => UringCause::Kernel,
            Some(libc::EPERM | libc::EACCES) if sysctl > 0 => UringCause::Sysctl(sysctl),
            Some(libc::EPERM | libc::EACCES) => UringCause::Seccomp,
            Some(libc::ENOMEM) => UringCause::LockableMemory { limit: None },
            Some(libc::EMFILE | libc::ENFILE) => UringCause::Descriptors,
            _ => UringCause::Other(source),
        }
    }
}

/// 0 where the kernel does not know the setting.
fn read_sysctl() -> u8 {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PortTaken { transport, address } => {
                write!(f, "{} {address} is taken by another process", name_of(*transport))
            }
            Error::Bind { transport, address, source } => {
                write!(f, "{} {address} can not be bound: {source}", name_of(*transport))
            }
            Error::Uring(cause) => write!(f, "io_uring is not available: {cause}"),
            Error::Cpu(cpu) => {
                write!(f, "no shard can be pinned to CPU {cpu}: see [node].cpus and the process's CPU mask")
            }
            Error::Io(source) => write!(f, "the system refused: {source}"),
            Error::TooManyFaults => {
                f.write_str("too many faults within a minute; their messages are in the log")
            }
            Error::ShardEnded => f.write_str("a shard's thread has ended by a fault"),
        }
    }
}

impl fmt::Display for UringCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UringCause::Kernel => {
                f.write_str("this kernel does not have it, or not all of it (Linux 5.8 or later is needed)")
            }
            UringCause::Sysctl(value) => write!(
                f,
                "kernel.io_uring_disabled is {value}; `sysctl kernel.io_uring_disabled=0` allows it"
            ),
            UringCause::Seccomp => f.write_str(
                "a seccomp profile forbids it, as many containers' do; allow io_uring_setup, io_uring_enter and io_uring_register",
            ),
            UringCause::LockableMemory { limit: Some(limit) } => write!(
                f,
                "only {limit} bytes of memory may be locked; raise the memlock limit (ulimit -l) to 8192 KiB"
            ),
            UringCause::LockableMemory { limit: None } => f.write_str(
                "no more memory may be locked; raise the memlock limit (ulimit -l), or run fewer shards",
            ),
            UringCause::Descriptors => {
                f.write_str("no more files may be opened; raise the limit (ulimit -n)")
            }
            UringCause::Other(source) => write!(f, "{source}"),
        }
    }
}

impl std::error::Error for Error {}

fn name_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_named() {
        let cases = [
            (libc::ENOSYS, 0, "this kernel does not have it"),
            (libc::EPERM, 2, "kernel.io_uring_disabled is 2"),
            (libc::EPERM, 0, "seccomp"),
            (libc::ENOMEM, 0, "memlock"),
            (libc::EMFILE, 0, "ulimit -n"),
            (libc::EIO, 0, "Input/output error"),
        ];
        for (errno, sysctl, part) in cases {
            let cause = UringCause::from_io(io::Error::from_raw_os_error(errno), sysctl);
            let line = Error::Uring(cause).to_string();
            assert!(line.starts_with("io_uring is not available: ") && line.contains(part), "{line}");
            assert!(!line.contains('\n'));
        }
    }
}
