//! Names and configuration as the model wants them: what each route and resource is.

use base::{Names, Objective, ResourceInfo, RouteInfo, Scope};
use config::Config;
use telemetry::Shell;

/// Everything that is known of the names so far.
pub fn of(names: &Names, config: &Config) -> Shell {
    Shell {
        routes: routes(names, config),
        resources: resources(names, config),
        instances: instances(config),
    }
}

/// Routes in the order of their numbers.
pub fn routes(names: &Names, config: &Config) -> Vec<RouteInfo> {
    names
        .routes
        .all()
        .iter()
        .map(|name| route(name, config))
        .collect()
}

fn route(name: &str, config: &Config) -> RouteInfo {
    let Some(r) = config.route(name) else {
        return RouteInfo {
            name: name.into(),
            ..RouteInfo::default()
        };
    };
    RouteInfo {
        name: name.into(),
        service: r.to.clone(),
        objective: r.slo.as_ref().map(|s| Objective {
            latency_s: s.latency.as_secs_f64(),
            target: s.target,
            assumed: false,
        }),
        safe: matches!(r.matcher.method.as_deref(), Some("GET" | "HEAD")),
        cached_ttl_s: r
            .cache
            .as_ref()
            .and_then(|c| c.ttl)
            .map(|t| t.as_secs_f64()),
    }
}

/// Resources in the order of their numbers: what the name tells, then what the config declares.
pub fn resources(names: &Names, config: &Config) -> Vec<ResourceInfo> {
    let all = names.resources.all();
    all.iter()
        .map(|name| {
            let mut info = ResourceInfo::from_name(name);
            // A database that an upstream reaches through its pool is used while a connection is held.
            if let Some(service) = name.strip_prefix("db.") {
                let pool = format!("pool.{service}.db");
                info.within = all.iter().any(|n| **n == *pool).then_some(pool);
            }
            if let Some(service) = name.strip_prefix("cpu.").and_then(|s| config.service(s)) {
                info.price_per_hour = service
                    .price_per_hour
                    .map(|p| p * service.instances.len() as f64);
            }
            if let Some(declared) = config.resources.iter().find(|r| r.name == **name) {
                declare(&mut info, declared);
            }
            info
        })
        .collect()
}

fn declare(info: &mut ResourceInfo, declared: &config::Resource) {
    info.class = declared.class.unwrap_or(info.class);
    info.discipline = declared.discipline.unwrap_or(info.discipline);
    info.size = declared.capacity.or(info.size);
    info.service = declared.service.clone().or(info.service.take());
    info.within = declared.within.clone().or(info.within.take());
    info.price_per_hour = declared.price_per_hour.or(info.price_per_hour);
    if declared.shared {
        info.scope = Scope::Shared;
    }
}

/// Services with their numbers of instances. A name counts as one, however many addresses it has.
pub fn instances(config: &Config) -> Vec<(String, u32)> {
    config
        .services
        .iter()
        .map(|s| (s.name.clone(), (s.instances.len() + s.names.len()) as u32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_config_together_say_what_a_resource_is() {
        let text = "listen: 127.0.0.1:1\nservices: { app: { instances: [127.0.0.1:2], price: $0.05/h } }\n\
                    resources: { lock.app.stock: { capacity: 2 } }\n\
                    routes: { home: { match: GET /, to: app, slo: { latency: 100ms, target: 99% } } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let names = Names::default();
        for r in ["pool.app.db", "db.app", "cpu.app", "lock.app.stock"] {
            names.resources.intern(r);
        }
        names.routes.intern("home");
        let all = resources(&names, &config);
        assert_eq!(all[1].within.as_deref(), Some("pool.app.db"));
        assert_eq!(
            (all[2].price_per_hour, all[3].size),
            (Some(0.05), Some(2.0))
        );
        let home = &routes(&names, &config)[0];
        assert!(home.safe && home.service == "app" && home.objective.unwrap().latency_s == 0.1);
    }
}
