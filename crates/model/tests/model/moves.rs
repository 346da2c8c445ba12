//! The moves that need a database, a link or a slow neighbour, on hand-made fits.

use crate::common::*;
use base::traced::{Part, Repeat, Traced};
use base::{Scan, Statement};
use model::Fit;
use model::advice::Options;
use model::constraint::Cause;
use model::fit::{Demand, ResourceFit};
use model::loadline::saturation::{lowest, saturation};
use model::loadline::{Options as LineOptions, Search, loadline};
use model::moves::{Action, Candidate, Context, Kind, candidates};
use model::pattern::{Hot, Pattern, Retries, Stampede};
use model::twin::System;
use model::whatif::whatif;

fn shared(mut r: ResourceFit) -> ResourceFit {
    r.info.service = None;
    r.info.scope = base::Scope::Shared;
    r
}

/// search (reads, 10 ms of the database) and buy (writes, 2 ms), both in front of `db.orders` with two cores.
fn orders() -> Fit {
    let search = route("search", "app", 40.0, 0.2);
    let mut buy = route("buy", "app", 20.0, 0.2);
    buy.info.safe = false;
    let db = shared(resource("db.orders", 2.0));
    let cpu = resource("cpu.app", 4.0);
    fit(
        vec![search, buy],
        vec![db, cpu],
        vec![
            vec![demand(0.010, 1.0), demand(0.001, 1.0)],
            vec![demand(0.002, 1.0), demand(0.001, 1.0)],
        ],
    )
}

/// All candidates, and what each lifts the bound by.
fn moves(f: &Fit) -> Vec<(Candidate, f64)> {
    moves_with(f, None)
}

fn moves_with(f: &Fit, config: Option<&config::Config>) -> Vec<(Candidate, f64)> {
    let line = loadline(f, &LineOptions::default());
    let search = Search::new(f, &LineOptions::default());
    let system = search.system.clone();
    let cx = Context::new(f, &system, &line, 2.0 * line.safe, config);
    let bound = |s: &System| lowest(&saturation(s)).map_or(f64::MAX, |x| x.1);
    let now = bound(&system);
    candidates(&cx)
        .into_iter()
        .map(|c| {
            let lifts = bound(&c.transform(&system)) / now;
            (c, lifts)
        })
        .collect()
}

fn one(f: &Fit, kind: Kind) -> Option<(Candidate, f64)> {
    moves(f).into_iter().find(|c| c.0.kind == kind)
}

fn instruction(c: &Candidate) -> &str {
    match &c.action {
        Action::Instruction { text } => text,
        other => panic!("{other:?}"),
    }
}

fn near(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 0.02
}

#[test]
fn an_index_names_its_statement_table_and_column() {
    let mut f = orders();
    f.statements = vec![
        Statement {
            database: "db.orders".into(),
            text: "SELECT note FROM orders WHERE customer = $1 /*route='search'*/".into(),
            routes: vec![("search".into(), 1.0)],
            calls: 40.0,
            seconds: 0.008,
            returned: 20.0,
            scan: Some(Scan {
                table: "orders".into(),
                columns: vec!["customer".into()],
                rows: 200_000.0,
                bytes: 3e7,
            }),
            ..Statement::default()
        },
        Statement {
            database: "db.orders".into(),
            text: "SELECT 1".into(),
            routes: vec![("search".into(), 1.0)],
            calls: 40.0,
            seconds: 0.002,
            ..Statement::default()
        },
    ];
    let (c, lifts) = one(&f, Kind::Index).unwrap();
    assert_eq!(c.title, "index customer of orders for search");
    assert!(instruction(&c).starts_with("CREATE INDEX CONCURRENTLY ON orders (customer);"));
    assert!(
        c.evidence
            .contains("200000 rows of orders are read for 20.0 returned"),
        "{}",
        c.evidence
    );
    assert!(!c.evidence.contains("/*"));
    // The other statement of the route stays: 2.2 ms are left of 10.
    let expected = (40.0 * 0.010 + 20.0 * 0.002) / (40.0 * 0.00216 + 20.0 * 0.002);
    assert!(near(lifts, expected), "{lifts} {expected}");
    let advice = model::advice::advise(&f, &Options::default());
    let p = advice
        .proposals
        .iter()
        .find(|p| p.kind == Kind::Index)
        .unwrap();
    assert!(
        p.predicted.gain.low < p.predicted.gain.value
            && p.predicted.gain.value < p.predicted.gain.high
    );
    // Without a tag it goes to the route that uses most of the database, and says so.
    f.statements.iter_mut().for_each(|s| s.routes.clear());
    let (c, _) = one(&f, Kind::Index).unwrap();
    assert!(
        c.subject == "search" && c.evidence.contains("it has no tag"),
        "{}",
        c.evidence
    );
    // A table of few rows wants no index.
    f.statements[0].scan.as_mut().unwrap().rows = 500.0;
    assert!(one(&f, Kind::Index).is_none());
}

