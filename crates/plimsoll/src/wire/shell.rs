//! Names and configuration as the model wants them: what each route and resource is.

use base::{Discipline, Names, Objective, ResourceInfo, RouteInfo, Scope};
use config::Config;
use config::sections::When;
use std::sync::Arc;
use telemetry::Shell;
use telemetry::probes::listeners::is_local;
use telemetry::probes::postgres::base;

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
    // What is promised to clients is the time to the 202, not that of the work behind it.
    let is_behind = r
        .asynchronous
        .as_ref()
        .is_some_and(|a| a.when == When::Always);
    let latency = r.slo.as_ref().and_then(|s| s.latency);
    RouteInfo {
        name: name.into(),
        service: r.to.clone(),
        objective: latency.filter(|_| !is_behind).map(|l| Objective {
            latency_s: l.within.as_secs_f64(),
            target: l.target,
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
                info.elsewhere = config.agents.is_some() && is_elsewhere(service);
            }
            if let Some(server) = config.resources.iter().find(|r| part_of(name, r)) {
                of_server(&mut info, server, config, &all);
            } else if let Some(declared) = config.resources.iter().find(|r| r.name == **name) {
                declare(&mut info, declared);
            }
            info
        })
        .collect()
}

/// Whether instances are on other machines: at an address at which nobody can listen here.
fn is_elsewhere(service: &config::Service) -> bool {
    !service.names.is_empty() || service.instances.iter().any(|a| !is_local(a.ip()))
}

/// Whether a resource is a part of the database or store that `r` stands for: `db.shop`, `lock.shop.orders`, `pool.app.shop`.
fn part_of(name: &str, r: &config::Resource) -> bool {
    let base = base(&r.name);
    let parts: Vec<&str> = name.split('.').collect();
    let looked_into = r.postgres.is_some() || r.redis.is_some();
    looked_into
        && match parts[..] {
            ["pool", _, of] => of == base,
            ["db" | "mem", of] | ["lock" | "disk" | "slots", of, _] => of == base,
            _ => false,
        }
}

/// What the parts of a database or store are: shared by everybody who uses it.
fn of_server(
    info: &mut ResourceInfo,
    server: &config::Resource,
    config: &Config,
    all: &[Arc<str>],
) {
    let pool = |n: &&Arc<str>| n.starts_with("pool.") && part_of(n, server);
    let main = info.name.starts_with("db.");
    info.scope = Scope::Shared;
    info.service = server.service.clone();
    if main {
        declare(info, server);
        info.scope = Scope::Shared;
        if server.redis.is_some() {
            // One thread runs every command.
            info.discipline = server.discipline.unwrap_or(Discipline::Fcfs);
            info.serial = info.discipline == Discipline::Fcfs;
            info.size = Some(1.0);
            info.unit = "servers".into();
        }
    }
    if let Some(application) = info
        .name
        .strip_prefix("pool.")
        .and_then(|n| n.split('.').next())
    {
        info.service = config
            .service(application)
            .map(|s| s.name.clone())
            .or(info.service.take());
    }
    // Connections are not queued for: the next one is refused.
    if info.name.starts_with("slots.") {
        info.discipline = Discipline::Level;
        info.unit = "connections".into();
    }
    let mut pools = all.iter().filter(pool);
    let used_inside = ["db.", "lock.", "disk."]
        .iter()
        .any(|p| info.name.starts_with(p));
    if let (Some(only), None, true) = (pools.next(), pools.next(), used_inside) {
        info.within = info.within.take().or(Some(only.to_string()));
    }
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
                    routes: { home: { match: GET /, to: app, slo: { latency: 100ms, target: 99% } },
                    export: { match: GET /export, to: app, slo: { availability: 99% } },
                    mail: { match: POST /mail, to: app, slo: { latency: 50ms, target: 99% }, async: { when: always } } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let names = Names::default();
        for r in [
            "pool.app.db",
            "db.app",
            "cpu.app",
            "lock.app.stock",
            "net.host.eth0",
        ] {
            names.resources.intern(r);
        }
        names.routes.intern("home");
        let all = resources(&names, &config);
        assert_eq!(all[1].within.as_deref(), Some("pool.app.db"));
        assert_eq!(
            (all[2].price_per_hour, all[3].size),
            (Some(0.05), Some(2.0))
        );
        // A link is in bytes, and one whose speed nobody tells is not full at one byte.
        assert_eq!((all[4].unit.as_str(), all[4].size), ("bytes/s", None));
        names.routes.intern("export");
        let all = routes(&names, &config);
        assert_eq!(all[1].objective, None, "none is of latency");
        names.routes.intern("mail");
        let mail = &routes(&names, &config)[2];
        assert_eq!(mail.objective, None, "it is that of the 202");
        let home = &all[0];
        assert!(home.safe && home.service == "app" && home.objective.unwrap().latency_s == 0.1);
    }

    #[test]
    fn what_agents_tell_of_other_machines_is_no_part_of_this_one() {
        let of = |agents: &str, instance: &str| {
            let text = format!(
                "listen: 127.0.0.1:1\nservices: {{ app: {{ instances: ['{instance}'] }} }}\n{agents}\n"
            );
            let config = config::check_text("p.yaml", &text).config.unwrap();
            let names = Names::default();
            names.resources.intern("cpu.app");
            resources(&names, &config)[0].elsewhere
        };
        let agents = "agents: { listen: 127.0.0.1:9701, token: { env: T } }";
        assert!(of(agents, "192.0.2.1:1"));
        assert!(!of(agents, "127.0.0.1:2"));
        assert!(!of("", "192.0.2.1:1"), "nobody tells of it");
    }

    #[test]
    fn the_parts_of_a_database_belong_to_everybody_and_lie_in_the_pool_that_leads_there() {
        let text = "listen: 127.0.0.1:1\nservices: { app: { instances: [127.0.0.1:2] } }\n\
                    resources: { orders: { postgres: { env: X }, price: $1/h }, db.keys: { redis: { env: Y } } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let names = Names::default();
        for r in [
            "db.orders",
            "pool.app.orders",
            "lock.orders.stock",
            "slots.orders.connections",
            "db.keys",
            "lock.app.stock",
        ] {
            names.resources.intern(r);
        }
        let all = resources(&names, &config);
        let inside = Some("pool.app.orders");
        assert_eq!(
            (all[0].within.as_deref(), all[0].price_per_hour),
            (inside, Some(1.0))
        );
        assert_eq!(
            (all[1].service.as_deref(), all[1].scope),
            (Some("app"), Scope::Shared)
        );
        assert_eq!(
            (all[2].service.as_deref(), all[2].within.as_deref()),
            (None, inside)
        );
        assert_eq!(all[3].discipline, Discipline::Level);
        assert_eq!(
            (all[4].discipline, all[4].size, all[4].within.as_deref()),
            (Discipline::Fcfs, Some(1.0), None)
        );
        assert_eq!(
            (all[5].service.as_deref(), all[5].scope),
            (Some("app"), Scope::PerInstance)
        );
    }
}
