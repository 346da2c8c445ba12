//! The keys of a declared resource and of a request mix.

use super::*;

pub const RESOURCE: &[Field<Resource>] = &[
    key!(
        "class",
        Kind::OneOf(CLASSES),
        "pool-or-lock",
        "told by the name when left out",
        |r, n, cx| r.class = cx.one_of(
            n,
            &[
                ("compute", Class::Compute),
                ("memory", Class::Memory),
                ("storage", Class::Storage),
                ("network", Class::Network),
                ("pool-or-lock", Class::PoolOrLock),
                ("dependency", Class::Dependency),
            ]
        )
    ),
    key!(
        "discipline",
        Kind::OneOf(&["ps", "fcfs", "slots", "level"]),
        "slots",
        "how it serves several at once",
        |r, n, cx| r.discipline = cx.one_of(
            n,
            &[
                ("ps", Discipline::Ps),
                ("fcfs", Discipline::Fcfs),
                ("slots", Discipline::Slots),
                ("level", Discipline::Level),
            ]
        )
    ),
    key!(
        "capacity",
        Kind::Capacity,
        "8",
        "cores, servers, slots or bytes per second",
        |r, n, cx| r.capacity = cx.capacity(n)
    ),
    key!(
        "service",
        Kind::Text,
        "shop",
        "whose requests use it",
        |r, n, cx| r.service = cx.text(n)
    ),
    key!(
        "within",
        Kind::Text,
        "pool.shop.db",
        "the slot held while it is used",
        |r, n, cx| r.within = cx.text(n)
    ),
    key!(
        "price",
        Kind::Price,
        "$0.20/h",
        "of the whole",
        |r, n, cx| r.price_per_hour = cx.price(n)
    ),
    key!(
        "shared" = "false",
        Kind::Flag,
        "true",
        "more instances do not add to it",
        |r, n, cx| put!(r.shared, cx.flag(n))
    ),
    key!(
        "postgres",
        Kind::Secret,
        "{ env: SHOP_DB_URL }",
        "the URL of a PostgreSQL (14 or later) that is looked into; its role needs `pg_monitor`, and `pg_read_all_data` for missing indexes; `sslmode` as in its own clients",
        |r, n, cx| r.postgres = cx.secret(n)
    ),
    key!(
        "redis",
        Kind::Secret,
        "{ env: SHOP_CACHE_URL }",
        "the URL of a Redis (or Valkey) that is looked into: `redis://USER:PASSWORD@HOST:PORT`, or `rediss://` for TLS",
        |r, n, cx| r.redis = cx.secret(n)
    ),
    key!(
        "ca",
        Kind::Text,
        "db-ca.pem",
        "PEM file: who may have signed its certificate; with it a PostgreSQL must show one for its name unless `sslmode` asks for less; whom the system trusts when left out",
        |r, n, cx| r.ca = cx.text(n).map(Into::into)
    ),
    key!(
        "prometheus",
        Kind::Section("scrape"),
        "{ url: http://127.0.0.1:9187/metrics, level: pg_stat_activity_count }",
        "an exporter that tells what it does",
        |r, n, cx| {
            let mut scrape = Scrape::default();
            cx.section("prometheus", n, SCRAPE, &mut scrape);
            if n.get("busy").is_none() && n.get("level").is_none() {
                cx.error(
                    n,
                    "config-missing-key",
                    "`prometheus` names neither `busy` nor `level`",
                )
                .help = "name a counter of what is used, or a gauge of what is in use".into();
            }
            r.prometheus = Some(scrape);
        }
    ),
];

const CLASSES: &[&str] = &[
    "compute",
    "memory",
    "storage",
    "network",
    "pool-or-lock",
    "dependency",
];

pub const REQUEST: &[Field<LoadRequest>] = &[
    key!(required "request", Kind::Text, "GET /products/{1..500}", "method and path; ranges are drawn per request", |r, n, cx| {
        let Some(text) = cx.text(n) else { return };
        match text.split_once(' ') {
            Some((m, p)) if p.starts_with('/') => (r.method, r.path) = (m.to_owned(), p.trim().to_owned()),
            None if text.starts_with('/') => r.path = text,
            _ => {
                cx.error(n, "config-value", format!("`{text}` is not a request")).help = "write it like `GET /products/{1..500}`".into();
            }
        }
    }),
    key!(
        "weight" = "1",
        Kind::Number,
        "3",
        "share among the others",
        |r, n, cx| put!(r.weight, cx.number(n))
    ),
    key!(
        "headers",
        Kind::Texts,
        "{ accept: text/html }",
        "sent with it",
        |r, n, cx| r.headers = cx.texts(n)
    ),
    key!(
        "body",
        Kind::Text,
        "'{\"sku\": 1}'",
        "sent with it",
        |r, n, cx| r.body = cx.text(n)
    ),
    key!(
        "zipf" = "false",
        Kind::Flag,
        "true",
        "low numbers of a range are drawn more often",
        |r, n, cx| put!(r.zipf, cx.flag(n))
    ),
];
