//! Signing in by a form, and out again.

use super::shell::{answer, head};
use crate::guard::now_s;
use crate::{Served, State};
use axum::Form;
use axum::Router;
use axum::extract::{Query, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

pub fn router() -> Router<Served> {
    Router::new()
        .route("/signin", get(form).post(sign_in))
        .route("/signout", post(sign_out))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    to: String,
}

async fn form(Query(asked): Query<Asked>) -> Response {
    answer(StatusCode::OK, page(local(&asked.to), None))
}

#[derive(Deserialize)]
struct Shown {
    token: String,
    #[serde(default)]
    to: String,
}

async fn sign_in(Extract(s): Extract<State>, Form(shown): Form<Shown>) -> Response {
    let to = local(&shown.to);
    match s.access.load().sign_in(shown.token.trim(), now_s()) {
        Some((_, cookie)) => with_cookie(cookie, to),
        None => {
            let why = "No user has this token.";
            answer(StatusCode::UNAUTHORIZED, page(to, Some(why)))
        }
    }
}

async fn sign_out(Extract(s): Extract<State>) -> Response {
    with_cookie(s.access.load().sign_out(), "/signin")
}

fn with_cookie(cookie: String, to: &str) -> Response {
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

/// A page of this console, whatever was asked.
fn local(to: &str) -> &str {
    let inside = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']);
    if inside { to } else { "/" }
}

fn page(to: &str, wrong: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("Sign in")) }
            body { main id="main" { section.panel.signin {
                h1 { "Plimsoll" }
                p.lead { "This console asks who you are." }
                @if let Some(why) = wrong { p.wrong role="alert" { (why) } }
                form method="post" action="/signin" {
                    input type="hidden" name="to" value=(to);
                    label.grow { "Your token " input type="password" name="token" autocomplete="current-password" required autofocus; }
                    button.primary { "Sign in" }
                }
                p.note { "It is in the file, or the variable, that " code { "console.users" } " names for you in plimsoll.yaml." }
                // A link from another site comes without what the browser keeps; this one comes with it.
                p.note { "Signed in already? " a href=(to) { "Go on" } }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn after_signing_in_nobody_is_sent_elsewhere() {
        assert_eq!(local("/routes?q=a"), "/routes?q=a");
        for elsewhere in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nb",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
    }
}
