//! Style, script and icon, inside the binary. Their path holds a hash of them all, so that browsers may keep them forever.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Name, type and content.
const ALL: &[(&str, &str, &str)] = &[
    (
        "console.css",
        "text/css; charset=utf-8",
        include_str!("../assets/console.css"),
    ),
    (
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/console.js"),
    ),
    (
        "chart.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/chart.js"),
    ),
    (
        "live.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/live.js"),
    ),
    (
        "whatif.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/whatif.js"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../assets/icon.svg"),
    ),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, _, content) in ALL {
        hash.update(name);
        hash.update(content);
    }
    let short = hash.finalize();
    short.iter().take(6).map(|b| format!("{b:02x}")).collect()
});

/// Where a page finds one of them.
pub fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

pub async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let found = ALL.iter().find(|a| a.0 == name && version == *VERSION);
    match found {
        Some((_, kind, content)) => {
            let forever = "public, max-age=31536000, immutable";
            let headers = [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, forever),
            ];
            (headers, *content).into_response()
        }
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_of_it_is_small_and_asks_nobody_else() {
        let bytes: usize = super::ALL.iter().map(|a| a.2.len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes");
        for (name, _, content) in super::ALL {
            let foreign = content.replace("http://www.w3.org/", "");
            assert!(
                !foreign.contains("http://") && !foreign.contains("https://"),
                "{name}"
            );
        }
    }
}
