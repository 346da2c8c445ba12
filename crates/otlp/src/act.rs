//! What a span did, from its kind and attributes. Semantic conventions have renamed many: the new name counts, else the old.

use crate::shape::{self, LONGEST, cut};
use crate::span::Act;
use std::borrow::Cow;

/// `SpanKind` of OTLP.
const CLIENT: u64 = 3;
const SERVER: u64 = 2;
const CONSUMER: u64 = 5;
/// Longest name of a service, a system or a resource, bytes.
const NAME: usize = 64;

/// The attributes that are of use.
#[derive(Default)]
pub struct Facts<'a> {
    pub name: Cow<'a, str>,
    pub kind: u64,
    texts: [Option<Cow<'a, str>>; KEYS.len()],
    returned: Option<f64>,
    wait_ms: Option<f64>,
}

/// What is looked for: meaning, then its names, the newest first.
const KEYS: [&[&str]; 12] = [
    &["db.system.name", "db.system"],
    &["db.query.text", "db.statement"],
    &["db.query.summary"],
    &["db.operation.name", "db.operation"],
    &[
        "db.collection.name",
        "db.sql.table",
        "db.mongodb.collection",
    ],
    &["http.request.method", "http.method"],
    &["url.full", "http.url"],
    &["url.template", "http.target"],
    &["server.address", "net.peer.name", "http.host"],
    &["rpc.system", "rpc.system.name"],
    &["rpc.service"],
    &["plimsoll.resource"],
];
const SYSTEM: usize = 0;
const TEXT: usize = 1;
const SUMMARY: usize = 2;
const OPERATION: usize = 3;
const COLLECTION: usize = 4;
const METHOD: usize = 5;
const URL: usize = 6;
const TEMPLATE: usize = 7;
const SERVER_ADDRESS: usize = 8;
const RPC: usize = 9;
const RPC_SERVICE: usize = 10;
const RESOURCE: usize = 11;

const RETURNED: &str = "db.response.returned_rows";
const WAIT: &str = "plimsoll.wait_ms";

/// Whether an attribute of this name is of use.
pub fn wanted(key: &str) -> bool {
    key == RETURNED || key == WAIT || KEYS.iter().any(|names| names.contains(&key))
}

