//! The command line, checked: what is offered works, and what does not exist is refused with exit code 2 and never ignored.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tine::time::Duration;

use crate::pacing::Stop;

/// Load generator for SIP: operations start by the clock, users are the model, latency counts from the intended start.
#[derive(Parser, Debug)]
#[command(name = "tine-load", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// OPTIONS to the domain; a 200 is a success
    Options(Common),
    /// REGISTER of one user after the other, again and again
    Register {
        #[command(flatten)]
        common: Common,
        /// Seconds that each registration is to last
        #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
        expires: u32,
        /// Remove the bindings at the end
        #[arg(long)]
        unregister: bool,
    },
    /// Calls from user i to user i + N/2 through the target, both ends here
    Call {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        talk: Talk,
    },
    /// Calls to users with several devices: all ring, one answers, the others are cancelled
    Fork {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        talk: Talk,
        /// Devices of each user
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
        devices: u8,
        /// The device that answers: first, last, random (drawn for each call) or its number, counted from 0
        #[arg(long, value_name = "WHICH", default_value = "first", value_parser = parse_answer)]
        answer: Answer,
    },
}

#[derive(Args, Debug)]
struct Talk {
    /// Milliseconds from 180 to 200
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ring: u64,
    /// Milliseconds from ACK to BYE
    #[arg(long, value_name = "MS", default_value_t = 0)]
    hold: u64,
}

#[derive(Args, Debug)]
struct Common {
    /// The system under test
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5060")]
    target: String,
    #[arg(long, value_name = "NAME", default_value = "udp")]
    transport: TransportName,
    /// Domain of the users [default: the target's host]
    #[arg(long, value_name = "NAME", value_parser = parse_domain)]
    domain: Option<String>,
    /// Local addresses; the ports are chosen free
    #[arg(long, value_name = "IP[,IP…]", default_value = "127.0.0.1", value_delimiter = ',')]
    bind: Vec<IpAddr>,
    /// Sockets that the users share, or `per-user`
    #[arg(long, value_name = "N|per-user", default_value = "64", value_parser = parse_sockets)]
    sockets: SocketCount,
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=USERS_MAX))]
    users: u32,
    /// Operations started per second
    #[arg(long, value_name = "R", default_value_t = 100.0, value_parser = parse_rate)]
    rate: f64,
    /// Seconds in which the rate grows from 0 to R; not measured
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = parse_seconds)]
    ramp: f64,
    /// Stop after so many operations
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = parse_seconds)]
    duration: f64,
    /// Seconds after the end in which operations in flight may still end
    #[arg(long, value_name = "S", default_value_t = 35.0, value_parser = parse_seconds)]
    grace: f64,
    /// Threads; one is all there is today
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u32,
    /// CPUs to run on, one for each shard [default: wherever the system puts it]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Measure CPU and memory of this process and its children
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Write the summary as one JSON object
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// No progress lines
    #[arg(long)]
    quiet: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum TransportName {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

/// How many sockets the users share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketCount {
    Shared(u32),
    /// One for each device of each user.
    PerUser,
}

/// The device that answers a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    First,
    Last,
    /// Drawn for each call.
    Random,
    Index(u8),
}

/// What one operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    Options,
    Register { expires_s: u32, unregister: bool },
    Call(CallPlan),
    Fork(CallPlan),
}

/// How calls go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallPlan {
    pub ring: Duration,
    pub hold: Duration,
    /// Devices of each user, at least 1.
    pub devices: u8,
    pub answer: Answer,
}

/// A command line that makes sense.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub workload: Workload,
    /// As it was written.
    pub target_text: String,
    pub target: SocketAddr,
    pub domain: String,
    pub bind: Vec<IpAddr>,
    pub sockets: SocketCount,
    pub users: u32,
    pub rate: f64,
    pub ramp_s: f64,
    pub stop: Stop,
    pub grace: Duration,
    pub cpu: Option<usize>,
    pub pid: Option<u32>,
    pub json: Option<PathBuf>,
    pub quiet: bool,
}

/// A name of a user has six digits or as many as it needs; more than this is no load of one thread.
const USERS_MAX: i64 = 10_000_000;

