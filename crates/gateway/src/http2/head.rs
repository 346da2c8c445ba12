//! Heads from HTTP/2 to HTTP/1 and back. What is written is read again by our own strict codec, so nothing that it
//! would refuse of an HTTP/1 client gets past it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri};
use http1::Kind;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// How the body of a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Nothing,
    /// As many bytes as Content-Length says.
    Bytes,
    Chunks,
    /// Bytes of another protocol, once both sides have agreed to it.
    Tunnel,
}

/// Appends the request as HTTP/1.1. `ended`: no body follows. `nonce` is random.
pub fn write_request(out: &mut Vec<u8>, parts: &Parts, ended: bool, nonce: [u64; 2]) -> Follows {
    let tunnel = parts.extensions.get::<Protocol>();
    // The library lets any text through as a protocol.
    let tunnel = tunnel.filter(|p| {
        p.as_str()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-./".contains(&b))
    });
    let connect = parts.method == http::Method::CONNECT && tunnel.is_none();
    let authority = parts.uri.authority().map_or("", |a| a.as_str());
    let method = match tunnel {
        Some(_) => "GET",
        None => parts.method.as_str(),
    };
    let target = match connect {
        true => authority,
        false => parts.uri.path_and_query().map_or("/", |p| p.as_str()),
    };
    out.extend_from_slice(format!("{method} {target} HTTP/1.1\r\n").as_bytes());
    let length = parts.headers.get(CONTENT_LENGTH);
    // Two hosts that differ are both written: the codec refuses that.
    if !authority.is_empty() {
        line(out, b"host", authority.as_bytes());
    }
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let same_host = name == HOST && value.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        let kind = http1::classify(name.as_str().as_bytes());
        if name == COOKIE {
            // HTTP/2 may send them apart (RFC 9113 8.2.3).
            if !cookies.is_empty() {
                cookies.extend_from_slice(b"; ");
            }
            cookies.extend_from_slice(value.as_bytes());
        } else if !kind.is_hop_by_hop() && !same_host {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if !cookies.is_empty() {
        line(out, b"cookie", &cookies);
    }
    let follows = match length {
        _ if tunnel.is_some() => Follows::Tunnel,
        _ if ended || connect => Follows::Nothing,
        Some(_) => Follows::Bytes,
        None => Follows::Chunks,
    };
    if let Some(protocol) = tunnel {
        line(out, b"connection", b"upgrade");
        line(out, b"upgrade", protocol.as_str().as_bytes());
        if protocol.as_str().eq_ignore_ascii_case("websocket") {
            line(out, b"sec-websocket-key", websocket_key(nonce).as_bytes());
        }
    }
    if follows == Follows::Chunks {
        line(out, b"transfer-encoding", b"chunked");
    } else if length.is_none() && has_content(&parts.method) && tunnel.is_none() {
        line(out, b"content-length", b"0");
    }
    out.extend_from_slice(b"\r\n");
    follows
}

fn has_content(method: &http::Method) -> bool {
    matches!(method.as_str(), "POST" | "PUT" | "PATCH")
}

/// HTTP/2 has no such header, and a server of HTTP/1 wants it (RFC 8441 5).
fn websocket_key(nonce: [u64; 2]) -> String {
    let bits = u128::from(nonce[0]) << 64 | u128::from(nonce[1]);
    STANDARD.encode(bits.to_be_bytes())
}

/// What a server of HTTP/1 answers to a key (RFC 6455 4.2.2).
fn websocket_accept(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let both = [key.trim_ascii(), GUID].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &both))
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A response head for HTTP/2, which shares the bytes that it was parsed from; `None` when it has what HTTP/2 cannot say.
pub fn response(head: &http1::ResponseHead<'_>, bytes: &Bytes) -> Option<Response<()>> {
    let mut response = Response::new(());
    let tunnel = head.meta.status == 101;
    *response.status_mut() = match tunnel {
        true => StatusCode::OK,
        false => StatusCode::from_u16(head.meta.status).ok()?,
    };
    let headers = response.headers_mut();
    headers.reserve(head.fields.iter().count());
    for (name, value, line) in head.fields.iter() {
        let of_handshake = tunnel && name.eq_ignore_ascii_case(b"sec-websocket-accept");
        if line.hop || of_handshake || line.kind == Kind::Connection {
            continue;
        }
        headers.append(HeaderName::from_bytes(name).ok()?, shared(value, bytes)?);
    }
    Some(response)
}

