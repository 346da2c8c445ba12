//! The keys of a route's `compress`.

use super::*;

const CODINGS: &[(&str, Coding)] = &[
    ("zstd", Coding::Zstd),
    ("br", Coding::Br),
    ("gzip", Coding::Gzip),
];

pub const COMPRESS: &[Field<Compress>] = &[
    key!(
        "when" = "always",
        Kind::OneOf(&["always", "link", "observe"]),
        "link",
        "`link`: once the model is sure that the link is what the service fills first; `observe`: never, only estimate, from one answer in 16",
        |c, n, cx| put!(
            c.when,
            cx.one_of(
                n,
                &[
                    ("always", CompressWhen::Always),
                    ("link", CompressWhen::Link),
                    ("observe", CompressWhen::Observe)
                ]
            )
        )
    ),
    key!(
        "codings" = "[zstd, br, gzip]",
        Kind::ListOf(&Kind::OneOf(&["zstd", "br", "gzip"])),
        "[br, gzip]",
        "what is offered; of those that a client likes as much the first is taken",
        |c, n, cx| {
            c.codings = cx.list(n, |cx, n| cx.one_of(n, CODINGS));
            if c.codings.is_empty() {
                cx.error(n, "config-value", "no coding is offered").help =
                    "name at least one of zstd, br and gzip, or leave `codings` out".into();
            }
        }
    ),
    key!(
        "min" = "1KiB",
        Kind::Bytes,
        "1KiB",
        "smaller answers are left as they are",
        |c, n, cx| put!(c.min, cx.bytes(n))
    ),
    key!(
        "types",
        Kind::ListOf(&Kind::Text),
        "[application/json, 'text/*']",
        "content types, with `*` for anything; text, JSON, XML, JavaScript, SVG, WebAssembly and TTF when left out",
        |c, n, cx| {
            c.types = cx.list(n, Cx::text);
            c.types.iter_mut().for_each(|t| t.make_ascii_lowercase());
            if let Some(bad) = c
                .types
                .iter()
                .find(|t| t.matches('*').count() > 1 || !t.contains(['/', '+']))
            {
                let what = format!("`{bad}` is not a content type");
                cx.error(n, "config-value", what).help =
                    "write `application/json`, `text/*` or `*+json`".into();
            }
        }
    ),
];