#[test]
fn spans_name_the_call_that_is_made_again_and_again_and_clear_calls_that_differ() {
    let mut f = orders();
    f.routes[0].db_calls = 12.0;
    let of = |f: &Fit| one(f, Kind::Batch).filter(|c| c.0.subject == "search");
    let (counted, _) = of(&f).unwrap();
    assert_eq!(counted.evidence, "12.0 database calls per request");
    f.traced = vec![Traced {
        route: "search".into(),
        critical: vec![Part {
            whose: "db.app".into(),
            share: 0.9,
        }],
        ..Traced::default()
    }];
    assert!(of(&f).is_none(), "twelve different statements");
    f.traced[0].repeats = vec![Repeat {
        what: "SELECT * FROM items WHERE id = ?".into(),
        database: true,
        calls: 10.0,
        serial: 1.0,
        seconds: 0.01,
    }];
    let (named, lifts) = of(&f).unwrap();
    assert!(
        named.evidence.ends_with("SELECT * FROM items WHERE id = ?"),
        "{}",
        named.evidence
    );
    assert!(lifts > 1.2, "{lifts}");
    f.traced[0].repeats[0].serial = 0.2;
    assert!(of(&f).is_none(), "they are made at once");
}

#[test]
fn a_lock_of_a_row_names_the_statement_that_takes_it() {
    let mut f = orders();
    f.resources[0] = shared(resource("lock.orders.stock", 1.0));
    f.statements = vec![Statement {
        text: "SELECT n FROM stock FOR UPDATE".into(),
        routes: vec![("buy".into(), 1.0)],
        waits_for: Some("lock.orders.stock".into()),
        waiting: 0.4,
        ..Statement::default()
    }];
    let all: Vec<Candidate> = moves(&f)
        .into_iter()
        .map(|c| c.0)
        .filter(|c| c.kind == Kind::Lock)
        .collect();
    assert_eq!(all.len(), 2);
    for c in all {
        let text = instruction(&c);
        assert!(
            text.contains("`SELECT n FROM stock FOR UPDATE` (of buy)"),
            "{text}"
        );
    }
}

#[test]
fn an_advisory_lock_is_split_by_what_is_changed() {
    let mut f = orders();
    f.resources[0] = shared(resource("lock.orders.advisory", 1.0));
    f.statements = vec![Statement {
        text: "SELECT pg_advisory_xact_lock($1)".into(),
        routes: vec![("buy".into(), 1.0)],
        waits_for: Some("lock.orders.advisory".into()),
        ..Statement::default()
    }];
    let all = moves(&f);
    let split = all.iter().find(|c| c.0.title.contains("stripes")).unwrap();
    let text = instruction(&split.0);
    assert!(
        text.contains("pg_advisory_xact_lock of its id") && !text.contains("row that"),
        "{text}"
    );
}

