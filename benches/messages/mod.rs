//! Messages that benches measure with: five shaped like captures, and variants of them with other users, hosts, tags and header orders.
#![allow(dead_code)]

/// One kind of message, and which of its values vary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Register,
    Invite,
    Ok,
    InviteLarge,
    Ringing,
}

pub const KINDS: [Kind; 5] = [Kind::Register, Kind::Invite, Kind::Ok, Kind::InviteLarge, Kind::Ringing];

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::Invite => "invite",
            Kind::Ok => "ok",
            Kind::InviteLarge => "invite_large",
            Kind::Ringing => "ringing",
        }
    }

    /// The message in its first form.
    pub fn message(self) -> Vec<u8> {
        emit(self, &Names::new(0), 0)
    }
}

/// 250 messages: 50 variants of each kind, in an order in which neighbours differ.
pub fn mixed_pool() -> Vec<Vec<u8>> {
    let mut pool = Vec::new();
    for variant in 0..50 {
        for (place, kind) in KINDS.into_iter().enumerate() {
            pool.push(emit(kind, &Names::new(variant * 5 + place as u64), variant));
        }
    }
    // A fixed shuffle, so that the kinds do not alternate in step.
    let mut state = 7;
    for index in (1..pool.len()).rev() {
        pool.swap(index, (mix(&mut state) % (index as u64 + 1)) as usize);
    }
    pool
}

fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// What differs from variant to variant.
struct Names {
    caller: String,
    callee: String,
    domain: String,
    address: String,
    port: u64,
    branch: String,
    from_tag: String,
    to_tag: String,
    call_id: String,
    cseq: u64,
}

impl Names {
    fn new(seed: u64) -> Names {
        let mut state = seed.wrapping_mul(0x1000_0001);
        let users = ["alice", "bob", "j.doe", "+4930123456", "1001", "reception-desk", "m_keller", "22"];
        let domains =
            ["example.com", "voice.example.net", "sip.example.org", "pbx.corp.example.com", "example.de"];
        let mut pick = |from: &[&str]| from[(mix(&mut state) % from.len() as u64) as usize].to_owned();
        let (caller, callee, domain) = (pick(&users), pick(&users), pick(&domains));
        let mut number = |below: u64| mix(&mut state) % below;
        Names {
            caller,
            callee,
            domain,
            address: format!("192.0.2.{}", number(254) + 1),
            port: 1024 + number(60_000),
            branch: format!("z9hG4bK{:x}", number(1 << 52)),
            from_tag: format!("{:x}", number(1 << 40)),
            to_tag: format!("{:x}", number(1 << 44)),
            call_id: format!("{:x}-{:x}@192.0.2.{}", number(1 << 48), number(1 << 32), number(254) + 1),
            cseq: number(90_000) + 1,
        }
    }
}

