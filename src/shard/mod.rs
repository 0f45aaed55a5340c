//! The deterministic core: inputs in, outbox out. The only place that performs what policy decided.

pub mod counters;
pub mod input;
pub mod outbox;
