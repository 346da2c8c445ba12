//! A primary, two replicas, a tiny service in front of each, and a gateway in front of them.

use crate::common::*;
use config::sections::{Consistency, Database, Reads, Replication};
use config::{Config, Secret};
use peers::Postgres;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client as Sql, NoTls};

pub const NAMES: [&str; 3] = ["primary", "r1", "r2"];
pub const LEVELS: [(&str, Consistency); 4] = [
    ("eventual", Consistency::Eventual),
    ("session", Consistency::Session),
    ("bounded", Consistency::Bounded(Duration::from_secs(1))),
    ("strong", Consistency::Strong),
];

pub struct Stage {
    pub databases: Vec<Postgres>,
    services: Vec<Upstream>,
    pub running: Option<Running>,
    pub max_wait: Duration,
    beside: Runtime,
}

/// How late replicas are made.
pub const DELAY: &str = "recovery_min_apply_delay=40ms";

impl Stage {
    /// `None`: PostgreSQL is not installed.
    pub fn start() -> Option<Stage> {
        let primary = peers::there(Postgres::start(&[]))?;
        let table = "CREATE TABLE reg (k text PRIMARY KEY, v bigint NOT NULL)";
        primary.sql(table).unwrap();
        let replicas = [0, 1].map(|_| primary.replica(&[DELAY]).unwrap());
        let databases: Vec<Postgres> = [primary].into_iter().chain(replicas).collect();
        let urls: Vec<String> = databases.iter().map(Postgres::url).collect();
        let mut services: Vec<Upstream> = (0..3).map(|i| service(&urls, Some(i))).collect();
        services.push(service(&urls, None));
        let mut stage = Stage {
            databases,
            services,
            running: None,
            max_wait: Duration::from_millis(100),
            beside: Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        stage.restart();
        stage.until_all_are_known();
        Some(stage)
    }

    fn config(&self) -> Config {
        let mut rules = Replication::named("shop");
        rules.max_wait = self.max_wait;
        rules.databases = (NAMES.iter().zip(&self.databases))
            .map(|(name, db)| Database {
                postgres: Some(Secret::Text(db.url())),
                ..Database::named(name)
            })
            .collect();
        let at: Vec<_> = self.services.iter().map(|s| s.address).collect();
        let mut config = config(&at[..3]);
        config.replications.push(rules);
        let bound = &mut config.services[0];
        bound.replication = Some("shop".into());
        bound.reads_from = (at[1..3].iter().zip(&NAMES[1..]))
            .map(|(at, name)| (at.to_string(), (*name).to_owned()))
            .collect();
        let mut told = service_of("told", &at[3..]);
        told.replication = Some("shop".into());
        config.services.push(told);
        config.routes.clear();
        for (name, level) in LEVELS {
            for (prefix, to) in [("", "s"), ("told-", "told")] {
                let name = format!("{prefix}{name}");
                let mut route = route(&name, to, &[&name]);
                route.consistency = Some(level);
                route.deadline.first_byte = Some(Duration::from_secs(1));
                config.routes.push(route);
            }
        }
        let mut divided = route("divided", "s", &["divided"]);
        divided.consistency = Some(Consistency::Session);
        divided.reads = Some(Reads {
            to: "told".into(),
            ..Reads::default()
        });
        config.routes.push(divided);
        config
    }

    /// Another gateway, which remembers nothing.
    pub fn restart(&mut self) {
        self.running = None;
        let running = Running::with(self.config());
        replicas::start(self.beside.handle(), running.gateway.replications());
        self.running = Some(running);
        self.until_answers("/strong/none");
    }

    /// Before that a session may be sent from the primary to a replica, and back in time.
    fn until_all_are_known(&self) {
        let (groups, clock) = self.running.as_ref().unwrap().gateway.replications();
        until("all replicas are known", || {
            let (groups, now) = (groups.all(), clock.now());
            groups.iter().all(|g| {
                let replicas = (0..g.len()).filter(|i| g.known(*i).is_replica(now));
                g.primary(now).is_some() && replicas.count() == g.len() - 1
            })
        });
    }

    pub fn session(&self) -> Session {
        Session {
            client: self.running.as_ref().unwrap().client(),
            at: self.running.as_ref().unwrap().gateway.address(),
            cookie: None,
        }
    }

    pub fn until_answers(&self, path: &str) {
        let mut one = self.session();
        until(path, || {
            one.ask("GET", path).is_some_and(|a| a.status == 200)
        });
    }

    /// Of the gate that chooses: by route and name.
    pub fn decided(&self, route: &str) -> HashMap<&'static str, u64> {
        let decisions = self.running.as_ref().unwrap().gateway.gauges().decisions;
        let of = decisions
            .iter()
            .filter(|d| d.gate == "replica" && d.of == route);
        of.map(|d| (d.what, d.count)).collect()
    }
}

