//! Header names by meaning: found by length, then compared without case.

/// What a header line means to a proxy. `Other` is passed on unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    #[default]
    Other,
    /// A name with `_`.
    Underscored,
    // Hop by hop: never passed on as they are.
    Connection,
    KeepAlive,
    ProxyConnection,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Http2Settings,
    /// `Proxy` in a request becomes `HTTP_PROXY` behind CGI-like interfaces.
    Proxy,
    // Framing and routing.
    ContentLength,
    Host,
    Expect,
    // Where the request came from.
    Forwarded,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    Via,
    // Tracing and measurement.
    TraceParent,
    TraceState,
    Baggage,
    XRequestId,
    ServerTiming,
    // Caching.
    Age,
    CacheControl,
    Date,
    ETag,
    Expires,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    LastModified,
    Pragma,
    Range,
    ContentRange,
    Vary,
    // Identity.
    Authorization,
    Cookie,
    SetCookie,
    IdempotencyKey,
    // Content.
    Accept,
    AcceptEncoding,
    ContentEncoding,
    ContentType,
    Location,
    RetryAfter,
    UserAgent,
    // What a front says of a client's certificate.
    ClientCert,
    XForwardedClientCert,
}

impl Kind {
    /// Belongs to one connection, so it is never passed on.
    pub const fn is_hop_by_hop(self) -> bool {
        KindSet::HOP.has(self)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet(u64);

impl KindSet {
    pub const EMPTY: KindSet = KindSet(0);
    pub const HOP: KindSet = KindSet::EMPTY
        .with(Kind::Connection)
        .with(Kind::KeepAlive)
        .with(Kind::ProxyConnection)
        .with(Kind::Te)
        .with(Kind::Trailer)
        .with(Kind::TransferEncoding)
        .with(Kind::Upgrade)
        .with(Kind::Http2Settings)
        .with(Kind::Proxy);

    pub const fn with(self, kind: Kind) -> KindSet {
        KindSet(self.0 | 1 << kind as u8)
    }
    pub const fn without(self, kind: Kind) -> KindSet {
        KindSet(self.0 & !(1 << kind as u8))
    }
    pub const fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }
}

/// The kind of a header name, in any case.
#[inline]
pub fn classify(name: &[u8]) -> Kind {
    let known: &[(&[u8], Kind)] = match name.len() {
        2 => &[(b"te", Kind::Te)],
        3 => &[(b"age", Kind::Age), (b"via", Kind::Via)],
        4 => &[
            (b"host", Kind::Host),
            (b"date", Kind::Date),
            (b"etag", Kind::ETag),
            (b"vary", Kind::Vary),
        ],
        5 => &[(b"range", Kind::Range), (b"proxy", Kind::Proxy)],
        6 => &[
            (b"accept", Kind::Accept),
            (b"cookie", Kind::Cookie),
            (b"expect", Kind::Expect),
            (b"pragma", Kind::Pragma),
        ],
        7 => &[
            (b"baggage", Kind::Baggage),
            (b"expires", Kind::Expires),
            (b"trailer", Kind::Trailer),
            (b"upgrade", Kind::Upgrade),
        ],
        8 => &[
            (b"if-match", Kind::IfMatch),
            (b"if-range", Kind::IfRange),
            (b"location", Kind::Location),
        ],
        9 => &[
            (b"forwarded", Kind::Forwarded),
            (b"x-real-ip", Kind::XRealIp),
        ],
        10 => &[
            (b"connection", Kind::Connection),
            (b"user-agent", Kind::UserAgent),
            (b"keep-alive", Kind::KeepAlive),
            (b"set-cookie", Kind::SetCookie),
            (b"tracestate", Kind::TraceState),
        ],
        11 => &[
            (b"traceparent", Kind::TraceParent),
            (b"retry-after", Kind::RetryAfter),
            (b"client-cert", Kind::ClientCert),
        ],
        12 => &[
            (b"content-type", Kind::ContentType),
            (b"x-request-id", Kind::XRequestId),
        ],
        13 => &[
            (b"cache-control", Kind::CacheControl),
            (b"authorization", Kind::Authorization),
            (b"if-none-match", Kind::IfNoneMatch),
            (b"content-range", Kind::ContentRange),
            (b"last-modified", Kind::LastModified),
            (b"server-timing", Kind::ServerTiming),
        ],
        14 => &[
            (b"content-length", Kind::ContentLength),
            (b"http2-settings", Kind::Http2Settings),
        ],
        15 => &[
            (b"accept-encoding", Kind::AcceptEncoding),
            (b"x-forwarded-for", Kind::XForwardedFor),
            (b"idempotency-key", Kind::IdempotencyKey),
        ],
        16 => &[
            (b"content-encoding", Kind::ContentEncoding),
            (b"proxy-connection", Kind::ProxyConnection),
            (b"x-forwarded-host", Kind::XForwardedHost),
            (b"x-forwarded-port", Kind::XForwardedPort),
        ],
        17 => &[
            (b"transfer-encoding", Kind::TransferEncoding),
            (b"client-cert-chain", Kind::ClientCert),
            (b"if-modified-since", Kind::IfModifiedSince),
            (b"x-forwarded-proto", Kind::XForwardedProto),
        ],
        19 => &[(b"if-unmodified-since", Kind::IfUnmodifiedSince)],
        23 => &[(b"x-forwarded-client-cert", Kind::XForwardedClientCert)],
        _ => &[],
    };
    let first = name.first().map_or(0, |b| b | 0x20);
    for (text, kind) in known {
        if text[0] == first && text.eq_ignore_ascii_case(name) {
            return *kind;
        }
    }
    if name.contains(&b'_') {
        Kind::Underscored
    } else {
        Kind::Other
    }
}

/// Whether a byte may stand in a method, header name or coding (RFC 9110 `tchar`).
pub(crate) const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_byte(b))
}

/// Whether a byte may stand in a header value: visible, space, tab, or above ASCII.
pub(crate) const fn is_value_byte(b: u8) -> bool {
    (b >= 0x20 && b != 0x7f) || b == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_near_misses() {
        assert_eq!(classify(b"TRANSFER-encoding"), Kind::TransferEncoding);
        assert_eq!(classify(b"host"), Kind::Host);
        assert_eq!(classify(b"hosts"), Kind::Other);
        assert_eq!(classify(b"content_length"), Kind::Underscored);
        assert_eq!(classify(b""), Kind::Other);
        assert!(classify(b"Keep-Alive").is_hop_by_hop() && !classify(b"Cookie").is_hop_by_hop());
    }
}
