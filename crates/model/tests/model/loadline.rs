//! The load line against closed formulas, on hand-made fits.

use crate::common::*;
use base::Grade;
use model::Fit;
use model::loadline::{LoadLine, Options, Search, loadline, provisional};

fn line(fit: &Fit) -> LoadLine {
    loadline(fit, &Options::default())
}

/// M/M/1: p99 = D ln(100) / (1 - rho), so a limit of 2.5 p99(0) is met up to rho = 0.6.
#[test]
fn one_server_breaks_where_its_formula_says() {
    for (name, mean) in [("lock.front", 0.01), ("cpu.front", 0.004)] {
        let mut f = single(name, 1.0, mean, 1.0, 2.5 * mean * 100f64.ln());
        (f.routes[0].rate, f.routes[0].entry_rate) = (1.0, 1.0);
        let l = line(&f);
        let want = 0.6 / mean;
        // A shared processor's tail is heavier than first come first served: only the lock has this formula.
        if name.starts_with("lock") {
            assert!(
                (l.line / want - 1.0).abs() < 0.04,
                "{} against {want}",
                l.line
            );
        } else {
            assert!(
                l.line < want && l.line > 0.6 * want,
                "{} against {want}",
                l.line
            );
        }
        assert!(!l.provisional && l.safe < l.line && l.high > l.line);
        assert!((l.saturation - 1.0 / mean).abs() < 1e-6 / mean);
        assert_eq!(l.limit.as_ref().unwrap().resource, name);
        assert!(l.routes[0].breaks_first);
        println!(
            "{name}: line {:.1}, safe {:.1}, {} events",
            l.line, l.safe, l.events
        );
    }
}

#[test]
fn the_spread_of_demand_becomes_the_safe_line() {
    let mut f = single("lock.front", 1.0, 0.01, 1.0, 0.2);
    f.routes[0].rate = 1.0;
    f.routes[0].entry_rate = 1.0;
    f.demand[0][0].sd = 0.001;
    let l = line(&f);
    let share = l.safe / l.line;
    assert!((share - 1.0 / (1.0 + 1.28 * 0.1)).abs() < 0.03, "{share}");
}

#[test]
fn a_stricter_route_holds_the_line_for_all() {
    let mut strict = route("checkout", "front", 5.0, 0.035);
    strict.low_mean = 0.01;
    strict.low_var = 0.0001;
    let mut lax = route("report", "front", 5.0, 10.0);
    lax.low_mean = 0.01;
    lax.low_var = 0.0001;
    let f = fit(
        vec![strict, lax],
        vec![resource("lock.front", 1.0)],
        vec![vec![demand(0.01, 1.0)], vec![demand(0.01, 1.0)]],
    );
    let l = line(&f);
    // P(T > 35 ms) = exp(-(1 - rho) 3.5) > 1 % at any rate: missed even without load.
    assert_eq!(l.line, 0.0);
    assert!(l.reasons.iter().any(|r| r.contains("even without load")));
    let mut g = f.clone();
    g.routes[0].objective.latency_s = 0.1;
    let l = line(&g);
    let want = 100.0 * (1.0 - 100f64.ln() / 10.0);
    assert!(
        (l.line / want - 1.0).abs() < 0.05,
        "{} against {want}",
        l.line
    );
    assert!(l.routes[0].breaks_first && !l.routes[1].breaks_first);
    assert!((l.routes[0].line - l.line / 2.0).abs() < 1e-9);
}

#[test]
fn the_bound_answers_at_once_and_the_search_can_be_cut() {
    let mut f = single("lock.front", 1.0, 0.01, 1.0, 0.12);
    f.routes[0].rate = 20.0;
    f.routes[0].entry_rate = 20.0;
    let first = provisional(&f, &Options::default());
    assert!(first.provisional && (first.line - 100.0).abs() < 1e-9 && first.events == 0);
    let whole = line(&f);
    let mut search = Search::new(&f, &Options::default());
    let mut slices = 0;
    while !search.run(9_999) {
        slices += 1;
    }
    assert!(slices > 10);
    assert_eq!(search.line(), whole, "however it is cut");
    let cut = loadline(
        &f,
        &Options {
            budget: 100_000,
            ..Options::default()
        },
    );
    assert!(cut.provisional && cut.line <= 100.0);
}

#[test]
fn the_twin_is_doubted_when_it_does_not_reproduce_what_was_seen() {
    let mut f = single("lock.front", 1.0, 0.01, 1.0, 0.2);
    (f.routes[0].rate, f.routes[0].entry_rate, f.routes[0].count) = (30.0, 30.0, 9000.0);
    f.entry_rates = vec![30.0; 300];
    // Learned at 30 % load: mean and p99 of M/M/1 there.
    f.routes[0].low_mean = 0.01 / 0.7;
    f.routes[0].low_var = (0.01f64 / 0.7).powi(2);
    f.routes[0].p99_top = 0.01 / 0.7 * 100f64.ln();
    let good = line(&f);
    assert!(good.trusted, "{:?}", good.reasons);
    f.routes[0].p99_top *= 1.6;
    let bad = line(&f);
    assert!(
        !bad.trusted && bad.reasons[0].contains("was seen"),
        "{:?}",
        bad.reasons
    );
    f.routes[0].p99_top /= 1.6;
    f.unexplained = 0.4;
    let unseen = line(&f);
    assert!(!unseen.trusted && unseen.safe < 0.62 * unseen.line);
}