/// A value without a copy.
fn shared(value: &[u8], of: &Bytes) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(of.slice_ref(value)).ok()
}

/// A request head for an instance, as [`response`].
pub fn request(head: &http1::RequestHead<'_>, bytes: &Bytes) -> Option<Request<()>> {
    let authority = std::str::from_utf8(head.host()?).ok()?;
    let target = std::str::from_utf8(head.path_and_query()).ok()?;
    let uri = Uri::builder().scheme("http").authority(authority);
    let mut request = Request::new(());
    *request.uri_mut() = uri.path_and_query(target).build().ok()?;
    *request.method_mut() = http::Method::from_bytes(head.method_name()).ok()?;
    let headers = request.headers_mut();
    headers.reserve(head.fields.iter().count() + 1);
    for (name, value, line) in head.fields.iter() {
        if !line.hop && !matches!(line.kind, Kind::Host | Kind::Connection) {
            headers.append(HeaderName::from_bytes(name).ok()?, shared(value, bytes)?);
        }
    }
    // Trailers are passed on in any case, and servers of gRPC want it said.
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Some(request)
}

/// A change of protocol that a client of HTTP/1 asks for.
#[derive(Clone, Debug)]
pub struct Change {
    protocol: String,
    /// What the client expects to be answered, for a WebSocket.
    accept: Option<String>,
}

/// The same as an extended CONNECT (RFC 8441), and what the answer must say; `None` when HTTP/2 cannot say it.
pub fn connect(head: &http1::RequestHead<'_>, bytes: &Bytes) -> Option<(Request<()>, Change)> {
    let protocol = std::str::from_utf8(head.upgrade()?).ok()?.to_owned();
    let mut connect = request(head, bytes)?;
    *connect.method_mut() = http::Method::CONNECT;
    let key = connect.headers_mut().remove("sec-websocket-key");
    connect.headers_mut().remove(TE);
    (connect.extensions_mut()).insert(Protocol::from(protocol.as_str()));
    let accept = key.map(|key| websocket_accept(key.as_bytes()));
    Some((connect, Change { protocol, accept }))
}

