//! shell

pub mod port;
