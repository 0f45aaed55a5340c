//! The paths of the HTTP API.
//!
//! | path | answer |
//! |---|---|
//! | `/health` | 200 when every shard answers within a second, else 503 with those that do not |
//! | `/ready` | 200 once every shard serves and none drains, else 503 with the reason |
//! | `/metrics` | Prometheus text |

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::listener::Bounded;
use super::metrics;
use super::process::Usage;
use super::shards::{Shards, Snapshot};
use super::{Options, Token};
use crate::shell::port::ServiceEnd;

/// What every request can see.
struct Context {
    options: Options,
    shards: Shards,
}

/// Serves until the process ends.
pub(super) async fn serve(listener: Bounded, options: Options, ends: Vec<ServiceEnd>) {
    let context = Arc::new(Context { options, shards: Shards::new(ends) });
    let open = Router::new().route("/health", get(health)).route("/ready", get(ready));
    let closed = Router::new()
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&context), require_token));
    let router = open.merge(closed).method_not_allowed_fallback(not_allowed).with_state(context);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the API has ended");
    }
}

async fn health(State(context): State<Arc<Context>>) -> Response {
    match silent_shards(&context.shards.snapshot().await) {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(silent) => (StatusCode::SERVICE_UNAVAILABLE, silent).into_response(),
    }
}

async fn ready(State(context): State<Arc<Context>>) -> Response {
    let snapshot = context.shards.snapshot().await;
    if let Some(silent) = silent_shards(&snapshot) {
        return (StatusCode::SERVICE_UNAVAILABLE, silent).into_response();
    }
    if snapshot.iter().flatten().any(|state| state.facts.is_draining) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    (StatusCode::OK, "ready\n").into_response()
}

async fn metrics(State(context): State<Arc<Context>>) -> Response {
    let snapshot = context.shards.snapshot().await;
    let text = metrics::text(&context.options.node, &snapshot, Usage::read());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "no such path\n")
}

async fn not_allowed() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "no such method for this path\n")
}

async fn require_token(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    match &context.options.token {
        Some(token) if !is_authorized(request.headers(), token) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            (StatusCode::UNAUTHORIZED, challenge, "a bearer token is needed\n").into_response()
        }
        _ => next.run(request).await,
    }
}

/// RFC 6750 §2.1; the scheme in any case.
fn is_authorized(headers: &HeaderMap, token: &Token) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()) else { return false };
    let Some((scheme, given)) = value.split_at_checked(b"Bearer ".len()) else { return false };
    scheme.eq_ignore_ascii_case(b"Bearer ") && is_same_secret(given.trim_ascii(), token.0.as_bytes())
}

/// Takes as long whether the first or the last byte differs; only the length shows.
fn is_same_secret(given: &[u8], secret: &[u8]) -> bool {
    let differing = given.iter().zip(secret).fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == secret.len() && std::hint::black_box(differing) == 0
}

/// The shards that did not answer, as a line of text.
fn silent_shards(snapshot: &Snapshot) -> Option<String> {
    let silent = snapshot.iter().enumerate().filter(|(_, state)| state.is_none());
    let silent: Vec<String> = silent.map(|(shard, _)| shard.to_string()).collect();
    (!silent.is_empty()).then(|| format!("no answer from shard {}\n", silent.join(", ")))
}