impl Workload {
    /// As it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Workload::Options => "options",
            Workload::Register { .. } => "register",
            Workload::Call(_) => "call",
            Workload::Fork(_) => "fork",
        }
    }

    /// How its calls go, if it has any.
    pub const fn call_plan(self) -> Option<CallPlan> {
        match self {
            Workload::Call(plan) | Workload::Fork(plan) => Some(plan),
            Workload::Options | Workload::Register { .. } => None,
        }
    }

    /// Devices of each user.
    pub const fn devices(self) -> u8 {
        match self.call_plan() {
            Some(plan) => plan.devices,
            None => 1,
        }
    }

    /// Seconds that registrations are asked for.
    pub const fn expires_s(self) -> u32 {
        match self {
            Workload::Register { expires_s, .. } => expires_s,
            Workload::Options | Workload::Call(_) | Workload::Fork(_) => 3_600,
        }
    }
}

impl Cli {
    /// Checks what clap can not see.
    ///
    /// # Errors
    /// A text for the user; the exit code is 2.
    pub fn plan(self) -> Result<Plan, String> {
        let millis = Duration::from_millis;
        let (workload, common) = match self.command {
            Command::Options(common) => (Workload::Options, common),
            Command::Register { common, expires, unregister } => {
                (Workload::Register { expires_s: expires, unregister }, common)
            }
            Command::Call { common, talk } => {
                let plan = CallPlan {
                    ring: millis(talk.ring),
                    hold: millis(talk.hold),
                    devices: 1,
                    answer: Answer::First,
                };
                (Workload::Call(plan), common)
            }
            Command::Fork { common, talk, devices, answer } => {
                if matches!(answer, Answer::Index(index) if index >= devices) {
                    return Err(format!("--answer: the devices are numbered from 0 to {}", devices - 1));
                }
                let plan = CallPlan { ring: millis(talk.ring), hold: millis(talk.hold), devices, answer };
                (Workload::Fork(plan), common)
            }
        };
        common.plan(workload)
    }
}

impl Common {
    fn plan(self, workload: Workload) -> Result<Plan, String> {
        if self.transport != TransportName::Udp {
            let name = format!("{:?}", self.transport).to_lowercase();
            return Err(format!("--transport {name}: not supported yet; udp is"));
        }
        if self.shards != 1 {
            return Err(format!("--shards {}: not supported yet; 1 is", self.shards));
        }
        if self.cpus.len() > 1 {
            return Err("--cpus: one CPU for each shard, and there is 1 shard".into());
        }
        if workload.call_plan().is_some() && self.users < 2 {
            return Err(format!("--users: {} needs at least 2", workload.name()));
        }
        let (target, host) = resolve(&self.target)?;
        if let Some(other) =
            self.bind.iter().find(|ip| ip.is_ipv4() != target.is_ipv4() || ip.is_unspecified())
        {
            return Err(format!(
                "--bind {other}: can not send to {target}; name an address of the same family"
            ));
        }
        Ok(Plan {
            workload,
            target,
            domain: self.domain.unwrap_or(host),
            target_text: self.target,
            bind: self.bind,
            sockets: self.sockets,
            users: self.users,
            rate: self.rate,
            ramp_s: self.ramp,
            stop: match self.count {
                Some(count) => Stop::Count(count),
                None => Stop::Duration(seconds(self.duration)),
            },
            grace: seconds(self.grace),
            cpu: self.cpus.first().copied(),
            pid: self.pid,
            json: self.json,
            quiet: self.quiet,
        })
    }
}

/// The first address of `HOST[:PORT]`, and the host as it is written in a URI.
fn resolve(target: &str) -> Result<(SocketAddr, String), String> {
    let (host, with_port) = match target.parse::<IpAddr>() {
        Ok(ip) => (SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned(), None),
        Err(_) => match target.rsplit_once(':') {
            Some((host, _)) if !target.ends_with(']') => (host.to_owned(), Some(target.to_owned())),
            _ => (target.to_owned(), None),
        },
    };
    let with_port = with_port.unwrap_or_else(|| format!("{host}:5060"));
    let mut addresses = with_port.to_socket_addrs().map_err(|error| format!("--target {target}: {error}"))?;
    let address = addresses.next().ok_or_else(|| format!("--target {target}: has no address"))?;
    if address.port() == 0 {
        return Err(format!("--target {target}: port 0 is no port"));
    }
    Ok((address, host))
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6) as u64)
}

