//! Made-up traffic with a fixed seed, through everything from counts to alerts: how often it cries wolf, how soon it
//! speaks. Seconds are simulated, so no test waits.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution, Poisson};
use slo::machine::Turn;
use slo::{Objective, Severity, Tick, Watch, objectives};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const START_MS: u64 = 1_700_006_400_000;
const DAY_S: u64 = 86_400;
/// Months of a simulation.
const MONTHS: u64 = 20;

fn objective(slo: &str) -> Vec<Objective> {
    let text = format!(
        "listen: 127.0.0.1:1\nservices: {{ app: {{ instances: [127.0.0.1:2] }} }}\n\
         routes: {{ home: {{ match: GET /, to: app, slo: {{ {slo} }} }} }}\n"
    );
    objectives(&config::check_text("p.yaml", &text).config.unwrap())
}

struct Run {
    watch: Watch,
    second: u64,
    /// What fired, and when.
    fired: Vec<(Severity, u64)>,
    ended: u64,
}

impl Run {
    fn new(target: &str) -> Run {
        Run::of(&format!("latency: 100ms, target: {target}"))
    }

    fn of(slo: &str) -> Run {
        let mut watch = Watch::default();
        watch.objectives(objective(slo), START_MS);
        Run {
            watch,
            second: 0,
            fired: Vec::new(),
            ended: 0,
        }
    }

    /// `step` seconds at once.
    fn push(&mut self, step: u64, total: u64, bad: u64) {
        self.second += step;
        let tick = Tick {
            total,
            bad,
            stuck: 0,
        };
        self.watch.push(START_MS + self.second * 1000, |_| tick);
        for change in self.watch.evaluate(|_| Default::default()) {
            let alert = self
                .watch
                .alerts()
                .iter()
                .find(|a| a.id == change.alert)
                .unwrap();
            match change.turn {
                Turn::Fires => self.fired.push((alert.severity, self.second)),
                Turn::Ends => self.ended += 1,
            }
        }
    }
}

/// Requests per second over a day: thousands at noon, hardly any at night.
fn rate(second: u64, peak: f64) -> f64 {
    let hour = (second % DAY_S) as f64 / 3600.0;
    let wave = 0.5 - 0.5 * (hour / 24.0 * std::f64::consts::TAU).cos();
    peak * wave.powi(4) + peak * 0.0005
}

fn drawn(rng: &mut StdRng, mean: f64) -> u64 {
    Poisson::new(mean.max(1e-9)).unwrap().sample(rng) as u64
}

/// A month of traffic whose failures are exactly what the objective allows; nights are nearly empty.
fn steady(seed: u64) -> Run {
    let (mut rng, mut run) = (StdRng::seed_from_u64(seed), Run::new("99.9%"));
    let peak = [0.2, 2.0, 20.0, 200.0][seed as usize % 4];
    for second in (0..28 * DAY_S).step_by(20) {
        let total = drawn(&mut rng, 20.0 * rate(second, peak));
        let bad = Binomial::new(total, 0.001).unwrap().sample(&mut rng);
        run.push(20, total, bad);
    }
    run
}

/// A month in which one of ten instances fails for two minutes, 1 % of the time: together, a thousandth of all answers.
fn crashing(seed: u64) -> Run {
    let (mut rng, mut run) = (StdRng::seed_from_u64(100 + seed), Run::new("99.9%"));
    let mut until = 0;
    for second in (0..28 * DAY_S).step_by(20) {
        if second >= until && rng.random::<f64>() < 20.0 / 12_000.0 {
            until = second + 120;
        }
        let total = drawn(&mut rng, 20.0 * rate(second, 50.0));
        let share = if second < until { 0.1 } else { 0.0 };
        let bad = Binomial::new(total, share).unwrap().sample(&mut rng);
        run.push(20, total, bad);
    }
    run
}