#[test]
fn bursts_lower_the_line() {
    let mut f = single("lock.front", 1.0, 0.002, 1.0, 0.03);
    (f.routes[0].rate, f.routes[0].entry_rate) = (100.0, 100.0);
    let calm = line(&f);
    (f.burst_sigma, f.burst_tau_s) = (0.35, 4.0);
    let start = std::time::Instant::now();
    let bursty = line(&f);
    println!(
        "bursty line {:.0} (calm {:.0}): {} events, {:?}",
        bursty.line,
        calm.line,
        bursty.events,
        start.elapsed()
    );
    assert!(bursty.line < 0.8 * calm.line && bursty.bursty);
}

#[test]
fn no_traffic_and_nothing_known_are_said() {
    let f = fit(vec![], vec![], vec![]);
    let l = line(&f);
    assert!(l.limit.is_none() && !l.trusted && l.line == 0.0);
    let mut g = single("mem.front", 1e9, 0.0, 1.0, 1.0);
    (g.routes[0].rate, g.routes[0].entry_rate) = (10.0, 10.0);
    g.routes[0].low_mean = 0.01;
    let l = line(&g);
    assert!(l.limit.is_none() && l.reasons.iter().any(|r| r.contains("nothing")));
}

#[test]
fn who_comes_back_to_one_thread_waits_each_time() {
    let line = |calls: f64, serial: bool| {
        let mut cpu = resource("cpu.app", 1.0);
        if serial {
            (cpu.info.serial, cpu.info.discipline) = (true, base::Discipline::Fcfs);
        }
        let mut short = route("short", "app", 20.0, 0.06);
        (short.db_calls, short.low_mean) = (calls, 0.014);
        let routes = vec![route("long", "app", 2.0, 2.0), short];
        let demands = vec![vec![demand(0.02, 0.0)], vec![demand(0.002, 0.0)]];
        let f = fit(routes, vec![cpu], demands);
        model::loadline::loadline(&f, &model::loadline::Options::default()).line
    };
    let uncounted = |mean: f64, grade: Grade| {
        let mut cpu = resource("cpu.app", 1.0);
        (cpu.info.serial, cpu.info.discipline) = (true, base::Discipline::Fcfs);
        let mut short = route("short", "app", 20.0, 0.06);
        short.low_mean = 0.014;
        let mut redis = demand(mean, 0.0);
        redis.grade = grade;
        let f = fit(
            vec![route("long", "app", 2.0, 2.0), short],
            vec![cpu, resource("db.cache", 1.0)],
            vec![
                vec![demand(0.02, 0.0), demand(0.0, 0.0)],
                vec![demand(0.002, 0.0), redis],
            ],
        );
        model::turns::AllTurns::of(&f).get(1, 0).n
    };
    assert_eq!(uncounted(1e-4, Grade::Regression), 2);
    assert_eq!(uncounted(1e-4, Grade::Direct), 1, "those are counted");
    assert_eq!(uncounted(0.0, Grade::Regression), 1);
    let (once, often) = (line(0.0, true), line(5.0, true));
    assert!(often < 0.9 * once, "{often} and {once}");
    // Several cores are nobody's turn.
    assert_eq!(line(0.0, false), line(5.0, false));
}

#[test]
fn short_requests_wait_behind_long_ones_on_one_thread() {
    let line = |serial: bool| {
        let mut cpu = resource("cpu.app", 1.0);
        if serial {
            (cpu.info.serial, cpu.info.discipline) = (true, base::Discipline::Fcfs);
        }
        let routes = vec![
            route("long", "app", 4.0, 2.0),
            route("short", "app", 20.0, 0.04),
        ];
        let demands = vec![vec![demand(0.05, 0.0)], vec![demand(0.001, 0.0)]];
        let f = fit(routes, vec![cpu], demands);
        model::loadline::loadline(&f, &model::loadline::Options::default())
    };
    let (thread, cores) = (line(true), line(false));
    assert!(
        thread.line < 0.5 * cores.line,
        "{} and {}",
        thread.line,
        cores.line
    );
}

#[test]
fn a_line_beside_pauses_says_so() {
    let mut f = single("cpu.front", 2.0, 0.01, 1.0, 0.25);
    let usual = line(&f);
    assert!(usual.line > 0.0);
    f.patterns
        .push(model::pattern::Pattern::Pauses(model::pattern::Pauses {
            service: "front".into(),
            every_s: 5.0,
            length_s: 0.4,
            late: 0.08,
            misses: 0.04,
            breaks: true,
            explained: 1.0,
            pauses: 24,
            routes: vec!["product".into()],
            grade: Grade::Waits,
        }));
    let paused = line(&f);
    assert_eq!((paused.line, paused.trusted), (usual.line, false));
    let said = |r: &String| r.contains("front stands still every 5 s: 4.0 %");
    assert!(paused.reasons.iter().any(said), "{:?}", paused.reasons);
}
