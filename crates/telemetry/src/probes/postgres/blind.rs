//! Why a database is not seen, and what to do about it. Never with its URL: that holds a password.

use super::super::tls;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// An error of the database or of the way to it, in words for people.
pub fn words(e: &Error) -> String {
    let Some(code) = e.code() else {
        return connection(e);
    };
    let said = e.as_db_error().map_or("", |d| d.message());
    let advice = match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "correct the URL in the variable or file that `postgres` names, or pg_hba.conf"
        }
        SqlState::INVALID_CATALOG_NAME => "the URL names a database that is not there",
        SqlState::TOO_MANY_CONNECTIONS => {
            "every connection slot is taken: applications wait or fail the same way; use smaller pools, \
             or raise max_connections"
        }
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => {
            "it starts, stops or recovers; nothing to do if that is meant"
        }
        SqlState::QUERY_CANCELED => {
            "a look took longer than it may: the database is overloaded, or its statistics are very large"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => "GRANT pg_monitor TO the role of the URL",
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
            "add pg_stat_statements to shared_preload_libraries and restart"
        }
        _ => "",
    };
    match advice {
        "" => format!("the database says: {said}"),
        advice => format!("the database says: {said}; {advice}"),
    }
}

fn connection(e: &Error) -> String {
    use std::error::Error as _;
    let cause = e.source().map(|s| s.to_string()).unwrap_or_default();
    match e.to_string() {
        kind if kind.contains("TLS") && cause.contains("does not support") => {
            "the database speaks no TLS, which its URL or `ca` asks for: give it a certificate (`ssl = on`), or leave \
             them out and write `sslmode=disable`"
                .into()
        }
        kind if kind.contains("TLS") => format!("no TLS: {cause}; {}", tls::advice(&cause)),
        kind if cause.is_empty() => format!("no connection: {kind}"),
        _ => format!("no connection: {cause}; is it running, and the URL right?"),
    }
}

/// What is said when the URL itself cannot be used. Not what it holds.
pub const BAD_URL: &str =
    "its URL cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
