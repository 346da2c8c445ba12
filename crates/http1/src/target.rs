//! The request target: which of its forms it has, and the path in it.

use crate::head::{Form, Method, Span};
use crate::reject::Reject;

const FORM: Reject = Reject::bad(
    "target-form",
    "the request target has none of the forms that this method can have",
);

pub(crate) struct Target {
    pub form: Form,
    /// Path and query; empty when an absolute target has none.
    pub path: Span,
    pub authority: Option<Span>,
    pub default_port: &'static [u8],
}

/// `at` is the target's place in the head `bytes`.
pub(crate) fn parse(bytes: &[u8], at: Span, method: Method) -> Result<Target, Reject> {
    let target = at.of(bytes);
    // httparse lets through what no target can have: a fragment, and bytes above ASCII.
    if target.iter().any(|&b| b == b'#' || !b.is_ascii_graphic()) {
        return Err(Reject::bad(
            "target-form",
            "the request target has a byte that must be percent-encoded",
        ));
    }
    let none = Target {
        form: Form::Origin,
        path: at,
        authority: None,
        default_port: b"",
    };
    match target {
        _ if method == Method::Connect => {
            let has_port = target.iter().rposition(|&b| b == b':').is_some_and(|i| {
                i + 1 < target.len() && target[i + 1..].iter().all(u8::is_ascii_digit)
            });
            if !has_port || !crate::host::is_valid(target) {
                return Err(FORM);
            }
            Ok(Target {
                form: Form::Authority,
                path: Span::default(),
                authority: Some(at),
                ..none
            })
        }
        [b'/', ..] => Ok(none),
        b"*" if method == Method::Options => Ok(Target {
            form: Form::Asterisk,
            ..none
        }),
        _ => absolute(target, at),
    }
}

fn absolute(target: &[u8], at: Span) -> Result<Target, Reject> {
    let starts = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(scheme))
    };
    let (skip, default_port): (usize, &[u8]) = if starts(b"http://") {
        (7, b"80")
    } else if starts(b"https://") {
        (8, b"443")
    } else {
        return Err(FORM);
    };
    let rest = &target[skip..];
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(rest.len());
    // `http://host?query` has no path to forward; nobody sends it in good faith.
    if !crate::host::is_valid(&rest[..end]) || rest.get(end) == Some(&b'?') {
        return Err(FORM);
    }
    let start = at.start as usize + skip;
    Ok(Target {
        form: Form::Absolute,
        path: Span::new(start + end, at.end as usize),
        authority: Some(Span::new(start, start + end)),
        default_port,
    })
}
