//! Sockets of one thread: batches in and out through tine's own UDP, and one wait for all of them.
//!
//! The thread waits in `epoll_pwait2`, with a timeout in nanoseconds, and not in glommio's executor: pacing wants one wait for "a
//! datagram or the next start, whichever is first" over thousands of sockets, where a task for each socket would cost a wake-up for
//! each datagram, and a timer of the executor a task switch for each start.

use std::net::{IpAddr, SocketAddr};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::Timespec;
use tine::flow::Address;
use tine::limits::DATAGRAM_BATCH_MAX;
use tine::shell::udp::{Datagram, Packet, Receiver, Sender, Socket};
use tine::time::Duration;

/// All sockets of one thread.
pub struct Sockets {
    sockets: Vec<Socket>,
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    receiver: Receiver,
    sender: Sender,
}

/// Datagrams that wait to be sent, back to back in one buffer that keeps its room.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    packets: Vec<Waiting>,
    open_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    socket: u32,
    start: u32,
    end: u32,
    remote: Address,
}

/// Bytes that are asked for at each socket; the kernel charges only what is used.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Readable sockets that one wait reports.
const EVENTS_MAX: usize = 256;

/// Files that are open besides the sockets: standard ones, epoll, reports, `/proc`.
const OTHER_FILES: u64 = 32;

impl Sockets {
    /// Binds `count` sockets on free ports of the addresses, in turn.
    ///
    /// # Errors
    /// A text that says what the machine lacks.
    pub fn bind(addresses: &[IpAddr], count: u64) -> Result<Sockets, String> {
        check_open_files(count)?;
        check_ports(addresses.len() as u64, count)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| format!("epoll: {error}"))?;
        let mut sockets = Vec::with_capacity(count as usize);
        for (index, &ip) in (0..count).zip(addresses.iter().cycle()) {
            let socket = Socket::bind(SocketAddr::new(ip, 0), false)
                .map_err(|error| format!("--bind {ip}: {error}"))?;
            socket.raise_buffers(SOCKET_BUFFER_BYTES).map_err(|error| format!("socket buffers: {error}"))?;
            epoll::add(&poll, &socket, epoll::EventData::new_u64(index), epoll::EventFlags::IN)
                .map_err(|error| format!("epoll: {error}"))?;
            sockets.push(socket);
        }
        Ok(Sockets {
            sockets,
            poll,
            events: Vec::with_capacity(EVENTS_MAX),
            receiver: Receiver::default(),
            sender: Sender::default(),
        })
    }

    /// The local addresses, in the order of the sockets' numbers.
    pub fn locals(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.sockets.iter().map(Socket::local)
    }

    /// Waits until a datagram lies at a socket, or for `timeout`; zero only looks.
    pub fn wait(&mut self, timeout: Duration) {
        let micros = timeout.as_micros();
        let timeout =
            Timespec { tv_sec: (micros / 1_000_000) as i64, tv_nsec: (micros % 1_000_000 * 1_000) as i64 };
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        if let Err(error) = epoll::wait(&self.poll, spare, Some(&timeout)) {
            // A signal: whoever waits looks at its flags and comes back.
            assert!(error == rustix::io::Errno::INTR, "epoll fails on nothing that we do: {error}");
        }
    }

    /// Hands each datagram that lies at the sockets found by the last wait to `each`, with its socket's number. Returns how many ICMP
    /// errors were met.
    pub fn receive(&mut self, mut each: impl FnMut(u32, Datagram<'_>)) -> u64 {
        let mut unreachable = 0;
        for event in &self.events {
            let number = event.data.u64() as u32;
            let socket = &self.sockets[number as usize];
            // One batch each: what is left makes the next wait return at once, and meanwhile others have their turn.
            if self.receiver.recv_batch(socket, |datagram| each(number, datagram)).is_err() {
                unreachable += drain_errors(socket);
            }
        }
        unreachable
    }

    /// Sends all that waits, grouped by socket. Returns how many could not be sent.
    pub fn flush(&mut self, outgoing: &mut Outgoing) -> u64 {
        outgoing.packets.sort_unstable_by_key(|packet| (packet.socket, packet.start));
        let mut failed = 0;
        let bytes = &outgoing.bytes;
        for group in outgoing.packets.chunk_by(|a, b| a.socket == b.socket) {
            let socket = &self.sockets[group[0].socket as usize];
            for batch in group.chunks(DATAGRAM_BATCH_MAX) {
                let packets = batch.iter().map(|packet| Packet {
                    bytes: &bytes[packet.start as usize..packet.end as usize],
                    remote: packet.remote,
                    source: None,
                });
                let sent = self.sender.send_batch(socket, packets, |_, _| failed += 1);
                if sent.has_errors {
                    failed += drain_errors(socket);
                }
            }
        }
        outgoing.packets.clear();
        outgoing.bytes.clear();
        outgoing.open_at = 0;
        failed
    }
}

