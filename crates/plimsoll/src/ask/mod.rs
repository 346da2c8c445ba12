//! Asks a running Plimsoll over its console address: one request, one connection, JSON back.

mod place;
mod stream;

pub use place::{Console, Place};

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use http1::{Body, Limits, Lines, Method, Piece, Status, client, parse_response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{Read, Write};

/// Largest answer taken, bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Where to ask.
pub fn place(args: &AskArgs) -> Place {
    Place::of(args)
}

/// Where to ask, and as whom.
pub fn console(args: &AskArgs) -> Result<Console, Failure> {
    Console::of(args)
}

pub fn get<T: DeserializeOwned>(at: &Console, target: &str) -> Result<T, Failure> {
    decode(exchange(at, "GET", target, None)?)
}

pub fn post<T: DeserializeOwned>(at: &Console, target: &str, body: &Value) -> Result<T, Failure> {
    decode(exchange(at, "POST", target, Some(body.to_string()))?)
}

/// Shows what it answers: as a page for people, or as it is for machines.
pub fn show(
    args: &AskArgs,
    target: &str,
    page: impl FnOnce(&Value) -> String,
) -> Result<Exit, Failure> {
    let said: Value = get(&console(args)?, target)?;
    match args.json {
        true => println!("{said}"),
        false => print!("{}", page(&said)),
    }
    Ok(Exit::Ok)
}

/// Has something done and tells what came of it, a line for each field.
pub fn act(args: &AskArgs, target: &str, what: &Value) -> Result<Exit, Failure> {
    let done: Value = post(&console(args)?, target, what)?;
    if args.json {
        println!("{done}");
        return Ok(Exit::Ok);
    }
    for (name, value) in done.as_object().into_iter().flatten() {
        println!("{name}: {}", plain(value));
    }
    Ok(Exit::Ok)
}

/// A text without its quotes, anything else as JSON has it.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or(value.to_string(), str::to_owned)
}

pub use base::escape::encoded as encode;

fn decode<T: DeserializeOwned>((status, body): (u16, Vec<u8>)) -> Result<T, Failure> {
    if status >= 400 {
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let title = problem["title"]
            .as_str()
            .map_or(format!("it answered {status}"), str::to_owned);
        let help = problem["findings"][0]["help"].as_str().unwrap_or("");
        return Err(Failure::new(title).help(help));
    }
    serde_json::from_slice(&body).map_err(|e| {
        Failure::new(format!("its answer is not understood: {e}"))
            .help("use the same version of plimsoll as the one that runs")
    })
}

fn exchange(
    at: &Console,
    method: &str,
    target: &str,
    body: Option<String>,
) -> Result<(u16, Vec<u8>), Failure> {
    let failed =
        |e: &dyn std::fmt::Display| Failure::new(format!("asking Plimsoll at {}: {e}", at.place));
    let mut stream = at.connect()?;
    let mut headers = vec![
        ("plimsoll-api".to_owned(), "1".to_owned()),
        ("plimsoll-who".to_owned(), terminal::who()),
    ];
    if let Some(token) = &at.token {
        headers.push(("Authorization".into(), format!("Bearer {token}")));
    }
    if body.is_some() {
        headers.push(("Content-Type".into(), "application/json".into()));
    }
    let mut request = Vec::new();
    client::render_request(
        &mut request,
        method,
        target,
        at.host(),
        &headers,
        body.as_deref().map(str::as_bytes),
    )
    .map_err(|e| failed(&e))?;
    stream.write_all(&request).map_err(|e| failed(&e))?;
    read_answer(&mut stream, method).map_err(|e| failed(&e))
}

fn read_answer(stream: &mut impl Read, method: &str) -> Result<(u16, Vec<u8>), String> {
    let limits = Limits {
        body: MAX_ANSWER as u64,
        ..Limits::default()
    };
    let method = if method == "GET" {
        Method::Get
    } else {
        Method::Post
    };
    let mut buf = Vec::new();
    let mut lines = Lines::default();
    let (status, head, mut body) = loop {
        if let Status::Complete(h) =
            parse_response(&buf, &limits, method, &mut lines).map_err(|r| r.to_string())?
        {
            break (h.status, h.len, Body::new(h.framing, &limits));
        }
        if !fill(stream, &mut buf)? {
            return Err("the connection closed in the middle of the answer".into());
        }
    };
    let mut rest = buf.split_off(head);
    let mut answer = Vec::new();
    loop {
        let mut at = 0;
        while !body.is_done() {
            let (used, piece) = body.decode(&rest[at..]).map_err(|r| r.to_string())?;
            match piece {
                Piece::Data(range) => answer.extend_from_slice(&rest[at..][range]),
                Piece::More => {
                    at += used;
                    break;
                }
                Piece::End => {}
            }
            at += used;
        }
        if body.is_done() {
            return Ok((status, answer));
        }
        rest.drain(..at);
        if !fill(stream, &mut rest)? {
            body.end_of_input().map_err(|r| r.to_string())?;
            return Ok((status, answer));
        }
    }
}

fn fill(stream: &mut impl Read, buf: &mut Vec<u8>) -> Result<bool, String> {
    let mut chunk = [0u8; 16 * 1024];
    let n = stream.read(&mut chunk).map_err(|e| e.to_string())?;
    buf.extend_from_slice(&chunk[..n]);
    match n {
        0 if buf.is_empty() => Err("the connection closed without an answer".into()),
        n => Ok(n > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_answers_of_either_framing() {
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        for bytes in [&length[..], &chunked[..]] {
            let (status, body) = read_answer(&mut &bytes[..], "GET").unwrap();
            assert_eq!((status, body.as_slice()), (200, &b"{\"a\":1}"[..]));
        }
        assert!(read_answer(&mut &b"HTTP/1.1 200"[..], "GET").is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(
            encode("cache product ttl=10s"),
            "cache%20product%20ttl%3D10s"
        );
    }
}
