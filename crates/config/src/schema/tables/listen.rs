//! The keys of `proxy_protocol`.

use super::*;

pub const PROXY_PROTOCOL: &[Field<ProxyProtocol>] = &[key!(
    required "from", Kind::ListOf(&Kind::Network), "[10.0.0.0/8, 2001:db8::/32, unix]",
    "peers (networks; `unix`: whoever connects to the Unix socket) whose every connection begins with a PROXY header (version 1 or 2), or is closed; what other peers send as one is no request",
    |p, n, cx| for peer in cx.list(n, Cx::peer) {
        match peer {
            Some(network) => p.from.push(network),
            None => p.unix = true,
        }
    }
)];
