use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn bind(ip: IpAddr) -> Socket {
    Socket::bind(SocketAddr::new(ip, 0), false).unwrap()
}

fn packet<'a>(bytes: &'a [u8], to: &Socket) -> Packet<'a> {
    Packet { bytes, remote: to.local().into(), source: None }
}

/// Loopback delivers before the send returns, so nothing here needs to wait.
fn receive_all(receiver: &mut Receiver, socket: &Socket) -> Vec<(Vec<u8>, Address, Option<IpAddr>)> {
    let mut all = Vec::new();
    while receiver.recv_batch(socket, |d| all.push((d.bytes.to_vec(), d.remote, d.local))).unwrap() > 0 {}
    all
}

#[test]
fn datagrams_of_every_size_arrive_whole_and_in_order() {
    let sizes = [0, 1, 4095, 4096, 4097, 9000, 65_507];
    for ip in LOOPBACKS {
        let (from, to) = (bind(ip), bind(ip));
        to.raise_buffers(1 << 20).unwrap();
        let messages: Vec<Vec<u8>> =
            sizes.iter().map(|&len| (0..len).map(|i| (i * 7 + len) as u8).collect()).collect();
        let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
        for message in &messages {
            let sent =
                sender.send_batch(&from, std::iter::once(packet(message, &to)), |_, e| panic!("{ip}: {e}"));
            assert_eq!(sent, Sent { packets: 1, has_errors: false });
            let got = receive_all(&mut receiver, &to);
            assert_eq!(got.len(), 1);
            assert!(got[0].0 == *message, "{ip}: {} bytes came as {}", message.len(), got[0].0.len());
            assert_eq!((got[0].1, got[0].2), (from.local().into(), None));
        }
        let small = &messages[..5];
        let sent = sender.send_batch(&from, small.iter().map(|m| packet(m, &to)), |_, e| panic!("{ip}: {e}"));
        assert_eq!(sent.packets, small.len());
        let got = receive_all(&mut receiver, &to);
        assert!(got.iter().map(|(bytes, ..)| bytes).eq(small));
    }
}

#[test]
fn a_batch_is_never_longer_than_its_limit() {
    let (from, to) = (bind(LOOPBACKS[0]), bind(LOOPBACKS[0]));
    let mut sender = Sender::default();
    let sent =
        sender.send_batch(&from, std::iter::repeat_n(packet(b"x", &to), DATAGRAM_BATCH_MAX + 9), |_, e| {
            panic!("{e}")
        });
    assert_eq!(sent.packets, DATAGRAM_BATCH_MAX);
    assert_eq!(receive_all(&mut Receiver::default(), &to).len(), DATAGRAM_BATCH_MAX);
}

#[test]
fn a_wildcard_socket_tells_the_local_address_and_sends_from_it() {
    let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
    let cases = [
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), second, LOOPBACKS[0]),
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), LOOPBACKS[0], LOOPBACKS[0]),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), LOOPBACKS[1], LOOPBACKS[1]),
    ];
    for (wildcard, local, peer) in cases {
        let (edge, phone) = (bind(wildcard), bind(peer));
        let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
        let remote = SocketAddr::new(local, edge.local().port()).into();
        let ask = Packet { bytes: b"ask", remote, source: None };
        sender.send_batch(&phone, std::iter::once(ask), |_, e| panic!("{e}"));
        let got = receive_all(&mut receiver, &edge);
        assert_eq!(got, [(b"ask".to_vec(), phone.local().into(), Some(local))]);
        let answer = Packet { bytes: b"answer", remote: phone.local().into(), source: Some(local) };
        sender.send_batch(&edge, std::iter::once(answer), |_, e| panic!("{e}"));
        assert_eq!(receive_all(&mut receiver, &phone), [(b"answer".to_vec(), remote, None)]);
    }
}

#[test]
fn a_packet_that_can_not_be_sent_is_named_and_stops_no_other() {
    let (from, to) = (bind(LOOPBACKS[0]), bind(LOOPBACKS[0]));
    let too_long = vec![0; MESSAGE_BYTES_MAX];
    let packets = [packet(b"a", &to), packet(&too_long, &to), packet(b"b", &to)];
    let mut failed = Vec::new();
    let sent = Sender::default()
        .send_batch(&from, packets.into_iter(), |index, error| failed.push((index, error.raw_os_error())));
    assert_eq!(sent.packets, 2);
    assert_eq!(failed, [(1, Some(libc::EMSGSIZE))]);
    assert_eq!(receive_all(&mut Receiver::default(), &to).len(), 2);
}

#[test]
fn a_refused_datagram_is_told_with_its_peer_and_costs_no_other() {
    for ip in LOOPBACKS {
        let (from, to) = (bind(ip), bind(ip));
        let gone = bind(ip);
        let nobody = Address::from(gone.local());
        drop(gone);
        let mut sender = Sender::default();
        let lost = Packet { bytes: b"lost", remote: nobody, source: None };
        sender.send_batch(&from, std::iter::once(lost), |_, e| panic!("{e}"));
        let sent = sender.send_batch(&from, std::iter::once(packet(b"kept", &to)), |_, e| panic!("{e}"));
        assert_eq!(sent, Sent { packets: 1, has_errors: true });
        assert_eq!(
            from.next_unreachable(),
            Some(Unreachable { remote: nobody, error: libc::ECONNREFUSED }),
            "{ip}"
        );
        assert_eq!(from.next_unreachable(), None);
        assert_eq!(receive_all(&mut Receiver::default(), &to).len(), 1);
    }
}

#[test]
fn the_hosts_addresses_include_loopback() {
    assert!(host_addresses().unwrap().contains(&LOOPBACKS[0]));
}
