//! What probes of databases know of single statements, put into words for advice.

use super::Context;
use base::Statement;

/// Longest text that is shown, characters.
const SHOWN: usize = 160;

/// The statement in one line, without its tags, cut where it is long.
pub fn shown(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |c| c.1);
    }
    plain.push_str(rest);
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Statements that a route sends, the one that takes most time first, each with its seconds per request of the route.
/// Without tags they are those of whichever route uses most of the database.
pub fn of_route<'a>(cx: &'a Context, r: usize) -> Vec<(&'a Statement, f64)> {
    let route = &cx.fit.routes[r];
    let part = |s: &'a Statement| {
        let tagged = s.routes.iter().find(|x| x.0 == route.info.name);
        let share = match tagged {
            Some((_, share)) => *share,
            None if s.routes.is_empty() && heaviest(cx, &s.database) == Some(r) => 1.0,
            None => return None,
        };
        Some((s, s.calls * s.seconds * share / route.rate.max(1e-9)))
    };
    let mut all: Vec<_> = cx.fit.statements.iter().filter_map(part).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// The route that uses most of a resource.
fn heaviest(cx: &Context, resource: &str) -> Option<usize> {
    let mut all = cx.fit.resources.iter();
    let k = all.position(|x| x.info.name == resource)?;
    let used = |r: usize| cx.fit.routes[r].rate * cx.fit.demand[r][k].mean;
    (0..cx.fit.routes.len()).max_by(|&a, &b| used(a).total_cmp(&used(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_line_breaks_are_not_shown_and_long_texts_end() {
        let text = "SELECT /*+ hint */ a\n  FROM t WHERE b = $1 /*route='x'*/";
        assert_eq!(shown(text), "SELECT a FROM t WHERE b = $1");
        assert_eq!(shown("a /* open"), "a");
        assert!(shown(&"ä ".repeat(500)).chars().count() == SHOWN + 1);
    }
}
