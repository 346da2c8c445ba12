//! Which route a statement came from, by the comment that sqlcommenter and others put into its text:
//! `/*route='%2Fproducts%2F%3Aid',traceparent='00-…'*/`.

use base::trace::{SpanIds, TraceParent};
use base::{Names, RouteIx};
use std::sync::Arc;

/// How tags are understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins {
    /// Knows the span ids that Plimsoll has given out.
    pub spans: Option<Arc<SpanIds>>,
    /// Routes by the [`shape`] of their path.
    pub paths: Vec<(String, RouteIx)>,
}

impl Origins {
    /// A span id of our own says it for certain; else a route's name, else its path.
    pub fn route(&self, comment: &str, names: &Names) -> Option<RouteIx> {
        let by_span = || {
            let parent = TraceParent::parse(value(comment, "traceparent")?.as_bytes())?;
            Some(self.spans.as_ref()?.origin_of(parent.span)?.0)
        };
        let by_name = || {
            let tag = value(comment, "route")?;
            if let Some(named) = names.routes.find(&tag) {
                return Some(named);
            }
            let path = shape(&tag);
            self.paths.iter().find(|p| p.0 == path).map(|p| p.1)
        };
        by_span().or_else(by_name)
    }
}

/// A path with every parameter as `{}`, in whatever way frameworks write them: `/items/{id}`, `:id`, `<int:id>`.
pub fn shape(path: &str) -> String {
    let path = path.trim_end_matches('/');
    let segment = |s: &str| match s.as_bytes().first() {
        Some(b':' | b'{' | b'<' | b'[' | b'*') => "{}".to_owned(),
        _ => s.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// The decoded value of one key.
fn value(comment: &str, key: &str) -> Option<String> {
    let mut rest = comment;
    loop {
        let at = rest.find(key)?;
        let whole = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let after = &rest[at + key.len()..];
        if let Some(quoted) = after.trim_start().strip_prefix('=').filter(|_| whole) {
            let quoted = quoted.trim_start().strip_prefix('\'')?;
            return Some(decoded(&quoted[..quoted.find('\'')?]));
        }
        rest = after;
    }
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, more)) = rest.split_first() {
        let byte = more
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match byte {
            Some(b) => {
                out.push(b);
                rest = &more[2..];
            }
            None => {
                out.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Arm;

    #[test]
    fn a_route_is_told_by_span_by_name_and_by_path() {
        let names = Names::default();
        let (search, item) = (names.routes.intern("search"), names.routes.intern("item"));
        let ids = SpanIds::new(3);
        let origins = Origins {
            spans: Some(Arc::new(ids.clone())),
            paths: vec![(shape("/items/{id}"), item)],
        };
        let of = |comment: &str| origins.route(comment, &names);
        assert_eq!(of("/*route='search'*/"), Some(search));
        for path in ["%2Fitems%2F%3Aid", "/items/<int:id>", "/items/{n}/"] {
            assert_eq!(
                of(&format!("/*db='x', route = '{path}'*/")),
                Some(item),
                "{path}"
            );
        }
        let parent = TraceParent {
            trace: 1,
            span: ids.give(search, Arm::BASE, 9),
            flags: 1,
        };
        let text = String::from_utf8(parent.write().to_vec()).unwrap();
        let both = format!("/*route='item',traceparent='{text}'*/");
        assert_eq!(of(&both), Some(search), "the span knows better");
        for none in [
            "",
            "/*route=search*/",
            "/*subroute='search'*/",
            "/*route='%",
            "/*route='%zz'*/",
            "/*traceparent='00-'*/",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
