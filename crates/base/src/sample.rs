//! What the data path says of one exchange or attempt. Fixed size, copied, no allocation:
//! it goes through a bounded ring from each traffic thread to telemetry.

use crate::{InstanceIx, Nanos, ResourceIx, RouteIx};
use serde::{Deserialize, Serialize};

/// Which side of a canary: 0 is the base, 1 the canary.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Arm(pub u8);

impl Arm {
    pub const BASE: Arm = Arm(0);
    pub const CANARY: Arm = Arm(1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleKind {
    /// One client request, whatever it took to answer it.
    Request,
    /// One try of it against an instance.
    Attempt,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheState {
    /// No cache on this route.
    #[default]
    Off,
    Hit,
    Miss,
    /// The cache had to let this request pass (method, headers, size).
    Bypass,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    #[default]
    Done,
    /// Answered by a gate, not by an instance (limits, no route, bad request).
    Refused,
    /// The client went away first.
    ClientGone,
    /// Connect failed, reset, garbage or deadline: the reason is in the status.
    UpstreamFailed,
    /// An upgraded connection or an event stream: its life is not a cost.
    Stream,
    /// An attempt that was cancelled because another of the same request had answered.
    Lost,
}

/// Use of one resource by one attempt, as the upstream reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    pub resource: ResourceIx,
    /// Time it held or used the resource, microseconds.
    pub busy_us: u32,
    /// Time it waited for it, microseconds; `u32::MAX` when not told.
    pub wait_us: u32,
}

/// At most this many uses travel with a sample; more are dropped and counted by the caller.
pub const USES: usize = 4;

/// Names of methods by [`Sample::method`]; the last one is whatever is none of the others.
pub const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "_OTHER",
];

/// One exchange (kind `Request`) or one attempt (kind `Attempt`).
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub kind: SampleKind,
    pub route: RouteIx,
    pub arm: Arm,
    /// `NONE` for requests.
    pub instance: InstanceIx,
    /// The route whose request caused this one, when the trace says so.
    pub parent: RouteIx,
    /// Number of the attempt, from 1; for a request, how many attempts it took (0 = answered without).
    pub attempt: u8,
    pub outcome: Outcome,
    pub cache: CacheState,
    /// HTTP status sent (request) or received (attempt); 0 when there was none.
    pub status: u16,
    pub start: Nanos,
    /// Last byte.
    pub end: Nanos,
    /// From start to the response head, microseconds (0 when none came).
    pub first_byte_us: u32,
    /// Wait for an upstream connection or permit inside Plimsoll, microseconds.
    pub wait_us: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Hash of what a cache would key on (method, host, path and query); 0 when not a safe method.
    pub key_hash: u64,
    pub uses: [Use; USES],
    /// Database calls, rows read and rows returned, from `Server-Timing: db;…;calls=;rows=;returned=`.
    pub db_calls: u32,
    pub db_rows: u32,
    pub db_returned: u32,
    /// 0: none was given to it.
    pub trace: u128,
    /// The span id that instances got, the same for a request and its attempts.
    pub span: u64,
    /// Of a request: the span that caused it; 0: its trace starts here.
    pub caller: u64,
    /// Somebody records the trace.
    pub recorded: bool,
    /// The client spoke TLS.
    pub secure: bool,
    /// Number of the method's name in [`METHODS`].
    pub method: u8,
    /// Of a request: no client waits for it. It is the delivery of an event, or of a job whose client had its 202, or an answer that a cache
    /// fetches anew. It costs what it costs, and is no answer that was promised to anybody.
    pub behind: bool,
}

impl Sample {
    pub fn new(kind: SampleKind, route: RouteIx, start: Nanos) -> Sample {
        Sample {
            kind,
            route,
            arm: Arm::BASE,
            instance: InstanceIx::NONE,
            parent: RouteIx::NONE,
            attempt: 0,
            outcome: Outcome::Done,
            cache: CacheState::Off,
            status: 0,
            start,
            end: start,
            first_byte_us: 0,
            wait_us: 0,
            bytes_in: 0,
            bytes_out: 0,
            key_hash: 0,
            uses: [Use::default(); USES],
            db_calls: 0,
            db_rows: 0,
            db_returned: 0,
            trace: 0,
            span: 0,
            caller: 0,
            recorded: false,
            secure: false,
            method: METHODS.len() as u8 - 1,
            behind: false,
        }
    }
    pub fn seconds(&self) -> f64 {
        self.end.since(self.start).as_secs_f64()
    }
}
