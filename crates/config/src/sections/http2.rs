//! The section of HTTP/2 towards clients.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Http2 {
    /// Understood on plain connections, from clients that know it beforehand.
    pub plain: bool,
    /// Requests under way on one connection.
    pub streams: u32,
    /// Body bytes of one request that a client may send ahead; four times as many of all.
    pub window: u32,
    /// Requests that a client may take back before their answer begins, more than were answered.
    pub resets: u32,
    /// Resets over the life of a connection.
    pub resets_total: u32,
    /// Resets that a client may cause by what it does wrong, over the life of a connection.
    pub local_resets: u32,
    /// Frames per second that move nothing: PING, SETTINGS, PRIORITY, empty DATA.
    pub idle_frames: u32,
    /// A client with requests under way that is silent for so long is asked whether it is there.
    pub ping: Duration,
    /// Without an answer within this it is not.
    pub ping_timeout: Duration,
}

impl Default for Http2 {
    fn default() -> Self {
        Http2 {
            plain: true,
            streams: 100,
            window: 256 * 1024,
            resets: 50,
            resets_total: 10_000,
            local_resets: 500,
            idle_frames: 1000,
            ping: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
        }
    }
}