/// Appends the answer that agrees to a change as HTTP/1.1.
pub fn write_change(out: &mut Vec<u8>, parts: &http::response::Parts, change: &Change) {
    out.extend_from_slice(b"HTTP/1.1 101 \r\n");
    for (name, value) in &parts.headers {
        let name = name.as_str().as_bytes();
        if !http1::classify(name).is_hop_by_hop() {
            line(out, name, value.as_bytes());
        }
    }
    line(out, b"connection", b"upgrade");
    line(out, b"upgrade", change.protocol.as_bytes());
    if let Some(accept) = &change.accept {
        line(out, b"sec-websocket-accept", accept.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the response of an instance as HTTP/1.1. `ended`: no body follows.
pub fn write_response(
    out: &mut Vec<u8>,
    parts: &http::response::Parts,
    method: http1::Method,
    ended: bool,
) -> Follows {
    out.extend_from_slice(format!("HTTP/1.1 {} \r\n", parts.status.as_u16()).as_bytes());
    for (name, value) in &parts.headers {
        let name = name.as_str().as_bytes();
        if !http1::classify(name).is_hop_by_hop() {
            line(out, name, value.as_bytes());
        }
    }
    let bodiless =
        method == http1::Method::Head || matches!(parts.status.as_u16(), 100..=199 | 204 | 304);
    let has_length = parts.headers.contains_key(CONTENT_LENGTH);
    let follows = match ended || bodiless {
        true => Follows::Nothing,
        false if has_length => Follows::Bytes,
        false => Follows::Chunks,
    };
    if follows == Follows::Chunks {
        line(out, b"transfer-encoding", b"chunked");
    } else if !bodiless && !has_length {
        line(out, b"content-length", b"0");
    }
    out.extend_from_slice(b"\r\n");
    follows
}

/// Trailers as HTTP/1 writes them.
pub fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    for (name, value) in trailers {
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// Trailer lines, as [`http1::Body::trailers`] gives them; `None` without any.
pub fn trailers(lines: &[u8]) -> Option<HeaderMap> {
    let mut all = HeaderMap::new();
    for line in lines.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            all.append(name, value);
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: Request<()>, ended: bool) -> (String, Follows) {
        let (mut out, parts) = (Vec::new(), request.into_parts().0);
        let follows = write_request(&mut out, &parts, ended, [0, u64::MAX]);
        (String::from_utf8(out).unwrap(), follows)
    }

    fn request(method: &str, uri: &str) -> http::request::Builder {
        Request::builder().method(method).uri(uri)
    }

    #[test]
    fn a_request_is_written_as_http1_would_have_it() {
        let get = request("GET", "https://shop.example/a?b=c")
            .header("cookie", "a=1")
            .header("x-one", "1")
            .header("te", "trailers")
            .header("host", "SHOP.example")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        let (text, follows) = written(get, true);
        assert_eq!(
            text,
            "GET /a?b=c HTTP/1.1\r\nhost: shop.example\r\nx-one: 1\r\ncookie: a=1; b=2\r\n\r\n"
        );
        assert_eq!(follows, Follows::Nothing);
        let post = |ended| written(request("POST", "http://a/").body(()).unwrap(), ended);
        assert!(post(false).0.contains("transfer-encoding: chunked\r\n"));
        assert!(post(true).0.contains("content-length: 0\r\n"));
        let sized = request("PUT", "http://a/").header("content-length", "5");
        assert_eq!(written(sized.body(()).unwrap(), false).1, Follows::Bytes);
    }

    #[test]
    fn two_hosts_are_refused_by_the_codec() {
        let two = request("GET", "http://a/")
            .header("host", "b")
            .body(())
            .unwrap();
        let (text, _) = written(two, true);
        let mut lines = http1::Lines::default();
        let limits = http1::Limits::default();
        let refused = http1::parse_request(text.as_bytes(), &limits, &mut lines).unwrap_err();
        assert_eq!(refused.reason, "host-duplicate");
    }

    #[test]
    fn a_websocket_becomes_an_upgrade() {
        let mut connect = request("CONNECT", "https://a/chat").body(()).unwrap();
        connect
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        let (text, follows) = written(connect, false);
        assert!(
            text.starts_with("GET /chat HTTP/1.1\r\nhost: a\r\n"),
            "{text}"
        );
        assert!(
            text.contains("connection: upgrade\r\nupgrade: websocket\r\n"),
            "{text}"
        );
        assert!(
            text.contains("sec-websocket-key: AAAAAAAAAAD//////////w==\r\n"),
            "{text}"
        );
        assert_eq!(follows, Follows::Tunnel);
        let mut forged = request("CONNECT", "https://a/chat").body(()).unwrap();
        let protocol = Protocol::from_static("x\r\nauthorization: root");
        forged.extensions_mut().insert(protocol);
        assert_eq!(
            written(forged, false).0,
            "CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n"
        );
    }

    #[test]
    fn a_key_is_answered_as_the_standard_has_it() {
        let accept = websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_response_loses_what_belongs_to_its_connection() {
        let bytes = Bytes::from_static(
            b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\nX-Kept: 2\r\n\r\n",
        );
        let mut lines = http1::Lines::default();
        let limits = http1::Limits::default();
        let method = http1::Method::Get;
        let Ok(http1::Status::Complete(head)) =
            http1::parse_response(&bytes, &limits, method, &mut lines)
        else {
            panic!("the head is whole");
        };
        let response = response(&head, &bytes).unwrap();
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept"]);
    }

    #[test]
    fn trailers_there_and_back() {
        let mut out = Vec::new();
        let all = trailers(b"grpc-status:0\r\nx:  a b \r\n").unwrap();
        write_trailers(&mut out, &all);
        assert_eq!(out, b"grpc-status: 0\r\nx: a b\r\n");
        assert_eq!(trailers(b""), None);
    }
}
