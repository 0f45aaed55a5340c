//! The messages that are sent, as text.

use crate::template::Template;

/// The requests of one run, and the ends of its answers.
#[derive(Debug)]
pub struct Texts {
    pub options: Template,
    pub register: Template,
    pub invite: Template,
    /// The ACK to a 2xx, a request of its own (RFC 3261 §13.2.2.4).
    pub ack: Template,
    pub bye: Template,
    /// From `Content-Type` to the end of the session description of every offer and answer; nothing flows.
    pub sdp_tail: Vec<u8>,
}

/// The end of a message without a body.
pub const EMPTY_TAIL: &[u8] = b"Content-Length: 0\r\n\r\n";

/// What is taken (RFC 3261 §20.5).
pub const ALLOW: &[u8] = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n";

impl Texts {
    /// For users of `domain`, whose media would be at `ip`.
    pub fn new(domain: &str, ip: std::net::IpAddr) -> Self {
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio 9 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        );
        let sdp_tail = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        let request = |start_line: &str, to: &str, method: &str, tail: &str| {
            Template::new(&format!(
                "{start_line} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {{local}};branch={{branch}};rport\r\n\
                 Max-Forwards: 70\r\n\
                 {{routes}}\
                 From: <sip:{{from_user}}@{domain}>;tag={{from_tag}}\r\n\
                 To: {to}{{to_tag}}\r\n\
                 Call-ID: {{call_id}}@tine-load\r\n\
                 CSeq: {{cseq}} {method}\r\n\
                 {tail}"
            ))
        };
        let to_user = format!("<sip:{{to_user}}@{domain}>");
        let contact = "Contact: <sip:{contact}@{local}>\r\n";
        let allow = String::from_utf8_lossy(ALLOW);
        let empty = String::from_utf8_lossy(EMPTY_TAIL);
        Texts {
            options: request(
                &format!("OPTIONS sip:{domain}"),
                &format!("<sip:{domain}>"),
                "OPTIONS",
                &format!("{contact}Accept: application/sdp\r\n{empty}"),
            ),
            register: request(
                &format!("REGISTER sip:{domain}"),
                &to_user,
                "REGISTER",
                &format!("{contact}Expires: {{expires}}\r\n{empty}"),
            ),
            invite: request(
                &format!("INVITE sip:{{to_user}}@{domain}"),
                &to_user,
                "INVITE",
                &format!("{contact}{allow}{sdp_tail}"),
            ),
            ack: request("ACK {request_uri}", &to_user, "ACK", &empty),
            bye: request("BYE {request_uri}", &to_user, "BYE", &empty),
            sdp_tail: sdp_tail.into_bytes(),
        }
    }
}
