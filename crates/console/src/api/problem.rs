//! What went wrong, as RFC 9457 writes it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::Finding;
use serde_json::json;

/// When whoever is sent away as too much is under way may come again, seconds.
const AGAIN_S: u16 = 5;

/// An error as RFC 9457 writes it, with the findings behind it.
pub struct Problem {
    pub status: StatusCode,
    pub title: String,
    pub findings: Vec<Finding>,
}

impl Problem {
    pub fn not_found() -> Problem {
        Problem {
            status: StatusCode::NOT_FOUND,
            title: "no such page; the API is below /api/v1/".into(),
            findings: vec![],
        }
    }
    pub fn unauthorized() -> Problem {
        let what = "the console asks who you are";
        let finding = Finding::error("console-unknown-user", what)
            .help("send the token of a user as `Authorization: Bearer …`; commands take --token-file or PLIMSOLL_TOKEN");
        Problem {
            status: StatusCode::UNAUTHORIZED,
            title: what.into(),
            findings: vec![finding],
        }
    }
    pub fn forbidden(why: &str) -> Problem {
        Problem {
            status: StatusCode::FORBIDDEN,
            title: why.into(),
            findings: vec![],
        }
    }
    /// Too many ask what takes seconds of a core.
    pub fn busy() -> Problem {
        let what = "other questions are being answered, and as many wait as may";
        let why = "each takes seconds of a core, so they take turns";
        let help = format!("ask again in {AGAIN_S} s, one question after the other");
        Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: what.into(),
            findings: vec![Finding::error("console-busy", what).why(why).help(help)],
        }
    }
    pub fn internal() -> Problem {
        Problem {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "the work behind this answer ended early".into(),
            findings: vec![],
        }
    }
}

impl From<Vec<Finding>> for Problem {
    fn from(findings: Vec<Finding>) -> Problem {
        let title = findings
            .first()
            .map_or("refused".to_owned(), |f| f.what.clone());
        let unknown = findings
            .first()
            .is_some_and(|f| f.code.ends_with("-unknown"));
        let status = if unknown {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::CONFLICT
        };
        Problem {
            status,
            title,
            findings,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "status": self.status.as_u16(), "title": self.title, "findings": self.findings });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut answer = (self.status, kind, body.to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let again = HeaderValue::from(AGAIN_S);
            answer.headers_mut().insert(header::RETRY_AFTER, again);
        }
        answer
    }
}

/// Bytes of an error that are read.
const ERROR: usize = 4096;

/// What was refused before a handler saw it, such as a body that is no JSON, is told like everything else.
pub async fn told(answer: Response) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let known = kind.is_some_and(|k| k.as_bytes().ends_with(b"json"));
    if !answer.status().is_client_error() || known {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let text = axum::body::to_bytes(body, ERROR).await.unwrap_or_default();
    let title = match (head.status, text.is_empty()) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => "this call has no such method".into(),
        (_, true) => "it cannot be understood".into(),
        (_, false) => String::from_utf8_lossy(&text).into_owned(),
    };
    let problem = Problem {
        status: head.status,
        title,
        findings: vec![],
    };
    let (fresh, body) = problem.into_response().into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(fresh.headers);
    Response::from_parts(head, body)
}
