//! What RFC 9113 says of bad frames, group by group as h2spec has them. Where the standard asks for an error of the
//! stream, one of the connection is stricter and allowed (5.4.1); an end without a word is allowed where it says so.

use crate::common::{Client, Running, Upstream, config};
use crate::http2::raw::*;

/// What may follow.
enum Then {
    /// The connection ends, by one of these errors or without a word.
    Ends(&'static [u32]),
    /// The stream ends by one of these errors, or the connection does.
    Resets(&'static [u32]),
    /// It is taken.
    Lives,
    /// The request is answered, and this is the status.
    Answers(&'static str),
}
use Then::*;

// The library ends the connection, and does not always tell these from other errors of the protocol.
const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
const COMPRESSION: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

/// A gateway before an instance that answers everything, and one connection for each case.
fn cases(all: Vec<(&str, Vec<Vec<u8>>, Then)>) {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    for (what, frames, then) in all {
        let mut raw = Raw::to(running.gateway.address());
        raw.send(&frames.concat());
        match then {
            Ends(codes) => {
                let code = raw.goodbye();
                assert!(code.is_none_or(|c| codes.contains(&c)), "{what}: {code:?}");
            }
            Resets(codes) => {
                let end = raw.until(|f| matches!(f.kind, RST_STREAM | GOAWAY));
                let code = end.map(|f| f.number(if f.kind == GOAWAY { 4 } else { 0 }));
                assert!(code.is_none_or(|c| codes.contains(&c)), "{what}: {code:?}");
            }
            Lives => assert!(raw.lives(), "{what}"),
            Answers(status) => {
                let head = raw.until(|f| f.kind == HEADERS).expect(what);
                // A static entry (200, 404, 400) or the text.
                let entry = match status {
                    "200" => 0x88,
                    "204" => 0x89,
                    "400" => 0x8c,
                    _ => 0x8d,
                };
                let text = head.payload.windows(3).any(|w| w == status.as_bytes());
                assert!(
                    head.payload[0] == entry || text,
                    "{what}: {:?}",
                    head.payload
                );
            }
        }
    }
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))
}

#[test]
fn preface() {
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let at = running.gateway.address();
    let mut client = Client::to(at);
    let almost = client.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").answer();
    assert_eq!(almost.status, 505);
    let mut raw = Raw::bare(at);
    raw.send(&[PREFACE, &ping(b"too soon")].concat());
    assert!(
        raw.goodbye().is_none_or(|c| c == PROTOCOL_ERROR),
        "settings come first"
    );
    // In pieces it is still one.
    let mut raw = Raw::bare(at);
    for byte in [PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(1)].concat() {
        raw.send(&[byte]);
    }
    assert!(raw.until(|f| f.kind == HEADERS).is_some());
}

#[test]
fn frames_and_their_sizes() {
    let large = vec![0; 16_385];
    cases(vec![
        ("an unknown type", vec![frame(0x16, 0, 0, b"what?")], Lives),
        (
            "unknown flags",
            vec![frame(PING, 0x16, 0, b"whatever")],
            Lives,
        ),
        (
            "a reserved bit",
            vec![frame(PING, 0, 1 << 31, b"whatever")],
            Lives,
        ),
        (
            "the largest frame",
            vec![post(1), frame(DATA, END_STREAM, 1, &large[..16_384])],
            Answers("200"),
        ),
        (
            "a frame too large",
            vec![post(1), frame(DATA, END_STREAM, 1, &large)],
            Resets(SIZE),
        ),
        (
            "headers too large",
            vec![frame(HEADERS, END_HEADERS, 1, &large)],
            Ends(SIZE),
        ),
        (
            "a frame of its own after it",
            vec![frame(0x16, 0, 0, &large)],
            Ends(SIZE),
        ),
    ]);
}

#[test]
fn header_blocks() {
    let open = frame(HEADERS, END_STREAM, 1, &block(&GET[..2]));
    let rest = frame(CONTINUATION, END_HEADERS, 1, &block(&GET[2..]));
    cases(vec![
        (
            "a block in two frames",
            vec![open.clone(), rest.clone()],
            Answers("200"),
        ),
        (
            "an entry that is not there",
            vec![frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0x7f])],
            Ends(COMPRESSION),
        ),
        (
            "a table larger than allowed",
            vec![frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xe2, 0xff, 0x7f])],
            Ends(COMPRESSION),
        ),
        (
            "another frame within a block",
            vec![open.clone(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "another stream within a block",
            vec![open.clone(), get(3)],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a ping within a block",
            vec![open, ping(b"whatever")],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a continuation of nothing",
            vec![get(1), rest.clone()],
            Ends(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        (
            "a continuation of stream 0",
            vec![frame(CONTINUATION, END_HEADERS, 0, &block(GET))],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a continuation after data",
            vec![post(1), frame(DATA, 0, 1, b"x"), rest],
            Ends(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn states_of_streams() {
    let cancel = frame(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    let update = frame(WINDOW_UPDATE, 0, 1, &100u32.to_be_bytes());
    cases(vec![
        (
            "data on an idle stream",
            vec![frame(DATA, END_STREAM, 1, b"x")],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a reset of an idle stream",
            vec![cancel.clone()],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a window of an idle stream",
            vec![update.clone()],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "data after the end",
            vec![get(1), frame(DATA, END_STREAM, 1, b"x")],
            Resets(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        (
            "headers after the end",
            vec![get(1), get(1)],
            Resets(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        (
            "data after a reset",
            vec![post(1), cancel.clone(), frame(DATA, END_STREAM, 1, b"x")],
            Lives,
        ),
        (
            "a window after a reset",
            vec![post(1), cancel, update],
            Lives,
        ),
        ("an even stream", vec![get(2)], Ends(&[PROTOCOL_ERROR])),
        (
            "a stream below the last",
            vec![get(5), get(3)],
            Ends(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        (
            "trailers that do not end it",
            vec![post(1), frame(HEADERS, END_HEADERS, 1, &field("x", "y"))],
            Resets(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn data_headers_priority_and_resets() {
    cases(vec![
        (
            "data of stream 0",
            vec![frame(DATA, 0, 0, b"x")],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "data with too much padding",
            vec![post(1), frame(DATA, PADDED | END_STREAM, 1, &[6, 0, 0])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "padded data",
            vec![post(1), frame(DATA, PADDED | END_STREAM, 1, &[2, 7, 0, 0])],
            Answers("200"),
        ),
        ("headers of stream 0", vec![get(0)], Ends(&[PROTOCOL_ERROR])),
        (
            "headers with too much padding",
            vec![frame(HEADERS, PADDED | END_HEADERS, 1, &[60, 0x82])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a stream that waits for itself",
            vec![frame(
                HEADERS,
                WITH_PRIORITY | END_STREAM | END_HEADERS,
                1,
                &[&[0, 0, 0, 1, 1][..], &block(GET)].concat(),
            )],
            Resets(&[PROTOCOL_ERROR]),
        ),
        (
            "a priority of stream 0",
            vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a priority of a wrong size",
            vec![get(1), frame(PRIORITY, 0, 1, &[0; 4])],
            Resets(SIZE),
        ),
        (
            "a priority",
            vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])],
            Lives,
        ),
        (
            "a reset of stream 0",
            vec![frame(RST_STREAM, 0, 0, &[0; 4])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a reset of a wrong size",
            vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])],
            Ends(SIZE),
        ),
        (
            "a push by a client",
            vec![frame(
                5,
                END_HEADERS,
                1,
                &[&[0, 0, 0, 2][..], &block(GET)].concat(),
            )],
            Ends(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn settings_pings_and_goodbyes() {
    cases(vec![
        (
            "settings of a stream",
            vec![frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "settings of a wrong size",
            vec![frame(SETTINGS, 0, 0, &[0, 3, 0])],
            Ends(SIZE),
        ),
        (
            "an acknowledgement with more",
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
            Ends(SIZE),
        ),
        (
            "a push that is neither on nor off",
            vec![settings(2, 2)],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a window too large",
            vec![settings(4, 1 << 31)],
            Ends(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]),
        ),
        (
            "frames too small",
            vec![settings(5, 16_383)],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "frames too large",
            vec![settings(5, 1 << 24)],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a setting that nobody knows",
            vec![settings(0xff, 1)],
            Lives,
        ),
        (
            "a ping of a stream",
            vec![frame(PING, 0, 1, &[0; 8])],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a ping of a wrong size",
            vec![frame(PING, 0, 0, &[0; 6])],
            Ends(SIZE),
        ),
        (
            "an answer to no ping",
            vec![frame(PING, ACK, 0, b"what for")],
            Lives,
        ),
        (
            "a goodbye of a stream",
            vec![frame(GOAWAY, 0, 1, &[0; 8])],
            Ends(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn windows() {
    let zero = 0u32.to_be_bytes();
    let most = 0x7fff_ffffu32.to_be_bytes();
    cases(vec![
        (
            "a window of 0 more",
            vec![frame(WINDOW_UPDATE, 0, 0, &zero)],
            Ends(&[PROTOCOL_ERROR]),
        ),
        (
            "a stream's window of 0 more",
            vec![post(1), frame(WINDOW_UPDATE, 0, 1, &zero)],
            Resets(&[PROTOCOL_ERROR]),
        ),
        (
            "a window of a wrong size",
            vec![frame(WINDOW_UPDATE, 0, 0, &zero[..3])],
            Ends(SIZE),
        ),
        (
            "a window beyond all",
            vec![frame(WINDOW_UPDATE, 0, 0, &most)],
            Ends(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a stream's window beyond all",
            vec![post(1), frame(WINDOW_UPDATE, 0, 1, &most)],
            Resets(&[FLOW_CONTROL_ERROR]),
        ),
    ]);
    // No byte of a body before there is a window for it.
    let upstream = Upstream::echo();
    let running = Running::with(config(&[upstream.address]));
    let mut raw = Raw::to(running.gateway.address());
    raw.send(&[settings(4, 0), get(1)].concat());
    assert!(raw.until(|f| f.kind == HEADERS).is_some() && raw.lives());
    raw.send(&frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()));
    let data = raw.until(|f| f.kind == DATA).expect("one byte");
    assert_eq!(data.payload.len(), 1);
}

#[test]
fn requests_that_are_none() {
    let with = |more: &[(&'static str, &'static str)]| [GET, more].concat();
    let without = |name: &str| {
        let rest = GET.iter().filter(|(n, _)| *n != name);
        rest.copied().collect::<Vec<_>>()
    };
    let bad =
        |what, fields: Vec<(&str, &str)>| (what, vec![headers(&fields)], Resets(&[PROTOCOL_ERROR]));
    let mut late = GET.to_vec();
    late.insert(1, ("x-early", "1"));
    cases(vec![
        bad("a name in upper case", with(&[("X-TEST", "ok")])),
        bad("an unknown pseudo-header", with(&[(":test", "ok")])),
        bad("one of a response", with(&[(":status", "200")])),
        bad("a pseudo-header after a header", late),
        bad(
            "a header of the connection",
            with(&[("connection", "keep-alive")]),
        ),
        bad(
            "a framing of HTTP/1",
            with(&[("transfer-encoding", "chunked")]),
        ),
        bad("te that is not trailers", with(&[("te", "gzip")])),
        bad("no method", without(":method")),
        bad("no scheme", without(":scheme")),
        bad("no path", without(":path")),
        bad("two methods", with(&[(":method", "GET")])),
        bad("two paths", with(&[(":path", "/")])),
        bad(
            "an empty path",
            [without(":path"), vec![(":path", "")]].concat(),
        ),
        bad("a length and no body", with(&[("content-length", "1")])),
        (
            "a body shorter than its length",
            vec![
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &block(&[POST, &[("content-length", "2")]].concat()),
                ),
                frame(DATA, END_STREAM, 1, b"x"),
            ],
            Resets(&[PROTOCOL_ERROR]),
        ),
        (
            "a body longer than its length",
            vec![
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &block(&[POST, &[("content-length", "2")]].concat()),
                ),
                frame(DATA, END_STREAM, 1, b"xyz"),
            ],
            Resets(&[PROTOCOL_ERROR]),
        ),
        (
            "te: trailers",
            vec![headers(&with(&[("te", "trailers")]))],
            Answers("200"),
        ),
        (
            "a question to the server itself",
            vec![headers(&[
                (":method", "OPTIONS"),
                (":scheme", "http"),
                (":authority", "t"),
                (":path", "*"),
            ])],
            Answers("204"),
        ),
        (
            "two hosts",
            vec![headers(&with(&[("host", "other")]))],
            Answers("400"),
        ),
        (
            "a length that is no number",
            vec![headers(&with(&[("content-length", "+0")]))],
            Resets(&[PROTOCOL_ERROR]),
        ),
        (
            "a trailer that belongs to the head",
            vec![
                post(1),
                frame(
                    HEADERS,
                    END_STREAM | END_HEADERS,
                    1,
                    &field("host", "other"),
                ),
            ],
            Answers("400"),
        ),
    ]);
}
