//! As much of Markdown as a catalog needs: the YAML head of a file, and its fenced blocks with their lines.

use base::Finding;
use config::Document;

/// A file's head as a document with the positions of the file, and the text after it with the number of its first line.
pub struct Split<'a> {
    pub head: Document,
    pub findings: Vec<Finding>,
    pub body: &'a str,
    pub body_line: u32,
}

/// Takes the text between two lines `---` at the top, if there is one.
pub fn split<'a>(file: &str, text: &'a str) -> Split<'a> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = 0;
    let mut end = None;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let mark = line.trim_end() == "---";
        if i == 0 && !mark {
            break;
        }
        if i > 0 && mark {
            end = Some((at, at + line.len(), i as u32 + 2));
            break;
        }
        at += line.len();
    }
    let (head, body, body_line) = match end {
        Some((head, body, line)) => (&text[..head], &text[body..], line),
        None => ("", text, 1),
    };
    // The first line becomes an empty one, so that lines keep their numbers.
    let head = head.find('\n').map_or("", |i| &head[i..]);
    let (head, findings) = Document::parse(file, head);
    Split {
        head,
        findings,
        body,
        body_line,
    }
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The line of its opening fence.
    pub line: u32,
    /// What stands after the fence, such as `sh {"name":"drain"}`.
    pub info: String,
    pub text: String,
    /// A fence closes it.
    pub closed: bool,
}

/// Lines outside of fences, and the fences, in order.
pub fn fences(body: &str, first_line: u32) -> (Vec<(u32, &str)>, Vec<Fence>) {
    let (mut prose, mut fences) = (Vec::new(), Vec::new());
    let mut open: Option<(Fence, char, usize)> = None;
    for (i, line) in body.lines().enumerate() {
        let number = first_line + i as u32;
        let mark = fence(line);
        match (&mut open, mark) {
            (Some((fence, sign, length)), mark) => match mark {
                Some((c, n, "")) if c == *sign && n >= *length => {
                    fence.closed = true;
                    fences.extend(open.take().map(|o| o.0));
                }
                _ => {
                    fence.text.push_str(line);
                    fence.text.push('\n');
                }
            },
            (None, Some((sign, length, info))) if !(sign == '`' && info.contains('`')) => {
                let fence = Fence {
                    line: number,
                    info: info.to_owned(),
                    text: String::new(),
                    closed: false,
                };
                open = Some((fence, sign, length));
            }
            (None, _) => prose.push((number, line)),
        }
    }
    fences.extend(open.map(|o| o.0));
    (prose, fences)
}

/// Sign, length and what follows of a line that is a fence.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let rest = &line[indent..];
    let sign = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.len() - rest.trim_start_matches(sign).len();
    (indent < 4 && length >= 3).then(|| (sign, length, rest[length..].trim()))
}

/// The texts in single backticks of a line, with their columns.
pub fn spans(line: &str) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find('`').map(|i| i + from + 1) {
        let Some(close) = line[open..].find('`').map(|i| i + open) else {
            break;
        };
        let column = line[..open].chars().count() as u32 + 1;
        if close > open {
            found.push((column, &line[open..close]));
        }
        from = close + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let text = "---\nowner: pay\n---\n# Slow\nuse `route pay`\n~~~~sh {name=a}\necho\n~~~\n~~~~\nend\n```\nopen\n";
        let s = split("r.md", text);
        assert_eq!(s.head.root.get("owner").unwrap().at.line, 2);
        let (prose, fences) = fences(s.body, s.body_line);
        assert_eq!(prose[1], (5, "use `route pay`"));
        assert_eq!(
            (fences[0].line, fences[0].text.as_str()),
            (6, "echo\n~~~\n")
        );
        assert!(!fences[1].closed && fences[1].line == 11);
        assert_eq!(spans(prose[1].1), [(6, "route pay")]);
        assert_eq!(split("r.md", "---\nno end").body, "---\nno end");
        assert_eq!(spans("a ` b"), []);
    }
}
