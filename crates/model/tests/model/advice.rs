//! Moves, advice and what-if on a hand-made shop: a lock and a pool, a route worth caching, a scan, an N+1.

use crate::common::*;
use base::window::GHOST_TTLS;
use model::Fit;
use model::advice::{Advice, Options, advise};
use model::fit::{Demand, Ghost};
use model::moves::{Action, Kind, MOVES};
use model::whatif::whatif;

/// front: product (lock 6 ms), list (20 calls of item); catalogue: item, search (pool of 8). 60 requests per second.
pub fn shop() -> Fit {
    let low = |mut r: model::fit::RouteFit, mean: f64, sd: f64| {
        (r.low_mean, r.low_var) = (mean, sd * sd);
        r
    };
    let mut product = low(route("product", "front", 40.0, 0.100), 0.012, 0.006);
    product.ghost = Some(Ghost {
        lookups: 12_000.0,
        ratio: GHOST_TTLS
            .iter()
            .map(|t| 0.15 * t / (1.0 + 0.15 * t))
            .collect(),
        bytes: 1e6,
    });
    let mut checkout = low(route("checkout", "front", 15.0, 0.200), 0.030, 0.010);
    checkout.info.safe = false;
    let list = low(route("list", "front", 1.0, 0.500), 0.050, 0.010);
    let mut item = low(route("item", "catalogue", 20.0, 0.100), 0.002, 0.001);
    item.entry_rate = 0.0;
    let mut search = low(route("search", "catalogue", 4.0, 0.200), 0.020, 0.004);
    (search.db_calls, search.db_rows, search.db_returned) = (1.0, 20_000.0, 10.0);
    let resources = vec![
        resource("cpu.front", 2.0),
        resource("lock.front.stock", 1.0),
        resource("cpu.catalogue", 2.0),
        resource("pool.catalogue.db", 8.0),
    ];
    let none = || demand(0.0, 0.0);
    let mut f = fit(
        vec![product, checkout, list, item, search],
        resources,
        vec![
            vec![demand(0.001, 0.3), demand(0.006, 0.1), none(), none()],
            vec![demand(0.002, 0.3), demand(0.006, 0.1), none(), none()],
            vec![demand(0.004, 0.3), none(), none(), none()],
            vec![none(), none(), demand(0.0005, 0.5), demand(0.0015, 0.5)],
            vec![none(), none(), demand(0.012, 0.1), demand(0.014, 0.1)],
        ],
    );
    f.calls[2][3] = 20.0;
    for r in f.routes.iter_mut() {
        r.info.objective = Some(r.objective);
    }
    for (k, price) in [(0, 0.05), (2, 0.07)] {
        f.resources[k].info.price_per_hour = Some(price);
    }
    f
}

fn options(target: f64) -> Options {
    Options {
        target: Some(target),
        line: model::loadline::Options {
            seeds: 2,
            ..Default::default()
        },
        ..Options::default()
    }
}

#[test]
fn the_smallest_change_that_is_enough_comes_first() {
    let start = std::time::Instant::now();
    let a: Advice = advise(&shop(), &options(220.0));
    println!("advice: {} events, {:?}", a.events, start.elapsed());
    println!(
        "line {:.0} safe {:.0} by {:?}",
        a.line.line, a.line.safe, a.line.limit
    );
    for p in &a.proposals {
        println!(
            "{} | size {} | x{:.2} [{:.2}, {:.2}] | safe {:.0} | reaches {} | next {:?}",
            p.title,
            p.size,
            p.predicted.gain.value,
            p.predicted.gain.low,
            p.predicted.gain.high,
            p.predicted.after_safe,
            p.reaches_target,
            p.next_constraint.as_ref().map(|l| &l.resource)
        );
    }
    println!("useless: {:?}", a.useless);
    assert!(a.needed && !a.provisional);
    assert_eq!(a.line.limit.as_ref().unwrap().resource, "lock.front.stock");
    let first = &a.proposals[0];
    assert_eq!(
        (first.kind, first.subject.as_str()),
        (Kind::Cache, "product")
    );
    assert!(first.reaches_target && first.predicted.after_safe >= 220.0);
    assert!(
        matches!(&first.action, Action::Patch { ops } if ops[0].path == ["routes", "product", "cache"])
    );
    // What a canary verifies: the lock demand of a product falls by the hit ratio.
    let lock = first
        .predicted
        .demand
        .iter()
        .find(|c| c.of == "lock.front.stock")
        .unwrap();
    assert_eq!(lock.route.as_deref(), Some("product"));
    assert!(lock.ratio.low < lock.ratio.value && lock.ratio.value < lock.ratio.high);
    // Half the lookups, fewer hits.
    let canary = first
        .predicted
        .canary
        .iter()
        .find(|c| c.of == "lock.front.stock")
        .unwrap();
    assert!(canary.ratio.value > lock.ratio.value);
    assert!(
        first
            .premature
            .iter()
            .any(|p| p.size > first.size && p.why.contains("target"))
    );
    let p99 = &first.predicted.p99[0];
    assert!(first.predicted.gain.value > 1.3 && p99.route == "product" && p99.after < p99.before);
    assert!(first.predicted.p99_after <= first.predicted.p99_before);
    let ids: Vec<&str> = a.proposals.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(
        ids,
        advise(&shop(), &options(220.0))
            .proposals
            .iter()
            .map(|p| p.id.clone())
            .collect::<Vec<_>>()
    );
    let back: Advice = serde_json::from_str(&serde_json::to_string(&a).unwrap()).unwrap();
    assert_eq!(back.proposals.len(), a.proposals.len());
}