impl Outgoing {
    /// Where the next datagram is to be written; it begins at the end of the buffer.
    pub fn open(&mut self) -> &mut Vec<u8> {
        self.open_at = self.bytes.len();
        &mut self.bytes
    }

    /// Ends the datagram that `open` began.
    pub fn close(&mut self, socket: u32, remote: Address) {
        let (start, end) = (self.open_at as u32, self.bytes.len() as u32);
        self.packets.push(Waiting { socket, start, end, remote });
    }

    /// Takes out all that waits: socket, remote address, bytes.
    #[cfg(test)]
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, Address, Vec<u8>)> + use<> {
        let bytes = core::mem::take(&mut self.bytes);
        self.open_at = 0;
        let packets = core::mem::take(&mut self.packets).into_iter();
        packets.map(move |packet| {
            (packet.socket, packet.remote, bytes[packet.start as usize..packet.end as usize].to_vec())
        })
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

fn drain_errors(socket: &Socket) -> u64 {
    // Each error is of a datagram that this socket has sent, and what waits in its error queue is bounded by its buffer.
    core::iter::from_fn(|| socket.next_unreachable()).count() as u64
}

fn check_open_files(count: u64) -> Result<(), String> {
    let needed = count + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < needed) {
        let maximum = maximum.unwrap_or(0);
        return Err(format!(
            "{count} sockets need {needed} open files, and the limit is {maximum} (ulimit -Hn)"
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| format!("{needed} open files: {error}"))
}

fn check_ports(addresses: u64, count: u64) -> Result<(), String> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let (Some(first), Some(last)) = (bounds.next(), bounds.next()) else { return Ok(()) };
    let free = (last + 1).saturating_sub(first) * addresses;
    if count > free {
        return Err(format!(
            "{count} sockets need as many ports, and {addresses} address(es) have {free}: name more with --bind, or widen \
             net.ipv4.ip_local_port_range"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn what_is_sent_arrives_once_and_in_order() {
        let mut sockets = Sockets::bind(&[LOCALHOST], 3).unwrap();
        let remote: Vec<Address> = sockets.locals().map(Address::from).collect();
        let mut outgoing = Outgoing::default();
        // From 0 to 1 and from 2 to 1, interleaved, more than one batch of each.
        for number in 0..200_u32 {
            outgoing.open().extend_from_slice(&number.to_be_bytes());
            outgoing.close(number % 2 * 2, remote[1]);
        }
        assert_eq!(sockets.flush(&mut outgoing), 0);
        assert_eq!(outgoing.len(), 0);
        let mut seen = [Vec::new(), Vec::new()];
        while seen[0].len() + seen[1].len() < 200 {
            sockets.wait(Duration::from_secs(1));
            sockets.receive(|socket, datagram| {
                assert_eq!(socket, 1);
                let number = u32::from_be_bytes(datagram.bytes.try_into().unwrap());
                assert_eq!(datagram.remote, remote[number as usize % 2 * 2]);
                seen[number as usize % 2].push(number);
            });
        }
        assert!(seen[0].iter().copied().eq((0..200).step_by(2)));
        assert!(seen[1].iter().copied().eq((1..200).step_by(2)));
        sockets.wait(Duration::ZERO);
        sockets.receive(|_, datagram| panic!("one more: {datagram:?}"));
    }

    #[test]
    fn what_the_machine_lacks_is_said_by_name() {
        let text = check_open_files(u64::MAX / 2).unwrap_err();
        assert!(text.contains("open files"), "{text}");
        let text = check_ports(1, 70_000).unwrap_err();
        assert!(text.contains("--bind"), "{text}");
        assert_eq!(check_ports(1, 1), Ok(()));
    }
}
