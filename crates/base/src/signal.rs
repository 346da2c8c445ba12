//! What the kernel and servers tell of a resource beside its use: signs of what holds it down, and how often somebody comes.

use crate::{InstanceIx, ResourceIx};
use serde::{Deserialize, Serialize};

/// One kind of sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Share of the time in which something that could run, or wanted memory, or wanted a disk, waited for it (PSI `some`).
    Pressure,
    /// Share of the time in which nothing could go on for that reason (PSI `full`).
    Stalled,
    /// Share of a control group's periods in which its quota of CPU was spent before the period was over.
    Throttled,
    /// Pages per second that were thrown out of memory and read again.
    Refaults,
    /// Page faults per second that had to wait for a disk.
    MajorFaults,
    /// Share of the time in which connections had something to send.
    Sending,
    /// Shares of that time in which the receiver's window, or the sender's own buffer, held it up.
    ReceiverLimited,
    BufferLimited,
    /// Segments sent again, of all that were sent.
    Retransmits,
    /// Times per second that somebody came to a store, with one command or several at once.
    RoundTrips,
}

impl Signal {
    pub const ALL: [Signal; 10] = [
        Signal::Pressure,
        Signal::Stalled,
        Signal::Throttled,
        Signal::Refaults,
        Signal::MajorFaults,
        Signal::Sending,
        Signal::ReceiverLimited,
        Signal::BufferLimited,
        Signal::Retransmits,
        Signal::RoundTrips,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Signal::Pressure => "pressure",
            Signal::Stalled => "stalled",
            Signal::Throttled => "throttled",
            Signal::Refaults => "refaults",
            Signal::MajorFaults => "major-faults",
            Signal::Sending => "sending",
            Signal::ReceiverLimited => "receiver-limited",
            Signal::BufferLimited => "buffer-limited",
            Signal::Retransmits => "retransmits",
            Signal::RoundTrips => "round-trips",
        }
    }

    pub fn from_label(label: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|s| s.label() == label)
    }
}

/// One sign of one resource (of one instance, or `NONE` when shared) in one window: a share from 0 to 1, or a number per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalCell {
    pub resource: ResourceIx,
    pub instance: InstanceIx,
    pub signal: Signal,
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_label_of_its_own() {
        for s in Signal::ALL {
            assert_eq!(Signal::from_label(s.label()), Some(s));
            assert_eq!(serde_json::to_value(s).unwrap(), s.label());
        }
        assert_eq!(Signal::from_label("x"), None);
    }
}
