//! Whether a bench is measured or only tried.

/// True where it is only tried, as `cargo test --benches` and `cargo bench -- --test` do: small tables are enough then.
pub fn is_smoke() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--test") || !has("--bench")
}