/// Three connections, each held for 40 ms by a report, of which `idle` connections have nothing to do.
fn reports(idle: f64) -> Fit {
    let mut pool = shared(resource("pool.app.orders", 3.0));
    pool.utilisation = 0.4;
    let mut f = fit(
        vec![route("report", "app", 30.0, 0.2)],
        vec![pool, shared(resource("db.orders", 1.0))],
        vec![vec![demand(0.040, 1.0), demand(0.0005, 1.0)]],
    );
    f.statements = vec![Statement {
        database: "db.orders".into(),
        text: "SELECT count(*) FROM stock".into(),
        routes: vec![("report".into(), 1.0)],
        calls: 30.0,
        seconds: 0.0005,
        idle,
        ..Statement::default()
    }];
    f
}

#[test]
fn rows_asked_for_one_by_one_over_a_pool_are_an_n_plus_one() {
    let cause = |calls: f64, idle: f64| {
        let mut f = reports(idle);
        f.routes[0].db_calls = calls;
        model::constraint::name(&f, &model::rank::rank(&f, 1)[0]).cause
    };
    let found = cause(20.0, 0.0);
    assert!(
        matches!(&found, Some(Cause::NPlusOne { parent, child: None, .. }) if parent == "report"),
        "{found:?}"
    );
    assert!(!matches!(cause(1.0, 0.0), Some(Cause::NPlusOne { .. })));
    let mut f = reports(0.0);
    f.routes[0].db_calls = 20.0;
    let (_, lifts) = one(&f, Kind::Batch).unwrap();
    // Of 40 ms that a connection is held, the database computes for half of one, of which a quarter is left; it waits a twentieth.
    assert!(lifts > 15.0 && lifts < 20.0, "{lifts}");
    let idle = cause(20.0, 1.08);
    assert!(matches!(idle, Some(Cause::HeldIdle { .. })), "{idle:?}");
}

#[test]
fn connections_that_are_held_while_nothing_is_asked_are_given_back_sooner() {
    let named = |f: &Fit| model::constraint::name(f, &model::rank::rank(f, 1)[0]);
    let f = reports(1.08);
    let c = named(&f);
    assert_eq!(c.class, base::Class::PoolOrLock);
    assert!(
        matches!(&c.cause, Some(Cause::HeldIdle { route, share }) if route == "report" && (share - 0.9).abs() < 1e-6),
        "{:?}",
        c.cause
    );
    let all = moves(&f);
    let (sooner, lifts) = all
        .iter()
        .find(|c| c.0.title.contains("give the connection"))
        .unwrap();
    assert!(
        instruction(sooner)
            .starts_with("In report, make the slow call before the transaction begins")
    );
    assert!(*lifts > 5.0, "{lifts}");
    let (wider, _) = all
        .iter()
        .find(|c| c.0.title.contains("slots instead of"))
        .unwrap();
    assert!(
        wider.size < sooner.size,
        "more connections are the smaller change"
    );
    assert!(
        wider.guards.iter().any(|g| g.contains("90 % of")),
        "{:?}",
        wider.guards
    );
    assert_eq!(
        named(&reports(0.2)).cause,
        None,
        "the database works for most of it"
    );
}

/// `orders` returns 2000 rows; the process that passes them on takes most of the time.
fn listing(returned: f64, cpu: f64) -> Fit {
    let mut all = route("orders", "app", 40.0, 0.2);
    (all.db_calls, all.db_rows, all.db_returned) = (1.0, returned, returned);
    let home = route("home", "app", 40.0, 0.2);
    fit(
        vec![all, home],
        vec![resource("cpu.app", 1.0), shared(resource("db.orders", 1.0))],
        vec![
            vec![demand(cpu, 1.0), demand(0.002, 1.0)],
            vec![demand(0.0005, 1.0), Demand::NONE],
        ],
    )
}

#[test]
fn an_answer_of_every_row_is_paged_wherever_its_rows_cost() {
    let f = listing(2000.0, 0.008);
    let c = model::constraint::name(&f, &model::rank::rank(&f, 1)[0]);
    assert_eq!(
        (c.resource.as_str(), c.class),
        ("cpu.app", base::Class::DataDesign)
    );
    assert!(
        matches!(c.cause, Some(Cause::UnboundedResult { .. })),
        "{:?}",
        c.cause
    );
    let (page, lifts) = one(&f, Kind::Page).unwrap();
    assert!(instruction(&page).contains("add LIMIT 100"));
    // The process and the database shrink together, down to the tenth that is left at least.
    assert_eq!(page.edits.len(), 2);
    assert!((6.0..7.0).contains(&lifts), "{lifts}");
    // Few rows, and many rows beside work that no row explains.
    assert!(one(&listing(100.0, 0.008), Kind::Page).is_none());
    let busy = listing(2000.0, 0.080);
    let c = model::constraint::name(&busy, &model::rank::rank(&busy, 1)[0]);
    assert_eq!((c.class, c.cause), (base::Class::Compute, None));
}

