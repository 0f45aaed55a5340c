//! Facts about single messages are counted, never logged.

use crate::sip::malformed::Malformed;

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
    MessagesSent, "messages_sent_total", "", "SIP messages sent, retransmissions included.";
    Retransmissions, "retransmissions_sent_total", "", "SIP messages sent again.";
    RetransmissionsReceived, "retransmissions_received_total", "", "Requests that met their own transaction.";
    HandedOff, "handoffs_total", "", "Messages given to the shard that owns them.";
    MalformedTooLarge, "malformed_total", "kind=\"too_large\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedTooManyHeaders, "malformed_total", "kind=\"too_many_headers\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedTruncated, "malformed_total", "kind=\"truncated\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedForbiddenByte, "malformed_total", "kind=\"forbidden_byte\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedStartLine, "malformed_total", "kind=\"start_line\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedVersion, "malformed_total", "kind=\"version\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedRequestUri, "malformed_total", "kind=\"request_uri\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedHeaderName, "malformed_total", "kind=\"header_name\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedBad, "malformed_total", "kind=\"bad_header\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedMissing, "malformed_total", "kind=\"missing_header\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedMultiple, "malformed_total", "kind=\"multiple_header\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedCseqMethod, "malformed_total", "kind=\"cseq_method\"", "Messages whose bytes are not SIP, answered where that is possible.";
    MalformedBodyShort, "malformed_total", "kind=\"body_short\"", "Messages whose bytes are not SIP, answered where that is possible.";
    StrayResponses, "responses_dropped_total", "reason=\"stray\"", "Responses that nothing waits for.";
    ForgedResponses, "responses_dropped_total", "reason=\"forged\"", "Responses that nothing waits for.";
    StrayAcks, "acks_absorbed_total", "", "ACKs to answers that tine made itself, and ACKs that go nowhere.";
    RateRefused, "rate_refused_total", "", "Messages above [limits].per_source_pps.";
    Refused, "refused_total", "", "Requests refused by policy.";
    Registrations, "registrations_total", "result=\"ok\"", "REGISTER requests answered.";
    RegistrationsFailed, "registrations_total", "result=\"failed\"", "REGISTER requests answered.";
    Forwarded, "requests_forwarded_total", "", "Requests proxied, forks not counted.";
    Forks, "forks_total", "", "Branches started.";
    ForksCancelled, "forks_cancelled_total", "", "Branches that were sent a CANCEL.";
    CallsAnswered, "calls_total", "result=\"answered\"", "INVITE requests by their final answer.";
    CallsFailed, "calls_total", "result=\"failed\"", "INVITE requests by their final answer.";
    TablesFull, "overload_total", "table=\"transactions\"", "Requests refused for want of room.";
    BindingsFull, "overload_total", "table=\"bindings\"", "Requests refused for want of room.";
    KeptBytesFull, "overload_total", "table=\"messages\"", "Requests refused for want of room.";
    TransportErrors, "transport_errors_total", "", "Messages that could not be sent.";
    Timeouts, "timeouts_total", "", "Transactions that nobody answered.";
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

impl Counter {
    /// Malformed messages are counted by what is wrong with them: in the order of `Malformed::KINDS`.
    pub const fn of_malformed(malformed: Malformed) -> Counter {
        Counter::ALL[Counter::MalformedTooLarge as usize + malformed.kind_index()]
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_malformed_has_its_counter() {
        for (index, kind) in Malformed::KINDS.into_iter().enumerate() {
            let counter = Counter::ALL[Counter::MalformedTooLarge as usize + index];
            assert_eq!(
                (counter.metric(), counter.labels()),
                ("malformed_total", format!("kind=\"{kind}\"").as_str())
            );
        }
        assert_eq!(Counter::of_malformed(Malformed::BodyShort { offset: 0 }), Counter::MalformedBodyShort);
    }
}
