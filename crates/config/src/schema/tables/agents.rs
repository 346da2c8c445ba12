//! The keys of `agents`.

use super::*;
use std::net::SocketAddr;

/// As it is written: both keys are needed.
#[derive(Default)]
pub struct Written {
    listen: Option<SocketAddr>,
    token: Option<Secret>,
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
];

/// `None`: something is missing or wrong, and was told.
pub(super) fn agents(n: &Node, cx: &mut Cx) -> Option<Agents> {
    let mut written = Written::default();
    cx.section("agents", n, AGENTS, &mut written);
    Some(Agents {
        listen: written.listen?,
        token: written.token?,
    })
}
