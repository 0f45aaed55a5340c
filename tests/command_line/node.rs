//! A running tine: started, watched, signalled, and always ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes this long; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Node {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// The ready line.
    pub ready: String,
}

impl Node {
    /// Starts `tine` in a directory, and waits for its ready line.
    pub fn start(arguments: &[&str], directory: &Path) -> Node {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tine"))
            .args(arguments)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let errors = read_lines(child.stderr.take().unwrap());
        let mut node = Node { child, lines, errors, ready: String::new() };
        match node.lines.recv_timeout(PATIENCE) {
            Ok(line) => node.ready = line,
            Err(_) => {
                let _ = node.child.kill();
                panic!("no ready line: {:#?}", node.errors.iter().collect::<Vec<_>>());
            }
        }
        node
    }

    /// The address after the first `name` in the ready line.
    pub fn address(&self, name: &str) -> SocketAddr {
        let mut words = self.ready.split(' ').skip_while(|word| *word != name);
        words.nth(1).unwrap_or_else(|| panic!("no {name} in {}", self.ready)).parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the next log line that contains `part`.
    pub fn await_log(&self, part: &str) -> String {
        loop {
            let line =
                self.errors.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no log line with {part}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for the end: the exit status, what else stood on standard output, and the rest of the log.
    pub fn wait(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        // Both outputs end with the process.
        let lines = collect(&self.lines);
        let errors = collect(&self.errors);
        (self.child.wait().unwrap(), lines, errors)
    }

    /// Asks the API until it answers with this status and body: on a busy machine a shard may take longer to answer than the API waits.
    pub fn await_http(&self, path: &str, status: u16, body: &str) {
        let start = Instant::now();
        loop {
            let answer = self.http(path);
            if answer.0 == status && answer.1.contains(body) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{path} wants {status} {body}, has {answer:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The status and the body of a GET on the API.
    pub fn http(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address("api")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: tine\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if line.is_ok_and(|line| sender.send(line).is_err()) {
                return;
            }
        }
    });
    receiver
}

fn collect(lines: &Receiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        all.push(line);
    }
    all
}

/// A SIP client on a UDP socket of its own.
pub struct Client {
    socket: UdpSocket,
    edge: SocketAddr,
}

impl Client {
    pub fn new(edge: SocketAddr) -> Client {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { socket, edge }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// A request of `user` to `uri`; `mark` tells its branch, tag and Call-ID from those of others.
    pub fn request(&self, method: &str, uri: &str, mark: &str) {
        let own = self.address();
        self.send(&format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{mark}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@localhost>;tag={mark}\r\nTo: <sip:alice@localhost>\r\nCall-ID: {mark}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:alice@{own}>\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    /// Answers a request that was received, its head copied as RFC 3261 §8.2.6 has it.
    pub fn answer(&self, request: &str, status: &str) {
        let copied = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"];
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.split("\r\n").take_while(|line| !line.is_empty()) {
            if copied.iter().any(|name| line.starts_with(name)) {
                text.push_str(&format!("{line}\r\n"));
            } else if line.starts_with("To:") {
                text.push_str(&format!("{line};tag=device\r\n"));
            }
        }
        text.push_str(&format!("Contact: <sip:alice@{}>\r\nContent-Length: 0\r\n\r\n", self.address()));
        self.send(&text);
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.edge).unwrap();
    }

    /// The next message whose first line contains `part`; others, such as retransmissions, are passed over.
    pub fn receive(&self, part: &str) -> String {
        let mut buffer = [0; 65_536];
        loop {
            let len = self.socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {part}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if text.lines().next().is_some_and(|line| line.contains(part)) {
                return text;
            }
        }
    }
}
