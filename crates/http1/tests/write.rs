//! What is written: which lines stay, which go, and that it reads back as the one message that was meant.

mod common;

use common::corpus::{self, Expect};
use common::{Outcome, Side, feed, lenient};
use http1::{
    Connection, Edit, Framing, Kind, KindSet, Limits, Lines, Method, RequestHead, ResponseHead,
    Rewrite, Status, parse_request, parse_response, write_chunk, write_last_chunk, write_request,
    write_response,
};
use proptest::prelude::*;

fn request<T>(message: &[u8], then: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    let mut lines = Lines::default();
    match parse_request(message, &Limits::default(), &mut lines) {
        Ok(Status::Complete(head)) => then(&head),
        other => panic!("{other:?}"),
    }
}

fn response<T>(message: &[u8], method: Method, then: impl FnOnce(&ResponseHead<'_>) -> T) -> T {
    let mut lines = Lines::default();
    match parse_response(message, &Limits::default(), method, &mut lines) {
        Ok(Status::Complete(head)) => then(&head),
        other => panic!("{other:?}"),
    }
}

fn forward(message: &str, rewrite: &Rewrite<'_>) -> String {
    request(message.as_bytes(), |head| {
        let mut out = Vec::new();
        write_request(&mut out, head, rewrite);
        String::from_utf8(out).unwrap()
    })
}

fn back(message: &str, rewrite: &Rewrite<'_>) -> String {
    response(message.as_bytes(), Method::Get, |head| {
        let mut out = Vec::new();
        write_response(&mut out, head, rewrite);
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn hop_by_hop_lines_go_and_the_rest_stays_byte_for_byte() {
    let out = forward(
        "GET /a?b HTTP/1.1\r\nhOsT:  a\r\nConnection: keep-alive, X-Mine\r\nAccept: */*\r\nX-Mine: 1\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AA\r\nProxy: evil\r\nX_Forged: 1\r\nCookie: c=1;  d\r\nKeep-Alive: timeout=5\r\n\r\n",
        &Rewrite::default(),
    );
    assert_eq!(
        out,
        "GET /a?b HTTP/1.1\r\nhOsT:  a\r\nAccept: */*\r\nCookie: c=1;  d\r\n\r\n"
    );
}

#[test]
fn edits_drop_set_and_append() {
    let edits = [
        Edit::Set(b"traceparent", b"00-new"),
        Edit::Drop(b"x-secret"),
        Edit::Append(b"X-Forwarded-For", b"10.0.0.1"),
        Edit::Set(b"X-Plain", b"1"),
        Edit::Set(b"x-plain", b"2"),
    ];
    let out = forward(
        "GET / HTTP/1.1\r\nHost: a\r\nTraceParent: old\r\nX-Forwarded-For: 1.1.1.1\r\nX-Secret: s\r\nX-PLAIN: 0\r\nVia: x\r\nTraceParent: old2\r\n\r\n",
        &Rewrite {
            edits: &edits,
            drop: KindSet::EMPTY.with(Kind::Via).with(Kind::Host),
            ..Rewrite::default()
        },
    );
    assert_eq!(
        out,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\ntraceparent: 00-new\r\nX-Forwarded-For: 10.0.0.1\r\nx-plain: 2\r\n\r\n"
    );
}

#[test]
fn an_edit_that_would_break_framing_is_not_made() {
    let edits = [
        Edit::Set(b"X-A", b"1\r\nEvil: 1"),
        Edit::Append(b"X B", b"1"),
        Edit::Append(b"Transfer-Encoding", b"chunked"),
        Edit::Set(b"Content-Length", b"7"),
        Edit::Drop(b"Content-Length"),
        Edit::Append(b"Host", b"b"),
        Edit::Drop(b"Host"),
        Edit::Set(b"Host", b"a b"),
    ];
    let message = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let rewrite = Rewrite {
        edits: &edits,
        drop: KindSet::EMPTY.with(Kind::ContentLength),
        target: Some(b"/a b"),
        ..Rewrite::default()
    };
    assert_eq!(forward(message, &rewrite), message);
}

#[test]
fn other_forms_and_versions_become_http11_in_origin_form() {
    let plain = Rewrite::default();
    for (message, expected) in [
        (
            "GET http://a/x?y HTTP/1.1\r\nHost: A\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nHost: A\r\n\r\n",
        ),
        (
            "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "GET /x HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "GET /x HTTP/1.0\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        (
            "GET http://b:1/x HTTP/1.0\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: b:1\r\n\r\n",
        ),
        (
            "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ] {
        assert_eq!(forward(message, &plain), expected, "{message}");
    }
    let other = Rewrite {
        target: Some(b"/v2"),
        host: b"shop:80",
        ..plain
    };
    assert_eq!(
        forward("GET / HTTP/1.0\r\n\r\n", &other),
        "GET /v2 HTTP/1.1\r\nHost: shop:80\r\n\r\n"
    );
    assert_eq!(
        back("HTTP/1.0 404 No\r\nA: b\r\n\r\n", &plain),
        "HTTP/1.1 404 No\r\nA: b\r\n\r\n"
    );
}

#[test]
fn framing_is_kept_or_replaced_and_connection_is_ours() {
    let coded =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nA: b\r\n\r\n";
    assert_eq!(
        back(coded, &Rewrite::default()),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"
    );
    let sized = Rewrite {
        framing: Some(Framing::Length(1234567890)),
        connection: Connection::KeepAlive,
        ..Rewrite::default()
    };
    assert_eq!(
        back(coded, &sized),
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1234567890\r\nConnection: keep-alive\r\n\r\n"
    );
    let open = Rewrite {
        framing: Some(Framing::UntilClose),
        connection: Connection::Close,
        ..Rewrite::default()
    };
    assert_eq!(
        back(coded, &open),
        "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n"
    );
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let recoded = Rewrite {
        framing: Some(Framing::Chunked),
        ..Rewrite::default()
    };
    assert_eq!(
        back(length, &recoded),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        back(
            "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
            &Rewrite::default()
        ),
        "HTTP/1.1 204 No\r\n\r\n"
    );
}

#[test]
fn upgrades_pass_only_when_asked_for_and_never_with_a_body() {
    let ws = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let up = Rewrite {
        connection: Connection::Upgrade,
        ..Rewrite::default()
    };
    assert_eq!(
        forward(&format!("{ws}\r\n"), &up),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    for not in [
        format!("{ws}Content-Length: 1\r\n\r\n"),
        format!("{ws}Upgrade: h2c\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n".into(),
        "GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n".into(),
    ] {
        assert!(!forward(&not, &up).contains("pgrade"), "{not}");
    }
    assert_eq!(
        back(
            "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\nA: b\r\n\r\n",
            &up
        ),
        "HTTP/1.1 101 S\r\nA: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
}

#[test]
fn a_head_can_be_kept_apart_from_its_bytes() {
    let message = b"GET /p?q HTTP/1.1\r\nHost: a\r\nCookie: c\r\n\r\n";
    let (meta, lines) = request(message, |h| (h.meta, h.fields.lines.to_vec()));
    let kept = message.to_vec();
    let head = meta.attach(&kept, &lines);
    assert_eq!(
        (head.path(), head.fields.get(Kind::Cookie)),
        (&b"/p"[..], Some(&b"c"[..]))
    );
    assert_eq!(head.fields.named(b"COOKIE"), Some(&b"c"[..]));
    assert!(
        meta.attach(b"short", &lines)
            .host()
            .is_some_and(<[u8]>::is_empty)
    );
}

/// Forwards a whole message; returns what went out, or none when it was refused or not whole.
fn pass_on(
    side: Side,
    message: &[u8],
    edits: &[Edit<'_>],
    recode: bool,
) -> Option<(Vec<u8>, usize)> {
    let limits = Limits::default();
    let Outcome::Message {
        framing,
        payload,
        trailers,
        ..
    } = feed(side, message, &[], &limits)
    else {
        return None;
    };
    let mut out = Vec::new();
    let recoded = recode && framing.has_body();
    // What a proxy does with a body that it cannot pass on as it is.
    let rewrite = Rewrite {
        edits,
        framing: recoded.then_some(Framing::Chunked),
        ..Rewrite::default()
    };
    let len = match side {
        Side::Request => request(message, |h| {
            write_request(&mut out, h, &rewrite);
            h.len
        }),
        Side::Response(m) => response(message, m, |h| {
            write_response(&mut out, h, &rewrite);
            h.len
        }),
    };
    if recoded {
        payload.chunks(7).for_each(|c| write_chunk(&mut out, c));
        write_last_chunk(&mut out, &trailers);
    } else {
        let mut body = http1::Body::new(framing, &limits);
        let pass = body.pass(&message[len..]).unwrap();
        out.extend_from_slice(&message[len..][..pass.len]);
    }
    Some((out, payload.len()))
}

/// Whoever reads it, forgiving or strict, reads one message of that length.
fn reads_back(side: Side, message: &[u8], edits: &[Edit<'_>], recode: bool) {
    let Some((out, length)) = pass_on(side, message, edits, recode) else {
        return;
    };
    let shown = String::from_utf8_lossy(&out).into_owned();
    match feed(side, &out, &[], &Limits::default()) {
        Outcome::Message { payload, rest, .. } => {
            assert_eq!((payload.len(), rest), (length, 0), "strict: {shown:?}");
        }
        other => panic!("{other:?} for {shown:?}"),
    }
    // A client knows from its own request that there is no body; the forgiving reader does not.
    let silent = !matches!(side, Side::Request)
        && matches!(
            feed(side, &out, &[], &Limits::default()),
            Outcome::Message {
                framing: Framing::None,
                ..
            }
        );
    if !silent {
        for te_wins in [true, false] {
            let read = lenient::read(&out, side == Side::Request, te_wins);
            assert_eq!(read, Some((length, out.len())), "lenient: {shown:?}");
        }
    }
}

#[test]
fn what_is_forwarded_of_the_corpus_is_one_message_to_every_reader() {
    let mut forwarded = 0;
    for case in corpus::all() {
        for recode in [false, true] {
            reads_back(case.side, &case.message, &[], recode);
        }
        let whole = pass_on(case.side, &case.message, &[], false).is_some();
        assert!(
            whole || !matches!(case.expect, Expect::Body(..)),
            "{} was not forwarded",
            case.name
        );
        forwarded += whole as usize;
    }
    assert!(forwarded > 20);
}

/// Header lines as an attacker or a careless client might write them.
fn header() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("Content-Length"),
        Just("Transfer-Encoding"),
        Just("Connection"),
        Just("Host"),
        Just("X-A"),
        Just("Upgrade"),
        Just("Expect"),
        Just("TE"),
        Just("X_B"),
        Just("content-length "),
        Just("Cookie"),
        Just(""),
    ];
    let value = prop_oneof![
        Just("5"),
        Just("0"),
        Just("05"),
        Just("5, 5"),
        Just("chunked"),
        Just("Chunked"),
        Just("gzip, chunked"),
        Just("close"),
        Just("content-length"),
        Just("x-a, keep-alive"),
        Just("a"),
        Just("100-continue"),
        Just("\tv \u{e9}"),
        Just("a\rb"),
        Just("a\nb"),
        Just("a\0b"),
        Just("websocket"),
        Just("upgrade"),
        Just(""),
    ];
    let end = prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\n ")];
    (name, value, end).prop_map(|(n, v, e)| format!("{n}: {v}{e}"))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        3 => Just("POST / HTTP/1.1\r\nHost: a\r\n"),
        1 => Just("GET http://a/ HTTP/1.1\r\nHost: a\r\n"),
        1 => Just("POST /x HTTP/1.0\r\n"),
        3 => Just("HTTP/1.1 200 OK\r\n"),
        1 => Just("HTTP/1.1 304 N\r\n"),
        1 => Just("HTTP/1.0 200\r\n"),
    ];
    let body = prop_oneof![
        Just("hello"),
        Just("0\r\n\r\n"),
        Just("5\r\nhello\r\n0\r\n\r\n"),
        Just("5;x\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        Just("5\nhello\n0\n\n"),
        Just("5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n"),
        Just(""),
        Just("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
    ];
    (start, proptest::collection::vec(header(), 0..5), body)
        .prop_map(|(s, h, b)| format!("{s}{}\r\n{b}", h.concat()).into_bytes())
}

fn side_of(message: &[u8]) -> Side {
    if message.starts_with(b"HTTP") {
        Side::Response(Method::Get)
    } else {
        Side::Request
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forwarded_is_one_message_to_every_reader(m in message(), recode: bool, value in "[ -~\r\n]{0,8}") {
        let edits = [Edit::Append(b"X-Forwarded-For", value.as_bytes()), Edit::Drop(b"x-a")];
        reads_back(side_of(&m), &m, &edits, recode);
    }

    #[test]
    fn cuts_change_nothing(m in message(), a: prop::sample::Index, b: prop::sample::Index) {
        let mut cuts = [a.index(m.len() + 1), b.index(m.len() + 1)];
        cuts.sort();
        let limits = Limits::default();
        prop_assert_eq!(feed(side_of(&m), &m, &cuts, &limits), feed(side_of(&m), &m, &[], &limits));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), head: bool) {
        let limits = Limits::default();
        let start: &[u8] = if head { b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" } else { b"" };
        let message = [start, &bytes].concat();
        feed(Side::Request, &message, &[], &limits);
        feed(Side::Response(Method::Get), &bytes, &[], &limits);
    }
}
