//! The keys of `proxy_protocol`.

use super::*;

pub const PROXY_PROTOCOL: &[Field<ProxyProtocol>] = &[key!(
    required "from", Kind::ListOf(&Kind::Network), "[10.0.0.0/8, 2001:db8::/32]",
    "peers whose every connection begins with a PROXY header (version 1 or 2), or is closed; what other peers send as one is no request",
    |p, n, cx| p.from = cx.list(n, Cx::network)
)];
