//! From bytes to a request head, or to the reason why it is none.

use crate::Status;
use crate::connection;
use crate::framing::{Framing, Seen};
use crate::head::{Fields, Form, Line, Lines, Method, RequestHead, RequestMeta, Span, Version};
use crate::host;
use crate::limits::{Limits, MAX_HEADERS, Underscore};
use crate::name::{Kind, KindSet, classify, is_token_byte};
use crate::reject::{BARE_LF, HEAD_TOO_LARGE, Reject, from_httparse};
use crate::target;
use std::mem::MaybeUninit;

/// Reads the request head at the start of `buf`; `lines` holds its header lines.
/// The result does not depend on how the bytes were cut: a prefix is `Partial` or the same refusal.
///
/// # Errors
/// See [`Reject`]; the connection must be closed after the answer.
pub fn parse_request<'a>(
    buf: &'a [u8],
    limits: &Limits,
    lines: &'a mut Lines,
) -> Result<Status<RequestHead<'a>>, Reject> {
    let window = &buf[..buf.len().min(head_limit(limits))];
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let len = match parsed
        .parse_with_uninit_headers(window, &mut headers[..limits.headers.min(MAX_HEADERS)])
    {
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
    let method_span = span_of(bytes, parsed.method.unwrap_or_default().as_bytes());
    let target_span = span_of(bytes, parsed.path.unwrap_or_default().as_bytes());
    let version = if parsed.version == Some(1) {
        Version::Http11
    } else {
        Version::Http10
    };
    let spans = [method_span, target_span];
    let meta = check(bytes, lines, kinds, limits, version, spans)?;
    Ok(Status::Complete(RequestHead {
        meta,
        fields: Fields::new(bytes, lines, len, kinds),
    }))
}

/// Everything that httparse leaves to its caller.
fn check(
    bytes: &[u8],
    lines: &mut [Line],
    kinds: KindSet,
    limits: &Limits,
    version: Version,
    [method_span, target_span]: [Span; 2],
) -> Result<RequestMeta, Reject> {
    if (target_span.end - target_span.start) as usize > limits.target {
        return Err(Reject::new(
            414,
            "target-too-long",
            "the request target is over its limit",
        ));
    }
    // RFC 9112 2.2: one empty line before a request is forgiven (old clients end a POST with it).
    if !matches!(&bytes[..method_span.start as usize], b"" | b"\r\n") {
        return Err(Reject::bad("head-syntax", "empty lines before the request"));
    }
    let method = Method::from_bytes(method_span.of(bytes));
    let target = target::parse(bytes, target_span, method)?;

    let mut seen = Seen::default();
    let (mut host, mut hosts) = (None, 0);
    let (mut upgrade, mut upgrades) = (None, 0);
    let mut expect_continue = false;
    for line in lines.iter_mut() {
        match line.kind {
            Kind::Other => {}
            Kind::ContentLength => seen.length(line.value),
            Kind::TransferEncoding => seen.coding(line.value),
            Kind::Host => (host, hosts) = (Some(line.value), hosts + 1),
            Kind::Upgrade => (upgrade, upgrades) = (Some(line.value), upgrades + 1),
            Kind::Expect => {
                if !line.value.of(bytes).eq_ignore_ascii_case(b"100-continue") {
                    return Err(Reject::new(
                        417,
                        "expect-unsupported",
                        "100-continue is the only expectation that is understood",
                    ));
                }
                expect_continue = version == Version::Http11;
            }
            Kind::Underscored => match limits.underscore {
                Underscore::Drop => line.hop = true,
                Underscore::Keep => {}
                Underscore::Refuse => {
                    return Err(Reject::bad(
                        "header-underscore",
                        "a header name has an underscore",
                    ));
                }
            },
            _ => {}
        }
    }
    let host = check_host(bytes, host, hosts, version, &target)?;
    let options = if kinds.has(Kind::Connection) {
        connection::read(bytes, lines)?
    } else {
        connection::Options::default()
    };
    let framing = match seen.framing(bytes, version)? {
        None => Framing::None,
        Some(Framing::Length(n)) if n > limits.body => {
            return Err(Reject::new(
                413,
                "body-too-large",
                "the request body is over its limit",
            ));
        }
        Some(framing) => framing,
    };
    if framing.has_body() && matches!(method, Method::Connect | Method::Trace) {
        return Err(Reject::bad(
            "framing-body-forbidden",
            "this method cannot have a body",
        ));
    }
    let upgrade = upgrade.filter(|u| {
        upgrades == 1
            && options.upgrade
            && version == Version::Http11
            && !framing.has_body()
            && !u.of(bytes).eq_ignore_ascii_case(b"h2c")
            && is_protocol(u.of(bytes))
    });
    Ok(RequestMeta {
        len: bytes.len(),
        version,
        method,
        form: target.form,
        keep_alive: keep_alive(version, options),
        framing,
        expect_continue: expect_continue && framing.has_body(),
        kinds,
        method_span,
        target: target_span,
        path: target.path,
        host,
        upgrade,
        first: Span::new(method_span.start as usize, start_line_end(bytes, lines)),
    })
}

