//! Looks at the headers of the frames that a client sends, and says when they are an attack. What the library bounds by
//! itself (streams, header lists, CONTINUATION, frames that it must answer with a reset) is not counted here. Pure.

use base::Nanos;
use std::time::Duration;

/// Bytes of the preface, and of a frame's header.
const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Resets over the life of the connection.
    pub resets: u32,
    /// Frames that move nothing (PING, SETTINGS, PRIORITY, empty DATA, unknown ones), per second.
    pub idle_frames: u32,
}

#[derive(Debug)]
pub struct Watch {
    bounds: Bounds,
    /// Bytes that are no frame header: of the preface, or of a payload.
    skip: usize,
    header: [u8; HEADER],
    have: usize,
    /// The first frame has come.
    settled: bool,
    resets: u32,
    idle_frames: u32,
    /// When they began to be counted.
    since: Nanos,
}

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is too much of this.
    TooMany(&'static str),
    /// The first frame is another (RFC 9113 3.4).
    NoSettings,
}

impl Watch {
    pub fn new(bounds: Bounds) -> Watch {
        Watch {
            bounds,
            skip: PREFACE,
            header: [0; HEADER],
            have: 0,
            settled: false,
            resets: 0,
            idle_frames: 0,
            since: Nanos::ZERO,
        }
    }

    /// # Errors
    /// Why nothing more is to be read.
    pub fn see(&mut self, mut bytes: &[u8], now: Nanos) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                (self.skip, bytes) = (self.skip - n, &bytes[n..]);
                continue;
            }
            let n = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + n].copy_from_slice(&bytes[..n]);
            (self.have, bytes) = (self.have + n, &bytes[n..]);
            if self.have == HEADER {
                self.have = 0;
                let [a, b, c, kind, ..] = self.header;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.frame(kind, now)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, kind: u8, now: Nanos) -> Result<(), Wrong> {
        if !std::mem::replace(&mut self.settled, true) && kind != SETTINGS {
            return Err(Wrong::NoSettings);
        }
        match kind {
            RST_STREAM => {
                self.resets += 1;
                if self.resets > self.bounds.resets {
                    return Err(Wrong::TooMany("resets"));
                }
            }
            // They cost what they ask for, which other bounds see to.
            HEADERS | CONTINUATION | WINDOW_UPDATE => {}
            DATA if self.skip > 0 => {}
            _ => {
                if now.since(self.since) >= Duration::from_secs(1) {
                    (self.since, self.idle_frames) = (now, 0);
                }
                self.idle_frames += 1;
                if self.idle_frames > self.bounds.idle_frames {
                    return Err(Wrong::TooMany("frames that move nothing"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let mut watch = Watch::new(Bounds {
            resets: 3,
            idle_frames: 5,
        });
        watch.see(&[0; PREFACE], Nanos::ZERO).unwrap();
        watch.see(&frame(SETTINGS, 0), Nanos::ZERO).unwrap();
        watch
    }

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let len = (payload as u32).to_be_bytes();
        let mut bytes = vec![len[1], len[2], len[3], kind, 0, 0, 0, 0, 1];
        bytes.resize(HEADER + payload, RST_STREAM);
        bytes
    }

    #[test]
    fn settings_come_first() {
        let bounds = watch().bounds;
        let mut watch = Watch::new(bounds);
        let bytes = [&[0; PREFACE][..], &frame(HEADERS, 3)].concat();
        assert_eq!(watch.see(&bytes, Nanos::ZERO), Err(Wrong::NoSettings));
    }

    #[test]
    fn resets_are_counted_for_ever_however_the_bytes_come() {
        let mut watch = watch();
        let bytes = [frame(RST_STREAM, 4), frame(HEADERS, 30), frame(DATA, 300)].concat();
        for round in 0..4 {
            let now = Nanos(round * 5_000_000_000);
            let seen: Result<Vec<()>, _> = bytes.iter().map(|b| watch.see(&[*b], now)).collect();
            assert_eq!(seen.is_err(), round == 3, "{round}");
        }
    }

    #[test]
    fn frames_that_move_nothing_are_counted_by_the_second() {
        for kind in [2, 4, 6, 77] {
            let mut watch = watch();
            let five = frame(kind, 8).repeat(5);
            assert_eq!(watch.see(&five, Nanos(1_000_000_000)), Ok(()));
            assert_eq!(watch.see(&five, Nanos(2_000_000_000)), Ok(()));
            assert!(
                watch.see(&frame(kind, 8), Nanos(2_100_000_000)).is_err(),
                "{kind}"
            );
        }
        let mut watch = watch();
        assert_eq!(watch.see(&frame(DATA, 1).repeat(50), Nanos(1)), Ok(()));
        assert_eq!(
            watch.see(&frame(WINDOW_UPDATE, 4).repeat(50), Nanos(1)),
            Ok(())
        );
        assert!(watch.see(&frame(DATA, 0).repeat(6), Nanos(1)).is_err());
    }
}
