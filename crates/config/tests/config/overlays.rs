//! Overlays: composition, the file wins, expiry, canaries, and writing them into the file.

use config::{Document, Overlay, check_text, compose, edit, overlay_for, parse_patch};

const FILE: &str = "listen: 127.0.0.1:8080\nservices:\n  app:\n    instances: [127.0.0.1:3000]\nroutes:\n  product:   # the busy one\n    \
                    match: GET /products/{id}\n    to: app\n  home:\n    match: GET /\n    to: app  # the start page\n";

pub fn document(text: &str) -> Document {
    check_text("p.yaml", text).document
}

pub fn overlay(id: &str, patches: &[&str], on: &Document) -> Overlay {
    let ops = patches.iter().map(|p| parse_patch(p).unwrap()).collect();
    Overlay {
        id: id.into(),
        owner: "ops".into(),
        reason: "test".into(),
        evidence: String::new(),
        ops: overlay_for(on, ops),
        created_at: 0,
        expires_at: None,
        share: None,
    }
}

#[test]
fn overlays_change_the_base_and_removing_one_restores_the_rest() {
    let d = document(FILE);
    let cache = overlay("cache", &["routes.product.cache={ttl: 10s}"], &d);
    let limit = overlay("limit", &["services.app.limit=8"], &d);
    let both = compose(&d, &[cache.clone(), limit.clone()], 1, 0).unwrap();
    assert_eq!(both.dropped, []);
    assert_eq!(
        both.generation
            .base
            .route("product")
            .unwrap()
            .cache
            .as_ref()
            .unwrap()
            .ttl
            .unwrap()
            .as_secs(),
        10
    );
    assert_eq!(both.generation.base.service("app").unwrap().limit, Some(8));
    let one = compose(&d, &[limit], 2, 0).unwrap();
    assert!(
        one.generation
            .base
            .route("product")
            .unwrap()
            .cache
            .is_none()
    );
    assert_ne!(one.generation.hash, both.generation.hash);
}

#[test]
fn the_file_wins_when_it_changes_the_same_path() {
    let d = document(FILE);
    let o = overlay("o", &["routes.product.cache={ttl: 10s}"], &d);
    let edited = document(&FILE.replace(
        "    to: app\n  home",
        "    to: app\n    cache: { ttl: 3s }\n  home",
    ));
    let composed = compose(&edited, &[o], 1, 0).unwrap();
    assert_eq!(composed.dropped[0].1.code, "overlay-file-wins");
    assert_eq!(
        composed
            .generation
            .base
            .route("product")
            .unwrap()
            .cache
            .as_ref()
            .unwrap()
            .ttl
            .unwrap()
            .as_secs(),
        3
    );
}

#[test]
fn two_overlays_on_one_path_two_canaries_and_nonsense_are_refused() {
    let d = document(FILE);
    let a = overlay("a", &["routes.product.cache={ttl: 10s}"], &d);
    let b = overlay("b", &["routes.product.cache.ttl=5s"], &d);
    assert_eq!(
        compose(&d, &[a.clone(), b], 1, 0).unwrap().dropped[0]
            .1
            .code,
        "overlay-conflict"
    );
    let canary = |id: &str, p: &str| Overlay {
        share: Some(0.1),
        ..overlay(id, &[p], &d)
    };
    let c = compose(
        &d,
        &[
            canary("x", "services.app.limit=1"),
            canary("y", "routes.home.cache={ttl: 1s}"),
        ],
        1,
        0,
    )
    .unwrap();
    assert_eq!(c.dropped[0].1.code, "overlay-two-canaries");
    assert_eq!(
        c.generation
            .canary
            .unwrap()
            .config
            .service("app")
            .unwrap()
            .limit,
        Some(1)
    );
    assert_eq!(c.generation.base.service("app").unwrap().limit, None);
    let wrong = overlay("w", &["routes.product.cach={ttl: 10s}"], &d);
    let composed = compose(&d, &[wrong, a], 1, 0).unwrap();
    assert_eq!(composed.dropped[0].1.code, "overlay-refused");
    assert!(
        composed
            .generation
            .base
            .route("product")
            .unwrap()
            .cache
            .is_some()
    );
}

#[test]
fn expiry_leads_to_the_generation_without_it() {
    let d = document(FILE);
    let mut fault = overlay("fault", &["routes.home.cache={ttl: 1s}"], &d);
    fault.expires_at = Some(100);
    let now = compose(&d, &[fault.clone()], 1, 50).unwrap().generation;
    let expiry = now.expiry.unwrap();
    assert_eq!(expiry.at, 100);
    assert!(now.base.route("home").unwrap().cache.is_some());
    assert!(expiry.next.base.route("home").unwrap().cache.is_none());
    assert!(
        compose(&d, &[fault], 1, 100)
            .unwrap()
            .generation
            .base
            .route("home")
            .unwrap()
            .cache
            .is_none()
    );
}

