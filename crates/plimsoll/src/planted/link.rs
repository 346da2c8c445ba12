//! A narrow link: the shop's payment provider behind a pair of virtual interfaces, in a network namespace of its own.

use crate::exit::Failure;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

/// Our end of it, as its resource is called.
pub const RESOURCE: &str = "net.host.plimsoll-pay";
const HERE: &str = "plimsoll-pay";
/// The other end, and its namespace.
const THERE: &str = "plimsoll-far";
/// Of the block for benchmarks (RFC 2544).
const HERE_IP: &str = "198.18.77.1/30";
const THERE_IP: &str = "198.18.77.2/30";
pub const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 77, 2));

/// Gone when dropped.
pub struct Link(());

impl Link {
    /// Sends at most so many kilobits per second to the far end; what comes back is not held up.
    pub fn lay(kbit: u64) -> Result<Link, Failure> {
        // Left over from a run that was killed.
        drop(Link(()));
        let link = Link(());
        for command in [
            format!("ip netns add {THERE}"),
            format!("ip link add {HERE} type veth peer name {THERE}"),
            format!("ip link set {THERE} netns {THERE}"),
            format!("ip addr add {HERE_IP} dev {HERE}"),
            format!("ip link set {HERE} up"),
            format!("ip -n {THERE} addr add {THERE_IP} dev {THERE}"),
            format!("ip -n {THERE} link set {THERE} up"),
            format!("ip -n {THERE} link set lo up"),
            format!("tc qdisc add dev {HERE} root tbf rate {kbit}kbit burst 32k latency 400ms"),
        ] {
            run(&command)?;
        }
        Ok(link)
    }

    /// Runs a program at the far end.
    pub fn at_the_far_end(program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", THERE]).arg(program);
        command
    }
}

fn run(text: &str) -> Result<(), Failure> {
    let cannot = |why: String| {
        Failure::new(format!("no link can be made, `{text}`: {}", why.trim()))
            .help("this scenario needs iproute2 and the right to make interfaces (CAP_NET_ADMIN): run it as root on a machine of its own")
    };
    let mut words = text.split(' ');
    let done = Command::new(words.next().unwrap_or_default())
        .args(words)
        .output()
        .map_err(|e| cannot(e.to_string()))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(cannot(String::from_utf8_lossy(&done.stderr).into_owned())),
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // What is not there is as good as gone.
        let _ = run(&format!("ip link del {HERE}"));
        let _ = run(&format!("ip netns del {THERE}"));
    }
}
