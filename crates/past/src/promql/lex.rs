//! A question as words.

use super::{MAX_QUERY, Refused};

#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// Names, keywords, and numbers with what follows them (`5m`).
    Name(String),
    Number(String),
    Text(String),
    Mark(&'static str),
}

/// Longer ones first.
const MARKS: &[&str] = &[
    "==", "!=", "<=", ">=", "=~", "!~", "{", "}", "(", ")", "[", "]", ",", "+", "-", "*", "/", "%",
    "^", "<", ">", "=", ":", "@",
];

pub fn words(text: &str) -> Result<Vec<Word>, Refused> {
    if text.len() > MAX_QUERY {
        return Err(Refused::bad(format!(
            "the query has {} bytes; at most {MAX_QUERY} are read",
            text.len()
        )));
    }
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => {
                let (value, taken) = quoted(rest, first)?;
                words.push(Word::Text(value));
                taken
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(digit)) => {
                let end = number(rest);
                words.push(Word::Number(rest[..end].to_owned()));
                end
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
                words.push(Word::Name(rest[..end].to_owned()));
                end
            }
            c => {
                let mark = MARKS.iter().find(|m| rest.starts_with(**m));
                let mark = mark.ok_or_else(|| wrong(&format!("unexpected character {c:?}")))?;
                words.push(Word::Mark(mark));
                mark.len()
            }
        };
        rest = rest[taken..].trim_start();
    }
    Ok(words)
}

pub fn wrong(why: &str) -> Refused {
    Refused::bad(format!("invalid parameter \"query\": parse error: {why}"))
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Digits, a fraction, an exponent, or units after them.
fn number(text: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let end = text.find(|c| !part(c)).unwrap_or(text.len());
    let sign = text[end..].starts_with(['+', '-']);
    // 1e-3, but not 0x1e-3.
    let exponent = text[..end].ends_with(['e', 'E']) && !text.starts_with("0x");
    if sign && exponent {
        let more = text[end + 1..]
            .find(|c| !digit(c))
            .unwrap_or(text.len() - end - 1);
        return end + 1 + more;
    }
    end
}

/// What stands between quotes, and how long that was.
fn quoted(text: &str, quote: char) -> Result<(String, usize), Refused> {
    let (mut value, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, at + 1)),
            '\\' if quote != '`' => {
                let (_, escaped) = chars.next().ok_or_else(|| wrong("unterminated string"))?;
                value.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '\\' | '"' | '\'' => escaped,
                    _ => return Err(wrong(&format!("unknown escape sequence \\{escaped}"))),
                });
            }
            c => value.push(c),
        }
    }
    Err(wrong("unterminated string"))
}