fn emit(kind: Kind, names: &Names, order: u64) -> Vec<u8> {
    let Names { caller, callee, domain, address, port, branch, from_tag, to_tag, call_id, cseq } = names;
    let sdp = |extra: &str| {
        format!(
            "v=0\r\no={caller} {cseq} {cseq} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
             m=audio 40376 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:150\r\na=rtcp:40377 IN IP4 {address}\r\na=ssrc:2718281828 cname:{from_tag}\r\n\
             a=rtcp-fb:* nack\r\na=setup:actpass\r\na=sendrecv\r\n{extra}"
        )
    };
    let (start, headers, body) = match kind {
        Kind::Register => (
            format!("REGISTER sip:{domain} SIP/2.0"),
            vec![
                format!("Via: SIP/2.0/UDP {address}:{port};branch={branch};rport"),
                "Max-Forwards: 70".to_owned(),
                format!("From: <sip:{caller}@{domain}>;tag={from_tag}"),
                format!("To: <sip:{caller}@{domain}>"),
                format!("Call-ID: {call_id}"),
                format!("CSeq: {cseq} REGISTER"),
                format!(
                    "Contact: <sip:{caller}@{address}:{port};ob>;+sip.instance=\"<urn:uuid:{from_tag:0>12}-{port}>\";expires=300"
                ),
                "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS".to_owned(),
                "User-Agent: Deskphone T46/66.85".to_owned(),
                "Content-Length: 0".to_owned(),
            ],
            String::new(),
        ),
        Kind::Invite => {
            let body = sdp("");
            let headers = vec![
                format!("Via: SIP/2.0/UDP {address}:{port};rport;branch={branch}"),
                "Max-Forwards: 70".to_owned(),
                format!("From: \"{caller}\" <sip:{caller}@{domain}>;tag={from_tag}"),
                format!("To: <sip:{callee}@{domain}>"),
                format!("Contact: <sip:{caller}@{address}:{port};transport=udp>;+sip.ice"),
                format!("Call-ID: {call_id}"),
                format!("CSeq: {cseq} INVITE"),
                format!("Route: <sip:edge.{domain}:5060;lr>"),
                "Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY".to_owned(),
                "Supported: replaces, 100rel, timer, norefersub".to_owned(),
                "Session-Expires: 1800".to_owned(),
                "User-Agent: Softphone 5.2.19".to_owned(),
                "Content-Type: application/sdp".to_owned(),
                format!("Content-Length: {}", body.len()),
            ];
            (format!("INVITE sip:{callee}@{domain} SIP/2.0"), headers, body)
        }
        Kind::Ok => (
            "SIP/2.0 200 OK".to_owned(),
            vec![
                format!("Via: SIP/2.0/UDP 198.51.100.7:5060;branch={branch}a.0;received=198.51.100.7"),
                format!("Via: SIP/2.0/TCP edge.{domain}:5060;branch={branch}b;i=3"),
                format!(
                    "Via: SIP/2.0/UDP {address}:{port};received=203.0.113.9;rport={port};branch={branch}"
                ),
                format!("Record-Route: <sip:198.51.100.7;lr>, <sip:edge.{domain};transport=tcp;lr>"),
                format!("From: \"{caller}\" <sip:{caller}@{domain}>;tag={from_tag}"),
                format!("To: <sip:{callee}@{domain}>;tag={to_tag}"),
                format!("Call-ID: {call_id}"),
                format!("CSeq: {cseq} INVITE"),
                format!("Contact: <sip:{callee}@198.51.100.23:5062>"),
                "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER".to_owned(),
                "Supported: replaces, timer, 100rel".to_owned(),
                "User-Agent: Deskphone T46/66.85".to_owned(),
                "Content-Length: 0".to_owned(),
            ],
            String::new(),
        ),
        Kind::InviteLarge => {
            let candidates: String = (0..8)
                .map(|index| {
                    format!("a=candidate:{index} 1 UDP 2130706431 {address} {} typ host\r\n", 40_376 + index)
                })
                .collect();
            let body = sdp(&candidates);
            (
                format!("INVITE sip:{callee}@{domain};user=phone SIP/2.0"),
                large_headers(names, body.len()),
                body,
            )
        }
        Kind::Ringing => (
            "SIP/2.0 180 Ringing".to_owned(),
            vec![
                format!("Via: SIP/2.0/UDP 198.51.100.7:5060;branch={branch}a.0"),
                format!(
                    "Via: SIP/2.0/UDP {address}:{port};received=203.0.113.9;rport={port};branch={branch}"
                ),
                format!("Record-Route: <sip:198.51.100.7;lr>"),
                format!("From: \"{caller}\" <sip:{caller}@{domain}>;tag={from_tag}"),
                format!("To: <sip:{callee}@{domain}>;tag={to_tag}"),
                format!("Call-ID: {call_id}"),
                format!("CSeq: {cseq} INVITE"),
                format!("Contact: <sip:{callee}@198.51.100.23:5062>"),
                "Content-Length: 0".to_owned(),
            ],
            String::new(),
        ),
    };
    join(&start, headers, &body, order)
}

