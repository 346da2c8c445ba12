//! The choice of an instance, over sockets: keys that stay, zones that are preferred, ejection of who is far slower.

use crate::common::*;
use config::sections::{Balance, HashBy, HashMethod, Outliers};
use std::collections::BTreeMap;
use std::time::Duration;

/// Instances that answer with their number.
fn instances(n: usize) -> Vec<Upstream> {
    (0..n)
        .map(|i| Upstream::http(move |_, _| ok(i.to_string().as_bytes())))
        .collect()
}

fn balance(by: HashBy, method: HashMethod) -> Option<Balance> {
    Some(Balance {
        by,
        method,
        ..Balance::default()
    })
}

/// By user, the instance that answers.
fn answers(client: &mut Client, users: usize) -> BTreeMap<usize, String> {
    let ask = |user| {
        let head = format!("GET / HTTP/1.1\r\nHost: t\r\nX-Tenant: {user}\r\n\r\n");
        (user, client.send(head).answer().text())
    };
    (0..users).map(ask).collect()
}

#[test]
fn a_key_keeps_its_instance_over_connections_threads_and_changes() {
    for method in [HashMethod::Ring, HashMethod::Maglev] {
        let all = instances(4);
        let addresses: Vec<_> = all.iter().map(|i| i.address).collect();
        let of = |n: usize| {
            let mut c = config(&addresses[..n]);
            c.services[0].balance = balance(HashBy::Header("x-tenant".into()), method);
            c
        };
        let running = Running::with(of(4));
        let first = answers(&mut running.client(), 100);
        for _ in 0..4 {
            assert_eq!(answers(&mut running.client(), 100), first, "{method:?}");
        }
        assert!((0..4).all(|i| first.values().any(|v| *v == i.to_string())));
        running.gateway.apply(generation(2, of(3)));
        let after = answers(&mut running.client(), 100);
        let moved = first.iter().filter(|(user, was)| after[user] != **was);
        let needless = moved.filter(|(_, was)| *was != "3").count();
        let most = if method == HashMethod::Ring { 0 } else { 5 };
        assert!(
            needless <= most,
            "{method:?}: {needless} moved without need"
        );
        assert!(after.values().all(|v| v != "3"));
        running.gateway.apply(generation(3, of(4)));
        assert_eq!(answers(&mut running.client(), 100), first, "and back");
    }
}

#[test]
fn a_hot_key_spills_over_and_one_without_key_is_balanced_as_usual() {
    let all: Vec<_> = (0..4)
        .map(|i| {
            Upstream::http(move |_, _| {
                std::thread::sleep(Duration::from_millis(100));
                ok(i.to_string().as_bytes())
            })
        })
        .collect();
    let addresses: Vec<_> = all.iter().map(|i| i.address).collect();
    let mut c = config(&addresses);
    c.services[0].balance = balance(HashBy::Cookie("cart".into()), HashMethod::Ring);
    let running = Running::with(c);
    let ask = |cookie: &str| {
        let mut clients: Vec<_> = (0..16).map(|_| running.client()).collect();
        for client in &mut clients {
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: t\r\nCookie: {cookie}\r\n\r\n"
            ));
        }
        let mut counts = BTreeMap::new();
        for client in &mut clients {
            *counts.entry(client.answer().text()).or_insert(0) += 1;
        }
        counts
    };
    let hot = ask("cart=7");
    assert!(hot.values().all(|n| *n <= 5), "{hot:?}: 1.25 of 16 / 4");
    let without = ask("other=7");
    assert_eq!(without.values().sum::<i32>(), 16);
}

#[test]
fn the_own_zone_is_preferred_and_is_left_when_it_is_gone() {
    let all = instances(4);
    let addresses: Vec<_> = all.iter().map(|i| i.address).collect();
    let mut c = config(&addresses);
    c.zone = Some("a".into());
    let zones = [(0, "a"), (1, "b"), (2, "b"), (3, "b")];
    c.services[0].zones = zones
        .map(|(i, z)| (addresses[i].to_string(), z.into()))
        .into();
    let running = Running::with(c);
    let first = answers(&mut running.client(), 40);
    assert!(first.values().all(|v| v == "0"), "{first:?}");
    let mut all = all.into_iter();
    drop(all.next());
    until("the other zone to answer", || {
        let text = running.client().get("/").text();
        ["1", "2", "3"].contains(&text.as_str())
    });
}

#[test]
fn an_instance_that_is_far_slower_on_the_same_routes_is_ejected() {
    let all: Vec<_> = (0..3)
        .map(|i| {
            Upstream::http(move |_, _| {
                if i == 1 {
                    std::thread::sleep(Duration::from_millis(15));
                }
                ok(i.to_string().as_bytes())
            })
        })
        .collect();
    let addresses: Vec<_> = all.iter().map(|i| i.address).collect();
    let mut c = config(&addresses);
    // By key, so that the slow one is not simply avoided.
    c.services[0].balance = balance(HashBy::Header("x-tenant".into()), HashMethod::Maglev);
    c.services[0].health.outliers = Outliers::Eject;
    let running = Running::with(c);
    let usable = || {
        let pools = running.gateway.gauges().pools;
        pools.iter().map(|p| p.usable).collect::<Vec<_>>()
    };
    let mut clients: Vec<_> = (0..8).map(|_| running.client()).collect();
    until("the slow one to be ejected", || {
        for user in 0..12 {
            for (i, client) in clients.iter_mut().enumerate() {
                client.send(format!(
                    "GET / HTTP/1.1\r\nHost: t\r\nX-Tenant: {user}-{i}\r\n\r\n"
                ));
            }
            clients.iter_mut().for_each(|client| drop(client.answer()));
        }
        usable() == [true, false, true]
    });
    let after = answers(&mut clients[0], 60);
    assert!(after.values().all(|v| v != "1"), "{after:?}");
}
