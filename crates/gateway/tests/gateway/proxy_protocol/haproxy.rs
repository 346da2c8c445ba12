//! The same with HAProxy before and behind the gateway, where it is installed.

use crate::common::*;
use config::Cidr;
use config::sections::ProxyProtocol;
use peers::free_port;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

struct HaProxy(Child);

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_installed() -> bool {
    let there = Command::new("haproxy")
        .arg("-v")
        .stdout(Stdio::null())
        .status();
    let there = there.is_ok_and(|s| s.success());
    if !there {
        eprintln!("NOT TESTED: haproxy is not installed (Debian: apt-get install haproxy)");
    }
    there
}

/// Starts it with this configuration, and waits until it listens on all of `ports`.
fn start(folder: &std::path::Path, text: &str, ports: &[SocketAddr]) -> HaProxy {
    let file = folder.join("haproxy.cfg");
    let common = "global\n  nbthread 1\n  maxconn 100\ndefaults\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n";
    std::fs::write(&file, format!("{common}{text}")).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let child = HaProxy(command.stdout(Stdio::null()).spawn().unwrap());
    for port in ports {
        until("haproxy", || TcpStream::connect(port).is_ok());
    }
    child
}

#[test]
fn what_haproxy_says_is_understood_and_haproxy_understands() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Behind: answers with the client that it was told of.
    let behind = free_port().unwrap();
    let text = format!(
        "frontend behind\n  mode http\n  bind {behind} accept-proxy\n  http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port]\"\n"
    );
    let _behind = start(folder.path(), &text, &[behind]);
    let mut config = config(&[behind]);
    config.services[0].proxy_protocol = true;
    config.proxy_protocol = Some(ProxyProtocol {
        from: vec![Cidr::parse("127.0.0.1").unwrap()],
        unix: false,
    });
    let running = Running::of(generation(1, config), 1);
    let gateway = running.gateway.address();
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options unique-id,crc32c",
    ];
    let fronts: Vec<_> = kinds
        .iter()
        .map(|kind| (free_port().unwrap(), *kind))
        .collect();
    let text: String = (fronts.iter().enumerate())
        .map(|(i, (at, kind))| {
            format!("listen before{i}\n  mode tcp\n  bind {at}\n  unique-id-format %rt\n  server s {gateway} {kind}\n")
        })
        .collect();
    let ports: Vec<_> = fronts.iter().map(|(at, _)| *at).collect();
    let _before = start(folder.path(), &text, &ports);
    for (before, kind) in fronts {
        let mut client = Client::to(before);
        let me = client.stream.local_addr().unwrap();
        for _ in 0..2 {
            let seen = client.get("/").text();
            assert_eq!(seen, me.to_string(), "{kind}");
        }
    }
}