#[test]
fn a_process_on_one_thread_gets_instances_and_no_cores() {
    let mut f = orders();
    f.demand[0][1] = demand(0.020, 1.0);
    f.resources[1].capacity = 1.0;
    let (resize, _) = one(&f, Kind::Resize).expect("its threads could use more cores");
    assert!(instruction(&resize).contains("cores"));
    f.resources[1].info.serial = true;
    assert!(
        one(&f, Kind::Resize).is_none(),
        "one thread uses one core, however many there are"
    );
    let (replica, lifts) = one(&f, Kind::Replica).unwrap();
    assert!(lifts > 1.2, "{lifts}");
    let says = "cpu.app is one thread, 82 % busy: more cores would do nothing for it";
    assert!(replica.evidence.contains(says), "{}", replica.evidence);
    let text = instruction(&replica);
    assert!(
        text.contains("2 instances of app instead of 1, or as many worker processes"),
        "{text}"
    );
    // Twice as many threads, and none of them faster.
    let after = replica.transform(&Search::new(&f, &LineOptions::default()).system);
    let cpu = &after.fit.resources[1];
    assert_eq!((cpu.instances, cpu.capacity), (2, 2.0));
}

#[test]
fn a_replica_carries_reads_and_shards_carry_all() {
    let f = orders();
    let (replica, lifts) = one(&f, Kind::ReadReplica).unwrap();
    assert!(near(lifts, 2.0), "91 % of the load are reads: {lifts}");
    assert_eq!(replica.size, 3);
    let (shard, lifts) = one(&f, Kind::Shard).unwrap();
    assert!(near(lifts, 3.2) && shard.size > replica.size, "{lifts}");
    let mut written = orders();
    written.routes[0].info.safe = false;
    assert!(
        one(&written, Kind::ReadReplica).is_none(),
        "every copy repeats writes"
    );
    let mut half = orders();
    half.demand[1][0] = demand(0.060, 1.0);
    let (_, lifts) = one(&half, Kind::ReadReplica).unwrap();
    assert!(
        near(lifts, 1.0 / 0.75),
        "the writes' share bounds it: {lifts}"
    );
}

#[test]
fn work_after_the_answer_is_still_work_but_frees_the_slots() {
    let mut f = orders();
    f.demand[1][0] = demand(0.030, 1.0);
    let (c, lifts) = one(&f, Kind::Offload).unwrap();
    assert_eq!(c.subject, "buy", "a read's answer is its work");
    assert!(near(lifts, 1.0), "the same work in all: {lifts}");
    f.resources[0] = resource("pool.app.orders", 2.0);
    let (c, lifts) = one(&f, Kind::Offload).unwrap();
    let expected = (40.0 * 0.010 + 20.0 * 0.030) / (40.0 * 0.010 + 20.0 * 0.009);
    assert!(near(lifts, expected), "{lifts} {expected}: {}", c.title);
    let asked = whatif(&f, "offload buy", &Options::default()).unwrap();
    let gain = asked.predicted.gain.value;
    assert!(gain > 1.1, "{gain}");
    let refused = whatif(&f, "offload search", &Options::default()).unwrap_err();
    assert!(refused[0].what.contains("only reads"), "{refused:?}");
}

