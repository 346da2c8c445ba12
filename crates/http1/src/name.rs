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
    /// `b3`, and the `X-B3-` names that tell of a span.
    B3,
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
    /// Which try of a request this is.
    PlimsollAttempt,
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
    pub const fn meets(self, other: KindSet) -> bool {
        self.0 & other.0 != 0
    }
}

/// The kind of a header name, in any case. What is no token (RFC 9110 5.6.2) may be taken for a name.
#[inline]
pub fn classify(name: &[u8]) -> Kind {
    let known: &[(&[u8], Kind)] = match name.len() {
        2 => &[(b"te", Kind::Te), (b"b3", Kind::B3)],
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
            (b"x-b3-flags", Kind::B3),
        ],
        11 => &[
            (b"traceparent", Kind::TraceParent),
            (b"retry-after", Kind::RetryAfter),
            (b"client-cert", Kind::ClientCert),
            (b"x-b3-spanid", Kind::B3),
        ],
        12 => &[
            (b"content-type", Kind::ContentType),
            (b"x-request-id", Kind::XRequestId),
            (b"x-b3-traceid", Kind::B3),
            (b"x-b3-sampled", Kind::B3),
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
            (b"plimsoll-attempt", Kind::PlimsollAttempt),
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
        if text[0] == first && same(name, text) {
            return *kind;
        }
    }
    if name.contains(&b'_') {
        Kind::Underscored
    } else {
        Kind::Other
    }
}

/// Whether a token is `lower` in any case; both are of one length. Bit 5 makes letters lower case; of the other bytes
/// of a token it changes `^` and `_` alone, and to none that stands in a known name.
fn same(name: &[u8], lower: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let n = name.len();
    if n < 8 {
        return name.iter().zip(lower).all(|(a, b)| a | 0x20 == *b);
    }
    let word = |text: &[u8], at: usize| {
        let eight = text.get(at..).and_then(|rest| rest.first_chunk());
        eight.map_or(0, |b| u64::from_ne_bytes(*b))
    };
    // The last word overlaps the one before it.
    let mut at = 0;
    while at + 8 < n {
        if word(name, at) | CASE != word(lower, at) {
            return false;
        }
        at += 8;
    }
    word(name, n - 8) | CASE == word(lower, n - 8)
}

/// For each byte whether it may stand in a method, header name or coding (RFC 9110 `tchar`).
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// Letters, digits and these.
pub(crate) const fn table(more: &[u8]) -> [bool; 256] {
    let mut all = [false; 256];
    let mut i = 0;
    while i < 256 {
        all[i] = (i as u8).is_ascii_alphanumeric();
        i += 1;
    }
    i = 0;
    while i < more.len() {
        all[more[i] as usize] = true;
        i += 1;
    }
    all
}

pub(crate) const fn is_token_byte(b: u8) -> bool {
    TOKEN[b as usize]
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_byte(b))
}

/// Whether a byte may stand in a header value: visible, space, tab, or above ASCII.
pub(crate) const fn is_value_byte(b: u8) -> bool {
    (b >= 0x20 && b != 0x7f) || b == b'\t'
}

/// Whether all bytes may. Without a way out in the middle, many are looked at at once.
pub(crate) fn is_value(text: &[u8]) -> bool {
    text.iter().fold(true, |all, &b| all & is_value_byte(b))
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
        assert_eq!(
            classify(b"X-Forwarded-Client-Cert"),
            Kind::XForwardedClientCert
        );
        assert_eq!(classify(b"X-Forwarded-Client-Cart"), Kind::Other);
        assert_eq!(classify(b"x-forwarded-f0r"), Kind::Other);
        assert_eq!(classify(b"if_match"), Kind::Underscored);
        assert!(classify(b"Keep-Alive").is_hop_by_hop() && !classify(b"Cookie").is_hop_by_hop());
    }
}
