//! The keys of `replication`, and of a route's `consistency` and `reads`.

use super::*;
use std::time::Duration;

/// Times between two questions that make sense.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(1);
/// A request that waits for longer than this is no read any more.
const MOST_WAIT: Duration = Duration::from_secs(10);
/// A name travels in a cookie.
const NAME: usize = 32;
/// What may be promised about age: below it, the age of what is known of a replica would decide.
const LEAST_BOUND: Duration = Duration::from_millis(100);

pub const REPLICATION: &[Field<Replication>] = &[
    key!(required "primary", Kind::Section("database"), "{ postgres: { env: SHOP_DB_URL } }", "the database that is written to; after a failover the one that was promoted takes its place by itself", |r, n, cx| {
        let mut primary = Database::named(Database::PRIMARY);
        cx.section("primary", n, DATABASE, &mut primary);
        r.databases.insert(0, primary);
    }),
    key!(required "replicas", Kind::MapOf("database"), "{ r1: { postgres: { env: SHOP_R1_URL } } }", "those that follow it, by names that services and metrics use; 15 at most", |r, n, cx| {
        for (name, n) in cx.named("replicas", n) {
            if name == Database::PRIMARY || name.len() > NAME {
                let what = format!("`{name}` cannot be the name of a replica");
                cx.error(n, "config-name", what).help = "use another name of at most 32 characters, such as `r1`".into();
            }
            let mut replica = Database::named(&name);
            cx.section(&format!("replicas.{name}"), n, DATABASE, &mut replica);
            r.databases.push(replica);
        }
    }),
    key!(
        "poll" = "10ms",
        Kind::Duration,
        "10ms",
        "how often each of them is asked how far it is, from 1ms to 1s",
        |r, n, cx| put!(r.poll, within(n, cx, &POLL))
    ),
    key!(
        "heartbeat" = "1s",
        Kind::Duration,
        "1s",
        "how often an empty message is committed on the primary, and only while something there is written and not yet flushed, which no replica can have: `none` for never",
        |r, n, cx| match n.text() {
            Some("none") => r.heartbeat = None,
            _ => put!(r.heartbeat, cx.some_time(n).map(Some)),
        }
    ),
    key!(
        "max_wait" = "50ms",
        Kind::Duration,
        "50ms",
        "how long a read waits for a replica that is behind before it goes to the primary; `0` for not at all, 10s at most",
        |r, n, cx| put!(r.max_wait, within(n, cx, &(Duration::ZERO..=MOST_WAIT)))
    ),
];

pub const DATABASE: &[Field<Database>] = &[
    key!(required "postgres", Kind::Secret, "{ env: SHOP_R1_URL }", "its URL (PostgreSQL 14 or later); any role that may connect will do; `sslmode` as in its own clients", |d, n, cx| d.postgres = cx.secret(n)),
    key!(
        "ca",
        Kind::Text,
        "db-ca.pem",
        "PEM file: who may have signed its certificate; whom the system trusts when left out",
        |d, n, cx| d.ca = cx.text(n).map(Into::into)
    ),
];

pub const READS: &[Field<Reads>] = &[
    key!(required "to", Kind::Text, "shop-read", "the service that answers them: its instances, limit, pool and objective are its own", |r, n, cx| put!(r.to, cx.text(n))),
    key!(
        "deadline",
        Kind::Section("deadline"),
        "{ first_byte: 2s }",
        "how long their answers may take; that of the route when left out",
        |r, n, cx| {
            let mut deadline = Deadline::default();
            cx.section("deadline", n, DEADLINE, &mut deadline);
            r.deadline = Some(deadline);
        }
    ),
];

fn within(n: &Node, cx: &mut Cx, range: &std::ops::RangeInclusive<Duration>) -> Option<Duration> {
    let time = cx.duration(n)?;
    if !range.contains(&time) {
        let what = format!(
            "the time lies between {:?} and {:?}",
            range.start(),
            range.end()
        );
        cx.error(n, "config-value", what);
        return None;
    }
    Some(time)
}

/// `strong`, `session`, `bounded 2s` or `eventual`.
pub(super) fn consistency(n: &Node, cx: &mut Cx) -> Option<Consistency> {
    const LEVELS: &[(&str, Consistency)] = &[
        ("strong", Consistency::Strong),
        ("session", Consistency::Session),
        ("eventual", Consistency::Eventual),
    ];
    let text = cx.text(n)?;
    let Some(bound) = text.strip_prefix("bounded") else {
        return match LEVELS.iter().find(|l| l.0 == text) {
            Some((_, level)) => Some(*level),
            None => {
                let what = format!("`{text}` is no consistency");
                cx.error(n, "config-consistency", what).help =
                    "write `strong`, `session`, `bounded 2s` or `eventual`".into();
                None
            }
        };
    };
    match base::units::duration(bound.trim_start_matches(':').trim()) {
        Ok(bound) if bound >= LEAST_BOUND => Some(Consistency::Bounded(bound)),
        Ok(_) => {
            cx.error(n, "config-consistency", "the bound is below 100ms")
                .why = "nobody knows of a replica so exactly how old it is".into();
            None
        }
        Err(_) => {
            cx.error(n, "config-consistency", "the bound is missing")
                .help = "write `bounded 2s`".into();
            None
        }
    }
}

/// A service's name alone, or a section.
pub(super) fn reads(n: &Node, cx: &mut Cx) -> Option<Reads> {
    let mut reads = Reads::default();
    match n.value {
        Value::Scalar(_) => reads.to = cx.text(n)?,
        _ => cx.section("reads", n, READS, &mut reads),
    }
    Some(reads)
}