#[test]
fn answers_are_compressed_where_the_link_is_fuller_than_the_processor() {
    let mut f = orders();
    let mut link = shared(resource("net.host.eth0", 1e6));
    link.info.unit = "bytes/s".into();
    f.resources[0] = link;
    f.routes[0].bytes_out = 15_000.0;
    f.demand[0][0] = demand(15_000.0, 1.0);
    f.demand[1][0] = demand(300.0, 1.0);
    let (c, lifts) = one(&f, Kind::Compress).unwrap();
    assert_eq!((c.subject.as_str(), c.size), ("search", 1));
    let expected = (40.0 * 15_000.0 + 20.0 * 300.0) / (40.0 * 4500.0 + 20.0 * 300.0);
    assert!(near(lifts, expected), "{lifts} {expected}");
    let configured = |compress| {
        let mut c = config::Config::empty();
        c.routes = vec![config::Route {
            compress,
            ..config::Route::named("search")
        }];
        let all = moves_with(&f, Some(&c));
        all.iter().any(|(c, _)| c.kind == Kind::Compress)
    };
    assert!(
        configured(config::Route::named("x").compress),
        "it only counts"
    );
    assert!(!configured(None), "somebody has switched it off");
    assert!(!configured(Some(Default::default())), "they are already");
    f.resources[1].capacity = 0.07;
    assert!(one(&f, Kind::Compress).is_none(), "the processor is fuller");
}

#[test]
fn a_disk_or_a_link_that_is_full_may_do_twice_as_much() {
    let full = |name: &str, capacity: f64, mean: f64| {
        let resources = vec![resource(name, capacity), resource("cpu.app", 4.0)];
        let demands = vec![vec![demand(mean, 1.0), demand(0.002, 1.0)]];
        fit(vec![route("save", "app", 40.0, 0.2)], resources, demands)
    };
    for (name, capacity, mean, word) in [
        ("disk.orders.limit", 1.0, 0.01, "io.max"),
        ("net.host.eth0", 2.5e6, 25e3, "tc qdisc"),
    ] {
        let (c, gain) = one(&full(name, capacity, mean), Kind::Resize).unwrap();
        assert_eq!(c.title, format!("{name}: twice as much per second"));
        assert!(instruction(&c).contains(word), "{:?}", c.action);
        assert!(near(gain, 2.0), "{gain}");
    }
    // The processors of a database are no disk, nor is the one thread of a store.
    for discipline in [base::Discipline::Ps, base::Discipline::Fcfs] {
        let mut store = full("db.orders", 1.0, 0.01);
        store.resources[0].info.discipline = discipline;
        let other = one(&store, Kind::Resize);
        assert!(other.is_none_or(|c| !c.0.title.contains("per second")));
    }
}

#[test]
fn a_bulkhead_keeps_a_full_dependency_from_those_who_do_not_need_it() {
    let mut f = orders();
    f.resources[0] = shared(resource("slots.pay", 1.0));
    f.demand[0][0] = demand(0.0, 1.0);
    f.demand[1][0] = demand(0.049, 1.0);
    let (c, _) = one(&f, Kind::Bulkhead).unwrap();
    assert!(
        c.protects && c.evidence.contains("search do not need it"),
        "{}",
        c.evidence
    );
    f.demand[1][0] = demand(0.020, 1.0);
    assert!(one(&f, Kind::Bulkhead).is_none(), "not full");
    f.demand[0][0] = demand(0.020, 1.0);
    assert!(one(&f, Kind::Bulkhead).is_none(), "nobody passes it by");
}

/// All candidates with this config in service; every patch is one that the config takes.
fn with_config(f: &Fit, text: &str) -> Vec<Candidate> {
    let (document, _) = config::Document::parse("plimsoll.yaml", text);
    let checked = config::check_text("plimsoll.yaml", text);
    assert_eq!(checked.findings, []);
    let config = checked.config.unwrap();
    let line = loadline(f, &LineOptions::default());
    let system = Search::new(f, &LineOptions::default()).system.clone();
    let cx = Context::new(f, &system, &line, 2.0 * line.safe, Some(&config));
    let all = candidates(&cx);
    for c in &all {
        let Action::Patch { ops } = &c.action else {
            continue;
        };
        let overlay = config::Overlay {
            id: c.title.clone(),
            owner: "test".into(),
            reason: String::new(),
            evidence: String::new(),
            ops: config::overlay_for(&document, ops.clone()),
            created_at: 0,
            expires_at: None,
            share: None,
        };
        let composed = config::compose(&document, &[overlay], 1, 0).unwrap();
        assert_eq!(composed.dropped, [], "{}", c.title);
    }
    all
}

