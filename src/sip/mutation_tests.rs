//! Whatever bytes a value has, its parser ends, says yes or no, and never looks outside. Seeded: a failure shows its seed and value.

use super::credentials::{Challenge, Credentials};
use super::cseq::Cseq;
use super::flaw::Flaw;
use super::host::Host;
use super::name_addr::{Contact, NameAddr};
use super::octet::offset_in;
use super::params::Params;
use super::reason::Reason;
use super::uri::{Scheme, Uri};
use super::via::{Rport, Via};
use super::{aor_text, list, number, option_tag, uri_compare};

/// Values of every kind, from the torture messages and from phones.
const SEEDS: &[&[u8]] = &[
    b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK87asdks7;rport;received=192.0.2.7",
    b"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111",
    b"SIP/2.0/TLS [2001:db8::9:1]:5061;ttl=16;maddr=224.2.0.1;branch=z9hG4bK-.!%66*_+`'~;rport=4711",
    b"\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8",
    b"<sip:1@10.0.0.1:49152;transport=tcp;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1;q=0.5;expires=3600",
    b"token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xd1\x80\xd0\xb0\";tag=_token~1'+`*%!-.",
    b"<sip:p1.example.com;lr>,<sip:p2.example.com;lr>;x=\"a,b\", sip:p3@example.com;y",
    b"*",
    b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    b"sips:user;par=u%40example.net@[2001:db8::10]:5061;transport=tls;%6C%72;maddr=1.2.3.4?Route=%3Csip:a%3E&subject=x",
    b"tel:+1-201-555-0123;ext=12;phone-context=example.com",
    b"nobodyKnowsThisScheme:totallyopaquecontent",
    b"Digest username=\"bob\", realm=\"a \\\"b\\\"\",\r\n nonce=\"84a4cc6f\", uri=\"sip:a.com\", response=\"7587245234\", qop=auth, nc=00000001, cnonce=\"x\"",
    b"SIP;cause=200;text=\"Call completed elsewhere\"",
    b"0009\r\n  INVITE",
    b"100rel, path ,gruu",
    b"4294967296",
    b";a=1;b;c=\"x;y\\\"=\" ; d = [::1]",
];

/// Bytes that mean something somewhere.
const SPICE: &[u8] = b" \t\r\n\0\"\\<>;,=:@?&%/*[].+-_09azAZ\x7f\x80\xff";

const ROUNDS: u64 = 30_000;

/// SplitMix64.
struct Prng(u64);

impl Prng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) as u128 * bound as u128) >> 64) as usize
    }
}

fn mutate(prng: &mut Prng) -> Vec<u8> {
    let mut value = SEEDS[prng.below(SEEDS.len())].to_vec();
    for _ in 0..prng.below(5) {
        let at = prng.below(value.len() + 1);
        match prng.below(6) {
            0 => value.truncate(at),
            1 => value.insert(at, SPICE[prng.below(SPICE.len())]),
            2 if at < value.len() => value[at] = SPICE[prng.below(SPICE.len())],
            3 if at < value.len() => drop(value.remove(at)),
            4 => {
                let other = SEEDS[prng.below(SEEDS.len())];
                let from = prng.below(other.len());
                value.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let end = at + prng.below(value.len() - at + 1);
                let piece = value[at..end].to_vec();
                value.extend(piece.repeat(1 + prng.below(4)));
            }
        }
    }
    value
}

/// Each part lies inside the value: `offset_in` asserts it.
fn assert_inside(value: &[u8], parts: &[&[u8]]) {
    for part in parts.iter().filter(|part| !part.is_empty()) {
        offset_in(value, part);
    }
}

fn assert_flaw_inside<T>(value: &[u8], result: &Result<T, Flaw>) {
    if let Err(flaw) = result {
        assert!(usize::from(flaw.offset) <= value.len(), "{flaw:?}");
    }
}

fn check_params(value: &[u8], params: Params<'_>) {
    let mut count = 0;
    for param in params {
        assert_inside(value, &[param.name, param.value.unwrap_or_default(), param.text()]);
        assert!(!param.name.is_empty());
        assert!(params.has(param.name));
        count += 1;
        if count > 64 {
            break;
        }
    }
    assert_eq!(params.is_empty() || octets_are_white(params.bytes()), count == 0);
}

fn octets_are_white(bytes: &[u8]) -> bool {
    super::octet::trim(bytes).is_empty()
}

fn check_uri(value: &[u8]) {
    let result = Uri::parse(value);
    assert_flaw_inside(value, &result);
    let Ok(uri) = result else { return };
    assert_eq!(uri.bytes, value);
    assert_eq!(uri.host.is_some(), matches!(uri.scheme, Scheme::Sip | Scheme::Sips));
    assert!(value.iter().all(|byte| byte.is_ascii_graphic()), "white space and control bytes are in no URI");
    let (user, password) = (uri.user.unwrap_or_default(), uri.password.unwrap_or_default());
    assert_inside(
        value,
        &[user, password, uri.host_bytes, uri.headers, uri.params.bytes(), uri.scheme_name()],
    );
    check_params(value, uri.params);
    assert!(uri_compare::equivalent(&uri, &uri));
    let mut aor = b"sip:".to_vec();
    if aor_text::emit_aor(&uri, &mut aor) {
        let canonical = Uri::parse(&aor).expect("a canonical AOR is a URI");
        let mut again = b"sip:".to_vec();
        assert!(aor_text::emit_aor(&canonical, &mut again));
        assert_eq!(aor, again);
    }
}

