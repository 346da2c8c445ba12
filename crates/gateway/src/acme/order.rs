//! One order: account, challenges, certificate. All of it in bounded time.

use super::challenge::{Challenge, Challenges, certificate};
use super::files;
use config::sections::{Acme, AcmeChallenge};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use std::path::Path;
use std::time::Duration;

/// Longest order, from the first question to the certificate.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Orders a certificate and keeps it.
///
/// # Errors
/// What went wrong, as the authority says it.
pub async fn order(acme: &Acme, data_dir: &Path, challenges: &Challenges) -> Result<(), String> {
    let done = tokio::time::timeout(LONGEST, place(acme, data_dir, challenges)).await;
    challenges.set(Vec::new());
    done.unwrap_or_else(|_| Err(format!("no certificate within {} s", LONGEST.as_secs())))
}

async fn place(acme: &Acme, data_dir: &Path, challenges: &Challenges) -> Result<(), String> {
    let account = account(acme, data_dir).await?;
    let names: Vec<_> = acme.names.iter().cloned().map(Identifier::Dns).collect();
    let order = account.new_order(&NewOrder::new(&names)).await;
    let mut order = order.map_err(told)?;
    validate(acme, &mut order, challenges).await?;
    let key = order.finalize().await.map_err(told)?;
    let chain = order.poll_certificate(&patience()).await.map_err(told)?;
    files::keep_certificate(data_dir, &format!("{chain}\n{key}"))
}

/// The one that there is with this directory, else a new one.
async fn account(acme: &Acme, data_dir: &Path) -> Result<Account, String> {
    let builder = match &acme.ca {
        Some(ca) => Account::builder_with_root(ca),
        None => Account::builder(),
    };
    let builder = builder.map_err(told)?;
    if let Some(known) = files::account(data_dir, &acme.directory) {
        return builder
            .from_credentials(known.credentials)
            .await
            .map_err(told);
    }
    let contact: Vec<String> = acme.contact.iter().map(|c| format!("mailto:{c}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder.create(&new, acme.directory.clone(), None).await;
    let (account, credentials) = made.map_err(told)?;
    let kept = files::Account {
        directory: acme.directory.clone(),
        credentials,
    };
    files::keep_account(data_dir, &kept)?;
    Ok(account)
}

/// Shows the authority what it wants to see of each name.
async fn validate(acme: &Acme, order: &mut Order, challenges: &Challenges) -> Result<(), String> {
    let kind = match acme.challenge {
        AcmeChallenge::Http => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn => ChallengeType::TlsAlpn01,
    };
    // All are there before the authority is told of any.
    let mut shown = Vec::new();
    let mut names = order.authorizations();
    while let Some(name) = names.next().await {
        let mut name = name.map_err(told)?;
        if name.status == AuthorizationStatus::Pending {
            let offered = name.challenge(kind.clone());
            let challenge = offered.ok_or("the authority does not offer the `challenge`")?;
            let name = challenge.identifier().to_string();
            let answer = challenge.key_authorization();
            let certificate = match acme.challenge {
                AcmeChallenge::Http => None,
                AcmeChallenge::TlsAlpn => Some(certificate(&name, answer.digest().as_ref())?),
            };
            shown.push(Challenge {
                name,
                token: challenge.token.clone(),
                answer: answer.as_str().to_owned(),
                certificate,
            });
        }
    }
    challenges.set(shown);
    let mut names = order.authorizations();
    while let Some(name) = names.next().await {
        let mut name = name.map_err(told)?;
        if name.status == AuthorizationStatus::Pending
            && let Some(mut challenge) = name.challenge(kind.clone())
        {
            challenge.set_ready().await.map_err(told)?;
        }
    }
    // What the authority has seen instead is in its error.
    match order.poll_ready(&patience()).await.map_err(told)? {
        OrderStatus::Ready => Ok(()),
        other => Err(format!(
            "the names were not validated: the order is {other:?}"
        )),
    }
}

fn patience() -> RetryPolicy {
    RetryPolicy::new().timeout(Duration::from_secs(90))
}

fn told(e: instant_acme::Error) -> String {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(&e);
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    text
}
