//! One service: what was answered, and how far it is from what is true.

use model::Fit;
use model::demand::{self, fit};
use model::diagnose::{Diagnosis, Options, Verdict, diagnose_history};
use model::loadline::{self, loadline};
use sim::population::{Kind, LONG_S, Right, Service, measured};
use sim::truth;
use std::fmt::Write;

/// Entries below this share of their resource's load do not count for the intervals: nobody acts on them.
const COUNTS: f64 = 0.05;
/// Half a 90 % interval, in standard errors.
const NINETY: f64 = 1.645;

pub struct Judged {
    pub number: u64,
    pub kind: Kind,
    pub direct: bool,
    pub right: bool,
    /// The class too.
    pub class: bool,
    /// The constraint is the best candidate, whatever the verdict.
    pub named: bool,
    /// No single resource was called the constraint.
    pub abstained: bool,
    pub confidence: f64,
    pub said: String,
    pub wanted: String,
    pub numbers: Option<Numbers>,
    /// What was found of each resource beside the truth, for people who look at one service.
    pub detail: String,
}

/// Of the fit after `LONG_S`, where a resource that is seen runs out.
pub struct Numbers {
    /// Weighted by what each route uses; `None`: nothing is measured.
    pub demand: Option<f64>,
    /// Entries inside their 90 % intervals, and all.
    pub inside: (usize, usize),
    /// Of those that nobody reports.
    pub inside_fitted: (usize, usize),
    pub line: Option<Line>,
}

pub struct Line {
    pub found: f64,
    pub truth: f64,
    pub saturation: f64,
    pub trusted: bool,
    /// Bursts as they were found: size, and seconds of memory.
    pub burst: (f64, f64),
    pub bursty: bool,
}

impl Line {
    /// Above 0: promises more than there is.
    pub fn error(&self) -> f64 {
        self.found / self.truth - 1.0
    }
}

/// Asks and judges. `numbers`: also demands and the load line, which take most of the time.
pub fn judge(number: u64, numbers: bool) -> Judged {
    let s = Service::draw(number);
    let nameable = matches!(s.right, Right::Constraint { .. });
    let seconds = if nameable && numbers {
        LONG_S
    } else {
        s.watched_s
    };
    let long = s.world.run(s.seed, seconds, &s.load, &s.seen);
    let mut history = long.clone();
    history.windows.truncate(s.watched_s as usize);
    let (d, _) = diagnose_history(&history, &demand::Options::default(), &Options::default());
    let learn = demand::Options {
        span_s: LONG_S,
        ..demand::Options::default()
    };
    let fitted = fit(&long, &learn).ok().filter(|_| nameable && numbers);
    let (named, class) = names(&s, &d);
    Judged {
        number,
        kind: s.kind,
        direct: s.seen.direct,
        right: match s.right {
            Right::Constraint { .. } => named && d.verdict == Verdict::Constraint,
            Right::Unseen => d.verdict == Verdict::UnseenResource,
            Right::Calm => d.verdict == Verdict::NoConstraint,
            Right::TooLittle => matches!(d.verdict, Verdict::NotEnoughEvidence { .. }),
        },
        class,
        named,
        abstained: d.verdict != Verdict::Constraint,
        confidence: d.confidence,
        wanted: wanted(&s),
        said: format!("{:?}: {}", s.kind, d.summary),
        detail: detail(&s, &d),
        numbers: fitted.map(|f| self::numbers(&s, &f)),
    }
}

/// Whether the constraint, and its class, are those of the truth.
fn names(s: &Service, d: &Diagnosis) -> (bool, bool) {
    let (Right::Constraint { station, class }, Some(c)) = (&s.right, &d.constraint) else {
        return (false, false);
    };
    let named = c.resource == s.world.stations[*station].name;
    (named, named && c.class == *class)
}

fn wanted(s: &Service) -> String {
    match &s.right {
        Right::Constraint { station, .. } => s.world.stations[*station].name.clone(),
        other => format!("{other:?}"),
    }
}

fn numbers(s: &Service, f: &Fit) -> Numbers {
    let world = &s.world;
    let rates: Vec<f64> = f.routes.iter().map(|r| r.rate).collect();
    let found = |r: usize, k: usize| f.demand[r][k].mean;
    let truths: Vec<Vec<f64>> = (0..rates.len()).map(|r| world.demand(r)).collect();
    let load = |k: usize| -> f64 { truths.iter().zip(&rates).map(|(d, l)| d[k] * l).sum() };
    let columns: Vec<usize> = (0..world.stations.len())
        .filter(|&i| measured(world, i))
        .filter_map(|i| world.column(i))
        .filter(|&k| load(k) > 0.0)
        .collect();
    let (mut inside, mut inside_fitted) = ((0, 0), (0, 0));
    for &k in &columns {
        for r in (0..rates.len()).filter(|&r| truths[r][k] * rates[r] > COUNTS * load(k)) {
            let d = f.demand[r][k];
            let hit = usize::from((d.mean - truths[r][k]).abs() <= NINETY * d.sd);
            inside = (inside.0 + hit, inside.1 + 1);
            if d.grade != base::Grade::Direct {
                inside_fitted = (inside_fitted.0 + hit, inside_fitted.1 + 1);
            }
        }
    }
    Numbers {
        demand: (!columns.is_empty()).then(|| truth::demand_error(world, &found, &rates, &columns)),
        inside,
        inside_fitted,
        line: (s.kind != Kind::Memory).then(|| line(s, f)),
    }
}

fn line(s: &Service, f: &Fit) -> Line {
    let goals: Vec<truth::Goal> = f
        .routes
        .iter()
        .map(|r| (r.objective.latency_s, r.objective.target))
        .collect();
    let found = loadline(f, &loadline::Options::default());
    Line {
        found: found.line,
        truth: truth::line(&s.world, &goals, 1.1 * s.limit, &s.load),
        saturation: found.saturation,
        trusted: found.trusted,
        burst: (f.burst_sigma, f.burst_tau_s),
        bursty: s.load.burst_sigma > 0.0,
    }
}

fn detail(s: &Service, d: &Diagnosis) -> String {
    let mut out = format!(
        "{:?}\n{:?}\nservices {:?}\n",
        s.load, s.seen, s.world.services
    );
    let full = truth::full(&s.world);
    for r in &d.resources {
        let at = |x: &&(f64, usize)| s.world.stations[x.1].name == r.resource;
        let true_at = full.iter().find(at).map_or(f64::NAN, |x| x.0);
        let _ = writeln!(
            out,
            "{:18} {:4.1} % busy, {:4.1} % background, full at {:5.0} (true {true_at:5.0}), confidence {:.2}, {} {}",
            r.resource,
            100.0 * r.utilisation,
            100.0 * r.background,
            r.saturation.unwrap_or(f64::NAN),
            r.confidence,
            r.grade.label(),
            r.notes.join("; ")
        );
    }
    out
}
