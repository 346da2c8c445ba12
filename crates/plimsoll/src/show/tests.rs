//! The pages of a small hand-made fit: a shop whose only lock is held 6 ms by one of its two routes.

use super::{Answer, advice, answer, diagnosis, load, routes, whatif};
use base::{Finding, Grade, Objective, ResourceInfo, RouteInfo};
use control::proposal::{Change, Effect, Proposal};
use model::demand::NotYet;
use model::fit::{Demand, Fit, ResourceFit, RouteFit};

fn resource(name: &str, capacity: f64, utilisation: f64) -> ResourceFit {
    ResourceFit {
        alongside: Vec::new(),
        visits: Vec::new(),
        here: false,
        info: ResourceInfo::from_name(name),
        capacity,
        capacity_sd: 0.0,
        capacity_known: true,
        background: 0.0,
        background_sd: 0.0,
        utilisation,
        utilisation_max: utilisation * 1.2,
        waiting: None,
        instances: 1,
        grade: Grade::Direct,
        notes: vec![],
        signs: vec![],
    }
}

fn route(name: &str, rate: f64, low_mean: f64) -> RouteFit {
    RouteFit {
        info: RouteInfo {
            name: name.into(),
            service: "front".into(),
            safe: true,
            ..RouteInfo::default()
        },
        objective: Objective {
            latency_s: 0.25,
            target: 0.99,
            assumed: true,
        },
        rate,
        entry_rate: rate,
        count: rate * 300.0,
        low_mean,
        low_var: low_mean * low_mean,
        p99: 0.0,
        p99_top: 0.0,
        errors: 0.0,
        amplification: 1.0,
        bytes_out: 1000.0,
        db_calls: 0.0,
        db_rows: 0.0,
        db_returned: 0.0,
        unexplained: 0.0,
        ghost: None,
    }
}

pub(crate) fn shop() -> Fit {
    let demand = |mean: f64| Demand {
        mean,
        sd: 0.03 * mean,
        scv: Some(1.0),
        grade: Grade::Direct,
    };
    Fit {
        routes: vec![route("buy", 40.0, 0.008), route("browse", 60.0, 0.001)],
        resources: vec![
            resource("cpu.front", 2.0, 0.07),
            resource("lock.front.stock", 1.0, 0.24),
        ],
        demand: vec![
            vec![demand(0.002), demand(0.006)],
            vec![demand(0.001), Demand::NONE],
        ],
        calls: vec![vec![0.0; 2]; 2],
        child_seconds: vec![0.0; 2],
        span_s: 300.0,
        unexplained: 0.0,
        growth: vec![],
        burst_sigma: 0.0,
        burst_tau_s: 0.0,
        entry_rates: vec![],
        statements: vec![],
        traced: vec![],
        patterns: vec![],
    }
}

fn has(text: &str, parts: &[&str]) {
    for p in parts {
        assert!(text.contains(p), "`{p}` is missing in\n{text}");
    }
}

#[test]
fn a_busy_processor_is_looked_into_by_a_profile() {
    let mut fit = shop();
    fit.demand[0][1].mean = 0.0005;
    let text = diagnosis::render(&answer::answer(&fit, false), &[], 120);
    has(
        &text,
        &[
            "constraint  cpu.front",
            "`plimsoll profile front` tells which",
        ],
    );
    let text = diagnosis::render(&answer::answer(&shop(), false), &[], 120);
    assert!(!text.contains("plimsoll profile"), "{text}");
}

#[test]
fn a_diagnosis_names_the_constraint_and_all_it_rests_on() {
    let a = answer::answer(&shop(), false);
    let note = Finding::warning("recording-column", "column `x` is not known");
    let text = diagnosis::render(&a, &[note], 120);
    has(
        &text,
        &[
            "The constraint is lock.front.stock",
            "constraint  lock.front.stock [pool or lock]",
            "held 6.00 ms ± ",
            "per request of buy (direct)",
            "confidence  100 %",
            "load line ",
            "the 10 % quantile",
            "over today's 100/s",
            "next        cpu.front [compute], full at ",
            "99 % within 250 ms (assumed)",
            "breaks first",
            " buy     lock.front.stock ",
            "5.70 ms to 6.30 ms",
            "column `x` is not known",
        ],
    );
    assert!(!text.contains("provisional"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 121), "{text}");
    has(
        &diagnosis::render(&answer::answer(&shop(), true), &[], 120),
        &["(provisional: from the bound alone"],
    );
}

fn lately(route: &str, rate: f64, good: f64) -> control::lately::RouteLately {
    control::lately::RouteLately {
        index: 0,
        route: route.into(),
        service: "front".into(),
        rate,
        good: Some(good),
        errors: 3,
        refused: 1,
        p50_s: Some(0.011),
        p99_s: Some(0.03),
        cache_hits: 30,
        cache_misses: 70,
        objective: Some(Objective {
            latency_s: 0.25,
            target: 0.99,
            assumed: true,
        }),
    }
}

