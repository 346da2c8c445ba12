//! The one place where the parts are wired together: control's ports by config, model, telemetry and gateway.

pub mod agents;
pub mod body;
pub mod caches;
pub mod compose;
pub mod cost;
pub mod disks;
pub mod door;
pub mod engines;
pub mod export;
pub mod gates;
pub mod jobs;
pub mod mind;
pub mod outward;
pub mod past;
pub mod path;
pub mod recordings;
pub mod shell;
pub mod slo;
pub mod spans;
pub mod start;
pub mod state;
pub mod system;
pub mod thread;
pub mod topics;
pub mod watch;
