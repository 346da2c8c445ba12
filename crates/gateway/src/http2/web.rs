//! gRPC-Web (the protocol document of grpc/grpc, PROTOCOL-WEB.md): gRPC for clients that see no trailers. They come as one
//! more frame of the body, and with `-text` the body is base64. Pure.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Web {
    Binary,
    Text,
}

const GRPC: &str = "application/grpc";
/// Flag of the frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// What follows `start`, if that is all of the name: `+proto`, `; charset=…`, or nothing.
fn after<'a>(kind: &'a str, start: &str) -> Option<&'a str> {
    let begins = kind.get(..start.len())?.eq_ignore_ascii_case(start);
    let rest = kind.get(start.len()..).filter(|_| begins)?;
    matches!(rest.as_bytes().first(), None | Some(b'+' | b';' | b' ')).then_some(rest)
}

impl Web {
    /// Makes a request of gRPC of one of gRPC-Web; `None`: it is none.
    pub fn inward(headers: &mut HeaderMap) -> Option<Web> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let text = after(kind, "application/grpc-web-text").map(|rest| (Web::Text, rest));
        let (web, rest) = match text {
            Some(text) => text,
            None => (Web::Binary, after(kind, "application/grpc-web")?),
        };
        let kind = HeaderValue::from_str(&format!("{GRPC}{rest}")).ok()?;
        headers.insert(CONTENT_TYPE, kind);
        if web == Web::Text {
            headers.remove(CONTENT_LENGTH);
        }
        Some(web)
    }

    /// Makes an answer of gRPC-Web of one of gRPC; false: it is none, and stays as it is.
    pub fn outward(self, headers: &mut HeaderMap) -> bool {
        let name = match self {
            Web::Binary => "application/grpc-web",
            Web::Text => "application/grpc-web-text",
        };
        let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.and_then(|kind| after(kind, GRPC));
        let kind = kind.and_then(|rest| HeaderValue::from_str(&format!("{name}{rest}")).ok());
        let Some(kind) = kind else {
            return false;
        };
        headers.insert(CONTENT_TYPE, kind);
        // There is a frame more than the instance knows of.
        headers.remove(CONTENT_LENGTH);
        true
    }

    /// A part of the body, as the client gets it. Parts of text are padded each: a client may take them one by one.
    pub fn encode(self, data: &[u8]) -> Vec<u8> {
        match self {
            Web::Binary => data.to_vec(),
            Web::Text => STANDARD.encode(data).into_bytes(),
        }
    }

    /// The last frame: lines `name: value`, each with CRLF.
    pub fn trailers(self, lines: &[u8]) -> Vec<u8> {
        let mut frame = vec![TRAILERS];
        frame.extend_from_slice(&(lines.len() as u32).to_be_bytes());
        frame.extend_from_slice(lines);
        self.encode(&frame)
    }
}

/// Base64 that comes in pieces, and may be padded within.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Less than a group of four.
    rest: Vec<u8>,
}

impl Decoder {
    /// # Errors
    /// What is no base64.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.rest.extend_from_slice(input);
        let whole = self.rest.len() / 4 * 4;
        let mut at = 0;
        while at < whole {
            let padding = self.rest[at..whole].iter().position(|b| *b == b'=');
            let end = padding.map_or(whole, |p| at + (p / 4 + 1) * 4);
            STANDARD.decode_vec(&self.rest[at..end], out)?;
            at = end;
        }
        self.rest.drain(..whole);
        Ok(())
    }

    /// Nothing is left over.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        headers.insert(CONTENT_LENGTH, "8".parse().unwrap());
        headers
    }

    #[test]
    fn kinds_there_and_back() {
        for (kind, web, inward) in [
            (
                "application/grpc-web",
                Some(Web::Binary),
                "application/grpc",
            ),
            (
                "Application/gRPC-Web+proto",
                Some(Web::Binary),
                "application/grpc+proto",
            ),
            (
                "application/grpc-web-text+proto",
                Some(Web::Text),
                "application/grpc+proto",
            ),
            ("application/grpc", None, "application/grpc"),
            ("application/grpc-website", None, "application/grpc-website"),
            ("text/html", None, "text/html"),
        ] {
            let mut headers = headers(kind);
            assert_eq!(Web::inward(&mut headers), web, "{kind}");
            assert_eq!(headers[CONTENT_TYPE], inward);
            assert_eq!(headers.contains_key(CONTENT_LENGTH), web != Some(Web::Text));
        }
        let mut answer = headers("application/grpc+proto");
        assert!(Web::Text.outward(&mut answer));
        assert_eq!(answer[CONTENT_TYPE], "application/grpc-web-text+proto");
        assert!(!answer.contains_key(CONTENT_LENGTH));
        assert!(!Web::Binary.outward(&mut headers("application/json")));
    }

    #[test]
    fn trailers_are_a_frame() {
        let lines = b"grpc-status: 0\r\n";
        assert_eq!(
            Web::Binary.trailers(lines),
            b"\x80\0\0\0\x10grpc-status: 0\r\n"
        );
        let text = Web::Text.trailers(lines);
        assert_eq!(STANDARD.decode(text).unwrap(), Web::Binary.trailers(lines));
    }

    proptest! {
        #[test]
        fn base64_comes_in_any_pieces(parts: Vec<Vec<u8>>, cut in 1usize..9) {
            let text: Vec<u8> = parts.iter().flat_map(|p| Web::Text.encode(p)).collect();
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            for piece in text.chunks(cut) {
                decoder.push(piece, &mut out).unwrap();
            }
            prop_assert!(decoder.is_done());
            prop_assert_eq!(out, parts.concat());
        }

        #[test]
        fn nothing_that_a_client_sends_is_a_panic(pieces: Vec<Vec<u8>>) {
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            let all: Result<Vec<()>, _> = pieces.iter().map(|p| decoder.push(p, &mut out)).collect();
            prop_assert!(all.is_err() || decoder.rest.len() < 4);
        }
    }
}
