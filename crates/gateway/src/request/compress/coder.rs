//! A body on its way through one of the encoders. Each has a window of 256 KiB at most, so that its memory stays small.

use super::link::{Bytes, Permit};
use crate::gate::Transform;
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use config::sections::Coding;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Of two to the power of this, bytes.
const WINDOW: u32 = 18;
/// Levels that make JSON a fifth or less of what it was; what they cost is in ADR 102.
const GZIP: u32 = 5;
const BROTLI: i32 = 4;
const ZSTD: i32 = 3;
/// Bytes that brotli hands over at once.
const PIECE: usize = 8 * 1024;

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::Encoder<'static, Vec<u8>>>),
}

pub struct Coder {
    /// `None`: it has ended.
    encoder: Option<Encoder>,
    /// Something was taken that has not come out.
    held: bool,
    bytes: Arc<Bytes>,
    _permit: Permit,
}

impl Coder {
    /// `None`: there is no memory for it.
    pub fn new(coding: Coding, bytes: Arc<Bytes>, permit: Permit) -> Option<Coder> {
        let encoder = match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP))),
            Coding::Br => {
                let params = BrotliEncoderParams {
                    quality: BROTLI,
                    lgwin: WINDOW as i32,
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), PIECE, &params);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD).ok()?;
                encoder.window_log(WINDOW).ok()?;
                Encoder::Zstd(Box::new(encoder))
            }
        };
        Some(Coder {
            encoder: Some(encoder),
            held: false,
            bytes,
            _permit: permit,
        })
    }

    fn hand_over(&self, ready: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.bytes.sent.fetch_add(ready.len() as u64, Relaxed);
        out.append(ready);
    }
}

impl Encoder {
    /// Writes to memory cannot fail.
    fn write(&mut self, data: &[u8]) {
        let _ = match self {
            Encoder::Gzip(e) => e.write_all(data),
            Encoder::Brotli(e) => e.write_all(data),
            Encoder::Zstd(e) => e.write_all(data),
        };
    }

    fn flush(&mut self) {
        let _ = match self {
            Encoder::Gzip(e) => e.flush(),
            Encoder::Brotli(e) => e.flush(),
            Encoder::Zstd(e) => e.flush(),
        };
    }

    fn ready(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Encoder::Gzip(e) => e.get_mut(),
            Encoder::Brotli(e) => e.get_mut(),
            Encoder::Zstd(e) => e.get_mut(),
        })
    }

    fn end(self) -> Vec<u8> {
        match self {
            Encoder::Gzip(e) => e.finish().unwrap_or_default(),
            Encoder::Brotli(e) => e.into_inner(),
            Encoder::Zstd(e) => e.finish().unwrap_or_default(),
        }
    }
}

impl Transform for Coder {
    fn take(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.bytes.came.fetch_add(data.len() as u64, Relaxed);
        if let Some(encoder) = &mut self.encoder {
            encoder.write(data);
            let mut ready = encoder.ready();
            self.held = true;
            self.hand_over(&mut ready, out);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if let (true, Some(encoder)) = (std::mem::take(&mut self.held), &mut self.encoder) {
            encoder.flush();
            let mut ready = encoder.ready();
            self.hand_over(&mut ready, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(encoder) = self.encoder.take() {
            self.held = false;
            self.hand_over(&mut encoder.end(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Coders;
    use super::*;
    use std::io::Read;

    fn decode(coding: Coding, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::MultiGzDecoder::new(data).read_to_end(&mut out),
            Coding::Br => brotli::Decompressor::new(data, 4096).read_to_end(&mut out),
            Coding::Zstd => zstd::Decoder::new(data).unwrap().read_to_end(&mut out),
        }
        .unwrap();
        out
    }

    #[test]
    fn what_goes_in_comes_out_smaller_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..20_000u32)
            .flat_map(|i| format!("{{\"id\":{}}},", i % 977).into_bytes())
            .collect();
        let coders = Arc::new(Coders::default());
        for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
            for piece in [1000, 70_000, text.len()] {
                let bytes = Arc::new(Bytes::default());
                let mut coder =
                    Coder::new(coding, bytes.clone(), coders.permit().unwrap()).unwrap();
                let mut out = Vec::new();
                text.chunks(piece).for_each(|p| coder.take(p, &mut out));
                coder.end(&mut out);
                coder.end(&mut out);
                assert_eq!(decode(coding, &out), text, "{coding:?}");
                assert!(
                    out.len() * 5 < text.len(),
                    "{coding:?}: {} of {}",
                    out.len(),
                    text.len()
                );
                assert_eq!(bytes.came.load(Relaxed), text.len() as u64);
                assert_eq!(bytes.sent.load(Relaxed), out.len() as u64);
            }
        }
    }

    #[test]
    fn a_flush_lets_out_what_came_so_far_and_a_second_one_nothing() {
        let coders = Arc::new(Coders::default());
        for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
            let mut coder = Coder::new(coding, Arc::default(), coders.permit().unwrap()).unwrap();
            let mut out = Vec::new();
            coder.take(b"one line\n", &mut out);
            coder.flush(&mut out);
            let first = out.clone();
            coder.flush(&mut out);
            assert_eq!(out, first);
            // Its end is missing, and all that came can be read nevertheless.
            let mut seen = [0; 9];
            match coding {
                Coding::Gzip => flate2::read::GzDecoder::new(&first[..]).read_exact(&mut seen),
                Coding::Br => brotli::Decompressor::new(&first[..], 64).read_exact(&mut seen),
                Coding::Zstd => zstd::Decoder::new(&first[..])
                    .unwrap()
                    .read_exact(&mut seen),
            }
            .unwrap();
            assert_eq!(&seen, b"one line\n", "{coding:?}");
        }
    }
}
