//! Whom an alert calls, and which of several runbooks it names.

use super::*;
use crate::{oncall, runbook, service, team};

const AT: &str = "2026-01-06T10:00:00Z";

/// A service `shop` of the team `pay`, and these runbooks: name and head.
fn catalog(runbooks: &[(&str, &str)]) -> Catalog {
    let mut c = Catalog::default();
    let (shop, _) = service::parse("shop", "s.yaml", "owner: pay\n");
    let (pay, _) = team::parse("pay", "t.yaml", "on_call: night\n");
    let turns = "people: [ben, ana]\nstarts: 2026-01-05T09:00\nturn: 1d\n";
    let (night, _) = oncall::parse("night", "o.yaml", turns);
    c.services.insert("shop".into(), shop);
    c.teams.insert("pay".into(), pay);
    c.rotations.insert("night".into(), night);
    for (name, head) in runbooks {
        let text = format!(
            "---\n{head}\n---\n# X\n```sh {{ name=look }}\n# as it is\nplimsoll status\n```\n"
        );
        let (r, found) = runbook::parse(name, &format!("runbooks/{name}.md"), &text);
        assert_eq!(found, []);
        c.runbooks.insert((*name).into(), r);
    }
    c
}

const ASKED: Asked<'_> = Asked {
    objective: "route-buy-latency",
    route: Some("buy"),
    service: "shop",
    routes: &["buy", "look"],
    owner: None,
    runbook: None,
};

fn of(c: &Catalog, asked: &Asked<'_>) -> Response {
    Response::of(c, asked, AT.parse().unwrap())
}

#[test]
fn the_owner_is_the_configs_else_the_catalogs_else_that_of_codeowners() {
    let mut c = catalog(&[]);
    let told = of(&c, &ASKED);
    assert_eq!(
        (told.owner.as_deref(), told.on_call.as_deref()),
        (Some("pay"), Some("ana"))
    );
    let config = Asked {
        owner: Some("stock"),
        ..ASKED
    };
    let told = of(&c, &config);
    assert_eq!((told.owner.as_deref(), told.on_call), (Some("stock"), None));
    let (shop, _) = service::parse("shop", "s.yaml", "path: shop\n");
    c.services.insert("shop".into(), shop);
    assert_eq!(of(&c, &ASKED).owner, None);
    let (owners, _) = crate::codeowners::parse("CODEOWNERS", "/shop/ @acme/pay\n");
    c.codeowners = Some(owners);
    let told = of(&c, &ASKED);
    assert_eq!(
        (told.owner.as_deref(), told.on_call.as_deref()),
        (Some("pay"), Some("ana"))
    );
    assert_eq!(
        of(&Catalog::default(), &config).owner.as_deref(),
        Some("stock")
    );
}

#[test]
fn nobody_is_on_call_in_a_gap() {
    let mut c = catalog(&[]);
    let turns = "people: [ben]\nstarts: 2026-01-05T09:00\nturn: 1d\nhours: 20:00-06:00\n";
    let (night, _) = oncall::parse("night", "o.yaml", turns);
    c.rotations.insert("night".into(), night);
    let told = of(&c, &ASKED);
    assert_eq!((told.on_call, told.rotation), (None, Some("night".into())));
}

#[test]
fn the_runbook_is_the_one_nearest_to_the_alert() {
    let mut heads = vec![
        ("a-routes", "routes: [look]"),
        ("b-service", "services: [shop]"),
        ("c-route", "routes: [buy]"),
        ("d-name", "alerts: [buy]"),
        ("e-id", "alerts: [route-buy-latency]"),
    ];
    for expected in ["e-id", "d-name", "c-route", "b-service", "a-routes"] {
        let told = of(&catalog(&heads), &ASKED);
        assert_eq!(told.runbook, Some(format!("runbooks/{expected}.md")));
        let step = format!("plimsoll runbook run {expected} (first look: plimsoll status)");
        assert_eq!(told.step, Some(step));
        heads.retain(|h| h.0 != expected);
    }
    assert_eq!(of(&catalog(&[]), &ASKED).runbook, None);
}

#[test]
fn what_the_config_names_is_a_file_of_the_catalog_or_an_address() {
    let heads = [("shop", "routes: [look]"), ("slow", "services: [shop]")];
    let named = |name| {
        let asked = Asked {
            runbook: Some(name),
            ..ASKED
        };
        let told = of(&catalog(&heads), &asked);
        (told.runbook.unwrap(), told.step.is_some())
    };
    assert_eq!(named("runbooks/shop.md"), ("runbooks/shop.md".into(), true));
    let page = "https://wiki.internal/shop";
    assert_eq!(named(page), (page.into(), false), "not the file `shop`");
    assert_eq!(named("gone.md"), ("runbooks/slow.md".into(), true));
    let alone = Asked {
        runbook: Some("gone.md"),
        ..ASKED
    };
    let told = of(&catalog(&[]), &alone);
    assert_eq!(
        (told.runbook.as_deref(), told.step),
        (Some("gone.md"), None)
    );
}

#[test]
fn a_step_can_be_typed_as_it_stands() {
    let read = |name: &str, text: &str| step(&runbook::parse(name, "r.md", text).0);
    assert_eq!(
        read("it's slow", "# X\n"),
        r"plimsoll runbook show 'it'\''s slow'"
    );
    let only = "```sh {\"name\":\"drain it\",\"excludeFromRunAll\":\"true\"}\n\n```\n";
    assert_eq!(
        read("slow", only),
        "plimsoll runbook run slow --step 'drain it' (first drain it)"
    );
    let two = format!("{only}```sh {{ name=look }}\n{}\n```\n", "x".repeat(500));
    let told = read("slow", &two);
    assert!(
        told.starts_with("plimsoll runbook run slow (first look: xxx"),
        "{told}"
    );
    assert!(told.len() < 300, "{}", told.len());
}
