//! The corpus: malformed framing and well-formed messages, and what must come of each.

use super::Side;
use http1::Method;

/// What must come of a message.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    Refused(u16, &'static str),
    /// Payload and bytes left over.
    Body(&'static str, usize),
    Incomplete,
}
use Expect::{Body, Incomplete, Refused};

pub struct Case {
    pub name: &'static str,
    pub side: Side,
    pub message: Vec<u8>,
    pub expect: Expect,
}

fn case(name: &'static str, side: Side, message: impl AsRef<[u8]>, expect: Expect) -> Case {
    Case {
        name,
        side,
        message: message.as_ref().to_vec(),
        expect,
    }
}

/// A POST with these header lines and this rest.
fn post(headers: &str, rest: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{headers}\r\n{rest}")
}

fn chunked(rest: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", rest)
}

fn answer(headers: &str, rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n{rest}")
}

/// The 35 vectors of request framing: what a proxy must not let through in two readings.
pub fn vectors() -> Vec<Case> {
    let q = Side::Request;
    let r = Refused;
    vec![
        case(
            "01 CL then TE",
            q,
            post(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            r(400, "framing-cl-te"),
        ),
        case(
            "02 TE then CL",
            q,
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "0\r\n\r\n",
            ),
            r(400, "framing-cl-te"),
        ),
        case(
            "03 equal CL twice",
            q,
            post("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"),
            r(400, "framing-cl-duplicate"),
        ),
        case(
            "04 different CL twice",
            q,
            post("Content-Length: 2\r\nContent-Length: 3\r\n", "abc"),
            r(400, "framing-cl-duplicate"),
        ),
        case(
            "05 CL list",
            q,
            post("Content-Length: 2, 2\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "06 CL with plus",
            q,
            post("Content-Length: +2\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "07 CL negative",
            q,
            post("Content-Length: -2\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "08 CL hexadecimal",
            q,
            post("Content-Length: 0x2\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "09 CL empty",
            q,
            post("Content-Length:\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "10 CL beyond 64 bits",
            q,
            post("Content-Length: 18446744073709551618\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "11 CL with a leading zero",
            q,
            post("Content-Length: 02\r\n", "ab"),
            r(400, "framing-cl-invalid"),
        ),
        case(
            "12 space before the colon",
            q,
            post("Content-Length : 2\r\n", "ab"),
            r(400, "head-syntax"),
        ),
        case(
            "13 TE gzip, chunked",
            q,
            post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            r(501, "framing-te-unsupported"),
        ),
        case(
            "14 TE xchunked",
            q,
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            r(501, "framing-te-unsupported"),
        ),
        case(
            "15 TE chunked, identity",
            q,
            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            r(400, "framing-te-invalid"),
        ),
        case(
            "16 TE twice",
            q,
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            r(400, "framing-te-duplicate"),
        ),
        case(
            "17 TE chunked and identity on two lines",
            q,
            post(
                "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            r(400, "framing-te-duplicate"),
        ),
        case(
            "18 TE behind a vertical tab",
            q,
            post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
            r(400, "head-syntax"),
        ),
        case(
            "19 TE in HTTP/1.0",
            q,
            "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            r(400, "framing-te-http10"),
        ),
        case(
            "20 two Host",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            r(400, "host-duplicate"),
        ),
        case(
            "21 no Host",
            q,
            "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n",
            r(400, "host-missing"),
        ),
        case(
            "22 Host list",
            q,
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            r(400, "host-invalid"),
        ),
        case(
            "23 Host with a path",
            q,
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            r(400, "host-invalid"),
        ),
        case(
            "24 bare LF everywhere",
            q,
            "GET / HTTP/1.1\nHost: a\n\n",
            r(400, "head-bare-lf"),
        ),
        case(
            "25 bare LF after one header",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: w\r\n\r\n",
            r(400, "head-bare-lf"),
        ),
        case(
            "26 bare LF ends the head",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            r(400, "head-bare-lf"),
        ),
        case(
            "27 obs-fold",
            q,
            post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
            r(400, "head-syntax"),
        ),
        case(
            "28 NUL in a value",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "29 bare CR in a value",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "30 absolute target, another Host",
            q,
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "host-mismatch"),
        ),
        case(
            "31 Connection names Content-Length",
            q,
            post("Connection: content-length\r\nContent-Length: 2\r\n", "ab"),
            r(400, "connection-names-framing"),
        ),
        case(
            "32 LF in a chunk extension",
            q,
            chunked("2;a\nab\r\n0\r\n\r\n"),
            r(400, "chunk-extension"),
        ),
        case(
            "33 chunks with LF only",
            q,
            chunked("2\nab\n0\n\n"),
            r(400, "chunk-size"),
        ),
        case(
            "34 chunk size beyond 64 bits",
            q,
            chunked("10000000000000002\r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-size"),
        ),
        case(
            "35 chunk longer than its size",
            q,
            chunked("2\r\nabc\r\n0\r\n\r\n"),
            r(400, "chunk-end"),
        ),
    ]
}

/// The same faults and a few of their own, coming from an upstream.
pub fn response_vectors() -> Vec<Case> {
    let s = Side::Response(Method::Get);
    let r = |reason| Refused(502, reason);
    vec![
        case(
            "r01 CL and TE",
            s,
            answer(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            r("framing-cl-te"),
        ),
        case(
            "r02 equal CL twice",
            s,
            answer("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"),
            r("framing-cl-duplicate"),
        ),
        case(
            "r03 CL list",
            s,
            answer("Content-Length: 2, 2\r\n", "ab"),
            r("framing-cl-invalid"),
        ),
        case(
            "r04 CL with plus",
            s,
            answer("Content-Length: +2\r\n", "ab"),
            r("framing-cl-invalid"),
        ),
        case(
            "r05 TE gzip, chunked",
            s,
            answer("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            r("framing-te-unsupported"),
        ),
        case(
            "r06 TE twice",
            s,
            answer(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            r("framing-te-duplicate"),
        ),
        case(
            "r07 TE in HTTP/1.0",
            s,
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            r("framing-te-http10"),
        ),
        case(
            "r08 bare LF",
            s,
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            r("head-bare-lf"),
        ),
        case(
            "r09 fold",
            s,
            answer("X: a\r\n b\r\nContent-Length: 0\r\n", ""),
            r("head-syntax"),
        ),
        case(
            "r10 NUL",
            s,
            answer("X: a\0b\r\nContent-Length: 0\r\n", ""),
            r("head-syntax"),
        ),
        case(
            "r11 space before the colon",
            s,
            answer("Content-Length : 2\r\n", "ab"),
            r("head-syntax"),
        ),
        case(
            "r12 Connection names Content-Length",
            s,
            answer("Connection: content-length\r\nContent-Length: 2\r\n", "ab"),
            r("connection-names-framing"),
        ),
        case(
            "r13 a 204 with a body",
            s,
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab",
            r("framing-body-forbidden"),
        ),
        case(
            "r14 a 1xx with a body",
            s,
            "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            r("framing-body-forbidden"),
        ),
        case("r15 garbage", s, "SSH-2.0-OpenSSH_9.2\r\n", r("version")),
        case(
            "r16 status 099",
            s,
            "HTTP/1.1 099 Odd\r\n\r\n",
            r("head-syntax"),
        ),
        case(
            "r17 status of two digits",
            s,
            "HTTP/1.1 20 OK\r\n\r\n",
            r("head-syntax"),
        ),
        case(
            "r18 bytes before the status",
            s,
            "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            r("head-syntax"),
        ),
        case("r19 HTTP/2.0", s, "HTTP/2.0 200 OK\r\n\r\n", r("version")),
    ]
}

/// Other refusals.
pub fn refused() -> Vec<Case> {
    let q = Side::Request;
    let r = Refused;
    vec![
        case(
            "fragment",
            q,
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "target above ASCII",
            q,
            "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "relative target",
            q,
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "GET *",
            q,
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "user in the target",
            q,
            "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "other scheme",
            q,
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "absolute, query without path",
            q,
            "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "CONNECT without port",
            q,
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "target-form"),
        ),
        case(
            "CONNECT with a body",
            q,
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            r(400, "framing-body-forbidden"),
        ),
        case(
            "TRACE with a body",
            q,
            "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            r(400, "framing-body-forbidden"),
        ),
        case(
            "empty Host",
            q,
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            r(400, "host-invalid"),
        ),
        case(
            "Expect of something else",
            q,
            post("Expect: tea\r\n", ""),
            r(417, "expect-unsupported"),
        ),
        case(
            "Connection is no list",
            q,
            post("Connection: a b\r\n", ""),
            r(400, "connection-invalid"),
        ),
        case(
            "Connection names Host",
            q,
            post("Connection: close, Host\r\n", ""),
            r(400, "connection-names-framing"),
        ),
        case(
            "Connection names too much",
            q,
            post("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n", ""),
            r(400, "connection-invalid"),
        ),
        case(
            "HTTP/2 preface",
            q,
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            r(505, "version"),
        ),
        case(
            "HTTP/1.2",
            q,
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            r(505, "version"),
        ),
        case(
            "TLS",
            q,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "two empty lines first",
            q,
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "LF first",
            q,
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "two spaces",
            q,
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "header without a name",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "space before the first header",
            q,
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            r(400, "head-syntax"),
        ),
        case(
            "body over the limit",
            q,
            post("Content-Length: 2000\r\n", ""),
            r(413, "body-too-large"),
        ),
        case(
            "chunk over the limit",
            q,
            chunked("7d0\r\n"),
            r(413, "body-too-large"),
        ),
        case(
            "chunks over the limit",
            q,
            chunked(&("100\r\n".to_owned() + &"x".repeat(256) + "\r\n").repeat(5)),
            r(413, "body-too-large"),
        ),
        case(
            "head over the limit",
            q,
            post(&format!("X: {}\r\n", "y".repeat(1000)), ""),
            r(431, "head-too-large"),
        ),
        case(
            "too many lines",
            q,
            post(&"A: b\r\n".repeat(12), ""),
            r(431, "head-too-large"),
        ),
        case(
            "target over the limit",
            q,
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(300)),
            r(414, "target-too-long"),
        ),
        case("chunk size empty", q, chunked("\r\n"), r(400, "chunk-size")),
        case(
            "chunk size 0x",
            q,
            chunked("0x2\r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-size"),
        ),
        case(
            "chunk size then space",
            q,
            chunked("2 \r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-size"),
        ),
        case(
            "chunk size negative",
            q,
            chunked("-2\r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-size"),
        ),
        case(
            "chunk size then CR without LF",
            q,
            chunked("2\rab\r\n0\r\n\r\n"),
            r(400, "chunk-end"),
        ),
        case(
            "CR in a chunk extension",
            q,
            chunked("2;a\rb\r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-end"),
        ),
        case(
            "long chunk extension",
            q,
            chunked(&format!("2;{}\r\nab\r\n0\r\n\r\n", "x".repeat(300))),
            r(400, "chunk-extension"),
        ),
        case(
            "chunk shorter than its size",
            q,
            chunked("3\r\nab\r\n0\r\n\r\n"),
            r(400, "chunk-end"),
        ),
        case(
            "trailer of framing",
            q,
            chunked("0\r\nContent-Length: 5\r\n\r\n"),
            r(400, "trailer-forbidden"),
        ),
        case(
            "trailer of routing",
            q,
            chunked("0\r\nHost: b\r\n\r\n"),
            r(400, "trailer-forbidden"),
        ),
        case(
            "trailer hop by hop",
            q,
            chunked("0\r\nconnection: close\r\n\r\n"),
            r(400, "trailer-forbidden"),
        ),
        case(
            "trailer with LF only",
            q,
            chunked("0\r\nX: y\n\r\n"),
            r(400, "trailer-invalid"),
        ),
        case(
            "trailer folded",
            q,
            chunked("0\r\nX: y\r\n z\r\n\r\n"),
            r(400, "trailer-invalid"),
        ),
        case(
            "trailer without a colon",
            q,
            chunked("0\r\nX\r\n\r\n"),
            r(400, "trailer-invalid"),
        ),
        case(
            "trailer with space before the colon",
            q,
            chunked("0\r\nX : y\r\n\r\n"),
            r(400, "trailer-invalid"),
        ),
        case(
            "a request in the place of a trailer",
            q,
            chunked("0\r\nGET / HTTP/1.1\r\n\r\n"),
            r(400, "trailer-invalid"),
        ),
        case(
            "trailers over the limit",
            q,
            chunked(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(100))),
            r(400, "trailer-too-large"),
        ),
    ]
}

/// Messages that are fine.
pub fn accepted() -> Vec<Case> {
    let q = Side::Request;
    let s = |m| Side::Response(m);
    vec![
        case(
            "plain",
            q,
            "GET /a?b=c HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
            Body("", 0),
        ),
        case(
            "no body, next request behind",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET",
            Body("", 3),
        ),
        case(
            "one empty line first",
            q,
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Body("", 0),
        ),
        case(
            "HTTP/1.0 without Host",
            q,
            "GET / HTTP/1.0\r\n\r\n",
            Body("", 0),
        ),
        case(
            "absolute, same Host",
            q,
            "GET http://A:80/x HTTP/1.1\r\nHost: a\r\n\r\n",
            Body("", 0),
        ),
        case(
            "OPTIONS *",
            q,
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            Body("", 0),
        ),
        case(
            "CONNECT",
            q,
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            Body("", 0),
        ),
        case(
            "length",
            q,
            post("Content-Length: 3\r\n", "abcrest"),
            Body("abc", 4),
        ),
        case(
            "length 0",
            q,
            post("Content-Length: 0\r\n", ""),
            Body("", 0),
        ),
        case(
            "length in any case, white space around",
            q,
            post("cOnTeNt-LeNgTh: \t 3 \t\r\n", "abc"),
            Body("abc", 0),
        ),
        case(
            "short body",
            q,
            post("Content-Length: 3\r\n", "ab"),
            Incomplete,
        ),
        case(
            "chunks",
            q,
            chunked("3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\nnext"),
            Body("abc0123456789", 4),
        ),
        case(
            "chunk with zeros before",
            q,
            chunked("0003\r\nabc\r\n000\r\n\r\n"),
            Body("abc", 0),
        ),
        case(
            "CRLF inside a chunk",
            q,
            chunked("6\r\na\r\n\r\nb\r\n0\r\n\r\n"),
            Body("a\r\n\r\nb", 0),
        ),
        case(
            "trailers",
            q,
            chunked("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"),
            Body("a", 0),
        ),
        case(
            "chunks without an end",
            q,
            chunked("3\r\nabc\r\n"),
            Incomplete,
        ),
        case(
            "head without an end",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\n",
            Incomplete,
        ),
        case(
            "underscore",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nX_User: b\r\n\r\n",
            Body("", 0),
        ),
        case(
            "value above ASCII",
            q,
            "GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n",
            Body("", 0),
        ),
        case(
            "response",
            s(Method::Get),
            answer("Content-Length: 2\r\n", "abc"),
            Body("ab", 1),
        ),
        case(
            "response chunked",
            s(Method::Get),
            answer("Transfer-Encoding: Chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
            Body("ab", 0),
        ),
        case(
            "response until close",
            s(Method::Get),
            answer("", "abc"),
            Body("abc", 0),
        ),
        case(
            "response without a reason",
            s(Method::Get),
            "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            Body("", 0),
        ),
        case(
            "HEAD",
            s(Method::Head),
            answer("Content-Length: 5\r\n", ""),
            Body("", 0),
        ),
        case(
            "HEAD chunked",
            s(Method::Head),
            answer("Transfer-Encoding: chunked\r\n", "x"),
            Body("", 1),
        ),
        case(
            "304 with a length",
            s(Method::Get),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Body("", 0),
        ),
        case(
            "204",
            s(Method::Get),
            "HTTP/1.1 204 No Content\r\n\r\nx",
            Body("", 1),
        ),
        case(
            "204 with length 0",
            s(Method::Delete),
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            Body("", 0),
        ),
        case(
            "100",
            s(Method::Post),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP",
            Body("", 4),
        ),
        case(
            "101",
            s(Method::Get),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nab",
            Body("", 2),
        ),
        case(
            "short response",
            s(Method::Get),
            answer("Content-Length: 2\r\n", "a"),
            Incomplete,
        ),
    ]
}

pub fn all() -> Vec<Case> {
    [vectors(), response_vectors(), refused(), accepted()]
        .into_iter()
        .flatten()
        .collect()
}