#[test]
fn without_need_it_says_so() {
    let a = advise(&shop(), &options(50.0));
    assert!(!a.needed && a.line.safe > 50.0);
}

#[test]
fn the_advisor_can_be_cut_anywhere() {
    let whole = advise(&shop(), &options(220.0));
    let mut advisor = model::advice::Advisor::new(&shop(), &options(220.0));
    let mut slices = 0;
    while !advisor.run(50_000) {
        slices += 1;
        assert!(slices < 100_000);
    }
    assert_eq!(advisor.advice(), whole);
    let short = advise(
        &shop(),
        &Options {
            line: model::loadline::Options {
                budget: 100_000,
                ..Default::default()
            },
            ..options(220.0)
        },
    );
    assert!(short.provisional);
}

#[test]
fn a_small_pool_is_widened() {
    let mut f = shop();
    f.resources[3].capacity = 1.0;
    f.routes[4].entry_rate = 30.0;
    f.routes[4].rate = 30.0;
    let a = advise(&f, &options(170.0));
    assert_eq!(a.line.limit.as_ref().unwrap().resource, "pool.catalogue.db");
    let first = &a.proposals[0];
    assert!(
        [Kind::Pool, Kind::Index].contains(&first.kind),
        "{}",
        first.title
    );
    assert!(a.proposals.iter().any(|p| p.kind == Kind::Pool));
}

#[test]
fn what_if_answers_and_useless_changes_promise_little() {
    let f = shop();
    let o = options(220.0);
    let gain = |q: &str| {
        let w = whatif(&f, q, &o).unwrap_or_else(|e| panic!("{q}: {e:?}"));
        println!(
            "{q}: line {:.0} -> {:.0}, x{:.2}, p99 {:?} -> {:?}",
            w.before.line, w.after.line, w.predicted.gain.value, w.before.p99_now, w.after.p99_now
        );
        w.predicted.gain.value
    };
    assert!(gain("replica front 2") > 1.5);
    assert!(gain("cache product ttl=10s") > 1.4);
    for useless in [
        "pool pool.catalogue.db 16",
        "batch list",
        "replica catalogue 2",
        "cores catalogue 8",
    ] {
        let g = gain(useless);
        assert!((0.97..1.1).contains(&g), "{useless} promises x{g:.2}");
    }
    assert!(gain("traffic product x3") < 0.6);
    assert!((gain("traffic x2") - 0.5).abs() < 0.02);
    assert!(gain("limit product 10/s") > 1.3);
    assert!(gain("cache product ttl=10s, replica front 2") > gain("replica front 2"));
}

#[test]
fn an_index_in_a_database_inside_the_process_frees_its_processor() {
    let mut f = shop();
    let refused = whatif(&f, "index search", &options(220.0)).unwrap_err();
    assert!(refused[0].what.contains("no database time of search"));
    // The database's 14 ms are 12 ms of the catalogue's processor, in a connection of its pool.
    let mut db = resource("db.catalogue", 1.0);
    db.capacity_known = false;
    db.info.service = Some("catalogue".into());
    db.info.within = Some("pool.catalogue.db".into());
    f.resources.push(db);
    for (route, d) in f.demand.iter_mut().enumerate() {
        d.push(demand(if route == 4 { 0.014 } else { 0.0 }, 0.1));
    }
    f.resources[2].capacity = 1.0;
    (f.routes[4].entry_rate, f.routes[4].rate) = (30.0, 30.0);
    (f.routes[0].entry_rate, f.routes[0].rate) = (10.0, 10.0);
    let w = whatif(&f, "index search", &options(220.0)).unwrap();
    let by = |l: &model::loadline::LoadLine| l.limit.as_ref().unwrap().resource.clone();
    assert_eq!(by(&w.before), "cpu.catalogue");
    assert_eq!(by(&w.after), "lock.front.stock");
    assert!(w.predicted.gain.value > 2.0, "{:?}", w.predicted.gain);
    // Or it gets more of them, unless it is one thread.
    let w = whatif(&f, "cores catalogue 4", &options(220.0)).unwrap();
    assert_eq!(by(&w.after), "lock.front.stock");
    assert!(w.predicted.gain.value > 2.0, "{:?}", w.predicted.gain);
    f.resources[2].info.serial = true;
    let refused = whatif(&f, "cores catalogue 4", &options(220.0)).unwrap_err();
    assert!(refused[0].what.contains("is one thread"), "{refused:?}");
}

