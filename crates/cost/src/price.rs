//! What has a price: services by the instance, resources and the host as a whole.

use config::Config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Service,
    Resource,
    Host,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Resource => "resource",
            Kind::Host => "host",
        }
    }
}

/// The processors of this machine, which `resources` can give a price.
pub const HOST: &str = "cpu.host";

/// One line of the bill.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The resource by whose use it is shared, such as `cpu.shop`; no two prices have the same.
    pub resource: String,
    pub kind: Kind,
    /// Whose requests bear it where nobody is known to use it; `None`: all requests.
    pub service: Option<String>,
    /// Dollars per hour of all of it.
    pub per_hour: f64,
}

/// Every price of the config, sorted by resource. `instances`: how many each service has; else those in the config.
pub fn prices(config: &Config, instances: &BTreeMap<String, u32>) -> Vec<Price> {
    let mut all = BTreeMap::new();
    for s in &config.services {
        let written = s.instances.len() + s.sockets.len() + s.names.len();
        let n = instances
            .get(&s.name)
            .map_or(written as f64, |n| f64::from(*n));
        let price = Price {
            resource: format!("cpu.{}", s.name),
            kind: Kind::Service,
            service: Some(s.name.clone()),
            per_hour: s.price_per_hour.unwrap_or(0.0) * n,
        };
        all.insert(price.resource.clone(), price);
    }
    for r in &config.resources {
        let Some(per_hour) = r.price_per_hour else {
            continue;
        };
        let price = Price {
            resource: column(r),
            kind: if r.name == HOST {
                Kind::Host
            } else {
                Kind::Resource
            },
            service: r.service.clone(),
            per_hour,
        };
        all.insert(price.resource.clone(), price);
    }
    let costs = |p: &Price| p.per_hour.is_finite() && p.per_hour > 0.0;
    all.into_values().filter(costs).collect()
}

/// A database or store that is looked into is measured as `db.NAME`.
fn column(r: &config::Resource) -> String {
    let looked_into = r.postgres.is_some() || r.redis.is_some();
    match r.name.starts_with("db.") || !looked_into {
        true => r.name.clone(),
        false => format!("db.{}", r.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_cost_by_the_instance_and_the_rest_as_a_whole() {
        let text = "listen: 127.0.0.1:1\nservices:\n  app: { instances: [127.0.0.1:2, 127.0.0.1:3], price: $0.10/h }\n  free: { instances: [127.0.0.1:4] }\n\
                    routes: { all: { match: /, to: app } }\n\
                    resources: { orders: { postgres: { env: X }, price: $1/h }, cpu.host: { price: $2/h }, pool.app.db: { capacity: 3 } }\n";
        let checked = config::check_text("p.yaml", text);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.findings));
        let said = |instances: &[(&str, u32)]| -> Vec<(String, Kind, f64)> {
            let instances = instances.iter().map(|(n, i)| ((*n).to_owned(), *i));
            let all = prices(&config, &instances.collect());
            all.into_iter()
                .map(|p| (p.resource, p.kind, p.per_hour))
                .collect()
        };
        let all = [
            ("cpu.app".to_owned(), Kind::Service, 0.2),
            ("cpu.host".to_owned(), Kind::Host, 2.0),
            ("db.orders".to_owned(), Kind::Resource, 1.0),
        ];
        assert_eq!(said(&[]), all);
        assert!((said(&[("app", 3)])[0].2 - 0.3).abs() < 1e-12);
        assert_eq!(said(&[("app", 0)]).len(), 2, "nothing runs");
    }
}