/// In how many of these months something fired; as many at once as there are processors.
fn alarms(months: std::ops::Range<u64>, month: fn(u64) -> Run) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(months.start);
    let work = || {
        let mut fired = 0;
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= months.end {
                return fired;
            }
            fired += usize::from(!month(seed).fired.is_empty());
        }
    };
    std::thread::scope(|s| {
        let all: Vec<_> = (0..threads).map(|_| s.spawn(work)).collect();
        all.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

/// Wilson's interval of a share, 95 %.
fn interval(k: usize, n: u64) -> (f64, f64) {
    let (z2, n) = (1.96f64.powi(2), n as f64);
    let p = k as f64 / n;
    let (middle, scale) = (p + z2 / (2.0 * n), 1.0 + z2 / n);
    let half = (z2 * (p * (1.0 - p) / n + z2 / (4.0 * n * n))).sqrt();
    ((middle - half).max(0.0) / scale, (middle + half) / scale)
}

#[test]
fn exactly_at_the_objective_with_empty_nights_nobody_is_woken() {
    let fired = alarms(0..MONTHS, steady);
    assert!(
        fired as f64 <= slo::ALPHA * MONTHS as f64,
        "{fired} of {MONTHS} months had an alert"
    );
}

#[test]
fn instances_that_crash_now_and_then_within_the_objective_wake_nobody() {
    let fired = alarms(0..MONTHS, crashing);
    assert!(
        fired as f64 <= slo::ALPHA * MONTHS as f64,
        "{fired} of {MONTHS} months had an alert"
    );
}

/// `cargo test --release -p slo --test simulation -- --ignored --nocapture`: what bench/alerts.md says.
#[test]
#[ignore = "takes minutes"]
fn over_many_months_the_share_with_a_false_alarm_stays_below_alpha() {
    const MANY: u64 = 400;
    for (name, month) in [("steady", steady as fn(u64) -> Run), ("crashing", crashing)] {
        let fired = alarms(0..MANY, month);
        let (low, high) = interval(fired, MANY);
        let [low, high] = [low, high].map(|x| 100.0 * x);
        println!("{name}: {fired} of {MANY} months had an alert, {low:.2} to {high:.2} %");
        assert!(high <= 100.0 * slo::ALPHA, "{name}");
    }
}

#[test]
fn a_total_outage_pages_within_a_minute_whatever_the_objective_and_ends_once() {
    for target in ["50%", "90%", "99%", "99.9%", "99.999%"] {
        let mut run = Run::new(target);
        for _ in 0..3600 {
            run.push(1, 20, 0);
        }
        for _ in 0..120 {
            run.push(1, 20, 20);
        }
        let (severity, at) = run.fired[0];
        assert_eq!(severity, Severity::Page, "{target}");
        assert!(at - 3600 <= 60, "{target}: {} s", at - 3600);
        for _ in 0..3 * 3600 {
            run.push(1, 20, 0);
        }
        let pages = run.fired.iter().filter(|f| f.0 == Severity::Page).count();
        assert_eq!(pages, 1, "{target}: one outage, one page: {:?}", run.fired);
        assert!(run.ended >= 1, "{target}");
    }
}

#[test]
fn an_outage_is_told_of_availability_where_it_stands_alone_and_not_twice_where_it_does_not() {
    for (slo, tells) in [
        ("availability: 99.9%", vec!["route-home-availability"]),
        (
            "latency: 1s, availability: 99.9%",
            vec!["route-home-latency"],
        ),
    ] {
        let mut run = Run::of(slo);
        for bad in [0, 20] {
            for _ in 0..60 {
                run.push(1, 20, bad);
            }
        }
        let alerts = run.watch.alerts().iter();
        let outages = alerts.filter(|a| a.rules.iter().any(|r| r.starts_with("outage")));
        let of: Vec<_> = outages.map(|a| a.objective.as_str()).collect();
        assert_eq!(of, tells, "{slo}");
    }
}

#[test]
fn half_of_the_answers_failing_pages_within_two_minutes_and_an_answer_in_three_at_night_does_not() {
    let (mut rng, mut run) = (StdRng::seed_from_u64(7), Run::new("99.9%"));
    for _ in 0..3600 {
        run.push(1, 20, 0);
    }
    while run.fired.is_empty() && run.second < 3600 + 600 {
        run.push(1, 20, Binomial::new(20, 0.5).unwrap().sample(&mut rng));
    }
    assert!(run.second - 3600 <= 120, "{} s", run.second - 3600);

    let mut night = Run::new("99.9%");
    for hour in 0..8 {
        for minute in 0..60 {
            let asked = minute % 20 == 0;
            night.push(
                60,
                u64::from(asked),
                u64::from(asked && minute == 20 && hour == 3),
            );
        }
    }
    assert_eq!(
        night.fired,
        [],
        "one failure of three an hour is no evidence"
    );
}

#[test]
fn a_slow_burn_becomes_a_ticket_and_no_page() {
    let (mut rng, mut run) = (StdRng::seed_from_u64(8), Run::new("99.9%"));
    for _ in (0..4 * DAY_S).step_by(10) {
        let total = drawn(&mut rng, 300.0);
        run.push(
            10,
            total,
            Binomial::new(total, 0.002).unwrap().sample(&mut rng),
        );
    }
    let severities: Vec<_> = run.fired.iter().map(|f| f.0).collect();
    assert_eq!(severities, [Severity::Ticket], "twice too fast, for days");
    assert!(run.fired[0].1 < 2 * DAY_S, "{:?}", run.fired);
}

#[test]
fn a_fast_burn_pages_within_the_hour_and_does_not_flap() {
    let (mut rng, mut run) = (StdRng::seed_from_u64(9), Run::new("99.9%"));
    for share in [0.0, 0.03, 0.0] {
        for _ in (0..2 * 3600).step_by(10) {
            let total = drawn(&mut rng, 200.0);
            run.push(
                10,
                total,
                Binomial::new(total, share).unwrap().sample(&mut rng),
            );
        }
    }
    let pages: Vec<_> = run.fired.iter().filter(|f| f.0 == Severity::Page).collect();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert!(pages[0].1 - 7200 < 3600, "{pages:?}");
}