fn patch(all: &[Candidate], kind: Kind) -> Option<&Candidate> {
    let fits = |c: &&Candidate| c.kind == kind && matches!(c.action, Action::Patch { .. });
    all.iter().find(fits)
}

fn ops(c: &Candidate) -> Vec<(String, serde_json::Value)> {
    let Action::Patch { ops } = &c.action else {
        panic!("{:?}", c.action);
    };
    let one = |o: &config::Op| (o.path.join("."), o.value.clone().unwrap());
    ops.iter().map(one).collect()
}

const APP: &str = "listen: 127.0.0.1:0
services:
  app: { instances: [127.0.0.1:7001] }
routes:
  search: { match: GET /search, to: app }
";

#[test]
fn work_that_can_wait_becomes_jobs_where_the_gateway_has_a_queue() {
    let f = orders();
    let mut heavy = f.clone();
    heavy.demand[1][0] = demand(0.02, 1.0);
    let all = |rest: &str| with_config(&heavy, &format!("{APP}{rest}"));
    let none = all("  buy: { match: POST /buy, to: app }\n");
    assert_eq!(
        patch(&none, Kind::Offload),
        None,
        "the first queue wants a restart"
    );
    let other = "  mail: { match: POST /mail, to: app, async: true }\n";
    let asked = all(&format!("{other}  buy: {{ match: POST /buy, to: app }}\n"));
    let c = patch(&asked, Kind::Offload).unwrap();
    assert_eq!(
        ops(c),
        [(
            "routes.buy.async".into(),
            serde_json::json!({ "when": "asked" })
        )]
    );
    assert!(c.guards.iter().any(|g| g.contains("Prefer: respond-async")));
    let always = all("  buy: { match: POST /buy, to: app, async: true }\n");
    let c = patch(&always, Kind::Offload).unwrap();
    assert_eq!(ops(c), [("routes.buy.async.when".into(), "always".into())]);
    let critical = "  buy: { match: POST /buy, to: app, criticality: critical }\n";
    let critical = all(&format!("{other}{critical}"));
    assert_eq!(
        patch(&critical, Kind::Offload),
        None,
        "jobs are what is shed first"
    );
}

#[test]
fn reads_go_to_replicas_that_are_there() {
    let text = |search: &str| {
        format!(
            "listen: 127.0.0.1:0
services:
  app: {{ instances: [127.0.0.1:7001], replication: shop }}
replication:
  shop:
    primary: {{ postgres: {{ env: SHOP_DB_URL }} }}
    replicas: {{ r1: {{ postgres: {{ env: SHOP_R1_URL }} }} }}
resources:
  db.orders: {{ postgres: {{ env: SHOP_DB_URL }}, capacity: 2 }}
routes:
  search: {{ match: GET /search, to: app{search} }}
  buy: {{ match: POST /buy, to: app }}
"
        )
    };
    let all = with_config(&orders(), &text(""));
    let c = patch(&all, Kind::ReadReplica).unwrap();
    assert_eq!(
        ops(c),
        [("routes.search.consistency".into(), "session".into())]
    );
    assert_eq!(c.title, "search: read from the replicas of db.orders");
    let said = with_config(&orders(), &text(", consistency: strong"));
    assert_eq!(patch(&said, Kind::ReadReplica), None, "somebody said so");
    let other = text("").replace(
        "postgres: { env: SHOP_DB_URL }, capacity",
        "postgres: { env: OTHER }, capacity",
    );
    assert_eq!(
        patch(&with_config(&orders(), &other), Kind::ReadReplica),
        None,
        "another database"
    );
}

