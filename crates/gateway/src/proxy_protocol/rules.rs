//! From whom a header comes, and the count of those that could not be used.

use super::core::{Bad, Ends};
use crate::gate::Kept;
use crate::tally::Tally;
use config::Cidr;
use config::sections::ProxyProtocol;
use std::sync::Arc;

pub(crate) struct Rules {
    from: Vec<Cidr>,
    unix: bool,
    refused: Arc<Tally>,
}

impl Rules {
    pub fn new(config: &ProxyProtocol, kept: &Kept) -> Rules {
        Rules {
            from: config.from.clone(),
            unix: config.unix,
            refused: Tally::of(kept, "proxy_protocol", "listen", Bad::NAMES),
        }
    }

    /// Whether this peer must send one.
    pub fn expects(&self, peer: &Ends) -> bool {
        match *peer == Ends::UNKNOWN {
            true => self.unix,
            false => self
                .from
                .iter()
                .any(|network| network.holds(peer.from.ip())),
        }
    }

    /// Counts a connection that is not served. The first of each kind is told aloud: a balancer that is set up wrongly
    /// fails every connection, and nobody would know why.
    pub fn refuse(&self, peer: Ends, why: Bad) {
        let which = why as usize;
        let reason = Bad::NAMES[which];
        let peer = peer.from;
        match self.refused.get(which) {
            0 => tracing::warn!(
                %peer, reason,
                "closed a connection without a usable PROXY header, which `proxy_protocol.from` asks of this peer; \
                 more are counted in plimsoll_gate_decisions_total{{gate=\"proxy_protocol\"}}"
            ),
            _ => {
                tracing::debug!(%peer, reason, "closed a connection without a usable PROXY header")
            }
        }
        self.refused.add(which);
    }
}