#[test]
fn every_mistake_in_a_question_is_found_with_help() {
    let f = shop();
    let wrong = |q: &str| whatif(&f, q, &Options::default()).unwrap_err();
    let e =
        wrong("cashe product ttl=10s, cache prodct ttl=10s, cache product ttl=10, pool nothing 4");
    assert_eq!(e.len(), 4);
    assert!(e[0].help.contains("`cache`") && e[1].help.contains("`product`"));
    assert!(e[2].what.contains("10") && e[3].help.contains("pool.catalogue.db"));
    for q in [
        "",
        "cache",
        "cache checkout ttl=5s",
        "replica front -1",
        "limit product 0/s",
        "traffic item x2",
        "batch search",
        "traffic product xnan",
    ] {
        assert!(!wrong(q).is_empty(), "{q}");
    }
}

/// At `s` times the rate the cache sees `s` times the lifetime: the line with it is above the line at a fixed ratio.
#[test]
fn a_cache_gets_better_with_traffic() {
    let f = shop();
    let w = whatif(&f, "cache product ttl=2s", &options(220.0)).unwrap();
    let mut fixed = f.clone();
    let now = 0.3 / 1.3;
    for d in &mut fixed.demand[0] {
        d.mean *= 1.0 - now;
    }
    fixed.routes[0].amplification = 1.0 - now;
    fixed.routes[0].low_mean *= 1.0 - now;
    let l = model::loadline::loadline(&fixed, &Default::default());
    assert!(w.after.line > 1.1 * l.line, "{} {}", w.after.line, l.line);
}

#[test]
fn each_move_is_listed_once() {
    let mut kinds: Vec<Kind> = MOVES.iter().map(|m| m.0).collect();
    let n = kinds.len();
    kinds.sort();
    kinds.dedup();
    // A limit is one for what queues, and one for what requests in flight hold.
    assert_eq!((kinds.len(), n), (15, 16));
}

#[test]
fn costs_sum_to_the_bill() {
    let mut f = shop();
    let c = model::cost::costs(&f).unwrap();
    assert_eq!(c.bill_micro_per_hour, 120_000);
    assert_eq!(
        c.routes.iter().map(|r| r.micro_per_hour).sum::<u64>(),
        120_000
    );
    let marginal: f64 = c.routes.iter().map(|r| r.marginal_micro_per_hour).sum();
    let idle: f64 = c.resources.iter().map(|r| r.idle_micro_per_hour).sum();
    assert!((marginal + idle - 120_000.0).abs() < 1.0);
    assert!((c.per_1000.unwrap() - 0.12 / (60.0 * 3.6)).abs() < 1e-9);
    // Entries with their children bear the whole bill.
    let entries: f64 = (0..5)
        .map(|r| f.routes[r].entry_rate * 3.6 * c.routes[r].with_children_per_1000)
        .sum();
    assert!((entries - 0.12).abs() < 1e-6, "{entries}");
    for r in &mut f.resources {
        r.info.price_per_hour = None;
    }
    assert!(model::cost::costs(&f).unwrap_err().contains("price"));
}

/// A feed that walks a key-value store, and what else goes on there.
fn feed(command: &str, seconds: f64, others: f64) -> Fit {
    let mut store = resource("db.feed", 1.0);
    store.info.discipline = base::Discipline::Ps;
    let demands = vec![vec![demand(0.0015, 1.0)]];
    let mut f = fit(
        vec![route("feed", "shop", 100.0, 0.1)],
        vec![store],
        demands,
    );
    let statement = |text: &str, calls, seconds| base::Statement {
        database: "db.feed".into(),
        text: text.into(),
        calls,
        seconds,
        ..base::Statement::default()
    };
    f.statements = vec![
        statement(command, 100.0, seconds),
        statement("get", others, 4e-6),
    ];
    f
}

