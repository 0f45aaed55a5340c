//! The API over a real socket, with shards played by threads.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::shard::port::{Answer, Facts, Question, State};
use crate::shell::port::{self, ShardEnd};

/// Starts the API with one thread for each entry; `None` is a shard that never answers.
fn start(token: Option<&str>, shards: &[Option<Facts>]) -> SocketAddr {
    let bound = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address().unwrap();
    let mut ends = Vec::new();
    for &facts in shards {
        let (service, shard) = port::pair().unwrap();
        ends.push(service);
        thread::Builder::new().spawn(move || play_shard(shard, facts)).unwrap();
    }
    let options = Options { node: "test".to_owned(), token: token.map(|token| Token(token.to_owned())) };
    bound.serve(options, ends).unwrap();
    address
}

fn play_shard(mut end: ShardEnd, facts: Option<Facts>) {
    loop {
        thread::park_timeout(std::time::Duration::from_millis(2));
        while let Some(question) = end.next_question() {
            match (question, facts) {
                (Question::State { ticket }, Some(facts)) => {
                    // An answer to a question that was given up must not be taken for this one.
                    let late = State { facts: Facts { is_draining: true, ..facts }, ..State::default() };
                    end.answer(Answer::State { ticket: ticket.wrapping_sub(1), state: late });
                    end.answer(Answer::State { ticket, state: State { facts, ..State::default() } });
                }
                (Question::Drain { .. }, _) | (_, None) => {}
            }
        }
    }
}

/// Sends one request and gives the whole response.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn paths_and_methods() {
    let address = start(None, &[Some(Facts::default()), Some(Facts { bindings: 3, ..Facts::default() })]);
    let table = [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/health", 405),
    ];
    for (method, path, expected) in table {
        assert_eq!(status(&ask(address, method, path, "")), expected, "{method} {path}");
    }
    let metrics = ask(address, "GET", "/metrics", "");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("tine_bindings{shard=\"1\"} 3\n"), "{metrics}");
}

#[test]
fn a_draining_node_is_healthy_and_not_ready() {
    let draining = Facts { is_draining: true, ..Facts::default() };
    let address = start(None, &[Some(Facts::default()), Some(draining)]);
    assert_eq!(status(&ask(address, "GET", "/health", "")), 200);
    let ready = ask(address, "GET", "/ready", "");
    assert_eq!(status(&ready), 503);
    assert!(ready.ends_with("draining\n"), "{ready}");
}

#[test]
fn shards_that_hang_are_named_and_the_others_still_heard() {
    let address = start(None, &[None, Some(Facts { aors: 5, ..Facts::default() }), None]);
    for path in ["/health", "/ready"] {
        let response = ask(address, "GET", path, "");
        assert_eq!(status(&response), 503, "{path}");
        assert!(response.ends_with("no answer from shard 0, 2\n"), "{response}");
    }
    let metrics = ask(address, "GET", "/metrics", "");
    assert!(metrics.contains("tine_shard_up{shard=\"0\"} 0\n"), "{metrics}");
    assert!(metrics.contains("tine_aors{shard=\"1\"} 5\n"), "{metrics}");
}

#[test]
fn the_token_guards_all_but_health_and_ready() {
    let address = start(Some("s3cret"), &[Some(Facts::default())]);
    let table = [
        ("/health", "", 200),
        ("/ready", "", 200),
        ("/metrics", "", 401),
        ("/nothing", "", 401),
        ("/metrics", "Authorization: Bearer s3cret\r\n", 200),
        ("/metrics", "Authorization: bearer  s3cret\r\n", 200),
        ("/nothing", "Authorization: Bearer s3cret\r\n", 404),
        ("/metrics", "Authorization: Bearer s3cre\r\n", 401),
        ("/metrics", "Authorization: Bearer s3cret2\r\n", 401),
        ("/metrics", "Authorization: Bearer S3cret\r\n", 401),
        ("/metrics", "Authorization: Basic s3cret\r\n", 401),
        ("/metrics", "Authorization: Bearer\r\n", 401),
    ];
    for (path, headers, expected) in table {
        assert_eq!(status(&ask(address, "GET", path, headers)), expected, "{path} {headers}");
    }
}

#[test]
fn silent_clients_do_not_keep_others_out() {
    let address = start(None, &[Some(Facts::default())]);
    let silent: Vec<TcpStream> =
        (0..crate::limits::API_CONNECTIONS_MAX - 1).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(status(&ask(address, "GET", "/health", "")), 200);
    drop(silent);
    let big = format!("X: {}\r\n", "a".repeat(1 << 20));
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = write!(stream, "GET /health HTTP/1.1\r\nHost: t\r\n{big}\r\n");
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    assert!(!response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response));
    assert_eq!(status(&ask(address, "GET", "/health", "")), 200);
}

#[test]
fn a_taken_address_is_an_error() {
    let first = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = bind(first.address().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
