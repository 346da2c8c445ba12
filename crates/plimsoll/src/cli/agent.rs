//! Arguments of `plimsoll agent`.

use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
The gateway's config says where it takes agents, and by which token:

  agents: { listen: 0.0.0.0:9701, token: { env: PLIMSOLL_AGENT_TOKEN } }

On every other host that runs instances:

  PLIMSOLL_AGENT_TOKEN=… plimsoll agent --gateway http://10.0.0.1:9701

The agent learns from the gateway which instances there are, looks for the processes that listen at those of this host's
addresses, and sends what they use: processor, quotas, memory, disks, links, and threads that wait for locks. Processes of other
users are seen with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, as the systemd unit `plimsoll-agent.service` gives them.

On the gateway's host `plimsoll status` shows each agent. An agent that cannot be heard is told there, and in `plimsoll diagnose`.")]
pub struct AgentArgs {
    /// Where the gateway takes agents: http://HOST:PORT of `agents.listen`, or https:// where TLS is spoken in front of it
    #[arg(long, env = "PLIMSOLL_GATEWAY", value_parser = gateway)]
    pub gateway: String,
    /// File with the token of `agents.token`; else it is taken from PLIMSOLL_AGENT_TOKEN
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// What this host is called at the gateway; its host name when left out
    #[arg(long)]
    pub name: Option<String>,
    /// An address by which the gateway reaches this host, beside those of its interfaces: behind NAT, or 127.0.0.1 when
    /// gateway and agent share a host
    #[arg(long, value_name = "IP")]
    pub address: Vec<IpAddr>,
    /// Certificates of the authority that signed the gateway's, PEM; the well-known ones when left out
    #[arg(long, env = "PLIMSOLL_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// An address without a path.
fn gateway(text: &str) -> Result<String, String> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|p| text.strip_prefix(p))
        .ok_or("it begins with http:// or https://, such as http://10.0.0.1:9701")?;
    match rest.trim_end_matches('/') {
        "" => Err("there is no host in it".into()),
        host if host.contains(['/', '@', '?']) => {
            Err("only a host and a port, such as http://10.0.0.1:9701".into())
        }
        _ => Ok(text.trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::gateway;

    #[test]
    fn a_gateway_is_a_host_and_a_port() {
        assert_eq!(
            gateway("http://10.0.0.1:9701/").unwrap(),
            "http://10.0.0.1:9701"
        );
        assert!(gateway("https://plimsoll.example").is_ok());
        for bad in ["10.0.0.1:9701", "http://", "http://a/b", "http://u:p@a"] {
            assert!(gateway(bad).is_err(), "{bad}");
        }
    }
}
