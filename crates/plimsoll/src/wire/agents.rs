//! Agents of other hosts wired to the rest: the receiver on control's runtime.

use crate::exit::Failure;
use crate::wire::start::{listener, secret};
use crate::wire::system::failure;
use agent::gateway::{Options, Receiver};
use base::clock::Clock;
use config::sections::{Agents, Certificate};
use socket2::Socket;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_rustls::rustls::ServerConfig;

/// Listens where `agents` says; `inherited` are sockets of the process before.
pub fn start(
    agents: &Agents,
    inherited: &[Socket],
    clock: Clock,
    runtime: &Handle,
) -> Result<Receiver, Failure> {
    let listener = listener(
        agents.listen,
        inherited,
        "agents cannot be taken at",
        "set `agents.listen` to a free address; `ss -ltnp` shows who has it",
    )?;
    let options = Options {
        listener,
        token: secret("agents.token", &agents.token)?,
        tls: agents.tls.as_ref().map(encrypted).transpose()?,
        clock,
        run: agent::draw().max(1),
    };
    Ok(Receiver::start(runtime, options)?)
}

fn encrypted(own: &Certificate) -> Result<Arc<ServerConfig>, Failure> {
    gateway::tls::of_token_holders(own).map_err(|f| failure(&f))
}
