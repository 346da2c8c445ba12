//! What the Connection header says: whether to stay open, and which other lines belong to this hop.

use crate::head::Line;
use crate::name::{Kind, classify, is_token};
use crate::reject::Reject;

#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
}

/// Names of headers that a Connection header may list.
const MAX_NAMED: usize = 16;

/// Reads every Connection line of `lines` and marks the lines that it names.
pub(crate) fn read(bytes: &[u8], lines: &mut [Line]) -> Result<Options, Reject> {
    let mut options = Options::default();
    let mut named = 0;
    for i in 0..lines.len() {
        if lines[i].kind != Kind::Connection {
            continue;
        }
        let value = lines[i].value.of(bytes);
        for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if !token.is_empty() {
                named += 1;
                if named > MAX_NAMED || !is_token(token) {
                    return Err(Reject::bad(
                        "connection-invalid",
                        "Connection is not a short list of names",
                    ));
                }
                mark(bytes, lines, token)?;
            }
        }
    }
    Ok(options)
}

fn mark(bytes: &[u8], lines: &mut [Line], token: &[u8]) -> Result<(), Reject> {
    if matches!(
        classify(token),
        Kind::ContentLength | Kind::TransferEncoding | Kind::Host
    ) {
        return Err(Reject::bad(
            "connection-names-framing",
            "Connection asks to drop a header that frames or routes the message",
        ));
    }
    for line in lines {
        if line.name(bytes).eq_ignore_ascii_case(token) {
            line.hop = true;
        }
    }
    Ok(())
}
