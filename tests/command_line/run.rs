//! `tine run`: from the ready line to the end.

use std::net::{TcpListener, UdpSocket};

use crate::node::{Client, Node};
use crate::{Scratch, text, tine};

/// Two listeners and the API on ports that the system chooses.
const ANY_PORTS: &str = "\
[[listen]]
transport = \"udp\"
address = \"127.0.0.1:0\"
[[listen]]
transport = \"tcp\"
address = \"127.0.0.1:0\"
[api]
address = \"127.0.0.1:0\"
[node]
shards = 2
";

fn start(scratch: &Scratch, config: &str) -> Node {
    scratch.write("tine.toml", config);
    Node::start(&["run", "-c", "tine.toml"], &scratch.0)
}

#[test]
fn a_node_is_ready_serves_and_ends_at_sigterm() {
    let scratch = Scratch::new("run-ready");
    let node = start(&scratch, ANY_PORTS);
    let (udp, tcp, api) = (node.address("udp"), node.address("tcp"), node.address("api"));
    assert_eq!(node.ready, format!("tine ready udp {udp} tcp {tcp} api {api}"));
    assert!([udp, tcp, api].iter().all(|address| address.port() != 0));

    node.await_http("/health", 200, "ok\n");
    node.await_http("/ready", 200, "ready\n");
    assert_eq!(node.http("/elsewhere").0, 404);

    let client = Client::new(udp);
    client.request("REGISTER", "sip:localhost", "one");
    client.receive("SIP/2.0 200");
    for metric in ["tine_build_info{", "process_cpu_seconds_total ", "tine_shard_up{shard=\"1\"} 1"] {
        node.await_http("/metrics", 200, metric);
    }
    // Every shard that answers counts; the request went to one of them.
    node.await_http("/metrics", 200, "\ntine_bindings{shard=");
    let has_binding = (0..100).any(|_| {
        let metrics = node.http("/metrics").1;
        metrics.lines().any(|line| line.starts_with("tine_bindings{") && line.ends_with(" 1"))
    });
    assert!(has_binding);

    node.signal("TERM");
    let (status, lines, errors) = node.wait();
    assert_eq!(status.code(), Some(0), "{errors:#?}");
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_call_that_rings_at_sigterm_is_answered_and_new_ones_are_refused() {
    let scratch = Scratch::new("run-drain");
    let node = start(&scratch, ANY_PORTS);
    let (device, caller) = (Client::new(node.address("udp")), Client::new(node.address("udp")));
    device.request("REGISTER", "sip:localhost", "device");
    device.receive("SIP/2.0 200");
    caller.request("INVITE", "sip:alice@localhost", "call");
    let invite = device.receive("INVITE ");
    device.answer(&invite, "180 Ringing");
    caller.receive("SIP/2.0 180");

    node.signal("TERM");
    // The signal is taken in a moment after it was sent, so the refusal is asked for until it comes.
    let refused = (0..100).find(|attempt| {
        let client = Client::new(node.address("udp"));
        client.request("REGISTER", "sip:localhost", &format!("late{attempt}"));
        client.receive("SIP/2.0 ").starts_with("SIP/2.0 503")
    });
    assert!(refused.is_some());
    node.await_http("/ready", 503, "draining\n");
    node.await_http("/health", 200, "ok\n");

    device.answer(&invite, "200 OK");
    caller.receive("SIP/2.0 200");
    let (status, lines, errors) = node.wait();
    assert_eq!(status.code(), Some(0), "{errors:#?}");
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let scratch = Scratch::new("run-second");
    let node = start(&scratch, &format!("{ANY_PORTS}drain_s = 600\n"));
    let (device, caller) = (Client::new(node.address("udp")), Client::new(node.address("udp")));
    device.request("REGISTER", "sip:localhost", "device");
    device.receive("SIP/2.0 200");
    caller.request("INVITE", "sip:alice@localhost", "call");
    device.receive("INVITE ");
    node.signal("TERM");
    node.await_http("/ready", 503, "draining\n");
    node.signal("TERM");
    assert_eq!(node.wait().0.code(), Some(0));
}

#[test]
fn a_killed_node_starts_again_on_the_same_ports() {
    let scratch = Scratch::new("run-kill");
    // An address of its own, where nobody takes the ports while they are free.
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let ip = format!("127.77.{high}.{low}");
    let config = format!(
        "[[listen]]\naddress = \"{ip}:5060\"\n[[listen]]\ntransport = \"tcp\"\naddress = \"{ip}:5060\"\n\
         [api]\naddress = \"{ip}:8060\"\n"
    );
    let node = start(&scratch, &config);
    let (udp, tcp) = (node.address("udp"), node.address("tcp"));
    let connection = std::net::TcpStream::connect(tcp).unwrap();
    node.signal("KILL");
    assert_eq!(node.wait().0.code(), None);
    drop(connection);
    let again = start(&scratch, &config);
    assert_eq!(again.ready, format!("tine ready udp {udp} tcp {tcp} api {ip}:8060"));
    let client = Client::new(udp);
    client.request("OPTIONS", &format!("sip:{udp}"), "again");
    client.receive("SIP/2.0 200");
}

#[test]
fn a_taken_port_is_named() {
    let scratch = Scratch::new("run-taken");
    let node = start(&scratch, ANY_PORTS);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = |transport: &str, address: &str| {
        format!("api.address = \"\"\n[[listen]]\ntransport = \"{transport}\"\naddress = \"{address}\"\n")
    };
    let table = [
        ("udp", udp.local_addr().unwrap()),
        ("tcp", tcp.local_addr().unwrap()),
        // Of another tine, whose sockets let each other share the port.
        ("udp", node.address("udp")),
        ("tcp", node.address("tcp")),
    ];
    for (transport, address) in table {
        scratch.write("second.toml", listen(transport, &address.to_string()));
        let output = tine(&["-c", "second.toml"], &scratch.0);
        let told = text(&output.stderr);
        assert!(told.contains(&format!("{transport} {address} is taken")), "{told}");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{told}");
    }
    let api = node.address("api");
    scratch.write(
        "second.toml",
        format!("api.address = \"{api}\"\nlisten = [{{ address = \"127.0.0.1:0\" }}]\n"),
    );
    let output = tine(&["-c", "second.toml"], &scratch.0);
    assert!(text(&output.stderr).contains(&format!("api {api} is taken")), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_log_follows_its_section_and_a_reload() {
    let scratch = Scratch::new("run-log");
    let quiet = format!("{ANY_PORTS}[log]\nlevel = \"error\"\nformat = \"json\"\n");
    let node = start(&scratch, &quiet);
    scratch.write("tine.toml", format!("{quiet}x = 1\n"));
    node.signal("HUP");
    // With the wrong file told, nothing of a lower level came before it.
    let first = node.await_log("");
    assert!(first.starts_with('{') && first.contains("tine.toml:14:1: log.x: unknown key"), "{first}");
    scratch.write("tine.toml", quiet.replace("error", "info"));
    node.signal("HUP");
    let reloaded = node.await_log("is reloaded");
    assert!(reloaded.contains("\"level\":\"INFO\""), "{reloaded}");
    scratch.write("tine.toml", quiet.replace("error", "info").replace("shards = 2", "shards = 1"));
    node.signal("HUP");
    assert!(node.await_log("is reloaded").contains("from the next start"));
}

#[test]
fn without_an_address_there_is_no_api() {
    let scratch = Scratch::new("run-no-api");
    let node = start(&scratch, "api.address = \"\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n");
    assert_eq!(node.ready, format!("tine ready udp {}", node.address("udp")));
}
