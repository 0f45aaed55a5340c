#![allow(unsafe_code)]
//! The system calls, and the memory that they work in. Every pointer that the kernel is given points into a boxed slice that is owned by the same
//! struct, is written anew before each call, and is used by the kernel for the time of that call only.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::{c_int, c_void, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

use super::{Datagram, Packet, Unreachable, is_unreachable};
use crate::flow::Address;
use crate::limits::{DATAGRAM_BATCH_MAX, DATAGRAM_SLOT_BYTES};

/// Where the bytes of a large datagram become one piece: the slot's part is copied in front of what ran over.
const OVERFLOW_BYTES: usize = 1 << 16;

/// Sockets that one wait looks at.
const POLLED_MAX: usize = 16;

/// Room for the control messages of one datagram: one `in6_pktinfo` is 40 bytes with its header.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);
const CONTROL_BYTES: usize = 64;

/// The control messages of an ICMP error: an extended error with the address that it came from.
#[repr(C, align(8))]
struct ErrorControl([u8; 512]);

pub(super) struct Receiver {
    slots: Box<[u8]>,
    overflow: Box<[u8]>,
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    pieces: Box<[[iovec; 2]]>,
    headers: Box<[mmsghdr]>,
}

pub(super) struct Sender {
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    pieces: Box<[iovec]>,
    headers: Box<[mmsghdr]>,
}

/// Packets that were put together and not yet sent. Their bytes stay borrowed until then.
pub(super) struct Batch<'s, 'a> {
    sender: &'s mut Sender,
    len: usize,
    bytes: std::marker::PhantomData<&'a [u8]>,
}

// SAFETY: the pointers inside point into boxes of the same value, which move with it; no thread keeps any other reference to them.
unsafe impl Send for Receiver {}
// SAFETY: as for `Receiver`; pointers to the bytes of packets are left behind after a batch, and are overwritten before the next call reads them.
unsafe impl Send for Sender {}

impl Receiver {
    pub(super) fn new() -> Self {
        Receiver {
            slots: vec![0; DATAGRAM_BATCH_MAX * DATAGRAM_SLOT_BYTES].into_boxed_slice(),
            overflow: vec![0; DATAGRAM_BATCH_MAX * OVERFLOW_BYTES].into_boxed_slice(),
            names: zeroed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); DATAGRAM_BATCH_MAX].into_boxed_slice(),
            pieces: zeroed_slice(),
            headers: zeroed_slice(),
        }
    }

    /// Receives what lies there; 0 when there is nothing.
    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let slots = self.slots.chunks_exact_mut(DATAGRAM_SLOT_BYTES);
        let overflow = self.overflow.chunks_exact_mut(OVERFLOW_BYTES);
        let memory = slots.zip(overflow).zip(&mut self.names).zip(&mut self.controls);
        for (index, (((slot, overflow), name), control)) in memory.enumerate() {
            let behind = &mut overflow[DATAGRAM_SLOT_BYTES..];
            self.pieces[index] = [
                iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() },
                iovec { iov_base: behind.as_mut_ptr().cast(), iov_len: behind.len() },
            ];
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = ptr::from_mut(name).cast();
            header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
            header.msg_iov = self.pieces[index].as_mut_ptr();
            header.msg_iovlen = 2;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            header.msg_flags = 0;
        }
        loop {
            // SAFETY: the headers were set up above and every buffer that they name is as long as they say and is ours alone.
            let count = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    DATAGRAM_BATCH_MAX as _,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            if count >= 0 {
                return Ok(count as usize);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(0),
                Some(libc::EINTR) => {}
                _ => return Err(error),
            }
        }
    }

    /// One of those that `fill` counted. `None` when it came from no address.
    pub(super) fn datagram(&mut self, index: usize) -> Option<Datagram<'_>> {
        let header = &self.headers[index];
        let len = header.msg_len as usize;
        let remote = read_address(&self.names[index])?;
        let local = read_local_address(&header.msg_hdr);
        let slot = &self.slots[index * DATAGRAM_SLOT_BYTES..][..DATAGRAM_SLOT_BYTES];
        let bytes = if len <= DATAGRAM_SLOT_BYTES {
            &slot[..len]
        } else {
            let whole = &mut self.overflow[index * OVERFLOW_BYTES..][..OVERFLOW_BYTES];
            whole[..DATAGRAM_SLOT_BYTES].copy_from_slice(slot);
            &whole[..len]
        };
        Some(Datagram { bytes, remote, local })
    }
}