fn parse_domain(text: &str) -> Result<String, String> {
    let is_written = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_written) {
        return Err("a host name or address".into());
    }
    Ok(text.to_owned())
}

fn parse_sockets(text: &str) -> Result<SocketCount, String> {
    match text {
        "per-user" => Ok(SocketCount::PerUser),
        _ => match text.parse() {
            Ok(count @ 1..=1_000_000) => Ok(SocketCount::Shared(count)),
            _ => Err("a number from 1 to 1000000, or per-user".into()),
        },
    }
}

fn parse_answer(text: &str) -> Result<Answer, String> {
    match text {
        "first" => Ok(Answer::First),
        "last" => Ok(Answer::Last),
        "random" => Ok(Answer::Random),
        _ => text.parse().map(Answer::Index).map_err(|_| "first, last, random, or a device's number".into()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.001 to 1000000".into()),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("seconds, from 0 to 1000000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &str) -> Result<Plan, String> {
        let words = core::iter::once("tine-load").chain(arguments.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| error.to_string())?.plan()
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let plan = plan("call").unwrap();
        let call = CallPlan { ring: Duration::ZERO, hold: Duration::ZERO, devices: 1, answer: Answer::First };
        assert_eq!(plan.workload, Workload::Call(call));
        assert_eq!((plan.target.to_string().as_str(), plan.domain.as_str()), ("127.0.0.1:5060", "127.0.0.1"));
        assert_eq!((plan.users, plan.rate, plan.ramp_s), (1000, 100.0, 0.0));
        assert_eq!(plan.stop, Stop::Duration(Duration::from_secs(10)));
        assert_eq!((plan.grace, plan.sockets), (Duration::from_secs(35), SocketCount::Shared(64)));
    }

    #[test]
    fn a_target_is_a_host_with_or_without_a_port() {
        for (text, address, host) in [
            ("127.0.0.1", "127.0.0.1:5060", "127.0.0.1"),
            ("127.0.0.1:5070", "127.0.0.1:5070", "127.0.0.1"),
            ("::1", "[::1]:5060", "[::1]"),
            ("[::1]", "[::1]:5060", "[::1]"),
            ("[::1]:7000", "[::1]:7000", "[::1]"),
        ] {
            let (resolved, name) = resolve(text).unwrap();
            assert_eq!((resolved.to_string().as_str(), name.as_str()), (address, host));
        }
        assert!(resolve("127.0.0.1:0").is_err());
        assert!(resolve("127.0.0.1:sip").is_err());
    }

    #[test]
    fn what_does_not_exist_is_refused_by_name() {
        for (arguments, word) in [
            ("call --transport tls", "tls"),
            ("call --shards 2", "--shards"),
            ("call --cpus 0,1", "--cpus"),
            ("call --users 1", "--users"),
            ("call --rate 0", "--rate"),
            ("call --count 5 --duration 5", "--duration"),
            ("call --bind ::1", "--bind"),
            ("call --domain a>b", "--domain"),
            ("call --sockets 0", "--sockets"),
            ("call --csv x", "--csv"),
            ("call --find-max", "--find-max"),
            ("fork --devices 3 --answer 3", "--answer"),
            ("fork --devices 0", "--devices"),
            ("options --ring 5", "--ring"),
            ("message", "message"),
        ] {
            let text = plan(arguments).expect_err(arguments);
            assert!(text.contains(word), "{arguments}: {text}");
        }
    }

    #[test]
    fn every_workload_reads_its_own_options() {
        assert_eq!(
            plan("register --expires 60 --unregister").unwrap().workload,
            Workload::Register { expires_s: 60, unregister: true }
        );
        let fork = plan("fork --devices 2 --answer random --ring 20 --hold 30 --sockets per-user").unwrap();
        let call = CallPlan {
            ring: Duration::from_millis(20),
            hold: Duration::from_millis(30),
            devices: 2,
            answer: Answer::Random,
        };
        assert_eq!((fork.workload, fork.sockets), (Workload::Fork(call), SocketCount::PerUser));
        assert_eq!(plan("options --count 7").unwrap().stop, Stop::Count(7));
    }
}
