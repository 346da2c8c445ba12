//! A thousand clients ask for one expired key at once; and a hundred for one that may not be stored.

use super::Stage;
use super::clients::{Clients, Patience, run as clients};
use super::contenders::{Contender, Measured, each, haproxy, nginx, plimsoll};
use super::origin::{Origin, Plan, Work};
use super::page::Section;
use crate::peers::Proxy;
use std::rc::Rc;
use std::time::{Duration, Instant};

const CROWD: usize = 1000;
const SOME: usize = 100;
const TAKES: Duration = Duration::from_millis(200);

const STORY: &str = "A key that may be stored for 1 s and takes 200 ms to make; when it has expired, 1000 clients ask at the same time. Then 100 clients ask at
the same time for a key that says `no-store`. Target: one request to the service for the first, all answered; the second is not
serialised: all are answered within 600 ms.";

const COLUMNS: &[&str] = &[
    "requests to the service for 1000",
    "answered",
    "last after",
    "uncacheable: last of 100 after",
];

const CONTENDERS: [Contender; 3] = [
    Contender {
        name: "Plimsoll",
        how: "`cache: {}`",
        start: |s, i| {
            let routes = "routes:\n  all: { match: \"GET /{rest...}\", to: app, cache: {} }\n";
            plimsoll(s, i, "", routes).map(|o| o.proxy)
        },
    },
    Contender {
        name: "nginx",
        how: "`proxy_cache_lock on`, `proxy_cache_use_stale updating`",
        start: |s, i| {
            let http = format!("proxy_cache_path {}/cache keys_zone=c:1m;", s.dir.display());
            let location = "proxy_cache c; proxy_cache_lock on; proxy_cache_use_stale updating; proxy_cache_key $uri;";
            nginx(s, i, &http, "", location)
        },
    },
    Contender {
        name: "HAProxy",
        how: "`cache` (it does not join requests)",
        start: |s, i| {
            let backend = "  http-request cache-use c\n  http-response cache-store c\n";
            // There is one server, so a section may follow its line.
            let section = "\ncache c\n  total-max-size 4\n  max-age 60";
            haproxy(s, i, "", backend, section)
        },
    },
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let work = |path, headers| Work {
        path,
        time: TAKES,
        headers,
    };
    let plan = Plan::new(
        1,
        2000,
        vec![
            work("/page", "Cache-Control: max-age=1\r\n"),
            work("/mine", "Cache-Control: no-store\r\n"),
        ],
    );
    let section = Section::new(STORY, COLUMNS);
    each(stage, section, &CONTENDERS, &plan, measure)
}

fn measure(origin: &Origin, proxy: &Proxy) -> Result<Measured, String> {
    crowd(proxy, "/page", 1)?;
    std::thread::sleep(Duration::from_millis(2500));
    origin.forget();
    let (answered, last) = crowd(proxy, "/page", CROWD)?;
    let asked = origin.seen().len();
    let (mine, mine_last) = crowd(proxy, "/mine", SOME)?;
    let ms = |d: Duration| format!("{} ms", d.as_millis());
    let met = asked == 1 && answered == CROWD && mine == SOME && mine_last <= 3 * TAKES;
    let cells = vec![
        asked.to_string(),
        answered.to_string(),
        ms(last),
        ms(mine_last),
    ];
    Ok((cells, Some(met)))
}

/// So many clients, connected before they ask; how many got 200, and when the last did.
fn crowd(proxy: &Proxy, path: &str, n: usize) -> Result<(usize, Duration), String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: scenario.test\r\n\r\n");
    clients(async {
        let clients = Rc::new(Clients::to(proxy.address));
        clients
            .open(n)
            .await
            .map_err(|e| format!("{}: {e}", proxy.name))?;
        let began = Instant::now();
        let ask = |_| {
            let (clients, request) = (clients.clone(), request.clone());
            tokio::task::spawn_local(async move {
                let patience = Patience::once(Duration::from_secs(20));
                clients.ask(request.as_bytes(), patience, 0).await
            })
        };
        let tasks: Vec<_> = (0..n).map(ask).collect();
        let mut answered = 0;
        for t in tasks {
            answered += usize::from(t.await.is_ok_and(|status| status == 200));
        }
        Ok((answered, began.elapsed()))
    })?
}