fn large_headers(names: &Names, body_len: usize) -> Vec<String> {
    let Names { caller, callee, domain, address, port, branch, from_tag, call_id, cseq, .. } = names;
    vec![
        format!("Via: SIP/2.0/TCP 198.51.100.7:5060;branch={branch}c;alias"),
        format!("Via: SIP/2.0/UDP 198.51.100.3:5060;branch={branch}b"),
        format!("Via: SIP/2.0/UDP {address}:{port};received=203.0.113.9;rport={port};branch={branch}"),
        format!("Record-Route: <sip:mo@198.51.100.7:5060;lr;ftag={from_tag}>"),
        format!("Record-Route: <sip:198.51.100.3;lr>"),
        format!("Route: <sip:term@198.51.100.40:5060;lr>"),
        "Max-Forwards: 67".to_owned(),
        format!("From: \"{caller} at {domain}\" <sip:{caller}@{domain};user=phone>;tag={from_tag}"),
        format!("To: <sip:{callee}@{domain};user=phone>"),
        format!("Call-ID: {call_id}"),
        format!("CSeq: {cseq} INVITE"),
        format!(
            "Contact: <sip:{caller}@{address}:{port};alias={address}~{port}~1>;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\";+sip.instance=\"<urn:gsma:imei:35622410-483840-0>\""
        ),
        "Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, INFO, REFER, NOTIFY, MESSAGE, PRACK".to_owned(),
        "Supported: 100rel, timer, precondition, gruu, sec-agree, replaces".to_owned(),
        "Require: sec-agree".to_owned(),
        "Proxy-Require: sec-agree".to_owned(),
        "Accept: application/sdp, application/3gpp-ims+xml".to_owned(),
        "Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\"".to_owned(),
        "Session-Expires: 1800;refresher=uac".to_owned(),
        "Min-SE: 90".to_owned(),
        format!("P-Asserted-Identity: <sip:{caller}@{domain}>"),
        format!("P-Asserted-Identity: <tel:+4930{cseq}>"),
        format!("P-Preferred-Identity: <sip:{caller}@{domain}>"),
        "P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel".to_owned(),
        "P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=262011cd0019b401".to_owned(),
        format!(
            "P-Charging-Vector: icid-value=\"{branch}{from_tag}\";icid-generated-at={address};orig-ioi={domain}"
        ),
        "P-Charging-Function-Addresses: ccf=192.0.2.66;ccf=192.0.2.67".to_owned(),
        format!("P-Visited-Network-ID: \"{domain}\""),
        "P-Early-Media: supported".to_owned(),
        "Security-Verify: ipsec-3gpp; alg=hmac-sha-1-96; prot=esp; mod=trans; spi-c=98765432; spi-s=87654321"
            .to_owned(),
        "Privacy: none".to_owned(),
        format!("History-Info: <sip:{callee}@{domain}>;index=1"),
        "Alert-Info: <urn:alert:service:normal>".to_owned(),
        "Date: Sat, 21 Nov 2026 03:12:10 GMT".to_owned(),
        "User-Agent: MobileOS/17.2 IMS-Stack (SM-G991B)".to_owned(),
        format!("X-Trace-Id: {branch}-{cseq}"),
        "Feature-Caps: *;+g.3gpp.srvcc".to_owned(),
        "Content-Disposition: session".to_owned(),
        "Content-Type: application/sdp".to_owned(),
        format!("Content-Length: {body_len}"),
    ]
}

/// Later variants have their headers in another order; lines of one name keep theirs.
fn join(start: &str, mut headers: Vec<String>, body: &str, order: u64) -> Vec<u8> {
    if order > 0 {
        let mut state = order;
        for _ in 0..headers.len() / 2 {
            let at = (mix(&mut state) % (headers.len() as u64 - 1)) as usize;
            let name = |line: &str| line.split(':').next().map(str::to_owned);
            if name(&headers[at]) != name(&headers[at + 1]) {
                headers.swap(at, at + 1);
            }
        }
    }
    format!("{start}\r\n{}\r\n\r\n{body}", headers.join("\r\n")).into_bytes()
}
