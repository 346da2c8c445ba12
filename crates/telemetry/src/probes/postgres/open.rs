//! A connection to a PostgreSQL, as its URL and `ca` say; for whoever asks one beside the path.

use super::blind::{BAD_URL, words};
use super::tls::{self, Tls};
use config::Secret;
use std::path::Path;
use std::time::Duration;
use tokio_postgres::{Client, Config, Error};

pub async fn open(url: &Secret, ca: Option<&Path>, within: Duration) -> Result<Client, String> {
    open_with(url, ca, within, "").await
}

/// With options of the session, such as `-c statement_timeout=1s`, beside those of the URL. Errors never have the URL: that
/// holds a password.
pub async fn open_with(
    url: &Secret,
    ca: Option<&Path>,
    within: Duration,
    options: &str,
) -> Result<Client, String> {
    let text = url.fetch().map_err(|f| f.to_string())?;
    let (text, check) = tls::mode(&text, ca.is_some());
    let mut config: Config = text.parse().map_err(|_| BAD_URL.to_owned())?;
    config.application_name("plimsoll").connect_timeout(within);
    if !options.is_empty() {
        let all = format!("{} {options}", config.get_options().unwrap_or_default());
        config.options(all.trim());
    }
    let (client, connection) = config.connect(Tls::new(check, ca)?).await.map_err(said)?;
    // Ends with its client; what goes wrong comes out there.
    tokio::spawn(connection);
    Ok(client)
}

/// An error of the database or of the way to it, in words for people.
pub fn said(e: Error) -> String {
    words(&e)
}