impl Sender {
    pub(super) fn new() -> Self {
        Sender {
            names: zeroed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); DATAGRAM_BATCH_MAX].into_boxed_slice(),
            pieces: zeroed_slice(),
            headers: zeroed_slice(),
        }
    }

    pub(super) fn begin<'a>(&mut self) -> Batch<'_, 'a> {
        Batch { sender: self, len: 0, bytes: std::marker::PhantomData }
    }
}

impl<'a> Batch<'_, 'a> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a packet; at most `DATAGRAM_BATCH_MAX` fit.
    pub(super) fn push(&mut self, packet: Packet<'a>, is_ipv6: bool) {
        let index = self.len;
        let name_len = write_address(packet.remote, is_ipv6, &mut self.sender.names[index]);
        // The kernel only reads what a sent iovec points to.
        self.sender.pieces[index] =
            iovec { iov_base: packet.bytes.as_ptr().cast_mut().cast(), iov_len: packet.bytes.len() };
        let header = &mut self.sender.headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.sender.names[index]).cast();
        header.msg_namelen = name_len;
        header.msg_iov = ptr::from_mut(&mut self.sender.pieces[index]);
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
        if let Some(source) = packet.source {
            header.msg_control = self.sender.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            write_source(source, header);
        }
        self.len += 1;
    }

    /// Sends from the packet `first` on. Returns how many the kernel took.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, first: usize) -> io::Result<usize> {
        let headers = &mut self.sender.headers[first..self.len];
        // SAFETY: `push` set these headers up; what they name is in boxes of `Sender`, or bytes that `'a` keeps borrowed.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as _,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
    }
}

/// Blocks until one of `sockets`, of which the first `POLLED_MAX` count, has something to read or `micros` have passed.
pub(super) fn wait_readable<'a>(sockets: impl Iterator<Item = BorrowedFd<'a>>, micros: u64) -> bool {
    let mut polled = [libc::pollfd { fd: -1, events: 0, revents: 0 }; POLLED_MAX];
    let mut count = 0;
    for (place, socket) in polled.iter_mut().zip(sockets) {
        *place = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        count += 1;
    }
    let timeout =
        libc::timespec { tv_sec: (micros / 1_000_000) as _, tv_nsec: (micros % 1_000_000 * 1_000) as _ };
    // SAFETY: the array and the time live for the call, and `count` entries of the array are set.
    unsafe { libc::ppoll(polled.as_mut_ptr(), count, &timeout, ptr::null()) > 0 }
}

/// Puts ICMP errors into the socket's error queue, and lets sends that follow hear of them.
pub(super) fn enable_errors(socket: &impl AsFd, is_ipv6: bool) -> io::Result<()> {
    let (level, name) =
        if is_ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    set_option(socket, level, name, 1)
}

/// Lets each datagram tell the address that it was sent to.
pub(super) fn enable_local_address(socket: &impl AsFd, is_ipv6: bool) -> io::Result<()> {
    let (level, name) = if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    };
    set_option(socket, level, name, 1)
}

pub(super) fn force_receive_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes as c_int)
}

pub(super) fn force_send_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes as c_int)
}

/// Takes one entry off the error queue; those that are not about an unreachable peer are passed over, as many as one call may.
pub(super) fn next_unreachable(socket: BorrowedFd<'_>) -> Option<Unreachable> {
    const PASSED_OVER_MAX: usize = 64;
    for _ in 0..PASSED_OVER_MAX {
        let mut control = ErrorControl([0; 512]);
        // SAFETY: both are plain C structs for which all zeroes is a valid value.
        let (mut name, mut header) = unsafe { (mem::zeroed::<sockaddr_storage>(), mem::zeroed::<msghdr>()) };
        header.msg_name = ptr::from_mut(&mut name).cast();
        header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len() as _;
        // SAFETY: the header names live buffers of the length that it says, and no place for the datagram's bytes.
        let result = unsafe {
            libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
        };
        if result < 0 {
            return None;
        }
        let error = read_extended_error(&header);
        if let (Some(error), Some(remote)) = (error, read_address(&name))
            && is_unreachable(error)
        {
            return Some(Unreachable { remote, error });
        }
    }
    None
}

/// Makes the smallest io_uring and lets go of it.
pub(crate) fn probe_uring() -> io::Result<()> {
    // `struct io_uring_params` has 120 bytes and room for the kernel's answers; all zeroes asks for nothing special.
    let mut params = [0_u64; 16];
    // SAFETY: the kernel reads and writes the params, which live for the call and are at least as long as it takes them to be.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1_u32, params.as_mut_ptr()) };
    let Ok(descriptor @ 0..) = c_int::try_from(result) else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel has just given this descriptor to us alone.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(())
}