fn service_of(name: &str, at: &[std::net::SocketAddr]) -> config::Service {
    crate::common::service(name, at)
}

/// `GET` reads the register that the last segment names, `PUT` counts it up; both answer its version. One that has
/// several databases is told which; `/exact` says what was committed.
fn service(urls: &[String], bound: Option<usize>) -> Upstream {
    let urls = urls.to_vec();
    Upstream::start(move |mut stream| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut open: HashMap<usize, Sql> = HashMap::new();
        let mut buffer = Vec::new();
        while let Some((head, _)) = read_request(&mut stream, &mut buffer) {
            let named = header(&head, "plimsoll-read-from").unwrap_or("primary");
            let named = NAMES.iter().position(|n| *n == named).unwrap();
            let which = bound.unwrap_or(named);
            let from = (which, bound.is_some());
            let answer = runtime.block_on(answer(&head, from, &urls[which], &mut open));
            let answer = answer.unwrap_or_else(|why| {
                open.remove(&which);
                let why = why.to_string();
                format!(
                    "HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{why}",
                    why.len()
                )
                .into_bytes()
            });
            if std::io::Write::write_all(&mut stream, &answer).is_err() {
                return;
            }
        }
    })
}

async fn answer(
    head: &str,
    (which, bound): (usize, bool),
    url: &str,
    open: &mut HashMap<usize, Sql>,
) -> Result<Vec<u8>, tokio_postgres::Error> {
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let key = path.rsplit('/').next().unwrap();
    let sql = match open.entry(which) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            place.insert(client)
        }
    };
    let mut lines = format!("X-Database: {}\r\nX-Bound: {bound}\r\n", NAMES[which]);
    let version: i64 = match method {
        "PUT" => {
            let count = "INSERT INTO reg VALUES ($1, 1) ON CONFLICT (k) DO UPDATE SET v = reg.v + 1 RETURNING v";
            sql.query_one(count, &[&key]).await?.get(0)
        }
        _ => {
            let row = sql
                .query_opt("SELECT v FROM reg WHERE k = $1", &[&key])
                .await?;
            row.map_or(0, |r| r.get(0))
        }
    };
    if method == "PUT" && key == "exact" {
        let told = "SELECT pg_current_wal_insert_lsn()::text";
        let lsn: String = sql.query_one(told, &[]).await?.get(0);
        lines += &format!("Plimsoll-Commit: pg/1/{lsn}\r\n");
    }
    let body = version.to_string();
    Ok(format!(
        "HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes())
}

/// One client with its cookie.
pub struct Session {
    client: Client,
    at: std::net::SocketAddr,
    pub cookie: Option<String>,
}

impl Session {
    /// `None`: the connection broke.
    pub fn ask(&mut self, method: &str, path: &str) -> Option<Answer> {
        let cookie = self.cookie.as_ref();
        let cookie = cookie.map_or(String::new(), |c| format!("Cookie: a=b; {c}\r\n"));
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: t\r\n{cookie}Content-Length: 0\r\n\r\n");
        self.client.send(request);
        let Some(answer) = self.client.try_answer(true) else {
            self.client = Client::to(self.at);
            return None;
        };
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        Some(answer)
    }

    /// The version that is told, unless it is refused.
    pub fn version(&mut self, method: &str, path: &str) -> Option<u64> {
        let answer = self.ask(method, path)?;
        (answer.status == 200).then(|| answer.text().parse().unwrap())
    }

    /// Goes on with the same cookie at another gateway.
    pub fn moves(&mut self, stage: &Stage) {
        let cookie = self.cookie.take();
        *self = Session {
            cookie,
            ..stage.session()
        };
    }

    /// One event, as its history has it.
    pub fn event(&mut self, write: bool, level: &str, key: &str) -> Option<crate::history::Event> {
        let start = Instant::now();
        let method = if write { "PUT" } else { "GET" };
        let version = self.version(method, &format!("/{level}/{key}"))?;
        Some(crate::history::Event {
            key: key.to_owned(),
            write,
            version,
            start,
            end: Instant::now(),
        })
    }
}
