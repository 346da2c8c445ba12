//! `plimsoll cache why URL`: what the cache would do with an address, and what that follows from.

use crate::ask;
use crate::cli::cache::{CacheAsk, WhyArgs};
use crate::exit::{Exit, Failure};
use serde_json::Value;
use std::fmt::Write;

pub fn run(ask: CacheAsk) -> Result<Exit, Failure> {
    match ask {
        CacheAsk::Why(args) => why(args),
    }
}

fn why(args: WhyArgs) -> Result<Exit, Failure> {
    let (url, headers) = (ask::encode(&args.url), ask::encode(&args.header.join("\n")));
    let target = format!("/api/v1/cache/why?url={url}&headers={headers}");
    ask::show(&args.ask, &target, page)
}

fn page(said: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
    let mut out = format!("{}\n", text(&said["verdict"]));
    let _ = writeln!(
        out,
        "  route    {}",
        said["route"].as_str().unwrap_or("none")
    );
    let _ = writeln!(out, "  key      {}", text(&said["key"]));
    if let Some(not) = said["refused"].as_str().filter(|r| !r.is_empty()) {
        let _ = writeln!(out, "  refused  the last answer was not stored: {not}");
    }
    for v in said["variants"].as_array().into_iter().flatten() {
        let fits = match v["fits"].as_bool() {
            Some(true) => "for this request",
            _ => "for other requests",
        };
        let _ = writeln!(
            out,
            "  stored   in {}: {} with {} bytes, {fits}; {} s old of {} s, as {} says",
            text(&v["tier"]),
            v["status"],
            v["bytes"],
            v["age"],
            v["lifetime"],
            text(&v["by"])
        );
        for (key, says) in [
            ("must_confirm", "must be confirmed each time"),
            ("never_stale", "never used beyond its lifetime"),
            ("purged", "was purged"),
            ("invalid", "was changed by an unsafe request since"),
        ] {
            if v[key].as_bool() == Some(true) {
                let _ = writeln!(out, "           {says}");
            }
        }
        for field in v["vary"].as_array().into_iter().flatten() {
            let (name, was, is) = (
                text(&field["name"]),
                text(&field["stored"]),
                text(&field["asked"]),
            );
            let _ = writeln!(
                out,
                "           vary {name}: stored for `{was}`, asked with `{is}`"
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_says_what_would_happen_first() {
        let said = json!({
            "verdict": "hit: 3 s old of 60 s", "route": "all", "key": "arm 0, host t, /p", "refused": "",
            "variants": [{ "tier": "disk", "status": 200, "bytes": 5, "age": 3, "lifetime": 60, "by": "the answer", "fits": true,
                "never_stale": true, "vary": [{ "name": "accept", "stored": "a", "asked": "b" }] }],
        });
        assert_eq!(
            page(&said),
            "hit: 3 s old of 60 s\n  route    all\n  key      arm 0, host t, /p\n  \
             stored   in disk: 200 with 5 bytes, for this request; 3 s old of 60 s, as the answer says\n           \
             never used beyond its lifetime\n           vary accept: stored for `a`, asked with `b`\n"
        );
    }
}
