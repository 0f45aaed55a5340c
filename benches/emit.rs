//! Bytes out: a request forwarded by edits, a response forwarded without our Via, and a response of our own.

mod messages;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messages::Kind;
use tine::sip::edit::{edit_remove_top_via, edit_top_via};
use tine::sip::{
    EditList, Essentials, HeaderId, Index, Message, ResponseHead, ViaSource, emit_edited, emit_response,
};

const OUR_VIA: &[u8] =
    b"Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKaaaaaaaabbbbbbbbccccccccdddddddd\r\n";
const OUR_ROUTE: &[u8] = b"Record-Route: <sip:token@198.51.100.7:5060;lr>\r\n";
const SOURCE: ViaSource = ViaSource {
    ip: std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)),
    port: 40_376,
    is_forced: false,
};

/// What a stateful proxy does to an INVITE (RFC 3261 §16.6).
fn edit_request(message: &Message<'_>, essentials: &Essentials<'_>, edits: &mut EditList) {
    edits.clear();
    edits.replace(message.request_uri_range(), b"sip:bob@192.0.2.77:5066;transport=udp");
    let first = usize::from(message.lines()[0].start);
    edits.insert(first, OUR_VIA);
    edits.insert(first, OUR_ROUTE);
    edit_top_via(&essentials.via, usize::from(essentials.via_start), SOURCE, edits);
    let hops = message.first(HeaderId::MaxForwards).expect("verified");
    edits.replace(usize::from(hops.value_start)..usize::from(hops.value_end), b"69");
    let route = message.first(HeaderId::Route).expect("verified");
    edits.remove(usize::from(route.start)..usize::from(route.next));
}

fn bench(c: &mut Criterion) {
    let invite = Kind::Invite.message();
    let ok = Kind::Ok.message();
    let (mut index, mut ok_index) = (Index::default(), Index::default());
    let message = Message::parse(&invite, &mut index).expect("a request");
    let response = Message::parse(&ok, &mut ok_index).expect("a response");
    let essentials = Essentials::parse(&message).expect("essentials");
    let head = ResponseHead {
        status: 404,
        reason: b"Not Found",
        to_tag: Some(b"a6c85cf"),
        via_source: Some(SOURCE),
        ..ResponseHead::default()
    };
    let mut edits = EditList::new();
    let mut out = Vec::with_capacity(8_192);

    edit_request(&message, &essentials, &mut edits);
    emit_edited(message.bytes(), &edits, &mut out);
    let mut text = String::from_utf8(invite.clone()).expect("text");
    let route =
        std::str::from_utf8(&invite).expect("text").split("\r\n").find(|line| line.starts_with("Route: "));
    for (from, to) in [
        (std::str::from_utf8(message.request_uri()).expect("text"), "sip:bob@192.0.2.77:5066;transport=udp"),
        (
            "Via: ",
            &format!("{}{}Via: ", OUR_VIA.escape_ascii(), OUR_ROUTE.escape_ascii()).replace(r"\r\n", "\r\n"),
        ),
        (";rport;", ";rport=40376;"),
        ("Max-Forwards: 70", "Max-Forwards: 69"),
        (&format!("{}\r\n", route.expect("a Route")), ""),
    ] {
        text = text.replacen(from, to, 1);
    }
    let branch = std::str::from_utf8(essentials.via.branch.expect("a branch")).expect("text");
    text = text.replacen(branch, &format!("{branch};received=203.0.113.9"), 1);
    assert_eq!(String::from_utf8(out.clone()).expect("text"), text);

    let mut group = c.benchmark_group("emit");
    group.throughput(Throughput::Elements(1));
    group.bench_function("forward_invite", |b| {
        b.iter(|| {
            edit_request(black_box(&message), &essentials, &mut edits);
            out.clear();
            emit_edited(message.bytes(), &edits, &mut out);
            out.len()
        })
    });

    edits.clear();
    let ok_via = Essentials::parse(&response).expect("essentials").via;
    edit_remove_top_via(&response, &ok_via, &mut edits);
    out.clear();
    emit_edited(response.bytes(), &edits, &mut out);
    let (start, rest) = ok.split_at(usize::from(response.lines()[0].start));
    let via_len = usize::from(response.lines()[0].next) - start.len();
    assert_eq!(out, [start, &rest[via_len..]].concat());
    group.bench_function("forward_ok", |b| {
        b.iter(|| {
            edits.clear();
            edit_remove_top_via(black_box(&response), &ok_via, &mut edits);
            out.clear();
            emit_edited(response.bytes(), &edits, &mut out);
            out.len()
        })
    });

    out.clear();
    emit_response(&message, &head, &mut edits, &mut out);
    let mut own_index = Index::default();
    let own = Message::parse(&out, &mut own_index).expect("a response");
    let own_essentials = Essentials::parse(&own).expect("essentials");
    assert_eq!((own.status(), own_essentials.to.tag()), (404, Some(&b"a6c85cf"[..])));
    assert_eq!((own_essentials.call_id, own_essentials.cseq), (essentials.call_id, essentials.cseq));
    group.bench_function("respond_404", |b| {
        let mut out = Vec::with_capacity(8_192);
        b.iter(|| {
            out.clear();
            emit_response(black_box(&message), &head, &mut edits, &mut out);
            out.len()
        })
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = bench
}
criterion_main!(benches);
