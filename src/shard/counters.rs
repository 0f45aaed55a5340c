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
    // What the shell counts; it keeps numbers of its own and adds them when it is asked.
    DatagramsUnsent, "datagrams_dropped_total", "reason=\"unsent\"", "Datagrams that were dropped.";
    DatagramsForUnknownAddress, "datagrams_dropped_total", "reason=\"unknown-local-address\"", "Datagrams that were dropped.";
    DatagramsMeshFull, "datagrams_dropped_total", "reason=\"mesh-full\"", "Datagrams that were dropped.";
    HandoffsRefused, "handoffs_refused_total", "", "What one shard had to tell another and could not, because the mesh was full.";
    Unreachable, "unreachable_total", "", "ICMP errors that peers or routers sent about our datagrams.";
    ConnectionsAccepted, "connections_total", "direction=\"in\"", "Stream connections opened.";
    ConnectionsMade, "connections_total", "direction=\"out\"", "Stream connections opened.";
    ConnectionsRefused, "connections_refused_total", "", "Stream connections closed as they came, because there were too many.";
    ConnectsFailed, "connects_failed_total", "", "Stream connections that a peer refused, or was too slow to accept.";
    ConnectionsIdle, "connections_closed_total", "reason=\"idle\"", "Stream connections that tine closed.";
    ConnectionsStalled, "connections_closed_total", "reason=\"partial-message\"", "Stream connections that tine closed.";
    ConnectionsUnframed, "connections_closed_total", "reason=\"framing\"", "Stream connections that tine closed.";
    ConnectionsOverfull, "connections_closed_total", "reason=\"write-queue\"", "Stream connections that tine closed.";
    Faults, "faults_total", "", "Asserts that fired: faults of tine itself.";
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

    /// Adds every number of `other`.
    pub fn merge(&mut self, other: &Counters) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }

    pub fn value(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    pub fn values(&self) -> &[u64] {
        &self.0
    }
}
