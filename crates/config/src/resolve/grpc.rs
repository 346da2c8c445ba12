//! What gRPC needs.

use super::Whole;
use crate::sections::{Config, Route, Service, Speaks};
use base::Finding;

impl Whole<'_> {
    pub(super) fn grpc_health(&mut self, s: &Service) {
        let path = ["services", s.name.as_str(), "health", "grpc"];
        if s.health.grpc.is_none() {
            return;
        }
        if s.health.path.is_some() {
            self.add(
                &path,
                Finding::error(
                    "config-health",
                    "`path` and `grpc` are two ways to ask the same",
                )
                .help("leave one of them out"),
            );
        }
        if !speaks_http2(s) {
            let what = format!("the instances of `{}` are spoken to in HTTP/1.1", s.name);
            self.add(
                &path,
                Finding::error("config-health", what)
                    .why("gRPC needs HTTP/2")
                    .help("add `protocol: h2`"),
            );
        }
    }

    pub(super) fn grpc_web(&mut self, c: &Config, r: &Route) {
        let service = c.services.iter().find(|s| s.name == r.to);
        if r.grpc_web && service.is_some_and(|s| !speaks_http2(s)) {
            let what = format!("the instances of `{}` are spoken to in HTTP/1.1", r.to);
            self.add(
                &["routes", r.name.as_str(), "grpc_web"],
                Finding::error("config-grpc-web", what)
                    .why("gRPC-Web is made into gRPC, which needs HTTP/2")
                    .help("add `protocol: h2` to the service"),
            );
        }
    }
}

fn speaks_http2(s: &Service) -> bool {
    s.protocol == Speaks::Http2 || (s.protocol == Speaks::Auto && s.tls.is_some())
}
