//! What `Cache-Status` says of a response (RFC 9211): whether it came from here, and if not, why the instance was asked.

use crate::reuse::Why;

/// How a stored response came to be the answer.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    Hit,
    /// A hit that had to be brought from disk.
    FromDisk,
    /// One that another node had stored.
    FromShared,
    /// With why it is used though it is not fresh.
    Instead(&'a str),
    /// The instance has confirmed it.
    Confirmed(Why),
    /// Fetched for another request that asked the same.
    Collapsed,
}

/// Why a request goes on to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    UriMiss,
    VaryMiss,
    /// Only parts of it are stored, and not the one that is asked for.
    Partial,
    Asked(Why),
    Method,
}

impl Forward {
    pub fn name(self) -> &'static str {
        match self {
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Partial => "partial",
            Forward::Asked(Why::Stale) => "stale",
            Forward::Asked(Why::Request) => "request",
            Forward::Method => "method",
        }
    }
}

impl Said<'_> {
    /// `left`: seconds of its lifetime.
    pub fn write(self, out: &mut Vec<u8>, left: i64) {
        out.extend_from_slice(match self {
            Said::Hit | Said::FromDisk | Said::FromShared | Said::Instead(_) => {
                b"plimsoll; hit; ttl="
            }
            Said::Confirmed(Why::Stale) => b"plimsoll; fwd=stale; fwd-status=304; ttl=",
            Said::Confirmed(Why::Request) => b"plimsoll; fwd=request; fwd-status=304; ttl=",
            Said::Collapsed => b"plimsoll; fwd=miss; collapsed; ttl=",
        });
        if left < 0 {
            out.push(b'-');
        }
        http1::write::decimal(out, left.unsigned_abs());
        let detail = match self {
            Said::Instead(why) => why,
            Said::FromDisk => "disk",
            Said::FromShared => "shared",
            _ => return,
        };
        out.extend_from_slice(b"; detail=");
        out.extend_from_slice(detail.as_bytes());
    }
}

/// Of a response that the instance gave. `stored`: for how long it is fresh, or why it is not kept; `detail`: what else is to be
/// said of one that is stored, empty for nothing.
pub fn forwarded(
    forward: Forward,
    status: u16,
    stored: Result<i64, &'static str>,
    detail: &str,
) -> String {
    let fwd = forward.name();
    match stored {
        Ok(left) => {
            let said = format!("plimsoll; fwd={fwd}; fwd-status={status}; ttl={left}; stored");
            match detail {
                "" => said,
                detail => format!("{said}; detail={detail}"),
            }
        }
        Err(why) => format!("plimsoll; fwd={fwd}; fwd-status={status}; detail={why}"),
    }
}
