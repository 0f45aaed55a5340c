//! What is refused before work is spent on it.

pub mod source_rate;
