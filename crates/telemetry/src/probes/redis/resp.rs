//! Redis' protocol (RESP 2), as far as questions and their answers need it.

use std::io::{self, BufRead, BufReader, Read, Write};

/// Largest answer taken, bytes, and how deep lists in it may lie.
const MOST: usize = 4 << 20;
const DEPTH: usize = 4;

#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
    /// The server refuses: `NOAUTH Authentication required.`
    Refused(String),
}

pub fn ask<S: Read + Write>(stream: &mut BufReader<S>, words: &[&str]) -> io::Result<Reply> {
    let mut out = format!("*{}\r\n", words.len());
    for w in words {
        out += &format!("${}\r\n{w}\r\n", w.len());
    }
    stream.get_mut().write_all(out.as_bytes())?;
    stream.get_mut().flush()?;
    let mut left = MOST;
    reply(stream, &mut left, 0)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not Redis' protocol: {what}"),
    )
}

fn reply(from: &mut impl BufRead, left: &mut usize, depth: usize) -> io::Result<Reply> {
    let line = line(from, left)?;
    let (kind, rest) = line
        .split_at_checked(1)
        .ok_or_else(|| broken("an empty line"))?;
    let length = || -> io::Result<Option<usize>> {
        match rest.parse::<i64>() {
            Ok(n) => Ok(usize::try_from(n).ok()),
            Err(_) => Err(broken("a length that is no number")),
        }
    };
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Refused(rest.to_owned()),
        ":" => Reply::Number(rest.parse().map_err(|_| broken("a number that is none"))?),
        "$" => match length()? {
            None => Reply::Nothing,
            Some(n) => {
                *left = left
                    .checked_sub(n)
                    .ok_or_else(|| broken("an answer without end"))?;
                let mut bytes = vec![0; n + 2];
                from.read_exact(&mut bytes)?;
                Reply::Text(String::from_utf8_lossy(&bytes[..n]).into_owned())
            }
        },
        "*" if depth < DEPTH => match length()? {
            None => Reply::Nothing,
            Some(n) => {
                let mut list = Vec::new();
                for _ in 0..n {
                    list.push(reply(from, left, depth + 1)?);
                }
                Reply::List(list)
            }
        },
        _ => return Err(broken("an answer of another kind")),
    })
}

fn line(from: &mut impl BufRead, left: &mut usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    let n = from.take(*left as u64).read_until(b'\n', &mut bytes)?;
    *left -= n;
    match bytes.strip_suffix(b"\r\n") {
        Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        None if n == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(broken("a line without end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Reply> {
        reply(&mut text.as_bytes(), &mut MOST.min(1000), 0)
    }

    #[test]
    fn answers_are_read_and_nonsense_is_an_error() {
        let list = read("*3\r\n:5\r\n$2\r\nhi\r\n*1\r\n$-1\r\n").unwrap();
        let inner = Reply::List(vec![Reply::Nothing]);
        assert_eq!(
            list,
            Reply::List(vec![Reply::Number(5), Reply::Text("hi".into()), inner])
        );
        assert_eq!(
            read("-ERR no\r\n").unwrap(),
            Reply::Refused("ERR no".into())
        );
        let endless = format!("+{}", "a".repeat(2000));
        for bad in [
            "",
            "\r\n",
            "hello\r\n",
            "$x\r\n",
            "$9999\r\n",
            "*1\r\n",
            "$4\r\nhi",
            "*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n",
            &endless,
        ] {
            assert!(read(bad).is_err(), "{bad:.20}");
        }
    }
}