fn check_host(
    bytes: &[u8],
    host: Option<Span>,
    hosts: u32,
    version: Version,
    target: &target::Target,
) -> Result<Option<Span>, Reject> {
    match host {
        _ if hosts > 1 => Err(Reject::bad("host-duplicate", "more than one Host")),
        None if version == Version::Http11 => Err(Reject::bad("host-missing", "no Host")),
        None => Ok(target.authority),
        Some(h) if !host::is_valid(h.of(bytes)) => Err(Reject::bad(
            "host-invalid",
            "Host is not a name with an optional port",
        )),
        Some(h) => match target.authority {
            Some(a)
                if target.form == Form::Absolute
                    && !host::same(a.of(bytes), h.of(bytes), target.default_port) =>
            {
                Err(Reject::bad(
                    "host-mismatch",
                    "the request target names another host than Host",
                ))
            }
            _ => Ok(Some(h)),
        },
    }
}

/// One protocol, `name` or `name/version`; a list is none.
fn is_protocol(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| b == b'/' || is_token_byte(b))
}

pub(crate) fn keep_alive(version: Version, options: connection::Options) -> bool {
    !options.close && (version == Version::Http11 || options.keep_alive)
}

pub(crate) fn head_limit(limits: &Limits) -> usize {
    limits.head.min(1 << 20)
}

/// Where the start line ends, its line end included.
pub(crate) fn start_line_end(bytes: &[u8], lines: &[Line]) -> usize {
    lines.first().map_or(bytes.len() - 2, |l| l.start as usize)
}

/// The place of `part`, a slice of `bytes`.
pub(crate) fn span_of(bytes: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    if start > bytes.len() {
        return Span::default();
    }
    Span::new(start, start + part.len())
}

/// Turns httparse's headers into lines, and refuses what it forgives: lines that end with LF alone. Which kinds there are.
pub(crate) fn collect(
    bytes: &[u8],
    headers: &[httparse::Header<'_>],
    lines: &mut Lines,
) -> Result<KindSet, Reject> {
    let mut kinds = KindSet::EMPTY;
    lines.len = headers.len();
    for (line, header) in lines.all.iter_mut().zip(headers) {
        let name = header.name.as_bytes();
        let start = span_of(bytes, name).start;
        if !bytes[..start as usize].ends_with(b"\r\n") {
            return Err(BARE_LF);
        }
        let kind = classify(name);
        kinds = kinds.with(kind);
        *line = Line {
            start,
            name_len: u16::try_from(name.len()).map_err(|_| HEAD_TOO_LARGE)?,
            kind,
            hop: kind.is_hop_by_hop(),
            value: span_of(bytes, header.value),
        };
    }
    // The head's last line end, and that of the line before it.
    if !bytes.ends_with(b"\r\n\r\n") {
        return Err(BARE_LF);
    }
    Ok(kinds)
}