#[test]
fn a_slow_command_of_a_store_is_the_data_and_not_the_disk() {
    let class = |f: &Fit| {
        let first = model::rank::rank(f, 1)[0];
        let c = model::constraint::name(f, &first);
        (c.class, c.evidence.join("\n"))
    };
    let (of, evidence) = class(&feed("keys", 0.0015, 100.0));
    assert_eq!(of, base::Class::DataDesign);
    assert!(evidence.contains("KEYS takes 1.5 ms"), "{evidence}");
    // Many short ones are not, nor is a long one beside very many, nor what a database of SQL says.
    assert_eq!(class(&feed("keys", 0.0001, 0.0)).0, base::Class::Storage);
    assert_eq!(class(&feed("keys", 0.0015, 1e5)).0, base::Class::Storage);
    assert_eq!(
        class(&feed("SELECT 1", 0.0015, 0.0)).0,
        base::Class::Storage
    );
}

#[test]
fn a_full_memory_is_a_cliff_where_it_is_a_limit() {
    let named = |limit: bool| {
        let mut memory = resource("mem.feed", if limit { 3e6 } else { 0.0 });
        (memory.capacity_known, memory.utilisation) = (limit, 1.0);
        let mut f = feed("keys", 0.0015, 100.0);
        f.resources.push(memory);
        f.demand[0].push(Demand::NONE);
        let d = model::diagnose::diagnose(&f, &Default::default());
        d.constraint.map(|c| c.resource)
    };
    assert_eq!(named(true).as_deref(), Some("mem.feed"));
    // A cache that evicts tells none.
    assert_eq!(named(false).as_deref(), Some("db.feed"));
}

#[test]
fn an_answer_stands_until_something_moves() {
    let with = |change: &dyn Fn(&mut Fit)| {
        let mut f = feed("keys", 0.0015, 100.0);
        change(&mut f);
        model::alike::moved(&feed("keys", 0.0015, 100.0), &f).is_none()
    };
    assert!(with(&|_| {}));
    assert!(with(&|f| f.routes[0].entry_rate *= 1.04));
    assert!(!with(&|f| f.routes[0].entry_rate *= 1.06), "traffic");
    assert!(with(&|f| f.demand[0][0].mean *= 1.04));
    assert!(!with(&|f| f.demand[0][0].mean *= 1.1), "demand");
    assert!(!with(&|f| f.resources[0].capacity *= 0.9), "capacity");
    assert!(!with(&|f| f.unexplained = 0.3), "something is not seen");
    assert!(!with(&|f| f.span_s *= 0.5), "it was learned anew");
    assert!(!with(&|f| f.span_s *= 1.5), "it is surer");
    assert!(
        !with(&|f| f.routes[0].info.cached_ttl_s = Some(1.0)),
        "config"
    );
}

/// What the fit itself does not know better has not moved.
#[test]
fn an_answer_stands_within_the_error_of_the_fit() {
    let moved = |change: &dyn Fn(&mut Fit)| {
        let mut old = feed("keys", 0.0015, 100.0);
        old.resources[0].grade = base::Grade::Prior;
        let mut new = old.clone();
        change(&mut new);
        model::alike::moved(&old, &new)
    };
    assert_eq!(moved(&|f| f.demand[0][0].mean *= 1.2), None);
    let text = moved(&|f| f.demand[0][0].mean *= 1.5).unwrap();
    assert!(text.starts_with("db.feed is full at"), "{text}");
    // Ten requests per second for a minute are known to about 4 %.
    let few = |rate: f64| {
        let of = |rate| {
            let mut f = feed("keys", 0.0015, 100.0);
            (f.routes[0].entry_rate, f.span_s) = (rate, 60.0);
            f
        };
        model::alike::moved(&of(10.0), &of(rate))
    };
    assert_eq!(few(10.7), None);
    assert!(few(11.5).unwrap().contains("requests per second"));
}

/// Half of the machine's work is not the requests' own, but grows with them.
#[test]
fn what_goes_alongside_is_known_as_well_as_the_rest() {
    let resources = vec![resource("cpu.front", 1.0), resource("cpu.host", 2.0)];
    let demands = vec![vec![demand(0.005, 1.0), Demand::NONE]];
    let mut f = fit(vec![route("buy", "front", 60.0, 0.1)], resources, demands);
    f.resources[1].alongside = vec![0.0055];
    f.resources[1].grade = base::Grade::Prior;
    // Full at 200 and at 364 a second.
    let first = model::rank::rank(&f, 1)[0];
    assert!(first.resource == 0 && first.confidence > 0.95, "{first:?}");
}
