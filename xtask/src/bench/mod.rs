//! Measurements against peers, side by side in one run. Results go to `bench/*.md`.

pub mod backstage;
pub mod cache;
pub mod console;
pub mod cores;
pub mod delays;
pub mod diagnosis;
pub mod disk;
pub mod drive;
pub mod framing;
pub mod generators;
pub mod grpc_web;
pub mod history;
pub mod hit;
pub mod load;
pub mod machine;
pub mod model;
mod npm;
pub mod otlp;
pub mod peers;
pub mod protocols;
pub mod proxy;
pub mod pypi;
pub mod queue;
pub mod scenarios;
pub mod simulated;
pub mod stats;
pub mod topics;
