//! The fit and the twin beside what textbooks and common practice would answer, on made-up services whose truth is
//! known: `cargo run --release -p model --example estimators -- 18` (worlds). Prints a table in Markdown.

use base::History;
use model::baseline;
use model::demand::{self, fit};
use model::loadline::{Options, loadline};
use model::{Fit, rank};
use sim::truth::{Goal, demand_error, line};
use sim::{Load, Plan, Planted, Seen};

const ROUTES: usize = 6;
const SECONDS: u64 = 300;
/// Of the rate at which the planted resource is full.
const LEARNED_AT: f64 = 0.4;
const BACKGROUND: f64 = 0.05;
/// Everything but the pool, whose demand depends on the load.
const COLUMNS: [usize; 5] = [0, 1, 2, 3, 4];

/// Relative errors of one estimator on one world; `None`: it does not answer that question, or it has no exact truth.
#[derive(Clone, Copy, Default)]
struct Errors {
    demand: Option<f64>,
    x_star: Option<f64>,
    /// Signed: above 0 promises more than there is.
    line: Option<f64>,
}

const NAMES: [&str; 7] = [
    "ours: FIN fit, twin",
    "ours, upstreams report their use",
    "FIN fit, X* taken for the line",
    "NNLS, completions per 1 s",
    "NNLS, completions per 10 s",
    "70 % rule",
    "USL",
];

fn main() {
    let worlds = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let worlds: u64 = worlds.unwrap_or(18);
    let next = std::sync::atomic::AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<[Errors; NAMES.len()]> = std::thread::scope(|scope| {
        let work = || {
            let mut mine = Vec::new();
            loop {
                let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if i >= worlds {
                    return mine;
                }
                mine.push(world(i));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .flat_map(|t| t.join().expect("a world does not panic"))
            .collect()
    });
    println!(
        "{worlds} made-up services of {ROUTES} routes, {SECONDS} s at {:.0} % of what they carry, {:.0} % background\n",
        100.0 * LEARNED_AT,
        100.0 * BACKGROUND
    );
    println!(
        "| estimator | demand error | X* error | load-line error | line more than 10 % too high |"
    );
    println!("|---|---|---|---|---|");
    for (k, name) in NAMES.iter().enumerate() {
        let of = |f: &dyn Fn(&Errors) -> Option<f64>| -> Vec<f64> {
            all.iter().filter_map(|e| f(&e[k])).collect()
        };
        let lines = of(&|e| e.line);
        let over = lines.iter().filter(|l| **l > 0.1).count();
        println!(
            "| {name} | {} | {} | {} | {over} of {} |",
            spread(of(&|e| e.demand)),
            spread(of(&|e| e.x_star)),
            spread(lines.iter().map(|l| l.abs()).collect()),
            lines.len()
        );
    }
}

/// Median and range in percent.
fn spread(mut v: Vec<f64>) -> String {
    v.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (v.first(), v.last()) else {
        return "—".into();
    };
    let middle = (v[(v.len() - 1) / 2] + v[v.len() / 2]) / 2.0;
    format!(
        "{:.1} % ({:.1}–{:.1})",
        100.0 * middle,
        100.0 * low,
        100.0 * high
    )
}

/// Learns one world and holds every answer against its truth.
fn world(i: u64) -> [Errors; NAMES.len()] {
    let planted = Planted::ALL[i as usize % Planted::ALL.len()];
    let plan = Plan::random(100 + i, ROUTES, planted, BACKGROUND, 0.02);
    let load = Load::steady(plan.limit * LEARNED_AT);
    let told = Seen {
        direct: true,
        ..Seen::default()
    };
    let history = plan.world.run(7000 + i, SECONDS, &load, &Seen::default());
    let reports = plan.world.run(7000 + i, SECONDS, &load, &told);
    let (f, reported) = (learn(&history), learn(&reports));
    let goals: Vec<Goal> = f
        .routes
        .iter()
        .map(|r| (r.objective.latency_s, r.objective.target))
        .collect();
    let truth = Truth {
        line: line(&plan.world, &goals, 1.1 * plan.limit, &load),
        plan: &plan,
        rates: f.routes.iter().map(|r| r.rate).collect(),
    };
    let ours = |f: &Fit| Errors {
        demand: Some(truth.demand(&|r, k| f.demand[r][k].mean)),
        x_star: truth.x_star(&|k| {
            let found = rank::rank(f, 1).into_iter().find(|x| x.resource == k);
            found.map_or(f64::NAN, |x| x.saturation)
        }),
        line: Some(loadline(f, &Options::default()).line / truth.line - 1.0),
    };
    let simple = |line: Option<f64>| Errors {
        line: line.map(|l| l / truth.line - 1.0),
        ..Errors::default()
    };
    let first_full = rank::rank(&f, 1).first().map(|x| x.saturation);
    [
        ours(&f),
        ours(&Fit {
            // The same objectives, so that one line is true for both.
            routes: reported
                .routes
                .iter()
                .zip(&f.routes)
                .map(|(new, old)| model::fit::RouteFit {
                    objective: old.objective,
                    ..new.clone()
                })
                .collect(),
            ..reported
        }),
        simple(first_full),
        textbook(&history, &f, &truth, 1),
        textbook(&history, &f, &truth, 10),
        simple(baseline::seventy_percent(&history)),
        simple(
            baseline::usl(&history)
                .map(|u| u.peak)
                .filter(|p| p.is_finite()),
        ),
    ]
}

/// A fit with the objective that people would declare: 2.5 times the p99 seen.
fn learn(history: &History) -> Fit {
    let options = demand::Options {
        span_s: SECONDS,
        ..demand::Options::default()
    };
    let mut f = fit(history, &options).expect("300 s are enough");
    for r in &mut f.routes {
        r.objective.latency_s = 2.5 * r.p99;
    }
    f
}

/// Regression on completions, no background: demands, and the lowest `X*` taken for the line.
fn textbook(history: &History, f: &Fit, truth: &Truth<'_>, window_s: usize) -> Errors {
    let d = baseline::textbook(history, window_s);
    let entry: f64 = truth.rates.iter().sum();
    let full = |k: usize| {
        let busy: f64 = d.iter().zip(&truth.rates).map(|(d, l)| d[k] * l).sum();
        f.resources[k].capacity * entry / busy
    };
    let lowest = COLUMNS.map(full).into_iter().fold(f64::INFINITY, f64::min);
    Errors {
        demand: Some(truth.demand(&|r, k| d[r][k])),
        x_star: truth.x_star(&full),
        line: Some(lowest / truth.line - 1.0),
    }
}

struct Truth<'a> {
    plan: &'a Plan,
    rates: Vec<f64>,
    line: f64,
}

impl Truth<'_> {
    fn demand(&self, found: &dyn Fn(usize, usize) -> f64) -> f64 {
        demand_error(&self.plan.world, found, &self.rates, &COLUMNS)
    }

    /// Error of the rate at which the planted resource is full.
    fn x_star(&self, found: &dyn Fn(usize) -> f64) -> Option<f64> {
        let k = self.plan.planted as usize;
        if self.plan.planted == Planted::Pool {
            return None;
        }
        let entry: f64 = self.rates.iter().sum();
        let busy: f64 = (0..self.rates.len())
            .map(|r| self.plan.world.demand(r)[k] * self.rates[r])
            .sum();
        let station = &self.plan.world.stations[k];
        let truth = (station.kind.capacity() - station.background) * entry / busy;
        Some((found(k) / truth - 1.0).abs())
    }
}
