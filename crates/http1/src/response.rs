//! From bytes to a response head, or to the reason why the upstream cannot be believed.

use crate::Status;
use crate::connection;
use crate::framing::{Framing, Seen};
use crate::head::{Fields, Line, Lines, Method, ResponseHead, ResponseMeta, Span, Version};
use crate::limits::{Limits, MAX_HEADERS};
use crate::name::{Kind, KindSet};
use crate::reject::{HEAD_TOO_LARGE, Reject, from_httparse};
use crate::request::{collect, head_limit, keep_alive, start_line_end};
use std::mem::MaybeUninit;

/// Reads the response head at the start of `buf`, the answer to a request with `method`.
///
/// # Errors
/// See [`Reject`], always with status 502; the connection must be closed.
pub fn parse_response<'a>(
    buf: &'a [u8],
    limits: &Limits,
    method: Method,
    lines: &'a mut Lines,
) -> Result<Status<ResponseHead<'a>>, Reject> {
    parse(buf, limits, method, lines).map_err(Reject::upstream)
}

fn parse<'a>(
    buf: &'a [u8],
    limits: &Limits,
    method: Method,
    lines: &'a mut Lines,
) -> Result<Status<ResponseHead<'a>>, Reject> {
    let window = &buf[..buf.len().min(head_limit(limits))];
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    // Empty lines before a response are bytes that nobody asked for.
    if matches!(window.first(), Some(b'\r' | b'\n')) {
        return Err(Reject::bad(
            "head-syntax",
            "an empty line before the status",
        ));
    }
    let len = match httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        window,
        &mut headers[..limits.headers.min(MAX_HEADERS)],
    ) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if window.len() >= head_limit(limits) => {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(httparse::Status::Partial) => return Ok(Status::Partial),
        Err(e) => return Err(from_httparse(e)),
    };
    let bytes = &buf[..len];
    let kinds = collect(bytes, parsed.headers, lines)?;
    let lines = &mut lines.all[..parsed.headers.len()];
    let version = if parsed.version == Some(1) {
        Version::Http11
    } else {
        Version::Http10
    };
    let status = parsed.code.unwrap_or(0);
    let meta = check(bytes, lines, kinds, version, status, method)?;
    Ok(Status::Complete(ResponseHead {
        meta,
        fields: Fields::new(bytes, lines, len, kinds),
    }))
}

fn check(
    bytes: &[u8],
    lines: &mut [Line],
    kinds: KindSet,
    version: Version,
    status: u16,
    method: Method,
) -> Result<ResponseMeta, Reject> {
    if status < 100 {
        return Err(Reject::bad("head-syntax", "the status is below 100"));
    }
    let mut seen = Seen::default();
    let mut upgrade = None;
    for line in lines.iter() {
        match line.kind {
            Kind::ContentLength => seen.length(line.value),
            Kind::TransferEncoding => seen.coding(line.value),
            Kind::Upgrade => upgrade = Some(line.value),
            _ => {}
        }
    }
    let options = if kinds.has(Kind::Connection) {
        connection::read(bytes, lines)?
    } else {
        connection::Options::default()
    };
    let said = seen.framing(bytes, version)?;
    let framing = match status {
        100..=199 | 204 => {
            if !matches!(said, None | Some(Framing::Length(0))) {
                return Err(Reject::bad(
                    "framing-body-forbidden",
                    "a response that cannot have a body announces one",
                ));
            }
            // RFC 9110 8.6: no Content-Length here, not even 0.
            for line in lines.iter_mut() {
                line.hop |= line.kind == Kind::ContentLength;
            }
            Framing::None
        }
        304 => Framing::None,
        _ if method == Method::Head => Framing::None,
        // The tunnel that a CONNECT asked for; headers cannot frame it.
        200..=299 if method == Method::Connect => Framing::UntilClose,
        _ => said.unwrap_or(Framing::UntilClose),
    };
    let end = start_line_end(bytes, lines);
    Ok(ResponseMeta {
        len: bytes.len(),
        version,
        status,
        keep_alive: keep_alive(version, options) && framing != Framing::UntilClose && status != 101,
        framing,
        kinds,
        // After `HTTP/1.1 200 `.
        reason: Span::new(13.min(end - 2), end - 2),
        upgrade: upgrade.filter(|_| status == 101 && options.upgrade),
        first: Span::new(0, end),
    })
}
