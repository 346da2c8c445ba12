//! Connections that are held up: by clients or instances that read slowly, by our own buffers, by losses on the way. No
//! capacity here changes that, so it is told beside the constraint and is no candidate for it.

use crate::fit::Fit;
use base::{Class, Signal};
use serde::{Deserialize, Serialize};

/// Shares of sending time from which a side holds a connection up, and of segments that are sent again.
const HELD: f64 = 0.2;
const LOST: f64 = 0.01;
/// Of a route's time in flight: less is not worth a word.
const WORTH: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The other side does not read: its window is closed.
    Receiver,
    /// Our own send buffer is too small for the way.
    Buffer,
    /// Segments are lost on the way.
    Loss,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldUp {
    /// `peers.clients` or `peers.<service>`.
    pub resource: String,
    pub class: Class,
    pub why: Why,
    /// Of sending time, or of segments.
    pub share: f64,
    /// The route that loses most of its time there, and what part of it.
    pub route: Option<(String, f64)>,
    /// In plain words.
    pub text: String,
}

pub fn held_up(fit: &Fit) -> Vec<HeldUp> {
    let delays = (0..fit.resources.len()).filter(|&k| fit.resources[k].info.is_delay());
    delays.flat_map(|k| of(fit, k)).collect()
}

fn of(fit: &Fit, k: usize) -> Vec<HeldUp> {
    let r = &fit.resources[k];
    let part = |i: usize| fit.demand[i][k].mean / fit.routes[i].low_mean.max(1e-9);
    let waits = |i: usize| fit.routes[i].rate * fit.demand[i][k].mean;
    let worst = (0..fit.routes.len())
        .max_by(|&a, &b| waits(a).total_cmp(&waits(b)))
        .filter(|&i| part(i) >= WORTH)
        .map(|i| (fit.routes[i].info.name.clone(), part(i).min(1.0)));
    let whose = match (&r.info.service, &worst) {
        (Some(s), _) => format!("connections to {s}"),
        (None, _) => "connections to clients".into(),
    };
    let of_route = worst.as_ref().map_or(String::new(), |(route, share)| {
        format!("; {:.0} % of the time of {route} goes there", 100.0 * share)
    });
    let found = [
        (Why::Receiver, Signal::ReceiverLimited, HELD),
        (Why::Buffer, Signal::BufferLimited, HELD),
        (Why::Loss, Signal::Retransmits, LOST),
    ];
    let mut all = Vec::new();
    for (why, signal, limit) in found {
        let Some(share) = r.sign(signal).map(|s| s.mean).filter(|v| *v > limit) else {
            continue;
        };
        let p = 100.0 * share;
        let text = match why {
            // Without a route it would cost, nobody has to know.
            Why::Receiver if worst.is_none() => continue,
            Why::Receiver => format!(
                "{whose}: the other side reads slowly, its window is closed in {p:.0} % of the time that it is sent to{of_route}. \
                 No capacity here changes that: send less (compress, page), or let `limits` cut off whom it takes too long"
            ),
            Why::Buffer => format!(
                "{whose}: our own send buffer holds them up in {p:.0} % of the time: raise `net.ipv4.tcp_wmem`"
            ),
            Why::Loss => format!(
                "{whose}: {p:.1} % of the segments are sent again: something on the way loses them"
            ),
        };
        all.push(HeldUp {
            resource: r.info.name.clone(),
            class: Class::Network,
            why,
            share,
            route: worst.clone().filter(|_| why == Why::Receiver),
            text,
        });
    }
    all
}