#[test]
fn a_broken_file_is_an_error_not_a_generation() {
    assert!(compose(&document("listen: nowhere\n"), &[], 1, 0).is_err());
}

#[test]
fn adopting_keeps_comments_and_means_the_same() {
    let d = document(FILE);
    let o = overlay(
        "o",
        &[
            "routes.product.cache={ttl: 10s, size: 64MiB}",
            "routes.home.to=app",
            "services.app.health.path=/up",
        ],
        &d,
    );
    let text = edit::adopt("p.yaml", FILE, &o).unwrap();
    assert!(
        text.contains("# the busy one") && text.contains("to: app  # the start page"),
        "{text}"
    );
    let adopted = compose(&document(&text), &[], 1, 0).unwrap().generation;
    let composed = compose(&d, &[o], 1, 0).unwrap().generation;
    assert_eq!(adopted.base, composed.base, "{text}");
}

#[test]
fn adopting_can_remove_and_refuses_what_it_cannot_edit() {
    let d = document(FILE);
    let text = edit::adopt("p.yaml", FILE, &overlay("o", &["routes.home="], &d)).unwrap();
    assert!(
        document(&text)
            .root
            .get("routes")
            .unwrap()
            .get("home")
            .is_none(),
        "{text}"
    );
    let flow = "listen: 127.0.0.1:8080\nservices: {\n  app: { instances: [127.0.0.1:3000] } }\n";
    let o = overlay(
        "o",
        &["services.web={instances: [127.0.0.1:2]}"],
        &document(flow),
    );
    let f = edit::adopt("p.yaml", flow, &o).unwrap_err();
    assert!(
        f.help
            .contains("services.web: { instances: [127.0.0.1:2] }"),
        "{f}"
    );
    let o = overlay("o", &["services.app.limit=3"], &document(flow));
    let text = edit::adopt("p.yaml", flow, &o);
    assert!(text.is_err(), "{text:?}");
}

#[test]
fn patches_as_people_type_them() {
    let op = parse_patch("resources.\"pool.db\".capacity=8").unwrap();
    assert_eq!(op.path, ["resources", "pool.db", "capacity"]);
    for bad in ["routes.a", "=1", "a..b=1", "a.\"b=1"] {
        assert!(parse_patch(bad).is_err(), "{bad}");
    }
}

#[test]
fn expiries_follow_one_another_and_the_refused_stay_refused() {
    let d = document(FILE);
    let many: Vec<Overlay> = (0..70u64)
        .map(|i| Overlay {
            expires_at: Some(100 + i),
            ..overlay(
                &format!("o{i}"),
                &[&format!("resources.r{i}.capacity={}", i + 1)],
                &d,
            )
        })
        .collect();
    let composed = compose(&d, &many, 1, 0).unwrap();
    assert_eq!(composed.dropped.len(), 6);
    let mut hashes = vec![composed.generation.hash.clone()];
    let mut at = &composed.generation;
    while let Some(e) = &at.expiry {
        assert_eq!(e.next.base.resources.len() + 1, at.base.resources.len());
        at = &e.next;
        hashes.push(at.hash.clone());
    }
    assert_eq!(hashes.len(), 65);
    assert_eq!(at.base.resources, []);
    assert_eq!(at.hash, compose(&d, &[], 1, 0).unwrap().generation.hash);
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 65);
    // Its path is free once the first expires, but it was refused: nobody expects it to act later.
    let again = Overlay {
        expires_at: None,
        ..overlay("again", &["resources.r0.capacity=9"], &d)
    };
    let two = compose(&d, &[many[0].clone(), again], 1, 0).unwrap();
    assert_eq!(two.dropped[0].1.code, "overlay-conflict");
    assert_eq!(two.generation.expiry.unwrap().next.base.resources, []);
}

#[test]
fn a_canary_expires_to_the_base_and_its_share_must_make_sense() {
    let d = document(FILE);
    let mut o = overlay("c", &["services.app.limit=1"], &d);
    (o.share, o.expires_at) = (Some(0.1), Some(60));
    let g = compose(&d, &[o.clone()], 1, 0).unwrap().generation;
    assert_eq!(g.canary.as_ref().map(|c| c.share), Some(0.1));
    assert!(g.expiry.unwrap().next.canary.is_none());
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        o.share = Some(share);
        let dropped = compose(&d, &[o.clone()], 1, 0).unwrap().dropped;
        assert_eq!(dropped[0].1.code, "overlay-share", "{share}");
    }
}

#[test]
fn the_reason_of_a_drop_says_what_was_and_what_is() {
    let o = overlay("o", &["services.app.limit=8"], &document(FILE));
    let edited = document(&FILE.replace("[127.0.0.1:3000]", "[127.0.0.1:3000]\n    limit: 5"));
    let f = &compose(&edited, &[o], 1, 0).unwrap().dropped[0].1;
    assert_eq!(f.spot.as_ref().unwrap().to_string(), "p.yaml:5:12");
    assert!(
        f.why.contains("was nothing") && f.why.contains("is \"5\" now"),
        "{f}"
    );
}
