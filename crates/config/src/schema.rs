//! The tables: which keys each section has, what they take, what they mean. Decoding, the JSON Schema and
//! the reference page all come from here.

use crate::decode::{Cx, Field, Kind};
use crate::document::{Node, Value};
use crate::sections::*;
use base::{Class, Discipline};
use serde_json::{Map, Value as Json, json};

mod tables;
pub use tables::*;

/// The document as JSON Schema (2020-12), for editors.
pub fn schema() -> Json {
    let mut defs = Map::new();
    defs.insert("console".into(), section_schema(CONSOLE));
    defs.insert("console_tls".into(), section_schema(CONSOLE_TLS));
    defs.insert("console_user".into(), section_schema(CONSOLE_USER));
    defs.insert("limits".into(), section_schema(LIMITS));
    defs.insert("access_log".into(), section_schema(ACCESS_LOG));
    defs.insert("upgrade".into(), section_schema(UPGRADE));
    defs.insert("proxy_protocol".into(), section_schema(PROXY_PROTOCOL));
    defs.insert("tls".into(), section_schema(TLS));
    defs.insert("acme".into(), section_schema(ACME));
    defs.insert("certificate".into(), section_schema(CERTIFICATE));
    defs.insert("clients".into(), section_schema(CLIENTS));
    defs.insert("service_tls".into(), section_schema(SERVICE_TLS));
    defs.insert("http2".into(), section_schema(HTTP2));
    defs.insert("identity".into(), section_schema(IDENTITY));
    defs.insert("jwt".into(), section_schema(JWT));
    defs.insert("tenant".into(), section_schema(TENANT));
    defs.insert("purge_hook".into(), section_schema(PURGE_HOOK));
    defs.insert("otlp".into(), section_schema(OTLP));
    defs.insert("agents".into(), section_schema(AGENTS));
    defs.insert("error_budget".into(), section_schema(ERROR_BUDGET));
    defs.insert("incidents".into(), section_schema(INCIDENTS));
    defs.insert("alerts".into(), section_schema(ALERTS));
    defs.insert("history".into(), section_schema(HISTORY));
    defs.insert("engines".into(), section_schema(ENGINES));
    defs.insert("export".into(), section_schema(EXPORT));
    defs.insert("export_otlp".into(), section_schema(EXPORT_OTLP));
    defs.insert("traces".into(), section_schema(TRACES));
    defs.insert("alertmanager".into(), section_schema(ALERTMANAGER));
    defs.insert("pagerduty".into(), section_schema(PAGERDUTY));
    defs.insert("webhook".into(), section_schema(WEBHOOK));
    defs.insert("session".into(), section_schema(SESSION));
    defs.insert("replication".into(), section_schema(REPLICATION));
    defs.insert("database".into(), section_schema(DATABASE));
    defs.insert("reads".into(), section_schema(READS));
    defs.insert("state".into(), section_schema(STATE));
    defs.insert("state_store".into(), section_schema(STATE_STORE));
    defs.insert("topic".into(), section_schema(TOPIC));
    defs.insert("subscription".into(), section_schema(SUBSCRIPTION));
    defs.insert("endpoint".into(), section_schema(ENDPOINT));
    defs.insert("filter".into(), section_schema(FILTER));
    defs.insert("streams".into(), section_schema(STREAMS));
    defs.insert("outbox".into(), section_schema(OUTBOX));
    defs.insert("projection".into(), section_schema(PROJECTION));
    defs.insert("awaited".into(), section_schema(AWAITED));
    defs.insert("cron".into(), section_schema(CRON));
    defs.insert("service".into(), section_schema(SERVICE));
    defs.insert("instance".into(), section_schema(INSTANCE));
    defs.insert("balance".into(), section_schema(BALANCE));
    defs.insert("health".into(), section_schema(HEALTH));
    defs.insert("pool".into(), section_schema(POOL));
    defs.insert("start".into(), section_schema(START));
    defs.insert("breaker".into(), section_schema(BREAKER));
    defs.insert("bulkhead".into(), section_schema(BULKHEAD));
    defs.insert("shed".into(), section_schema(SHED));
    defs.insert("route".into(), section_schema(ROUTE));
    defs.insert("match".into(), section_schema(MATCH));
    defs.insert("mirror".into(), section_schema(MIRROR));
    defs.insert("stateful".into(), section_schema(STATEFUL));
    defs.insert("slo".into(), slo_schema());
    defs.insert("cache".into(), section_schema(CACHE));
    defs.insert("cache_disk".into(), section_schema(CACHE_DISK));
    defs.insert("cache_shared".into(), section_schema(CACHE_SHARED));
    defs.insert("cache_control".into(), section_schema(CACHE_CONTROL));
    defs.insert("compress".into(), section_schema(COMPRESS));
    defs.insert("rate".into(), section_schema(RATE));
    defs.insert("quota".into(), section_schema(QUOTA));
    defs.insert("deadline".into(), section_schema(DEADLINE));
    defs.insert("retry".into(), section_schema(RETRY));
    defs.insert("async".into(), section_schema(ASYNC));
    defs.insert("publish".into(), section_schema(PUBLISH));
    defs.insert("idempotency".into(), section_schema(IDEMPOTENCY));
    defs.insert("hedge".into(), section_schema(HEDGE));
    defs.insert("business".into(), section_schema(MEASURE));
    defs.insert("coalesce".into(), section_schema(COALESCE));
    defs.insert("degrade".into(), section_schema(DEGRADE));
    defs.insert("static".into(), section_schema(STATIC));
    defs.insert("fault".into(), section_schema(FAULT));
    defs.insert("resource".into(), section_schema(RESOURCE));
    defs.insert("scrape".into(), section_schema(SCRAPE));
    defs.insert("request".into(), section_schema(REQUEST));
    let mut top = section_schema(TOP);
    top["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    top["title"] = json!("plimsoll.yaml");
    top["$defs"] = Json::Object(defs);
    top
}

/// An objective of one kind at least, and no share of answers within nothing.
fn slo_schema() -> Json {
    let mut slo = section_schema(SLO);
    slo["anyOf"] = json!([{ "required": ["latency"] }, { "required": ["availability"] }]);
    slo["dependentRequired"] = json!({ "target": ["latency"] });
    slo
}

fn section_schema<T>(fields: &[Field<T>]) -> Json {
    let properties: Map<String, Json> = fields
        .iter()
        .map(|f| {
            let mut s = kind_schema(&f.kind);
            s["description"] = json!(format!("{}. Example: `{}`", f.help, f.example));
            if !f.default.is_empty() {
                s["default"] = json!(f.default);
            }
            (f.key.to_owned(), s)
        })
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|f| f.required)
        .map(|f| f.key)
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn kind_schema(kind: &Kind) -> Json {
    let unit = |pattern: &str, example: &str| json!({ "type": "string", "pattern": pattern, "examples": [example] });
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number => json!({ "type": "number", "minimum": 0 }),
        Kind::Capacity => {
            json!({ "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, unit(r"^[0-9.]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)/s$", "100MiB/s")] })
        }
        Kind::Secret => json!({ "anyOf": [
            { "type": "string" },
            reference_to("env", "SHOP_DB_URL"),
            reference_to("file", "/run/secrets/shop-db"),
        ] }),
        Kind::Duration => unit(r"^(0|none|[0-9.]+\s*(us|ms|s|m|min|h|d))$", "250ms"),
        Kind::Moment => {
            json!({ "type": "string", "format": "date-time", "examples": ["2030-01-31T18:00:00Z"] })
        }
        Kind::Flow => unit(r"^[0-9.]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)/s$", "10KiB/s"),
        Kind::Rate => unit(r"^[0-9.]+\s*/(s|m|min|h)$", "200/s"),
        Kind::Bytes => unit(r"^(0|[0-9.]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB))$", "64MiB"),
        Kind::Share => unit(r"^[0-9.]+\s*%$", "99.9%"),
        Kind::Price => unit(r"^\$[0-9.]+/(h|d|month|y)$", "$0.10/h"),
        Kind::Network => json!({ "type": "string", "examples": ["10.0.0.0/8"] }),
        Kind::Address => json!({ "type": "string", "examples": ["127.0.0.1:8080"] }),
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::ListOf(inner) => json!({ "type": "array", "items": kind_schema(inner) }),
        Kind::Section(name) => json!({ "$ref": format!("#/$defs/{name}") }),
        Kind::MapOf(name) => {
            json!({ "type": "object", "additionalProperties": { "$ref": format!("#/$defs/{name}") } })
        }
        Kind::MapOfLists(name) => {
            let items = json!({ "type": "array", "items": { "$ref": format!("#/$defs/{name}") } });
            json!({ "type": "object", "additionalProperties": items })
        }
        Kind::Statuses => {
            let one = json!({ "anyOf": [{ "type": "integer", "minimum": 200, "maximum": 599 }, { "enum": ["2xx", "3xx", "4xx", "5xx"] }] });
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Kind::Texts => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Secrets => {
            json!({ "type": "object", "additionalProperties": kind_schema(&Kind::Secret) })
        }
        Kind::FlagOr(name) => {
            json!({ "anyOf": [{ "type": "boolean" }, { "$ref": format!("#/$defs/{name}") }] })
        }
        Kind::OffOr(name) => {
            json!({ "anyOf": [{ "const": "off" }, { "$ref": format!("#/$defs/{name}") }] })
        }
        Kind::TextOr(name) => {
            json!({ "anyOf": [{ "type": "string" }, { "$ref": format!("#/$defs/{name}") }] })
        }
    }
}

fn reference_to(key: &str, example: &str) -> Json {
    json!({
        "type": "object",
        "properties": { key: { "type": "string", "examples": [example] } },
        "required": [key],
        "additionalProperties": false,
    })
}

/// Every section with its keys, as Markdown.
pub fn reference() -> String {
    let mut out = String::from("# plimsoll.yaml\n");
    page(&mut out, "top level", TOP);
    page(&mut out, "console", CONSOLE);
    page(&mut out, "console.tls", CONSOLE_TLS);
    page(&mut out, "console.users.NAME", CONSOLE_USER);
    page(&mut out, "limits", LIMITS);
    page(&mut out, "access_log", ACCESS_LOG);
    page(&mut out, "upgrade", UPGRADE);
    page(&mut out, "proxy_protocol", PROXY_PROTOCOL);
    page(&mut out, "tls", TLS);
    page(&mut out, "tls.certificates[]", CERTIFICATE);
    page(&mut out, "tls.acme", ACME);
    page(&mut out, "tls.clients", CLIENTS);
    page(&mut out, "http2", HTTP2);
    page(&mut out, "identity", IDENTITY);
    page(&mut out, "identity.jwt", JWT);
    page(&mut out, "identity.tenants.NAME", TENANT);
    page(&mut out, "purge_hook", PURGE_HOOK);
    page(&mut out, "otlp", OTLP);
    page(&mut out, "agents", AGENTS);
    page(&mut out, "error_budget", ERROR_BUDGET);
    page(&mut out, "alerts", ALERTS);
    page(&mut out, "alerts.alertmanager", ALERTMANAGER);
    page(&mut out, "alerts.pagerduty", PAGERDUTY);
    page(&mut out, "alerts.webhook", WEBHOOK);
    page(&mut out, "incidents", INCIDENTS);
    page(&mut out, "history", HISTORY);
    page(&mut out, "engines", ENGINES);
    page(&mut out, "sessions.NAME", SESSION);
    page(&mut out, "replication.NAME", REPLICATION);
    page(
        &mut out,
        "replication.NAME.primary (and replicas.NAME)",
        DATABASE,
    );
    page(&mut out, "export", EXPORT);
    page(&mut out, "export.otlp", EXPORT_OTLP);
    page(&mut out, "traces", TRACES);
    page(&mut out, "state", STATE);
    page(&mut out, "state.stores.NAME", STATE_STORE);
    page(&mut out, "topics.NAME", TOPIC);
    page(&mut out, "topics.NAME.subscriptions.NAME", SUBSCRIPTION);
    page(&mut out, "topics.NAME.subscriptions.NAME.webhook", ENDPOINT);
    page(&mut out, "topics.NAME.subscriptions.NAME.filter", FILTER);
    page(&mut out, "streams", STREAMS);
    page(&mut out, "outbox.NAME", OUTBOX);
    page(&mut out, "projections.NAME", PROJECTION);
    page(&mut out, "cron.NAME", CRON);
    page(&mut out, "services.NAME", SERVICE);
    page(&mut out, "services.NAME.instances[]", INSTANCE);
    page(&mut out, "services.NAME.balance", BALANCE);
    page(&mut out, "services.NAME.health", HEALTH);
    page(&mut out, "services.NAME.pool", POOL);
    page(&mut out, "services.NAME.start", START);
    page(&mut out, "services.NAME.breaker", BREAKER);
    page(&mut out, "services.NAME.shed", SHED);
    page(&mut out, "services.NAME.bulkhead", BULKHEAD);
    page(&mut out, "services.NAME.tls", SERVICE_TLS);
    page(&mut out, "routes.NAME", ROUTE);
    page(&mut out, "routes.NAME.match", MATCH);
    page(&mut out, "routes.NAME.reads", READS);
    page(&mut out, "routes.NAME.mirror", MIRROR);
    page(
        &mut out,
        "routes.NAME.stateful (and services.NAME.stateful)",
        STATEFUL,
    );
    page(&mut out, "routes.NAME.slo (and services.NAME.slo)", SLO);
    page(&mut out, "routes.NAME.cache", CACHE);
    page(&mut out, "routes.NAME.cache.disk", CACHE_DISK);
    page(&mut out, "routes.NAME.cache.shared", CACHE_SHARED);
    page(&mut out, "routes.NAME.cache_control", CACHE_CONTROL);
    page(&mut out, "routes.NAME.compress", COMPRESS);
    page(&mut out, "routes.NAME.rate", RATE);
    page(&mut out, "routes.NAME.quota", QUOTA);
    page(&mut out, "routes.NAME.deadline", DEADLINE);
    page(&mut out, "routes.NAME.retry", RETRY);
    page(&mut out, "routes.NAME.hedge", HEDGE);
    page(&mut out, "routes.NAME.async", ASYNC);
    page(&mut out, "routes.NAME.publish", PUBLISH);
    page(&mut out, "routes.NAME.idempotency", IDEMPOTENCY);
    page(&mut out, "routes.NAME.projection", AWAITED);
    page(&mut out, "routes.NAME.coalesce", COALESCE);
    page(&mut out, "routes.NAME.degrade", DEGRADE);
    page(&mut out, "routes.NAME.degrade.static", STATIC);
    page(&mut out, "routes.NAME.fault", FAULT);
    page(&mut out, "routes.NAME.business.NAME", MEASURE);
    page(&mut out, "resources.NAME", RESOURCE);
    page(&mut out, "resources.NAME.prometheus", SCRAPE);
    page(&mut out, "loads.NAME[]", REQUEST);
    out
}

fn page<T>(out: &mut String, title: &str, fields: &[Field<T>]) {
    out.push_str(&format!(
        "\n## {title}\n\n| key | example | default | meaning |\n|---|---|---|---|\n"
    ));
    for f in fields {
        let must = if f.required { " (required)" } else { "" };
        let default = match f.default {
            "" => String::new(),
            d => format!("`{d}`"),
        };
        let example = f.example.replace('|', "\\|");
        out.push_str(&format!(
            "| `{}`{must} | `{example}` | {default} | {} |\n",
            f.key, f.help
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    /// Every example can be read, and every default is what an absent key means.
    fn honest<T: PartialEq + std::fmt::Debug>(fields: &[Field<T>], empty: impl Fn() -> T) {
        for f in fields {
            for (text, is_default) in [(f.example, false), (f.default, true)] {
                if text.is_empty() {
                    continue;
                }
                let quoted = if text.starts_with(['{', '[', '\'']) {
                    text.to_owned()
                } else {
                    format!("{text:?}")
                };
                let (d, findings) = Document::parse("x", &format!("{}: {quoted}", f.key));
                assert_eq!(findings, [], "{}: {text}", f.key);
                let (mut out, mut cx) = (empty(), Cx::default());
                (f.set)(&mut out, d.root.get(f.key).unwrap(), &mut cx);
                let errors: Vec<_> = cx
                    .findings
                    .iter()
                    .filter(|f| f.severity == base::Severity::Error)
                    .collect();
                assert!(errors.is_empty(), "{}: {text}: {errors:?}", f.key);
                if is_default {
                    assert_eq!(out, empty(), "{}: {text}", f.key);
                }
            }
        }
    }

    #[test]
    fn examples_can_be_read_and_defaults_are_true() {
        honest(TOP, Config::empty);
        honest(CONSOLE, Console::default);
        honest(CONSOLE_TLS, ConsoleTls::default);
        honest(CONSOLE_USER, || ConsoleUser::named("ann"));
        honest(LIMITS, Limits::default);
        honest(ACCESS_LOG, AccessLog::default);
        honest(UPGRADE, Upgrade::default);
        honest(PROXY_PROTOCOL, ProxyProtocol::default);
        honest(TLS, Tls::default);
        honest(CERTIFICATE, Certificate::default);
        honest(ACME, Acme::default);
        honest(CLIENTS, || Clients {
            ca: Default::default(),
            accept: false,
        });
        honest(SERVICE_TLS, ServiceTls::default);
        honest(HTTP2, Http2::default);
        honest(IDENTITY, Identity::default);
        honest(JWT, Jwt::default);
        honest(TENANT, || Tenant::named("t"));
        honest(BULKHEAD, Bulkhead::default);
        honest(SHED, Shed::default);
        honest(PURGE_HOOK, PurgeHook::default);
        honest(OTLP, Otlp::default);
        honest(ERROR_BUDGET, ErrorBudget::default);
        honest(REPLICATION, || Replication::named("r"));
        honest(DATABASE, || Database::named("d"));
        honest(READS, Reads::default);
        honest(SERVICE, || Service::named("s"));
        honest(INSTANCE, Listed::default);
        honest(BALANCE, Balance::default);
        honest(HEALTH, Health::default);
        honest(POOL, Pool::default);
        honest(START, || Start {
            command: Vec::new(),
            max_instances: 4,
        });
        honest(BREAKER, Breaker::default);
        honest(ROUTE, || Route::named("r"));
        honest(MATCH, Match::default);
        honest(MIRROR, Mirror::default);
        honest(STATEFUL, Stateful::default);
        honest(SLO, WrittenSlo::default);
        honest(ALERTS, Alerts::default);
        honest(INCIDENTS, Incidents::default);
        honest(HISTORY, History::default);
        honest(EXPORT, Export::default);
        honest(EXPORT_OTLP, ExportOtlp::default);
        honest(TRACES, Traces::default);
        honest(ALERTMANAGER, Alertmanager::default);
        honest(PAGERDUTY, PagerDuty::default);
        honest(WEBHOOK, Webhook::default);
        honest(CACHE, Cache::default);
        honest(CACHE_DISK, CacheDisk::default);
        honest(CACHE_SHARED, CacheShared::default);
        honest(CACHE_CONTROL, CacheControl::default);
        honest(COMPRESS, Compress::default);
        honest(RATE, || Rate::of(1.0));
        honest(QUOTA, || Quota::of(1));
        honest(DEADLINE, Deadline::default);
        honest(RETRY, Retry::default);
        honest(HEDGE, Hedge::default);
        honest(STATE_STORE, || StateStore::named("s"));
        honest(TOPIC, || Topic::named("t"));
        honest(ENDPOINT, Endpoint::default);
        honest(STREAMS, Streams::default);
        honest(OUTBOX, || Outbox::named("o"));
        honest(PROJECTION, || Projection::named("p"));
        honest(CRON, || Cron::named("c"));
        honest(AWAITED, || Awaited::named("p"));
        honest(SESSION, || Session::named("s"));
        honest(ASYNC, Async::default);
        honest(PUBLISH, || Publish::to("t"));
        honest(IDEMPOTENCY, Idempotency::default);
        honest(COALESCE, Coalesce::default);
        honest(DEGRADE, Degrade::default);
        honest(STATIC, Fixed::default);
        honest(FAULT, || Fault::until(0));
        honest(MEASURE, || Measure::named("orders"));
        honest(RESOURCE, || Resource::named("r"));
        honest(SCRAPE, Scrape::default);
        honest(REQUEST, || LoadRequest {
            method: "GET".into(),
            path: "/".into(),
            weight: 1.0,
            headers: Vec::new(),
            body: None,
            zipf: false,
        });
    }
}
