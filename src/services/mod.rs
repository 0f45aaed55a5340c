//! What a node does off the path of a message, on one ordinary thread with a tokio runtime: the HTTP API.
//!
//! HTTP requests and the shards' answers enter; questions to the shards and HTTP responses leave. Bounded by
//! `limits::API_CONNECTIONS_MAX`, and by a second that a shard may take to answer. A slow or dead client, or a shard that hangs,
//! costs nobody else anything.

mod api;
mod listener;
mod metrics;
mod process;
mod shards;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use crate::shell::port::ServiceEnd;

/// What the services need to know.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of the node; stands in the metrics.
    pub node: String,
    /// When set, every path but `/health` and `/ready` wants `Authorization: Bearer` with it.
    pub token: Option<Token>,
}

/// A text that debug output does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

/// The address of the API, bound and not served yet.
#[derive(Debug)]
pub struct Bound(TcpListener);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Binds the address of the API.
///
/// # Errors
/// What the system says, an address in use above all.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(Bound(listener))
}

impl Bound {
    /// The address with the port that the system chose, where it was asked for port 0.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until the process ends. `ends` are those of the shards, in order.
    ///
    /// # Errors
    /// When the system gives no thread, or no poll descriptor for it.
    pub fn serve(self, options: Options, ends: Vec<ServiceEnd>) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        thread::Builder::new().name("services".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = listener::Bounded::new(self.0);
                match listener {
                    Ok(listener) => api::serve(listener, options, ends).await,
                    Err(error) => tracing::error!(%error, "the API can not be served"),
                }
            });
        })
    }
}

#[cfg(test)]
mod tests;
