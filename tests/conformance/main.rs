//! Timed scripts over the shard: at this time this arrives, by then exactly this leaves. One file per section of an RFC.

#![allow(clippy::unwrap_used, reason = "a script that can not go on has failed")]

mod network;

mod chaos;
mod dialog;
mod hostile;
mod rfc3261_10;
mod rfc3261_16;
mod story;
mod stream;
