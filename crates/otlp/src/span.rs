//! A span as far as it is of use here: who worked or whom it called, and for how long.

/// Names are bounded when they are decoded; times are by the clock of who made the span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace: u128,
    pub id: u64,
    /// 0: it starts its trace.
    pub parent: u64,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    pub end: u64,
    /// `service.name`; empty when not told.
    pub service: Box<str>,
    pub act: Act,
}

/// What was done in the time of a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Work of the service itself, its children's aside.
    Work,
    /// A call of a database.
    Database {
        system: Box<str>,
        /// The statement without its values.
        shape: Box<str>,
        returned: Option<f64>,
    },
    /// A wait for a connection to a database.
    Connect,
    /// A call of another service.
    Call { to: Box<str> },
    /// A resource is held, as `plimsoll.resource` says.
    Hold {
        resource: Box<str>,
        /// Nanoseconds that were waited for it before.
        wait: Option<u64>,
    },
}

impl Span {
    pub fn is_of_database(&self) -> bool {
        matches!(self.act, Act::Database { .. })
    }

    /// Nanoseconds; `None`: its clock was set back.
    pub fn length(&self) -> Option<u64> {
        self.end.checked_sub(self.start)
    }

    /// It may seem to lie so much beside its neighbours, nanoseconds: some SDKs take starts in whole milliseconds and
    /// lengths more exactly.
    pub fn slack(&self) -> u64 {
        (self.length().unwrap_or(0) / 4).min(2_000_000)
    }

    /// Memory that it takes, bytes.
    pub fn bytes(&self) -> usize {
        let act = match &self.act {
            Act::Work | Act::Connect => 0,
            Act::Database { system, shape, .. } => system.len() + shape.len(),
            Act::Call { to } => to.len(),
            Act::Hold { resource, .. } => resource.len(),
        };
        size_of::<Span>() + self.service.len() + act
    }
}
