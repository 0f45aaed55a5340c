//! Listeners to the concrete local addresses that messages arrive at and leave from.

use std::net::{IpAddr, SocketAddr};

use super::model::{Config, Listen};
use crate::flow::{Address, Endpoint};

impl Config {
    /// One endpoint for each listener and concrete local address, in the order of the file, then of `local_addresses`: a listener on
    /// a wildcard address has one for each local address of its family.
    ///
    /// Ports must be those really bound: where the file has 0, set `listen[i].address` first.
    pub fn endpoints(&self, local_addresses: &[IpAddr]) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for (index, listen) in self.listen.iter().enumerate() {
            endpoints.extend(listen.local_ips(local_addresses).map(|ip| listen.endpoint(index, ip)));
        }
        endpoints
    }

    /// The CPU of each shard, in order. `allowed` are the CPUs that the process may use, not empty.
    pub fn placement(&self, allowed: &[usize]) -> Vec<usize> {
        assert!(!allowed.is_empty(), "a running process has a CPU");
        let named: Vec<usize> = self.node.cpus.iter().map(|&cpu| usize::from(cpu)).collect();
        let cpus = if named.is_empty() { allowed } else { named.as_slice() };
        let shards = match self.node.shards {
            0 => cpus.len().min(crate::limits::SHARDS_MAX),
            shards => usize::from(shards),
        };
        cpus.iter().copied().cycle().take(shards).collect()
    }
}

impl Listen {
    /// True for 0.0.0.0 and [::].
    pub fn is_wildcard(&self) -> bool {
        self.address.ip().is_unspecified()
    }

    /// The local addresses that packets of this listener can arrive at.
    fn local_ips(&self, local_addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
        let (wildcard, own) = (self.is_wildcard(), self.address.ip());
        let every =
            local_addresses.iter().copied().filter(move |ip| wildcard && ip.is_ipv4() == own.is_ipv4());
        every.chain((!wildcard).then_some(own))
    }

    /// The endpoint of this listener (number `index` in the file) at a concrete local address.
    fn endpoint(&self, index: usize, ip: IpAddr) -> Endpoint {
        let mut local = self.address;
        local.set_ip(ip);
        let advertise =
            self.advertise.clone().unwrap_or_else(|| SocketAddr::new(ip, local.port()).to_string());
        Endpoint {
            listener: u8::try_from(index).expect("LISTENERS_MAX fits in u8"),
            transport: self.transport,
            zone: self.zone,
            local: Address::from(local),
            advertise: advertise.into_bytes().into_boxed_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;

    fn config(text: &str) -> Config {
        crate::config::parse("t", text).unwrap()
    }

    #[test]
    fn wildcards_become_every_address_of_their_family() {
        let local: Vec<IpAddr> = ["127.0.0.1", "::1", "192.0.2.1"].map(|ip| ip.parse().unwrap()).to_vec();
        let text = r#"
            [[listen]]
            transport = "tcp"
            address = "[::1]:5070"
            [[listen]]
            zone = "core"
            address = "0.0.0.0:5060"
            [[listen]]
            address = "[::]:5080"
            advertise = "edge.example.com"
        "#;
        let shown: Vec<String> = config(text)
            .endpoints(&local)
            .into_iter()
            .map(|e| {
                format!("{} {:?} {:?} {}", e.listener, e.zone, e.local, String::from_utf8_lossy(&e.advertise))
            })
            .collect();
        let expected = [
            "0 Access [::1]:5070 [::1]:5070",
            "1 Core 127.0.0.1:5060 127.0.0.1:5060",
            "1 Core 192.0.2.1:5060 192.0.2.1:5060",
            "2 Access [::1]:5080 edge.example.com",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn no_listener_means_udp_and_tcp_on_loopback() {
        let endpoints = config("").endpoints(&[]);
        let transports: Vec<Transport> = endpoints.iter().map(|endpoint| endpoint.transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
        assert!(endpoints.iter().all(|endpoint| format!("{:?}", endpoint.local) == "127.0.0.1:5060"));
    }

    #[test]
    fn shards_take_the_cpus_in_turn() {
        let table: [(&str, &[usize]); 4] = [
            ("", &[2, 5]),
            ("node.shards = 5", &[2, 5, 2, 5, 2]),
            ("node.cpus = [7, 7, 1]", &[7, 7, 1]),
            ("node = { shards = 2, cpus = [3, 1, 4] }", &[3, 1]),
        ];
        for (text, placement) in table {
            assert_eq!(config(text).placement(&[2, 5]), placement, "{text}");
        }
    }
}
