//! A registrar and forking proxy that is just large enough to be called through: bytes in, bytes out, faults on demand.
//!
//! It is text all the way and no example of speed. What it demands of its clients it writes down in `violations`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// Nothing is answered.
    Silence,
    /// Every request of a method is refused with a status; an INVITE without ringing anybody.
    Refuse(&'static str, u16),
    /// Every `ACK` from the caller, every `CANCEL` or `ACK of 487` to a device, or every `1xx` is lost.
    LoseEvery(&'static str),
    /// The first copy of each INVITE, ACK, BYE and 200 to an INVITE is lost.
    LoseFirst,
    /// The 200 to the INVITE has another To tag.
    ChangeToTag,
    /// A refusal follows the 200.
    SecondFinal,
}

/// The peer.
pub struct Peer {
    pub address: SocketAddr,
    pub violations: Vec<String>,
    pub bindings: BTreeMap<String, Vec<String>>,
    fault: Fault,
    forks: Vec<Fork>,
    seen: Vec<String>,
}

struct Fork {
    call_id: String,
    invite: Text,
    upstream: SocketAddr,
    branches: Vec<Branch>,
    is_answered: bool,
}

struct Branch {
    uri: String,
    has_final: bool,
    has_cancel: bool,
}

type Packet = (Vec<u8>, SocketAddr);

impl Peer {
    pub fn new(address: SocketAddr, fault: Fault) -> Self {
        Peer {
            address,
            violations: Vec::new(),
            bindings: BTreeMap::new(),
            fault,
            forks: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub fn on_datagram(&mut self, bytes: &[u8], from: SocketAddr) -> Vec<Packet> {
        let text = Text::parse(bytes);
        if self.fault == Fault::Silence || self.is_lost(&text) {
            return Vec::new();
        }
        if let (Fault::Refuse(method, status), Some(asked)) = (self.fault, text.method())
            && asked == method
        {
            return vec![text.answer(status).to(from)];
        }
        match text.method() {
            Some("REGISTER") => self.on_register(&text, from),
            Some("OPTIONS") => vec![text.answer(200).to(from)],
            Some("INVITE") => self.on_invite(text, from),
            Some("ACK" | "BYE") => self.on_in_dialog(text),
            Some(other) => {
                self.violations.push(format!("a {other} that nobody asked for"));
                Vec::new()
            }
            None => self.on_response(text),
        }
    }

    fn is_lost(&mut self, text: &Text) -> bool {
        let is_answer = text.is_answer_to("INVITE") && text.status() == Some(200);
        match self.fault {
            Fault::LoseEvery("1xx") => text.status().is_some_and(|status| status < 200),
            Fault::LoseEvery("ACK") => text.method() == Some("ACK"),
            Fault::LoseFirst if is_answer || matches!(text.method(), Some("INVITE" | "ACK" | "BYE")) => {
                let key = format!("{} {}", text.start.split(' ').next().unwrap_or(""), text.value("Call-ID"));
                let is_first = !self.seen.contains(&key);
                self.seen.push(key);
                is_first
            }
            _ => false,
        }
    }

    fn on_register(&mut self, text: &Text, from: SocketAddr) -> Vec<Packet> {
        let user = user_of(uri_in(text.value("To"))).to_owned();
        let contact = uri_in(text.value("Contact")).to_owned();
        if address_in(&contact) != from {
            self.violations.push(format!("{contact} registers from {from}"));
        }
        let contacts = self.bindings.entry(user).or_default();
        contacts.retain(|other| *other != contact);
        if text.value("Expires") != "0" {
            contacts.push(contact);
            contacts.sort();
        }
        let mut answer = text.answer(200);
        for contact in contacts.iter() {
            answer.headers.push(("Contact".into(), format!("<{contact}>;expires={}", text.value("Expires"))));
        }
        vec![answer.to(from)]
    }

    fn on_invite(&mut self, text: Text, from: SocketAddr) -> Vec<Packet> {
        let mut out = Vec::new();
        if self.fault != Fault::LoseEvery("1xx") {
            out.push(text.answer(100).to(from));
        }
        let call_id = text.value("Call-ID").to_owned();
        let number = match self.forks.iter().position(|fork| fork.call_id == call_id) {
            Some(number) => number,
            None => {
                let targets = self.bindings.get(user_of(text.request_uri())).cloned().unwrap_or_default();
                let branch = |uri| Branch { uri, has_final: false, has_cancel: false };
                let branches: Vec<Branch> = targets.into_iter().map(branch).collect();
                if branches.is_empty() {
                    return vec![text.answer(480).to(from)];
                }
                let fork = Fork { call_id, invite: text, upstream: from, branches, is_answered: false };
                self.forks.push(fork);
                self.forks.len() - 1
            }
        };
        let fork = &self.forks[number];
        for (index, branch) in fork.branches.iter().enumerate().filter(|(_, branch)| !branch.has_final) {
            let mut invite = fork.invite.clone();
            invite.start = format!("INVITE {} SIP/2.0", branch.uri);
            invite.headers.insert(0, ("Via".into(), self.via(number, index)));
            let routes = format!("<sip:{0};lr;side=a>, <sip:{0};lr;side=b>", self.address);
            invite.headers.insert(1, ("Record-Route".into(), routes));
            out.push(invite.to(address_in(&branch.uri)));
        }
        out
    }

    fn via(&self, fork: usize, branch: usize) -> String {
        format!("SIP/2.0/UDP {};branch=z9hG4bKpeer.{fork}.{branch}", self.address)
    }

    /// ACK and BYE come by the route set and go to the Request-URI; the ACK of a refusal ends here.
    fn on_in_dialog(&mut self, mut text: Text) -> Vec<Packet> {
        if !user_of(text.request_uri()).contains('-') {
            return Vec::new();
        }
        let routes: Vec<String> = text.values("Route").map(str::to_owned).collect();
        let expected =
            [format!("<sip:{};lr;side=b>", self.address), format!("<sip:{};lr;side=a>", self.address)];
        if routes != expected {
            self.violations.push(format!("{}: routes {routes:?}", text.start));
        }
        text.headers.retain(|(name, _)| name != "Route");
        let number =
            self.forks.iter().position(|fork| fork.call_id == text.value("Call-ID")).unwrap_or(usize::MAX);
        let to = address_in(text.request_uri());
        text.headers.insert(0, ("Via".into(), self.via(number, 99)));
        vec![text.to(to)]
    }

    fn on_response(&mut self, mut text: Text) -> Vec<Packet> {
        let via = text.headers.remove(0).1;
        let mut parts = via.rsplit("z9hG4bKpeer.").next().unwrap_or("").split('.').map(str::parse::<usize>);
        let (Some(Ok(number)), Some(Ok(index))) = (parts.next(), parts.next()) else {
            self.violations.push(format!("an answer to nothing: {via}"));
            return Vec::new();
        };
        if text.is_answer_to("INVITE") {
            return self.on_invite_response(text, number, index);
        }
        if text.is_answer_to("CANCEL") {
            return Vec::new();
        }
        let next =
            text.value("Via").split([' ', ';']).nth(1).unwrap_or("").parse().expect("the caller's address");
        vec![text.to(next)]
    }

    fn on_invite_response(&mut self, mut text: Text, number: usize, index: usize) -> Vec<Packet> {
        let (status, fault, address) = (text.status().unwrap_or(0), self.fault, self.address);
        let fork = &mut self.forks[number];
        let upstream = fork.upstream;
        let own_via = format!("SIP/2.0/UDP {address};branch=z9hG4bKpeer.{number}.{index}");
        match status {
            100 => Vec::new(),
            101..=199 => vec![text.to(upstream)],
            200 => {
                let is_first = !fork.is_answered;
                fork.is_answered = true;
                fork.branches[index].has_final = true;
                let mut out = Vec::new();
                if fault == Fault::ChangeToTag {
                    let to =
                        text.headers.iter_mut().find(|(name, _)| name == "To").expect("an answer has To");
                    to.1.push('f');
                }
                out.push(text.clone().to(upstream));
                if fault == Fault::SecondFinal && is_first {
                    text.start = "SIP/2.0 486 Busy Here".into();
                    out.push(text.to(upstream));
                }
                for (index, branch) in fork.branches.iter_mut().enumerate() {
                    if branch.has_final || branch.has_cancel || fault == Fault::LoseEvery("CANCEL") {
                        continue;
                    }
                    branch.has_cancel = true;
                    let via = format!("SIP/2.0/UDP {address};branch=z9hG4bKpeer.{number}.{index}");
                    out.push(
                        fork.invite
                            .of_same_transaction("CANCEL", &branch.uri, &via, None)
                            .to(address_in(&branch.uri)),
                    );
                }
                out
            }
            _ => {
                let branch = &mut fork.branches[index];
                branch.has_final = true;
                if !branch.has_cancel || status != 487 {
                    self.violations.push(format!("a device answers {status}"));
                }
                if fault == Fault::LoseEvery("ACK of 487") {
                    return Vec::new();
                }
                let ack =
                    fork.invite.of_same_transaction("ACK", &branch.uri, &own_via, Some(text.value("To")));
                vec![ack.to(address_in(&branch.uri))]
            }
        }
    }
}

/// A message as text.
#[derive(Clone, Debug)]
struct Text {
    start: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Text {
    fn parse(bytes: &[u8]) -> Text {
        let text = String::from_utf8(bytes.to_vec()).expect("clients write UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or("").to_owned();
        let split = |line: &str| {
            let (name, value) = line.split_once(": ").expect("name and value");
            (name.to_owned(), value.to_owned())
        };
        let headers: Vec<_> = lines.map(split).collect();
        let text = Text { start, headers, body: body.to_owned() };
        assert_eq!(text.value("Content-Length"), body.len().to_string(), "{}", text.start);
        text
    }

    fn method(&self) -> Option<&str> {
        self.start.split(' ').next().filter(|word| *word != "SIP/2.0")
    }

    fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?[..3].parse().ok()
    }

    fn request_uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or("")
    }

    fn is_answer_to(&self, method: &str) -> bool {
        self.status().is_some() && self.value("CSeq").ends_with(method)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |header| header.0 == name).map(|header| header.1.as_str())
    }

    fn value(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or("")
    }

    fn answer(&self, status: u16) -> Text {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let mut headers: Vec<_> =
            self.headers.iter().filter(|header| copied.contains(&header.0.as_str())).cloned().collect();
        let to = headers.iter_mut().find(|header| header.0 == "To").expect("a request has To");
        if status > 100 && !to.1.contains(";tag=") {
            to.1.push_str(";tag=peer");
        }
        headers.push(("Content-Length".into(), "0".into()));
        Text { start: format!("SIP/2.0 {status} Whatever"), headers, body: String::new() }
    }

    /// CANCEL, or the ACK to a refusal, of an INVITE that was sent with `via`.
    fn of_same_transaction(&self, method: &str, uri: &str, via: &str, to: Option<&str>) -> Text {
        let number = self.value("CSeq").split(' ').next().unwrap_or("").to_owned();
        let headers = [
            ("Via", via.to_owned()),
            ("Max-Forwards", "70".into()),
            ("From", self.value("From").to_owned()),
            ("To", to.unwrap_or(self.value("To")).to_owned()),
            ("Call-ID", self.value("Call-ID").to_owned()),
            ("CSeq", format!("{number} {method}")),
            ("Content-Length", "0".into()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Text { start: format!("{method} {uri} SIP/2.0"), headers, body: String::new() }
    }

    fn to(&self, remote: SocketAddr) -> Packet {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        (text.into_bytes(), remote)
    }
}

fn uri_in(value: &str) -> &str {
    value.split(['<', '>']).nth(1).unwrap_or(value)
}

fn user_of(uri: &str) -> &str {
    uri.trim_start_matches("sip:").split('@').next().unwrap_or("")
}

fn address_in(uri: &str) -> SocketAddr {
    let host = uri.split('@').nth(1).unwrap_or("").split(';').next().unwrap_or("");
    host.parse().expect("a contact has an address and a port")
}
