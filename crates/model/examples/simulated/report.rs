//! The tables of `bench/simulated.md`.

use super::judge::{Judged, Line};
use super::shares::{quantile, share};
use sim::population::Kind;
use std::fmt::Write;

/// An answer this sure counts as sure.
pub const SURE: f64 = 0.9;
/// A line this much too high is one that somebody would run into.
const TOO_HIGH: f64 = 0.1;
/// Cases shown where numbers are worst.
const WORST: usize = 8;

/// Everything that is counted over the services.
pub struct Counts {
    pub sure: usize,
    pub sure_wrong: usize,
    /// `(abstained, of)` for each kind where no constraint can be named.
    pub nulls: Vec<(Kind, usize, usize)>,
    pub demand: Vec<f64>,
    pub inside: (usize, usize),
    pub inside_fitted: (usize, usize),
    pub lines: Vec<f64>,
    pub too_high: usize,
}

const NULLS: [Kind; 4] = [
    Kind::Quiet,
    Kind::TooLittle,
    Kind::HiddenLock,
    Kind::HiddenPool,
];

impl Counts {
    pub fn of(all: &[Judged]) -> Counts {
        let sure = || all.iter().filter(|j| j.confidence >= SURE);
        let numbers = || all.iter().filter_map(|j| j.numbers.as_ref());
        let sum = |v: &mut dyn Iterator<Item = (usize, usize)>| {
            v.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        let nulls = NULLS.map(|kind| {
            let mine: Vec<&Judged> = all.iter().filter(|j| j.kind == kind).collect();
            let abstained = mine.iter().filter(|j| j.abstained).count();
            (kind, abstained, mine.len())
        });
        let lines: Vec<f64> = lines(all).iter().map(|(_, l)| l.error()).collect();
        Counts {
            sure: sure().count(),
            sure_wrong: sure().filter(|j| !j.right).count(),
            nulls: nulls.into(),
            demand: numbers().filter_map(|n| n.demand).collect(),
            inside: sum(&mut numbers().map(|n| n.inside)),
            inside_fitted: sum(&mut numbers().map(|n| n.inside_fitted)),
            too_high: lines.iter().filter(|e| **e > TOO_HIGH).count(),
            lines,
        }
    }
}

/// Lines where there is a true one to compare with.
fn lines(all: &[Judged]) -> Vec<(&Judged, &Line)> {
    let of = |j| Some((j, line(j)?));
    all.iter().filter_map(of).collect()
}

fn line(j: &Judged) -> Option<&Line> {
    j.numbers.as_ref()?.line.as_ref()
}

pub fn tables(all: &[Judged]) -> String {
    let c = Counts::of(all);
    let mut out = String::new();
    targets(&mut out, all, &c);
    kinds(&mut out, all);
    numbers(&mut out, all);
    worst(&mut out, all);
    out
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn targets(out: &mut String, all: &[Judged], c: &Counts) {
    let right = c.sure - c.sure_wrong;
    let abs: Vec<f64> = c.lines.iter().map(|e| e.abs()).collect();
    let (middle, high) = (quantile(&abs, 0.5), quantile(&abs, 0.9));
    let demand = quantile(&c.demand, 0.5);
    let covered = c.inside.0 as f64 / c.inside.1.max(1) as f64;
    let null = |(kind, k, n): &(Kind, usize, usize)| format!("{kind:?} {}", share(*k, *n));
    let nulls: Vec<String> = c.nulls.iter().map(null).collect();
    let over = c.too_high as f64 / c.lines.len().max(1) as f64;
    let rows = [
        (
            "right in at least 98 % of the answers with a confidence of 0.9 or more",
            right as f64 >= 0.98 * c.sure as f64,
            share(right, c.sure),
        ),
        (
            "at most one of them wrong",
            c.sure_wrong <= 1,
            share(c.sure_wrong, c.sure),
        ),
        (
            "no constraint is called where none can be named",
            c.nulls.iter().all(|(_, k, n)| k == n),
            nulls.join("; "),
        ),
        (
            "demand at most 12 % off (median)",
            demand <= 0.12,
            format!(
                "{:.1} % in the median, {:.1} % in the worst tenth, of {}",
                100.0 * demand,
                100.0 * quantile(&c.demand, 0.9),
                c.demand.len()
            ),
        ),
        (
            "90 % intervals cover 85 to 95 %",
            (0.85..=0.95).contains(&covered),
            format!(
                "{}; without those that are reported {}",
                share(c.inside.0, c.inside.1),
                share(c.inside_fitted.0, c.inside_fitted.1)
            ),
        ),
        (
            "load line at most 8 % off in the median",
            middle <= 0.08,
            format!("{:.1} %, of {}", 100.0 * middle, abs.len()),
        ),
        (
            "and 20 % in nine of ten",
            high <= 0.2,
            format!("{:.1} %", 100.0 * high),
        ),
        (
            "more than 10 % too high in at most 3 %",
            over <= 0.03,
            share(c.too_high, c.lines.len()),
        ),
    ];
    let _ = writeln!(
        out,
        "{} services.\n\n| target | | measured |\n|---|---|---|",
        all.len()
    );
    for (what, met, measured) in rows {
        let _ = writeln!(out, "| {what} | {} | {measured} |", verdict(met));
    }
}

fn kinds(out: &mut String, all: &[Judged]) {
    let _ = writeln!(
        out,
        "\n| kind | services | verdict right | resource first | class | sure | sure and wrong | line: median, worst tenth |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for kind in Kind::ALL {
        let mine: Vec<&Judged> = all.iter().filter(|j| j.kind == kind).collect();
        let count = |f: &dyn Fn(&Judged) -> bool| mine.iter().filter(|j| f(j)).count();
        let of = |f: &dyn Fn(&Judged) -> bool| {
            if NULLS.contains(&kind) {
                "—".to_owned()
            } else {
                count(f).to_string()
            }
        };
        let errors: Vec<f64> = mine
            .iter()
            .filter_map(|j| Some(line(j)?.error().abs()))
            .collect();
        let line = if errors.is_empty() {
            "—".into()
        } else {
            let q = |q| 100.0 * quantile(&errors, q);
            format!("{:.1} %, {:.1} %", q(0.5), q(0.9))
        };
        let _ = writeln!(
            out,
            "| {kind:?} | {} | {} | {} | {} | {} | {} | {line} |",
            mine.len(),
            count(&|j| j.right),
            of(&|j| j.named),
            of(&|j| j.class),
            count(&|j| j.confidence >= SURE),
            count(&|j| j.confidence >= SURE && !j.right),
        );
    }
}

fn numbers(out: &mut String, all: &[Judged]) {
    let _ = writeln!(
        out,
        "\n| load line | services | median, worst tenth | more than 10 % too high | more than 10 % too low |\n|---|---|---|---|---|"
    );
    type Test = (&'static str, fn(&Judged, &Line) -> bool);
    let groups: [Test; 6] = [
        ("called trusted", |_, l| l.trusted),
        ("called doubtful", |_, l| !l.trusted),
        ("bursts", |_, l| l.bursty),
        ("no bursts", |_, l| !l.bursty),
        ("upstreams report their use", |j, _| j.direct),
        ("nobody reports", |j, _| !j.direct),
    ];
    for (name, test) in groups {
        let mine: Vec<f64> = lines(all)
            .into_iter()
            .filter(|(j, l)| test(j, l))
            .map(|(_, l)| l.error())
            .collect();
        let abs: Vec<f64> = mine.iter().map(|e| e.abs()).collect();
        let count = |f: &dyn Fn(f64) -> bool| mine.iter().filter(|e| f(**e)).count();
        let _ = writeln!(
            out,
            "| {name} | {} | {:.1} %, {:.1} % | {} | {} |",
            mine.len(),
            100.0 * quantile(&abs, 0.5),
            100.0 * quantile(&abs, 0.9),
            share(count(&|e| e > TOO_HIGH), mine.len()),
            share(count(&|e| e < -TOO_HIGH), mine.len()),
        );
    }
}

fn worst(out: &mut String, all: &[Judged]) {
    let _ = writeln!(out, "\nSure and wrong:\n");
    for j in all.iter().filter(|j| j.confidence >= SURE && !j.right) {
        let _ = writeln!(
            out,
            "- service {}, right is {}; {:.2} sure of: {}",
            j.number, j.wanted, j.confidence, j.said
        );
    }
    let mut by_line = lines(all);
    by_line.sort_by(|a, b| b.1.error().abs().total_cmp(&a.1.error().abs()));
    let _ = writeln!(out, "\nWorst load lines:\n");
    for (j, l) in by_line.into_iter().take(WORST) {
        let _ = writeln!(out, "- service {}: {}", j.number, about(j, l));
    }
}

fn about(j: &Judged, l: &Line) -> String {
    format!(
        "{:?}, line {:.0}, true {:.0} ({:+.0} %), X* {:.0}, {}{} (found {:.2}, {:.0} s)",
        j.kind,
        l.found,
        l.truth,
        100.0 * l.error(),
        l.saturation,
        if l.trusted { "trusted" } else { "doubtful" },
        if l.bursty { ", bursts" } else { "" },
        l.burst.0,
        l.burst.1,
    )
}

/// One service in full.
pub fn one(number: u64, j: &Judged) -> String {
    let mut out = format!(
        "service {number}: right is {}; {}, {:.2} sure\n{}\n",
        j.wanted,
        if j.right { "right" } else { "wrong" },
        j.confidence,
        j.said
    );
    if let Some(n) = &j.numbers {
        let _ = writeln!(
            out,
            "demand {:.1} % off, {} of {} inside their intervals",
            100.0 * n.demand.unwrap_or(0.0),
            n.inside.0,
            n.inside.1
        );
    }
    if let Some(l) = line(j) {
        let _ = writeln!(out, "{}", about(j, l));
    }
    out.push_str(&j.detail);
    out
}
