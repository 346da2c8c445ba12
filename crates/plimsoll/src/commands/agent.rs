//! `plimsoll agent`: the probes of another host, for a gateway.

use crate::cli::agent::AgentArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use agent::host::send::Sender;
use agent::host::{self, Options};
use agent::message::is_name;
use config::Secret;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Holds the token when no file does.
const TOKEN: &str = "PLIMSOLL_AGENT_TOKEN";

pub fn run(args: AgentArgs) -> Result<Exit, Failure> {
    terminal::log();
    let name = match args.name {
        Some(name) => name,
        None => std::fs::read_to_string("/proc/sys/kernel/hostname")?,
    };
    let name = name.trim().to_owned();
    if !is_name(&name) {
        return Err(Failure::new(format!("`{name}` cannot name an agent"))
            .help("give `--name`: letters, digits, `-`, `_` and `.`, 64 at most"));
    }
    let tls = args.ca.as_deref().map(roots).transpose()?;
    let sender = Sender::new(&args.gateway, &token(args.token_file)?, tls);
    println!("agent {name} sends to {}", args.gateway);
    host::run(Options {
        sender,
        name,
        also: args.address,
        run: agent::draw(),
        luck: Box::new(|| (agent::draw() >> 11) as f64 / (1u64 << 53) as f64),
    })
}

fn token(file: Option<std::path::PathBuf>) -> Result<String, Failure> {
    let secret = file.map_or(Secret::Env(TOKEN.into()), Secret::File);
    let help = "it is the one of `agents.token` in the gateway's config: `--token-file`, or PLIMSOLL_AGENT_TOKEN";
    let token = secret
        .fetch()
        .map_err(|f| Failure::new(f.what).help(help))?;
    match token.is_empty() {
        true => Err(Failure::new("the token is empty").help(help)),
        false => Ok(token),
    }
}

/// Whom to trust instead of the well-known authorities.
fn roots(file: &std::path::Path) -> Result<TlsConfig, Failure> {
    let wrong = |e: &dyn std::fmt::Display| {
        Failure::new(format!("--ca {}: {e}", file.display())).help("it has to be a PEM file")
    };
    let text = std::fs::read(file).map_err(|e| wrong(&e))?;
    let mut all: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(c) = item.map_err(|e| wrong(&e))? {
            all.push(c);
        }
    }
    if all.is_empty() {
        return Err(wrong(&"no certificate is in it"));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(all))
        .build())
}
