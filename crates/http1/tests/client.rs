//! The client's side: requests that cannot be rendered, and responses one after another in any cut.

use http1::client::{Response, ResponseReader, render_request};
use http1::{Limits, Lines, Method};

#[test]
fn a_request_is_rendered_or_refused() {
    let mut out = Vec::new();
    let headers = [("X-A".to_owned(), "b".to_owned())];
    render_request(&mut out, "POST", "/a?b", "h:1", &headers, Some(b"xyz")).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\nContent-Length: 3\r\n\r\nxyz"
    );
    let refused = |method, target, host, headers: &[(String, String)]| {
        render_request(&mut Vec::new(), method, target, host, headers, None)
            .unwrap_err()
            .0
    };
    assert!(refused("G T", "/", "h", &[]).contains("method"));
    assert!(refused("GET", "a", "h", &[]).contains("start with /"));
    assert!(refused("GET", "/ ", "h", &[]).contains("start with /"));
    assert!(refused("GET", "/", "h h", &[]).contains("host"));
    assert!(refused("GET", "/", "h", &[("A".into(), "b\r\nC: d".into())]).contains("header"));
    assert!(
        refused("GET", "/", "h", &[("Content-length".into(), "1".into())]).contains("leave out")
    );
}

#[test]
fn responses_one_after_another_in_any_cut() {
    let parts = [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ];
    let stream = parts.concat().into_bytes();
    let expected: Vec<Response> = [(200, 3, true), (200, 2, true), (503, 0, false)]
        .into_iter()
        .zip(parts)
        .map(|((status, body, keep_alive), part)| Response {
            status,
            bytes: part.len() as u64,
            body,
            keep_alive,
        })
        .collect();
    for size in 1..=stream.len() {
        let mut reader = ResponseReader::new(Limits::default());
        let mut lines = Lines::default();
        reader.begin(Method::Get);
        let (mut pending, mut got) = (Vec::new(), Vec::new());
        for piece in stream.chunks(size) {
            pending.extend_from_slice(piece);
            loop {
                let (used, done) = reader.read(&pending, &mut lines).unwrap();
                pending.drain(..used);
                let Some(response) = done else { break };
                got.push(response);
                reader.begin(Method::Get);
            }
        }
        assert_eq!(got, expected, "pieces of {size}");
    }
}

#[test]
fn the_end_of_the_connection_ends_a_response_or_breaks_it() {
    let mut lines = Lines::default();
    let mut reader = ResponseReader::new(Limits::default());
    reader.begin(Method::Get);
    reader
        .read(b"HTTP/1.0 200 OK\r\n\r\nabc", &mut lines)
        .unwrap();
    assert_eq!(
        reader
            .end_of_input()
            .unwrap()
            .map(|r| (r.body, r.keep_alive)),
        Some((3, false))
    );
    reader.begin(Method::Get);
    reader
        .read(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            &mut lines,
        )
        .unwrap();
    assert!(reader.in_body());
    assert_eq!(reader.end_of_input().unwrap_err().reason, "body-truncated");
    reader.begin(Method::Get);
    let up = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    assert_eq!(
        reader.read(up, &mut lines).unwrap_err().reason,
        "upgrade-unasked"
    );
}
