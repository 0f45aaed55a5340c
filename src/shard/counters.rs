//! Facts about single messages are counted, never logged.

macro_rules! counters {
    ($($name:ident, $metric:literal, $labels:literal, $help:literal;)*) => {
        /// What is counted. One metric may have several counters that differ in their labels.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Counter { $($name),* }

        impl Counter {
            pub const ALL: &'static [Counter] = &[$(Counter::$name),*];

            /// The name of the metric in `/metrics`, without the prefix `tine_`.
            pub const fn metric(self) -> &'static str { match self { $(Counter::$name => $metric),* } }

            /// Prometheus labels without braces; empty for none.
            pub const fn labels(self) -> &'static str { match self { $(Counter::$name => $labels),* } }

            pub const fn help(self) -> &'static str { match self { $(Counter::$name => $help),* } }
        }
    };
}

counters! {
    RequestsReceived, "messages_received_total", "kind=\"request\"", "SIP messages received.";
    ResponsesReceived, "messages_received_total", "kind=\"response\"", "SIP messages received.";
    Keepalives, "messages_received_total", "kind=\"keepalive\"", "SIP messages received.";
    HandedOff, "handoffs_total", "", "Messages given to the shard that owns them.";
}

/// One number per counter.
#[derive(Clone, Debug)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; Counter::ALL.len()])
    }
}

impl Counters {
    pub fn add(&mut self, counter: Counter) {
        self.0[counter as usize] += 1;
    }

    pub fn value(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    pub fn values(&self) -> &[u64] {
        &self.0
    }
}
