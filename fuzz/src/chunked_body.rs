//! `decode` and `pass` agree on a chunked body, in any cut.

use http1::{Body, Framing, Limits, Piece};

/// Payload, bytes consumed, and whether it ended or was refused.
fn decode(pieces: [&[u8]; 2]) -> (Vec<u8>, usize, Result<bool, &'static str>) {
    let limits = Limits::default();
    let mut body = Body::new(Framing::Chunked, &limits);
    let (mut payload, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let mut at = 0;
        loop {
            match body.decode(&piece[at..]) {
                Ok((n, found)) => {
                    if let Piece::Data(range) = &found {
                        payload.extend_from_slice(&piece[at..][range.clone()]);
                    }
                    at += n;
                    if !matches!(found, Piece::Data(_)) {
                        break;
                    }
                }
                Err(e) => return (payload, 0, Err(e.reason)),
            }
        }
        used += at;
    }
    (payload, used, Ok(body.is_done()))
}

pub fn check(data: &[u8]) {
    let (cut, data) = crate::cut(data);
    let (a, b) = data.split_at(cut);
    let whole = decode([data, b""]);
    assert_eq!(whole, decode([a, b]));
    let mut body = Body::new(Framing::Chunked, &Limits::default());
    match (body.pass(data), whole) {
        (Ok(pass), (payload, used, ended)) => {
            assert_eq!(
                (pass.data, pass.len, Ok(pass.done)),
                (payload.len(), used, ended)
            );
        }
        (Err(e), (_, _, ended)) => assert_eq!(Err(e.reason), ended),
    }
}
