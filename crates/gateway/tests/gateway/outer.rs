//! What caches and proxies further out are told: through whom a message came, and what an unsafe request has changed.

use crate::common::*;
use config::sections::{Cache, PurgeHook};
use gateway::request::cache::What;
use std::sync::{Arc, Mutex};

#[test]
fn via_names_every_hop_both_ways() {
    let upstream = Upstream::http(|head, _| {
        let via = head
            .lines()
            .filter(|l| l.to_lowercase().starts_with("via:"));
        let body = via.collect::<Vec<_>>().join("|");
        let head = "HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\nCache-Control: max-age=60\r\n";
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let mut c = config(&[upstream.address]);
    c.via = Some("edge".into());
    c.routes[0].cache = Some(Cache::default());
    let running = Running::with(c.clone());
    let mut client = running.client();
    let via = |a: &Answer| -> Vec<String> {
        let lines = a
            .head
            .lines()
            .filter(|l| l.to_lowercase().starts_with("via:"));
        lines.map(str::to_owned).collect()
    };
    let a = client
        .send("GET /a HTTP/1.1\r\nHost: t\r\nVia: 1.1 outer\r\n\r\n")
        .answer();
    assert_eq!(a.text(), "Via: 1.1 outer|Via: 1.1 edge");
    assert_eq!(via(&a), ["Via: 1.0 inner", "Via: 1.1 edge"]);
    let old = running
        .client()
        .send("GET /b HTTP/1.0\r\nHost: t\r\n\r\n")
        .answer();
    assert_eq!(old.text(), "Via: 1.0 edge");
    c.via = None;
    running.gateway.apply(generation(2, c));
    let mut n = 0;
    until("the new generation", || {
        n += 1;
        client.get(&format!("/c?{n}")).text().is_empty()
    });
}

#[test]
fn what_changes_something_is_told_once_where_the_hook_wants_it() {
    let upstream = Upstream::http(|head, _| {
        match head.starts_with("GET") {
        true => ok(b""),
        false => b"HTTP/1.1 201 x\r\nLocation: /made/7\r\nCache-Group-Invalidation: \"g\"\r\nContent-Length: 0\r\n\r\n".to_vec(),
    }
    });
    let mut c = config(&[upstream.address]);
    c.purge_hook = Some(PurgeHook::default());
    let running = Running::with(c.clone());
    let told = Arc::new(Mutex::new(Vec::new()));
    let all = told.clone();
    running.gateway.tell_changes(Box::new(move |purge| {
        all.lock().unwrap().push(purge.clone())
    }));
    let mut client = running.client();
    let mut post = || {
        client
            .send("POST /things?x=1 HTTP/1.1\r\nHost: Shop.example\r\nContent-Length: 0\r\n\r\n")
            .answer()
            .status
    };
    assert_eq!(post(), 201);
    assert!(told.lock().unwrap().is_empty(), "off by default");
    c.purge_hook = Some(PurgeHook {
        on_change: true,
        ..PurgeHook::default()
    });
    running.gateway.apply(generation(2, c));
    assert_eq!(post(), 201);
    let told = told.lock().unwrap();
    let whats: Vec<_> = told.iter().map(|p| p.what.clone()).collect();
    assert_eq!(
        whats,
        [
            What::Url("/things".into()),
            What::Url("/made/7".into()),
            What::Group("g".into())
        ]
    );
    assert!(
        told.iter()
            .all(|p| p.host.as_deref() == Some("shop.example"))
    );
}