fn check_address(value: &[u8], address: &NameAddr<'_>) {
    assert_inside(value, &[address.display, address.uri, address.params.bytes(), address.display_text()]);
    assert_inside(value, &[address.tag().unwrap_or_default(), address.instance().unwrap_or_default()]);
    assert_eq!(address.tag(), address.params.value_of(b"tag"));
    if let Ok(Some(q)) = address.q() {
        assert!(q <= 1000);
    }
    let _ = (address.expires_s(), address.reg_id());
    check_params(value, address.params);
    check_uri(address.uri);
}

fn check_via(value: &[u8]) {
    let result = Via::parse(value);
    assert_flaw_inside(value, &result);
    let Ok(via) = result else { return };
    assert_inside(value, &[via.transport_name, via.host_bytes, via.params.bytes()]);
    assert_eq!(Host::parse(via.host_bytes), Ok(via.host));
    for (name, slot) in
        [(&b"branch"[..], via.branch), (b"received", via.received), (b"maddr", via.maddr), (b"ttl", via.ttl)]
    {
        assert_eq!(slot, via.params.value_of(name));
    }
    let end = usize::from(via.end);
    assert!(end <= value.len() && !octets_are_white(&value[end - 1..end]));
    if let Some(next) = via.next {
        assert_eq!(value[usize::from(next) - 1], b',');
        assert!(octets_are_white(&value[end..usize::from(next) - 1]));
    }
    // The edit that the offsets are for gives a Via that reads as meant.
    if let Rport::Empty { fill_at } = via.rport {
        let fill_at = usize::from(fill_at);
        let filled =
            [&value[..fill_at], b"=4711", &value[fill_at..end], b";x-seen=1", &value[end..]].concat();
        let edited = Via::parse(&filled).expect("an edited Via is a Via");
        assert_eq!((edited.rport, edited.branch), (Rport::Port(4711), via.branch));
        assert_eq!(edited.params.value_of(b"x-seen"), Some(&b"1"[..]).filter(|_| !via.params.has(b"x-seen")));
    }
}

fn check_all(value: &[u8]) {
    check_via(value);
    check_uri(value);
    if let Ok(Contact::Address(address)) = Contact::parse(value) {
        check_address(value, &address);
    }
    assert_flaw_inside(value, &NameAddr::parse(value));
    for address in NameAddr::list(value) {
        assert_flaw_inside(value, &address);
        if let Ok(address) = address {
            check_address(value, &address);
        }
    }
    for element in list::split(value) {
        assert_flaw_inside(value, &element);
        assert_inside(value, &[element.unwrap_or_default()]);
    }
    for tag in option_tag::tags(value) {
        assert_flaw_inside(value, &tag);
    }
    let params = Params::parse(value);
    assert_flaw_inside(value, &params);
    if let Ok(params) = params {
        check_params(value, params);
    }
    assert_flaw_inside(value, &Credentials::parse(value));
    assert_flaw_inside(value, &Challenge::parse(value));
    assert_flaw_inside(value, &Reason::parse(value));
    assert_flaw_inside(value, &Cseq::parse(value));
    assert_flaw_inside(value, &number::parse_u32(value));
    assert_flaw_inside(value, &number::parse_q(value));
}

#[test]
fn no_value_makes_a_parser_panic_or_look_outside() {
    for &value in SEEDS {
        check_all(value);
    }
    for seed in 0..ROUNDS {
        let value = mutate(&mut Prng(seed));
        let checked = std::panic::catch_unwind(|| check_all(&value));
        assert!(checked.is_ok(), "seed {seed}: {}", value.escape_ascii());
    }
}

#[test]
fn every_prefix_of_every_value_is_safe() {
    for &seed in SEEDS {
        for end in 0..seed.len() {
            check_all(&seed[..end]);
        }
    }
}

#[test]
fn the_longest_values_end() {
    for piece in [
        &b";"[..],
        b",",
        b"a",
        b"\\",
        b"\"",
        b"<",
        b" ",
        b"%41",
        b";a=1",
        b"<sip:a>,",
        b"9",
        b"sip:a@",
        b"[",
        b"=",
        b"1.",
    ] {
        let mut value = piece.repeat(65_535 / piece.len());
        check_all(&value);
        for head in
            [&b"SIP/2.0/UDP a"[..], b"<sip:a@b>", b"sip:a@b", b"sip:", b"Digest ", b"\"", b"SIP", b"1 "]
        {
            value.splice(0..0, head.iter().copied());
            value.truncate(65_535);
            check_all(&value);
            value.drain(..head.len());
        }
    }
}