#[test]
fn routes_are_shown_with_what_they_use_and_what_gates_did_and_why() {
    let a = answer::answer(&shop(), false);
    let decisions = vec![
        console::Decision::new("rate", "buy", "would_refuse", 7),
        console::Decision::new("limit", "front", "waited", 2),
        console::Decision::new("rate", "browse", "refused", 0),
    ];
    let both = vec![lately("browse", 60.0, 1.0), lately("buy", 40.0, 0.9)];
    let all = routes::join(both, decisions, Some(&a));
    let text = routes::list(&all, 200);
    has(
        &text,
        &[
            "99 % within 250 ms (assumed)",
            "90.00 %",
            "30 %",
            "lock.front.stock 24 %",
            "rate would refuse 7, limit waited 2",
        ],
    );
    let place = |route| text.find(&format!(" {route} ")).unwrap();
    assert!(place("browse") < place("buy"), "the busiest first: {text}");
    let text = routes::one(&all[1], "", 120);
    has(
        &text,
        &[
            "buy, to front: 40/s",
            "90.00 %, less than its objective asks; 3 failed, 1 refused",
            "p50 11.0 ms, p99 30.0 ms",
            "30 % of 100 answered by it",
            "nothing has a price",
            " (safe ",
            "5.70 ms to 6.30 ms",
            "direct",
            "more than the limit allows; the limit only counts",
            "limit of front",
            "it waited for its turn",
        ],
    );
    assert!(text.lines().all(|l| l.chars().count() <= 121), "{text}");
    let early = routes::join(vec![lately("buy", 1.0, 1.0)], vec![], None);
    has(
        &routes::one(&early[0], "learning, 3 of 60 s", 120),
        &["not known yet: learning, 3 of 60 s", "No gate did anything"],
    );
    assert!(routes::list(&[], 120).contains("No route has been seen"));
}

#[test]
fn an_answer_survives_its_json() {
    let a = answer::answer(&shop(), true);
    let json = serde_json::to_string(&a).unwrap();
    let back: Answer = serde_json::from_str(&json).unwrap();
    assert_eq!(
        diagnosis::render(&back, &[], 120),
        diagnosis::render(&a, &[], 120)
    );
}

#[test]
fn too_little_says_for_how_much_longer_to_watch_and_draws_no_line() {
    let e = NotYet {
        more_s: 48.0,
        why: "12 s seen".into(),
    };
    let a = Answer {
        diagnosis: model::diagnose::not_yet(&e),
        line: None,
        costs: None,
    };
    assert_eq!(
        diagnosis::render(&a, &[], 120),
        "Not enough evidence yet: watch for 48 more seconds.\n\nnotes       12 s seen\n"
    );
}

#[test]
fn advice_is_numbered_with_its_effect_and_what_is_premature() {
    let found = model::advice::advise(&shop(), &model::advice::Options::default());
    let text = advice::offline(&found, 120);
    has(
        &text,
        &[
            "load line ",
            "safe ",
            " # ",
            "size",
            "cost",
            "why",
            " → ",
            "×",
        ],
    );
    let first = &found.proposals[0];
    has(&text, &[first.title.split_whitespace().next().unwrap()]);
    if let Some(p) = first.premature.first() {
        has(
            &text,
            &["not yet", p.title.split_whitespace().next().unwrap()],
        );
    }
}

#[test]
fn live_proposals_are_numbered_as_try_takes_them() {
    let p = Proposal {
        id: "cache-browse".into(),
        kind: "cache".into(),
        title: "cache browse for 10 s".into(),
        evidence: "80 % of its requests repeat".into(),
        change: Change::Patch { ops: vec![] },
        measures: "demand of browse on cpu.front".into(),
        predicted: Effect::new(0.8, 0.7, 0.85),
        line: Some(410.0),
        line_safe: Some(340.0),
        size: 1,
        cost_per_hour: 0.0,
        reverse: "remove it".into(),
    };
    let text = advice::live(&[p], Some(160.0), "ready", 200);
    has(
        &text,
        &[
            " 1  cache browse for 10 s",
            "160/s → 410/s (safe 340/s)",
            "80 % better (70 % to 85 %)",
            "nothing",
        ],
    );
    assert_eq!(
        advice::live(&[], None, "learning, 3 of 60 s", 100),
        "no proposal: learning, 3 of 60 s\n"
    );
}

#[test]
fn a_whatif_shows_before_and_after() {
    let options = model::advice::Options::default();
    let w = model::whatif::whatif(&shop(), "traffic buy x6", &options).unwrap();
    let text = whatif::render(&w, 120);
    has(
        &text,
        &[
            "what if",
            "load line",
            "safe line",
            "lock.front.stock [pool or lock]",
            "100/s",
            "300/s",
        ],
    );
    has(&text, &["above the safe line"]);
}

#[test]
fn a_limit_says_how_it_ended_and_whether_it_is_enough() {
    let step = |rate, good, margin| prove::Step { rate, good, margin };
    let found = prove::Limit {
        line_rps: Some(160.0),
        low: Some(160.0),
        high: Some(165.0),
        method: "bisected, 60 s each, ±3 %".into(),
        steps: vec![
            step(160.0, true, Some(0.004)),
            step(165.0, false, Some(-0.31)),
        ],
        stopped: prove::Stopped::Found,
    };
    let text = load::limit(&found, Some(200.0), 100);
    has(
        &text,
        &[
            "limit       160/s, between 160/s and 165/s (bisected, 60 s each, ±3 %)",
            "MISSED      limit >= 200/s",
        ],
    );
    has(&text, &[" 165/s  broke", "-31.00 %"]);
    let nothing = prove::Limit {
        line_rps: None,
        stopped: prove::Stopped::NeverGood,
        ..found
    };
    has(
        &load::limit(&nothing, None, 100),
        &["not found", "not even the lowest rate is good"],
    );
}
