//! The keys of `agents`.

use super::*;
use std::net::SocketAddr;

/// As it is written: address and token are needed.
#[derive(Default)]
pub struct Written {
    listen: Option<SocketAddr>,
    token: Option<Secret>,
    tls: Option<Certificate>,
}

pub const AGENTS: &[Field<Written>] = &[
    key!(required
        "listen",
        Kind::Address,
        "0.0.0.0:9701",
        "where `plimsoll agent` of other hosts sends to; read at start",
        |a, n, cx| a.listen = cx.address(n)
    ),
    key!(required
        "token",
        Kind::Secret,
        "{ env: PLIMSOLL_AGENT_TOKEN }",
        "what agents must show; read at start",
        |a, n, cx| a.token = secret_elsewhere(n, cx)
    ),
    key!(
        "tls",
        Kind::Section("certificate"),
        "{ cert: plimsoll.pem, key: plimsoll.key }",
        "the listener speaks TLS and shows this certificate, so that nobody on the way reads the token; plain when left out; read at start",
        |a, n, cx| {
            let mut certificate = Certificate::default();
            cx.section("agents.tls", n, CERTIFICATE, &mut certificate);
            a.tls = Some(certificate);
        }
    ),
];

/// `None`: something is missing or wrong, and was told.
pub(super) fn agents(n: &Node, cx: &mut Cx) -> Option<Agents> {
    let mut written = Written::default();
    cx.section("agents", n, AGENTS, &mut written);
    Some(Agents {
        listen: written.listen?,
        token: written.token?,
        tls: written.tls,
    })
}
