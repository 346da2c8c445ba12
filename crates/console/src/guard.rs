//! Who may ask: no page of another site, by whatever name it reaches us.

use crate::api::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The header that a change over the API must carry: a page of another site cannot send it.
pub const HEADER: &str = "plimsoll-api";

/// What machines ask, by whatever name they know this host.
const FOR_MACHINES: &[&str] = &["/livez", "/readyz", "/metrics"];

/// Nothing but what this console serves itself runs, is shown or is sent to.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub async fn check(request: Request, next: Next) -> Response {
    let allowed = allow(request.method(), request.uri().path(), request.headers());
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(why) => Problem::forbidden(why).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A name other than an address or `localhost` in Host is a page that had its name point here (DNS rebinding).
fn allow(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), &'static str> {
    let reads = method == Method::GET || method == Method::HEAD;
    if reads && FOR_MACHINES.contains(&path) {
        return Ok(());
    }
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.and_then(|v| v.to_str().ok())
    };
    let host = text(header::HOST).unwrap_or("");
    if !is_address(host) {
        return Err("the console must be asked for by address or `localhost`, not by another name");
    }
    // Browsers say where a form was shown; `null` is nowhere to be trusted.
    let same = text(header::ORIGIN).map(|o| o.strip_prefix("http://") == Some(host));
    match (reads, same) {
        (false, Some(false)) => Err("a change must be asked for by a page of this console"),
        (false, None) if !headers.contains_key(HEADER) => {
            Err("a change needs the header `plimsoll-api: 1`")
        }
        _ => Ok(()),
    }
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

    fn post(pairs: &[(&'static str, &str)]) -> Result<(), &'static str> {
        allow(&Method::POST, "/advice/try", &headers(pairs))
    }

    const OURS: (&str, &str) = ("host", "127.0.0.1:9400");
    const API: (&str, &str) = (HEADER, "1");

    #[test]
    fn changes_come_from_the_api_or_from_a_page_of_the_console() {
        assert!(post(&[OURS, API]).is_ok());
        assert!(post(&[("host", "[::1]:9400"), API]).is_ok());
        assert!(post(&[OURS, ("origin", "http://127.0.0.1:9400")]).is_ok());
        for foreign in ["http://evil.example", "http://127.0.0.1:8080", "null", ""] {
            let origin = ("origin", foreign);
            assert!(post(&[OURS, origin]).is_err(), "{foreign}");
            assert!(post(&[OURS, origin, API]).is_err(), "{foreign}");
        }
        assert!(post(&[OURS]).is_err());
        assert!(post(&[("host", "evil.example:9400"), API]).is_err());
    }

    #[test]
    fn pages_are_read_by_address_only_and_metrics_by_any_name() {
        let named = headers(&[("host", "prometheus.internal")]);
        assert!(allow(&Method::GET, "/metrics", &named).is_ok());
        assert!(allow(&Method::GET, "/", &named).is_err());
        assert!(allow(&Method::GET, "/api/v1/diagnosis", &named).is_err());
        assert!(allow(&Method::POST, "/metrics", &named).is_err());
        assert!(allow(&Method::GET, "/", &headers(&[("host", "localhost:9400")])).is_ok());
    }
}
