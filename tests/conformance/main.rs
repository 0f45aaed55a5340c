//! Timed scripts over the shard: at this time this arrives, by then exactly this leaves. One file per section of an RFC.

mod network;

mod dialog;
mod rfc3261_10;
mod rfc3261_16;
mod story;
mod stream;
