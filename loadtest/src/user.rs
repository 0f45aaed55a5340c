//! Users and their devices. Each device is an endpoint: it owns a registration and a socket, on which it is called and calls.

use crate::cli::SocketCount;
use crate::template::{emit_number, emit_padded};

/// The user part of a Contact: a device of a user, `u000012-0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contact {
    pub user: u32,
    pub device: u8,
}

/// A device of a user.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    pub socket: u32,
    /// Of its last REGISTER.
    pub cseq: u32,
    pub is_registered: bool,
    /// REGISTERs without a final answer.
    pub pending: u16,
}

/// All devices: those of user 0 first, in their order.
#[derive(Debug)]
pub struct Endpoints {
    list: Vec<Endpoint>,
    devices: u8,
}

impl Endpoints {
    /// Neighbours share a socket, so that operations that start one after the other leave in one system call.
    pub fn new(users: u32, devices: u8, sockets: u32) -> Self {
        let count = u64::from(users) * u64::from(devices);
        let of = |index: u64| Endpoint {
            socket: (index * u64::from(sockets) / count) as u32,
            cseq: 0,
            is_registered: false,
            pending: 0,
        };
        Endpoints { list: (0..count).map(of).collect(), devices }
    }

    pub fn len(&self) -> u32 {
        self.list.len() as u32
    }

    pub fn users(&self) -> u32 {
        self.len() / u32::from(self.devices)
    }

    /// The number of an endpoint.
    pub fn index_of(&self, contact: Contact) -> u32 {
        contact.user * u32::from(self.devices) + u32::from(contact.device)
    }

    /// Whose device an endpoint is.
    pub fn contact_of(&self, index: u32) -> Contact {
        let devices = u32::from(self.devices);
        Contact { user: index / devices, device: (index % devices) as u8 }
    }

    pub fn at(&self, index: u32) -> &Endpoint {
        &self.list[index as usize]
    }

    pub fn at_mut(&mut self, index: u32) -> &mut Endpoint {
        &mut self.list[index as usize]
    }

    pub fn registered_count(&self) -> u32 {
        self.list.iter().filter(|endpoint| endpoint.is_registered).count() as u32
    }
}

/// How many sockets so many endpoints need.
pub fn socket_count(wanted: SocketCount, users: u32, devices: u8) -> u64 {
    let endpoints = u64::from(users) * u64::from(devices);
    match wanted {
        SocketCount::PerUser => endpoints,
        SocketCount::Shared(count) => endpoints.min(u64::from(count)),
    }
}

/// Writes a user's name.
pub fn emit_user(user: u32, out: &mut Vec<u8>) {
    out.push(b'u');
    emit_padded(user, 6, out);
}

impl Contact {
    pub fn emit(self, out: &mut Vec<u8>) {
        emit_user(self.user, out);
        out.push(b'-');
        emit_number(u32::from(self.device), out);
    }

    /// Reads the user part of a URI.
    pub fn parse(text: &[u8]) -> Option<Contact> {
        let text = text.strip_prefix(b"u")?;
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let number = |digits: &[u8]| core::str::from_utf8(digits).ok()?.parse().ok();
        let device = number(&text[dash + 1..])?;
        Some(Contact { user: number(&text[..dash])?, device: u8::try_from(device).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_come_back_as_they_went() {
        for contact in [Contact { user: 0, device: 0 }, Contact { user: 9_999_999, device: 63 }] {
            let mut text = Vec::new();
            contact.emit(&mut text);
            assert_eq!(Contact::parse(&text), Some(contact));
        }
        for other in [
            &b""[..],
            b"u",
            b"u1",
            b"u-",
            b"u1-",
            b"x000001-0",
            b"u000001-256",
            b"u000001-0x",
            b"u99999999999-0",
        ] {
            assert_eq!(Contact::parse(other), None);
        }
    }

    #[test]
    fn every_socket_has_its_share_and_neighbours_share_one() {
        let endpoints = Endpoints::new(100, 3, 7);
        assert_eq!((endpoints.len(), endpoints.users()), (300, 100));
        let mut shares = [0; 7];
        for index in 0..300 {
            shares[endpoints.at(index).socket as usize] += 1;
            assert_eq!(endpoints.index_of(endpoints.contact_of(index)), index);
        }
        assert!(shares.iter().all(|share| (42..=43).contains(share)), "{shares:?}");
        assert!((1..300).all(|index| endpoints.at(index - 1).socket <= endpoints.at(index).socket));
        assert_eq!(socket_count(SocketCount::PerUser, 100, 3), 300);
        assert_eq!(socket_count(SocketCount::Shared(64), 10, 1), 10);
    }
}