#[test]
fn workers_of_jobs_are_a_number_in_the_config() {
    let mut f = orders();
    f.resources[0] = resource("pool.app.jobs.buy", 2.0);
    f.demand[0][0] = model::fit::Demand::NONE;
    f.demand[1][0] = demand(0.05, 1.0);
    let jobs = "  buy: { match: POST /buy, to: app, async: { concurrency: 2 } }\n";
    let all = with_config(&f, &format!("{APP}{jobs}"));
    let c = patch(&all, Kind::Pool).unwrap();
    assert_eq!(ops(c)[0].0, "routes.buy.async.concurrency");
    assert_eq!(c.size, 1);
}

#[test]
fn tries_again_get_a_budget_where_they_are_made() {
    let retries = |caller: Option<&str>| {
        Pattern::Retries(Retries {
            route: "search".into(),
            service: "app".into(),
            caller: caller.map(str::to_owned),
            factor: 1.8,
            failed: 0.5,
            grade: base::Grade::Direct,
        })
    };
    let mut f = orders();
    f.routes[0].amplification = 1.8;
    f.patterns = vec![retries(None)];
    let all = with_config(&f, APP);
    let c = patch(&all, Kind::Retry).unwrap();
    assert_eq!(
        ops(c),
        [("routes.search.retry.budget".into(), "10%".into())]
    );
    assert!(
        c.evidence.contains("50 % of the answers of app fail"),
        "{}",
        c.evidence
    );
    let tight = APP.replace("to: app }\n", "to: app, retry: { budget: 10% } }\n");
    assert_eq!(patch(&with_config(&f, &tight), Kind::Retry), None);
    // A service's own are not ours to change.
    let mut f = orders();
    f.calls[1][0] = 1.8;
    f.patterns = vec![retries(Some("buy"))];
    let (c, lifts) = one(&f, Kind::Retry).unwrap();
    assert!(instruction(&c).starts_with("In app, let retries of search be at most a tenth"));
    assert!(lifts > 1.0, "{lifts}");
}

#[test]
fn a_hot_key_is_spread_by_the_ring_or_by_whoever_knows_it() {
    let mut f = orders();
    f.resources[1].instances = 4;
    f.demand[0][1] = demand(0.030, 1.0);
    f.demand[0][0] = demand(0.001, 1.0);
    f.patterns = vec![Pattern::Hot(Hot {
        service: "app".into(),
        shard: None,
        instance: 2,
        instances: 4,
        share: 0.5,
        in_flight: 0.5,
        route: Some("search".into()),
        grade: base::Grade::Direct,
    })];
    let (c, lifts) = one(&f, Kind::Shard).unwrap();
    assert!(near(lifts, 2.0), "all four are used: {lifts}");
    assert!(instruction(&c).starts_with("Find the key that search ask app for most."));
    let wide = APP.replace(
        "[127.0.0.1:7001]",
        "[127.0.0.1:7001], balance: { by: path, bound: 2 }",
    );
    let all = with_config(&f, &wide);
    assert_eq!(
        ops(patch(&all, Kind::Shard).unwrap()),
        [("services.app.balance.bound".into(), 1.25.into())]
    );
    let tight = wide.replace("bound: 2", "bound: 1.25");
    assert_eq!(patch(&with_config(&f, &tight), Kind::Shard), None);
}

#[test]
fn a_stampede_becomes_one_fetch() {
    let mut f = orders();
    f.patterns = vec![Pattern::Stampede(Stampede {
        route: "search".into(),
        caller: "search".into(),
        ours: false,
        every_s: 8.0,
        at_once: 12.0,
        share: 0.9,
        grade: base::Grade::Direct,
    })];
    let found = |text: &str| {
        let all = with_config(&f, text);
        ops(patch(&all, Kind::Cache).unwrap())
    };
    let one_s = serde_json::json!({ "ttl": "1s" });
    assert_eq!(found(APP), [("routes.search.cache".into(), one_s)]);
    let cached = APP.replace("to: app }\n", "to: app, cache: { ttl: 8s } }\n");
    let stale = "routes.search.cache.stale_while_revalidate";
    assert_eq!(found(&cached), [(stale.into(), "8s".into())]);
    f.routes[0].info.safe = false;
    assert!(instruction(&one(&f, Kind::Cache).unwrap().0).contains("single flight"));
}
