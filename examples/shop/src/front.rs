//! The shop's web front: what customers ask.

use crate::Options;
use crate::client::Client;
use crate::server::{Request, Response, serve};
use crate::switches::Switches;
use crate::timing::Timing;
use crate::work::{Kept, Lock, World, burn, cpu_ms_since_last};
use std::time::Duration;

pub fn run(options: Options) -> std::io::Result<()> {
    let s = options.switches;
    let client = Client::new(options.via);
    let shared = Shared::default();
    shared.world.stop_every(s.pause_every_s, s.pause_ms);
    serve(options.listen, move |request| {
        let _inside = shared.world.enter();
        let mut timing = Timing::default();
        let (status, body) = match answer(request, &client, &shared, &s, &mut timing) {
            Ok(answer) => answer,
            Err(e) => (502, format!("{{\"error\":{:?}}}", e.to_string())),
        };
        timing.cpu(cpu_ms_since_last());
        let mut response = Response::new(status, body);
        response.server_timing = timing.header(s.timing).map(str::to_owned);
        response
    })
}

/// What all requests have in common.
#[derive(Default)]
struct Shared {
    /// Of the stock levels.
    stock: Lock,
    bestsellers: Kept,
    world: World,
}

fn answer(
    request: &Request,
    client: &Client,
    shared: &Shared,
    s: &Switches,
    timing: &mut Timing,
) -> std::io::Result<(u16, String)> {
    let trace = request.traceparent.as_deref();
    let segments: Vec<&str> = request.path.split('/').filter(|p| !p.is_empty()).collect();
    match (request.method.as_str(), segments.as_slice()) {
        (_, ["health"]) => Ok((200, "{}".into())),
        ("GET" | "HEAD", []) => {
            burn(s.cpu_ms / 4.0);
            if s.cache_s > 0.0 {
                let asked = || client.call("GET", "catalogue", "/items?ids=1,2,3", trace);
                let ask = || asked().map(|answer| answer.1);
                return Ok((200, shared.bestsellers.get(s.cache_s, ask)?));
            }
            Ok((200, "{\"shop\":\"open\"}".into()))
        }
        ("GET" | "HEAD", ["products", id]) => {
            burn(s.cpu_ms);
            let (status, item) = client.call("GET", "catalogue", &format!("/items/{id}"), trace)?;
            // The stock level is kept under one lock for the whole shop.
            let ((), held) = shared
                .stock
                .hold(|| std::thread::sleep(Duration::from_secs_f64(s.lock_ms / 1e3)));
            timing.held("lock.stock", held, 1);
            Ok((
                status,
                format!("{{\"item\":{item},\"stock\":{}}}", id.len()),
            ))
        }
        ("GET", ["search"]) => {
            burn(s.cpu_ms / 2.0);
            client.call(
                "GET",
                "catalogue",
                &format!("/find?tag={}", request.param("tag").unwrap_or("0")),
                trace,
            )
        }
        ("GET", ["categories", id]) => {
            burn(s.cpu_ms / 2.0);
            let first: usize = id.parse().unwrap_or(0) * s.items;
            if s.n_plus_one {
                let mut items = Vec::with_capacity(s.items);
                for id in first..first + s.items {
                    items.push(
                        client
                            .call("GET", "catalogue", &format!("/items/{id}"), trace)?
                            .1,
                    );
                }
                return Ok((200, format!("[{}]", items.join(","))));
            }
            let ids: Vec<String> = (first..first + s.items).map(|i| i.to_string()).collect();
            client.call(
                "GET",
                "catalogue",
                &format!("/items?ids={}", ids.join(",")),
                trace,
            )
        }
        ("POST", ["checkout"]) => {
            burn(s.cpu_ms / 2.0);
            let ((), held) = shared
                .stock
                .hold(|| std::thread::sleep(Duration::from_secs_f64(s.lock_ms / 1e3)));
            timing.held("lock.stock", held, 1);
            let order = vec![b'x'; s.charge_kb << 10];
            let charge = || client.send("POST", "pay", "/charge", trace, &order);
            let mut answer = charge()?;
            for _ in 0..s.retries {
                if answer.0 < 500 {
                    break;
                }
                answer = charge()?;
            }
            Ok(answer)
        }
        ("GET", ["report"]) => {
            burn(s.report_ms);
            if s.hold_mb > 0 {
                // Written to, or the kernel would not give it.
                let held = vec![1u8; s.hold_mb << 20];
                client.call("POST", "pay", "/charge", trace)?;
                drop(std::hint::black_box(held));
            }
            let padding = " ".repeat(s.page_kb << 10);
            Ok((200, format!("{{\"sold\":42}}{padding}")))
        }
        _ => Ok((404, "{\"error\":\"no such page\"}".into())),
    }
}
