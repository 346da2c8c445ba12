//! Patterns of CODEOWNERS: like `.gitignore`, without `!` and `[]`, and `dir/*` covers only what lies right in `dir`.

/// A compiled pattern. Matching takes time in proportion to the lengths multiplied, whatever the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// `None` is `**`.
    parts: Vec<Option<String>>,
    tail: Tail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// A file, or all that lies in a folder of that name.
    Any,
    /// Only what lies in a folder of that name.
    Folder,
    /// Only files right there.
    Exact,
}

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        let folder = text.ends_with('/');
        let inner = text.trim_matches('/');
        // A slash at the begin or in the middle ties it to the root.
        let anchored = text.starts_with('/') || inner.contains('/');
        let mut parts: Vec<Option<String>> = Vec::new();
        if !anchored {
            parts.push(None);
        }
        for part in inner.split('/') {
            let part = (part != "**").then(|| part.to_owned());
            // Two in a row say no more than one.
            if part.is_some() || parts.last() != Some(&None) {
                parts.push(part);
            }
        }
        let tail = match folder {
            true => Tail::Folder,
            false if text.ends_with("/*") => Tail::Exact,
            false => Tail::Any,
        };
        Pattern { parts, tail }
    }

    /// `path` is seen from the root of the repository, without a slash at its begin.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        // reach[i]: the parts so far cover the first i segments.
        let mut reach = vec![false; path.len() + 1];
        reach[0] = true;
        for part in &self.parts {
            let mut next = vec![false; path.len() + 1];
            for i in 0..=path.len() {
                next[i] = match part {
                    None => reach[i] || (i > 0 && next[i - 1]),
                    Some(p) => i > 0 && reach[i - 1] && segment(p, path[i - 1]),
                };
            }
            reach = next;
        }
        let whole = reach[path.len()];
        let above = reach[..path.len()].iter().any(|r| *r);
        // `a/**` is what lies in a, not a itself.
        let inside = self.parts.len() > 1 && self.parts.last() == Some(&None);
        match self.tail {
            Tail::Exact => whole,
            Tail::Folder => above,
            Tail::Any if inside => above,
            Tail::Any => whole || above,
        }
    }
}

/// `*`, `?` and `\` within one segment.
fn segment(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let (literal, width) = match (pattern.get(p), pattern.get(p + 1)) {
            (Some('\\'), Some(c)) => (Some(*c), 2),
            (c, _) => (c.copied(), 1),
        };
        if width == 1 && literal == Some('*') {
            star = Some((p, n));
            p += 1;
        } else if literal == Some(name[n]) || (width == 1 && literal == Some('?')) {
            p += width;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == '*')
}