/// The IP addresses of this host's interfaces, loopback included, link-local IPv6 left out.
pub(crate) fn host_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `list` is a place for one pointer; what it is set to is freed below.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: the list is linked by valid pointers until it is freed.
        let interface = unsafe { &*entry };
        // SAFETY: an interface's address is null, or a socket address as long as its family says.
        if let Some(SocketAddr::V4(v4)) = unsafe { read_pointer(interface.ifa_addr) } {
            addresses.push(IpAddr::V4(*v4.ip()));
        // SAFETY: as above.
        } else if let Some(SocketAddr::V6(v6)) = unsafe { read_pointer(interface.ifa_addr) }
            && !v6.ip().is_unicast_link_local()
        {
            addresses.push(IpAddr::V6(*v6.ip()));
        }
        entry = interface.ifa_next;
    }
    // SAFETY: it came from `getifaddrs` and is not used any more.
    unsafe { libc::freeifaddrs(list) };
    addresses.dedup();
    Ok(addresses)
}

fn set_option(socket: &impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the value is a c_int that lives for the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `DATAGRAM_BATCH_MAX` C structs, all zeroes.
fn zeroed_slice<T: Copy>() -> Box<[T]> {
    // SAFETY: used in this file for plain C structs of integers and pointers only, for which all zeroes is a valid value.
    let zero: T = unsafe { mem::zeroed() };
    vec![zero; DATAGRAM_BATCH_MAX].into_boxed_slice()
}

fn read_address(name: &sockaddr_storage) -> Option<Address> {
    // SAFETY: a `sockaddr_storage` is large enough for every family, and aligned for it.
    unsafe { read_pointer(ptr::from_ref(name).cast()) }.map(Address::from)
}

/// # Safety
/// `name` is null, or points to a socket address as long as its family says.
unsafe fn read_pointer(name: *const libc::sockaddr) -> Option<SocketAddr> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller promises a socket address; each starts with its family, which tells what lies there.
    unsafe {
        match i32::from((*name).sa_family) {
            libc::AF_INET => {
                let v4 = name.cast::<sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 => {
                let v6 = name.cast::<sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

/// Writes `address` for a socket of the family that `is_ipv6` tells; returns its length.
fn write_address(address: Address, is_ipv6: bool, name: &mut sockaddr_storage) -> socklen_t {
    let place = ptr::from_mut(name);
    match (SocketAddr::from(address), is_ipv6) {
        (SocketAddr::V4(v4), false) => {
            let value = sockaddr_in {
                sin_family: libc::AF_INET as _,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: a `sockaddr_storage` is large enough for every family, and aligned for it.
            unsafe { place.cast::<sockaddr_in>().write(value) };
            size_of::<sockaddr_in>() as socklen_t
        }
        (other, _) => {
            let (ip, scope) = match other {
                SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
                SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
            };
            let value = sockaddr_in6 {
                sin6_family: libc::AF_INET6 as _,
                sin6_port: other.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                sin6_scope_id: scope,
            };
            // SAFETY: as above.
            unsafe { place.cast::<sockaddr_in6>().write(value) };
            size_of::<sockaddr_in6>() as socklen_t
        }
    }
}

/// The address that a datagram was sent to, from its control messages.
fn read_local_address(header: &msghdr) -> Option<IpAddr> {
    let mut found = None;
    // SAFETY: the kernel has filled the control buffer that the header names; the macros stay inside of it, and the data of these two kinds are the
    // structs that are read.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().read_unaligned();
                    found = Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>().read_unaligned();
                    found = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    found
}

/// Writes the one control message that says which address to send from, and its length.
fn write_source(source: IpAddr, header: &mut msghdr) {
    // SAFETY: the control buffer has `CONTROL_BYTES`, is aligned for a `cmsghdr`, and both structs fit behind the header with their padding.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        match source {
            IpAddr::V4(v4) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(v4).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as _;
                libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().write_unaligned(info);
                header.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as _;
            }
            IpAddr::V6(v6) => {
                let info =
                    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: v6.octets() }, ipi6_ifindex: 0 };
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in6_pktinfo>() as u32) as _;
                libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>().write_unaligned(info);
                header.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as u32) as _;
            }
        }
    }
}

/// The errno of an entry of the error queue, when the network reported it and not this host's own stack.
fn read_extended_error(header: &msghdr) -> Option<i32> {
    let mut found = None;
    // SAFETY: as in `read_local_address`.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            if matches!(kind, (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR))
            {
                let error = libc::CMSG_DATA(message).cast::<libc::sock_extended_err>().read_unaligned();
                found = Some(error.ee_errno as i32);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    found
}
