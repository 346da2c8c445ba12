//! Who may ask: no page of another site, by whatever name it reaches us.

use crate::api::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The header that changes must carry.
pub const HEADER: &str = "plimsoll-api";

pub async fn check(request: Request, next: Next) -> Response {
    match allow(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => Problem::forbidden(why).into_response(),
    }
}

/// A name other than an address or `localhost` in Host is a page that had its name point here (DNS rebinding).
fn allow(method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or("");
    if method != Method::GET && method != Method::HEAD {
        if !headers.contains_key(HEADER) {
            return Err("a change needs the header `plimsoll-api: 1`");
        }
        if !is_address(host) {
            return Err(
                "a change must be asked for by address or `localhost`, not by another name",
            );
        }
    }
    Ok(())
}

fn is_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn foreign_pages_cannot_change_anything() {
        let ours = [("host", "127.0.0.1:9400"), (HEADER, "1")];
        assert!(allow(&Method::POST, &headers(&ours)).is_ok());
        assert!(
            allow(
                &Method::POST,
                &headers(&[("host", "[::1]:9400"), (HEADER, "1")])
            )
            .is_ok()
        );
        assert!(allow(&Method::POST, &headers(&ours[..1])).is_err());
        assert!(
            allow(
                &Method::POST,
                &headers(&[("host", "evil.example:9400"), (HEADER, "1")])
            )
            .is_err()
        );
        assert!(allow(&Method::GET, &headers(&[("host", "prometheus.internal")])).is_ok());
    }
}
