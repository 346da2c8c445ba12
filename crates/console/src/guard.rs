//! Who may ask: no page of another site, by whatever name it reaches us, and nobody without the role that it takes.

use crate::Served;
use crate::access::{Role, Who};
use crate::api::{self, Problem};
use crate::pages::parts::encode;
use crate::serve::Peer;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::time::{SystemTime, UNIX_EPOCH};

/// The header that a change over the API must carry: a page of another site cannot send it.
pub const HEADER: &str = "plimsoll-api";

const METRICS: &str = "/metrics";
/// What machines ask, by whatever name they know this host.
const FOR_MACHINES: &[&str] = &["/livez", "/readyz", METRICS, "/-/healthy", "/-/ready"];
/// For whoever has not said who they are: whether it lives, and how to say it.
const OPEN: &[&str] = &[
    "/livez",
    "/readyz",
    "/-/healthy",
    "/-/ready",
    "/signin",
    "/signout",
];
const ASSETS: &str = "/assets/";

/// Nothing but what this console serves itself runs, is shown or is sent to.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub async fn check(State(served): State<Served>, mut request: Request, next: Next) -> Response {
    let mut response = match admit(&served, &request) {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(refusal) => refusal,
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

fn admit(served: &Served, request: &Request) -> Result<Who, Response> {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let access = served.state.access.load();
    allow(method, uri.path(), headers, &access.names)
        .map_err(|why| Problem::forbidden(why).into_response())?;
    let peer = request.extensions().get::<Peer>();
    let certificate = peer.and_then(|p| p.certificate.as_deref());
    match (
        access.who(certificate, headers, now_s()),
        needs(method, uri.path()),
    ) {
        (Some(who), Some(role)) if who.role < role => {
            Err(Problem::forbidden(&too_little(&who, role)).into_response())
        }
        (Some(who), _) => Ok(who),
        // It takes nothing, so it gives nothing.
        (None, None) => Ok(Who {
            name: None,
            role: Role::Read,
            said: String::new(),
        }),
        (None, Some(_)) => Err(unknown(method, uri)),
    }
}

/// A name other than an address or one that is known in Host is a page that had its name point here (DNS rebinding).
fn allow(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    names: &[String],
) -> Result<(), &'static str> {
    let reads = is_read(method, path);
    // Where there is nothing to change, another method is answered as such and not as a change.
    if FOR_MACHINES.contains(&path) && (is_get(method) || path != METRICS) {
        return Ok(());
    }
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.and_then(|v| v.to_str().ok())
    };
    let host = text(header::HOST).unwrap_or("");
    if !is_known(host, names) {
        return Err(
            "the console must be asked for by address or `localhost`; other names are listed in `console.names`",
        );
    }
    // Browsers say where a form was shown; `null` is nowhere to be trusted. TLS may end in front of us.
    let same = text(header::ORIGIN).map(|origin| {
        let plain = origin.strip_prefix("http://");
        plain.or_else(|| origin.strip_prefix("https://")) == Some(host)
    });
    match (reads, same) {
        (false, Some(false)) => Err("a change must be asked for by a page of this console"),
        (false, None) if text(HeaderName::from_static(HEADER)) != Some("1") => {
            Err("a change needs the header `plimsoll-api: 1`")
        }
        _ => Ok(()),
    }
}

fn is_get(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Long questions are posted; they change nothing.
fn is_read(method: &Method, path: &str) -> bool {
    is_get(method) || (method == Method::POST && api::prometheus::READ_BY_POST.contains(&path))
}

fn is_known(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let listed = || names.iter().any(|n| n.eq_ignore_ascii_case(name));
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok() || listed()
}

/// The role that it takes; `None`: none.
fn needs(method: &Method, path: &str) -> Option<Role> {
    if OPEN.contains(&path) || path.starts_with(ASSETS) {
        return None;
    }
    let (asked, otherwise) = match is_read(method, path) {
        // A page, or a call that is read; `HEAD` tells as much.
        true => ("get", Role::Read),
        false => ("post", Role::Operate),
    };
    Some(api::role(asked, path).unwrap_or(otherwise))
}

fn too_little(who: &Who, role: Role) -> String {
    let name = who.name.as_deref().unwrap_or("");
    format!(
        "`{name}` has the role {}, and this needs {}",
        word(who.role),
        word(role)
    )
}

pub fn word(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Operate => "operate",
        Role::Admin => "admin",
    }
}

/// A browser that looks for a page may sign in; everybody else is told how to say who they are.
fn unknown(method: &Method, uri: &Uri) -> Response {
    let path = uri.path();
    let page = is_get(method)
        && !path.starts_with("/api/")
        && !path.starts_with("/allocation/")
        && path != "/metrics"
        && path != "/live";
    if page {
        let to = uri.path_and_query().map_or("/", |p| p.as_str());
        return Redirect::to(&format!("/signin?to={}", encode(to))).into_response();
    }
    let mut answer = Problem::unauthorized().into_response();
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// Seconds since the Unix epoch.
pub fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
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
        allow(&Method::POST, "/advice/try", &headers(pairs), &[])
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
    fn pages_are_read_by_known_names_only_and_metrics_by_any() {
        let get = |path: &str, host: &str, names: &[String]| {
            allow(&Method::GET, path, &headers(&[("host", host)]), names)
        };
        let named = "prometheus.internal";
        assert!(get("/metrics", named, &[]).is_ok());
        assert!(get("/", named, &[]).is_err());
        assert!(get("/api/v1/diagnosis", named, &[]).is_err());
        assert!(allow(&Method::POST, "/metrics", &headers(&[("host", named)]), &[]).is_err());
        assert!(get("/", "localhost:9400", &[]).is_ok());
        let names = ["plimsoll.internal".to_owned()];
        assert!(get("/", "Plimsoll.internal:9400", &names).is_ok());
        assert!(get("/", "plimsoll.internal.evil.example", &names).is_err());
    }

    #[test]
    fn looking_changing_and_reaching_beyond_take_different_roles() {
        for (method, path, role) in [
            (Method::GET, "/", Some(Role::Read)),
            (Method::GET, "/metrics", Some(Role::Read)),
            (Method::GET, "/api/v1/jobs/1f-ab", Some(Role::Read)),
            (
                Method::GET,
                "/api/v1/jobs/1f-ab/request",
                Some(Role::Operate),
            ),
            (
                Method::HEAD,
                "/api/v1/jobs/1f-ab/request",
                Some(Role::Operate),
            ),
            (Method::GET, "/readyz", None),
            (Method::GET, "/signin", None),
            (Method::GET, "/assets/x/console.css", None),
            (Method::POST, "/advice/try", Some(Role::Operate)),
            (Method::POST, "/api/v1/rollback", Some(Role::Operate)),
            (Method::POST, "/api/v1/recording", Some(Role::Admin)),
            (Method::POST, "/api/v1/upgrade", Some(Role::Admin)),
            (Method::POST, "/api/v1/query_range", Some(Role::Read)),
            (Method::DELETE, "/api/v1/nothing", Some(Role::Operate)),
        ] {
            assert_eq!(needs(&method, path), role, "{method} {path}");
        }
    }
}