impl<'a> Facts<'a> {
    pub fn new(name: Cow<'a, str>, kind: u64) -> Facts<'a> {
        Facts {
            name,
            kind,
            ..Facts::default()
        }
    }

    pub fn text(&mut self, key: &str, value: Cow<'a, str>) {
        let Some(i) = KEYS.iter().position(|names| names.contains(&key)) else {
            return;
        };
        let newest = KEYS[i][0] == key;
        if newest || self.texts[i].is_none() {
            self.texts[i] = Some(value);
        }
    }

    pub fn number(&mut self, key: &str, value: f64) {
        let value = Some(value).filter(|v| v.is_finite() && *v >= 0.0);
        match key {
            RETURNED => self.returned = value,
            WAIT => self.wait_ms = value,
            _ => {}
        }
    }

    fn get(&self, i: usize) -> Option<&str> {
        self.texts[i].as_deref().filter(|t| !t.is_empty())
    }

    pub fn act(&self) -> Act {
        if let Some(resource) = self.get(RESOURCE).filter(|r| is_resource(r)) {
            return Act::Hold {
                resource: resource.into(),
                wait: self.wait_ms.map(|ms| (ms * 1e6) as u64),
            };
        }
        let asks = !matches!(self.kind, SERVER | CONSUMER);
        match self.get(SYSTEM) {
            Some(system) if asks => self.database(system),
            _ if self.kind == CLIENT => self.call().map_or(Act::Work, |to| Act::Call {
                to: cut(&to, LONGEST).into(),
            }),
            _ => Act::Work,
        }
    }

    fn database(&self, system: &str) -> Act {
        let told = self.get(TEXT).or(self.get(SUMMARY)).is_some() || self.get(OPERATION).is_some();
        let name = self.name.to_ascii_lowercase();
        if !told && name.ends_with("connect") {
            return Act::Connect;
        }
        let shape = match (self.get(TEXT), self.get(SUMMARY), self.get(OPERATION)) {
            (Some(text), ..) => shape::statement(text),
            (None, Some(summary), _) => summary.to_owned(),
            (None, None, Some(op)) => format!("{op} {}", self.get(COLLECTION).unwrap_or("")),
            (None, None, None) => shape::statement(&self.name),
        };
        Act::Database {
            system: cut(system, NAME).to_ascii_lowercase().into(),
            shape: cut(shape.trim_end(), LONGEST).into(),
            returned: self.returned,
        }
    }

    /// Whom a call goes to, without its values.
    fn call(&self) -> Option<String> {
        let host = self.get(SERVER_ADDRESS);
        if self.get(RPC).is_some() {
            let name = cut(&self.name, LONGEST);
            let service = self.get(RPC_SERVICE).filter(|s| !name.contains(s));
            return Some(match service {
                Some(service) => format!("{service}/{name}"),
                None => name.to_owned(),
            });
        }
        let method = self.get(METHOD)?;
        let to = match (self.get(URL), self.get(TEMPLATE)) {
            (Some(url), _) => shape::address(url),
            (None, Some(path)) => shape::address(&format!("{}{path}", host.unwrap_or(""))),
            (None, None) => host?.to_owned(),
        };
        Some(format!("{} {to}", cut(method, NAME)))
    }
}

/// As in `Server-Timing`: a class, and which one after a dot.
fn is_resource(name: &str) -> bool {
    let class = name.split('.').next().unwrap_or("");
    let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    name.len() <= NAME
        && name.bytes().all(token)
        && ["cpu", "lock", "pool", "slots", "db", "disk"].contains(&class)
}

/// A service's name, as one part of a resource's name.
pub fn service(name: &str) -> Box<str> {
    let fit = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => c,
        _ => '-',
    };
    name.chars().take(NAME).map(fit).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(kind: u64, name: &'static str, texts: &[(&str, &'static str)]) -> Act {
        let mut facts = Facts::new(name.into(), kind);
        for (key, value) in texts {
            facts.text(key, (*value).into());
        }
        facts.act()
    }

    fn shape(act: &Act) -> &str {
        match act {
            Act::Database { shape, .. } => shape,
            Act::Call { to } => to,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn old_and_new_names_say_the_same() {
        let old = [("db.system", "postgresql"), ("db.statement", "SELECT 1")];
        let new = [
            ("db.system.name", "postgresql"),
            ("db.query.text", "SELECT 2"),
        ];
        assert_eq!(act(CLIENT, "q", &old), act(CLIENT, "q", &new));
        let both = [
            new[1],
            old[1],
            ("db.system", "redis"),
            ("db.system.name", "mysql"),
        ];
        let Act::Database { system, .. } = act(CLIENT, "q", &both) else {
            panic!()
        };
        assert_eq!(&*system, "mysql", "the new name counts");
        let old = [("http.method", "GET"), ("http.url", "http://a/b/1")];
        let new = [("http.request.method", "GET"), ("url.full", "http://a/b/2")];
        assert_eq!(act(CLIENT, "GET", &old), act(CLIENT, "GET", &new));
        assert_eq!(shape(&act(CLIENT, "GET", &new)), "GET a/b/{}");
    }

    #[test]
    fn what_is_not_a_call_is_work_and_a_wait_for_a_connection_is_no_statement() {
        assert_eq!(
            act(SERVER, "GET /", &[("http.request.method", "GET")]),
            Act::Work
        );
        assert_eq!(act(1, "f", &[]), Act::Work);
        assert_eq!(act(CLIENT, "f", &[]), Act::Work);
        assert_eq!(
            act(CLIENT, "pg-pool.connect", &[("db.system", "postgresql")]),
            Act::Connect
        );
        let redis = [("db.system", "redis"), ("db.operation", "GET")];
        assert_eq!(shape(&act(CLIENT, "GET", &redis)), "GET");
        let rpc = [("rpc.system", "grpc"), ("rpc.service", "shop.Stock")];
        assert_eq!(
            shape(&act(CLIENT, "shop.Stock/Get", &rpc)),
            "shop.Stock/Get"
        );
    }

    #[test]
    fn a_resource_is_one_of_the_known_classes() {
        let mut facts = Facts::default();
        facts.text("plimsoll.resource", "lock.stock".into());
        facts.number("plimsoll.wait_ms", 2.0);
        let held = Act::Hold {
            resource: "lock.stock".into(),
            wait: Some(2_000_000),
        };
        assert_eq!(facts.act(), held);
        for bad in ["gpu.a", "lock.a b", ""] {
            facts.text("plimsoll.resource", bad.into());
            assert_eq!(facts.act(), Act::Work, "{bad}");
        }
    }
}
