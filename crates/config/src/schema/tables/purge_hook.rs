//! The keys of `purge_hook`.

use super::*;

pub const PURGE_HOOK: &[Field<PurgeHook>] = &[
    key!(
        "address",
        Kind::Text,
        "PURGE http://varnish.internal:6081{path}",
        "method and address for a purge of one address; `{host}` and `{path}` are replaced",
        |h, n, cx| h.address = call(n, cx, &["{host}", "{path}"])
    ),
    key!(
        "prefix",
        Kind::Text,
        "BAN http://varnish.internal:6081{path}",
        "the same for all that begins with a path; not passed on when left out",
        |h, n, cx| h.prefix = call(n, cx, &["{host}", "{path}"])
    ),
    key!(
        "group",
        Kind::Text,
        "POST https://api.cdn.example/purge/{group}",
        "the same for a group; `{host}` and `{group}` are replaced; not passed on when left out",
        |h, n, cx| h.group = call(n, cx, &["{host}", "{group}"])
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ Host: '{host}' }",
        "sent with each; filled in as the addresses are",
        |h, n, cx| {
            h.headers = cx.texts(n);
            if let Some((bad, _)) = h
                .headers
                .iter()
                .find(|(k, _)| !super::route::header_name(k))
            {
                let what = format!("`{bad}` is not the name of a header");
                cx.error(n, "config-value", what);
            }
        }
    ),
    key!(
        "body",
        Kind::Text,
        "'{ \"files\": [\"https://{host}{path}\"] }'",
        "sent with each; filled in as the addresses are",
        |h, n, cx| h.body = cx.text(n)
    ),
    key!(
        "token",
        Kind::Secret,
        "{ file: /run/secrets/cdn }",
        "what lets the call in, by `{ env: NAME }` or `{ file: PATH }`",
        |h, n, cx| h.token = secret_elsewhere(n, cx)
    ),
    key!(
        "token_header" = "authorization",
        Kind::Text,
        "fastly-key",
        "header that carries the token; in `authorization` it stands behind `Bearer`",
        |h, n, cx| put!(h.token_header, super::route::header(n, cx))
    ),
    key!(
        "on_change" = "false",
        Kind::Flag,
        "true",
        "pass on what POST, PUT and DELETE have changed, too",
        |h, n, cx| put!(h.on_change, cx.flag(n))
    ),
    key!(
        "attempts" = "4",
        Kind::Whole { min: 1, max: 10 },
        "4",
        "tries in all, with waits from 200ms that double",
        |h, n, cx| put!(h.attempts, cx.whole(n, 1, 10).map(|v| v as u32))
    ),
    key!(
        "timeout" = "5s",
        Kind::Duration,
        "5s",
        "of one try",
        |h, n, cx| put!(h.timeout, cx.some_time(n))
    ),
];

/// `METHOD ADDRESS`, with no other words in braces than `known`.
fn call(n: &Node, cx: &mut Cx, known: &[&str]) -> Option<PurgeCall> {
    let text = cx.text(n)?;
    let (method, url) = text.split_once(' ').unwrap_or(("", &text));
    let http = url.starts_with("http://") || url.starts_with("https://");
    let verb = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    if !verb || !http || url.contains(' ') {
        cx.error(n, "config-value", format!("`{text}` is not a call"))
            .help =
            "write a method and an address, like `PURGE http://varnish.internal:6081{path}`".into();
        return None;
    }
    let left = known
        .iter()
        .fold(url.to_owned(), |t, word| t.replace(word, ""));
    if left.contains(['{', '}']) {
        cx.error(
            n,
            "config-value",
            format!("`{url}` has other words in braces"),
        )
        .help = format!("only {} are replaced here", known.join(" and "));
        return None;
    }
    Some(PurgeCall {
        method: method.to_owned(),
        url: url.to_owned(),
    })
}

/// A hook that is never called.
pub(super) fn check(hook: &PurgeHook, n: &Node, cx: &mut Cx) {
    if hook.address.is_none() && hook.prefix.is_none() && hook.group.is_none() {
        cx.error(n, "config-purge-hook", "the hook has no call")
            .help = "give at least one of `address`, `prefix` and `group`".into();
    }
}
