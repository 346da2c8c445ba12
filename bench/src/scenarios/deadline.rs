//! A client allows 200 ms, and there are three proxies between it and the service.

use super::Stage;
use super::clients::{Class, Patience, Phase, drive, quantile_ms};
use super::contenders::{haproxy, nginx, plimsoll};
use super::envoy;
use super::origin::{Origin, Plan, Seen, Work};
use super::page::{Row, Section};
use crate::peers::Proxy;
use std::net::SocketAddr;
use std::time::Duration;

const HOPS: usize = 3;
const ALLOWED: Duration = Duration::from_millis(200);
/// For the way, and for timers that fire in whole milliseconds.
const GRACE: Duration = Duration::from_millis(20);
const RATE: f64 = 50.0;
const TIME: Duration = Duration::from_secs(6);

const STORY: &str = "50/s through three proxies in a row, to a service that needs 500 ms; the client allows 200 ms and says so once. Target: every answer is 504 (or
the like) within 220 ms, and the service has stopped by then, too: no hop works after the deadline.";

const COLUMNS: &[&str] = &[
    "answers, p99",
    "answered in time",
    "service worked, longest",
    "worked beyond 220 ms",
];

type Hop = fn(&Stage<'_>, SocketAddr) -> Result<Proxy, String>;

const CONTENDERS: [(&str, &str, Hop); 4] = [
    (
        "Plimsoll",
        "nothing configured; the client sends `plimsoll-deadline: 200`",
        |s, next| plimsoll(s, &[next], "", "").map(|o| o.proxy),
    ),
    (envoy::NAME, "`timeout: 0.2s` on each hop", |s, next| {
        envoy::start(s, &[next], "", TIMEOUT, "")
    }),
    (
        "HAProxy",
        "`timeout server 200ms` on each hop",
        |s, next| haproxy(s, &[next], "", "  timeout server 200ms\n", ""),
    ),
    (
        "nginx",
        "`proxy_read_timeout 200ms` on each hop",
        |s, next| nginx(s, &[next], "", "max_fails=0", "proxy_read_timeout 200ms;"),
    ),
];

const TIMEOUT: &str = r#"{ match: { prefix: "/" }, route: { cluster: app, timeout: 0.2s } }"#;

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let mut section = Section::new(STORY, COLUMNS);
    for (name, how, hop) in CONTENDERS {
        let origin = Origin::start(Plan {
            notices: true,
            ..Plan::new(1, 1000, vec![Work::of("/", Duration::from_millis(500))])
        })?;
        match chain(stage, &origin, hop) {
            Ok(hops) => section.rows.push(measure(name, how, &origin, &hops)?),
            Err(why) => section.skip(name, &why),
        }
    }
    Ok(section)
}

/// The first is the one that the client asks.
fn chain(stage: &Stage<'_>, origin: &Origin, hop: Hop) -> Result<Vec<Proxy>, String> {
    let mut hops: Vec<Proxy> = Vec::new();
    for _ in 0..HOPS {
        let next = hops
            .first()
            .map_or(origin.instances[0].address, |h| h.address);
        hops.insert(0, hop(stage, next)?);
    }
    Ok(hops)
}

fn measure(name: &str, how: &str, origin: &Origin, hops: &[Proxy]) -> Result<Row, String> {
    let class = Class {
        path: "/item/{}",
        headers: "plimsoll-deadline: 200\r\n",
    };
    let phase = Phase {
        time: TIME,
        rates: vec![RATE],
    };
    let patience = Patience::once(Duration::from_secs(2));
    let done = drive(hops[0].address, &[class], &[phase], patience)?;
    std::thread::sleep(Duration::from_secs(1));
    let timely = done
        .iter()
        .filter(|d| d.status == 504 && d.took <= ALLOWED + GRACE)
        .count();
    let worked = |s: &Seen| {
        let end = s.left.or(s.answered);
        end.map_or(Duration::MAX, |e| e.saturating_duration_since(s.came))
    };
    let seen = origin.seen();
    let longest = seen.iter().map(worked).max().unwrap_or_default();
    let beyond = seen.iter().filter(|s| worked(s) > ALLOWED + GRACE).count();
    let cells = vec![
        format!("{:.0} ms", quantile_ms(&done, 0.99)),
        format!("{timely} of {}", done.len()),
        format!("{} ms", longest.as_millis()),
        format!("{beyond} of {}", seen.len()),
    ];
    eprintln!("{name}: {}", cells.join(", "));
    Ok(Row {
        proxy: name.into(),
        met: Some(timely * 100 >= done.len() * 99 && beyond == 0),
        cells,
        remark: how.into(),
    })
}
