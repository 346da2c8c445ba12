//! A profile for people and for machines: what each route costs the service's processor, and in which functions.

use crate::kernel::{RATE, Taken};
use crate::names::Function;
use crate::split::{Flights, Split};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

/// Of the samples, from which on functions without a name are worth a word.
const NAMELESS: f64 = 0.2;
/// Stacks of one frame, of those that are seen in a program.
const FLAT: f64 = 0.5;

#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    pub service: String,
    /// How long it was looked at.
    pub seconds: f64,
    /// Per second that a thread ran.
    pub rate: u64,
    pub samples: usize,
    pub threads: usize,
    /// Processor seconds per second, by the samples.
    pub cores: f64,
    /// Of the samples, those in the kernel; null: it could not be seen.
    pub kernel_share: Option<f64>,
    /// Those with the largest share first; the last is what goes on without a request.
    pub routes: Vec<RouteCost>,
    /// What could not be seen, and what would help.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RouteCost {
    /// Null: no request's.
    pub route: Option<String>,
    /// In the time of the profile.
    pub requests: f64,
    /// Of all samples.
    pub share: f64,
    /// Processor seconds of one request; null: there was none.
    pub seconds: Option<f64>,
    /// Standard deviation of `seconds`.
    pub sd: Option<f64>,
    /// Those with the most time of their own first.
    pub functions: Vec<FunctionCost>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FunctionCost {
    #[serde(flatten)]
    pub function: Function,
    /// Of the route's samples, those in which it ran itself, and those in which it or what it called did.
    pub own: f64,
    pub total: f64,
    /// Who called it in at least half of the first; null: nobody that is seen.
    pub caller: Option<String>,
}

/// Where samples were, by number.
struct Places {
    functions: Vec<Function>,
    /// By stack, the innermost first.
    stacks: Vec<Vec<usize>>,
}

impl Places {
    fn of(stacks: &[Vec<Function>]) -> Places {
        let mut known: HashMap<&Function, usize> = HashMap::new();
        let mut functions = Vec::new();
        let mut number = |f| {
            *known.entry(f).or_insert_with(|| {
                functions.push(Function::clone(f));
                functions.len() - 1
            })
        };
        let stacks = stacks
            .iter()
            .map(|s| s.iter().map(&mut number).collect())
            .collect();
        Places { functions, stacks }
    }

    /// The innermost function; of an empty stack the number behind the last one.
    fn leaf(&self, stack: u32) -> usize {
        let of = self.stacks.get(stack as usize).and_then(|s| s.first());
        of.copied().unwrap_or(self.functions.len())
    }
}

/// `stacks`: those of `taken` by functions. `names`: of the routes, by their numbers in `flights`.
pub fn profile(
    service: &str,
    taken: &Taken,
    stacks: &[Vec<Function>],
    flights: &Flights,
    names: &[String],
) -> (Profile, Split) {
    let places = Places::of(stacks);
    let split = flights.split(&taken.samples, |s| places.leaf(s.stack));
    let seconds = taken.seconds();
    let n = taken.samples.len();
    let in_kernel = taken
        .samples
        .iter()
        .filter(|s| taken.stacks[s.stack as usize].in_kernel);
    let kernel_share = taken
        .kernel
        .then(|| in_kernel.count() as f64 / n.max(1) as f64);
    let mut routes: Vec<RouteCost> = (0..split.costs.len())
        .filter(|&r| split.costs[r].requests > 0.0 || split.costs[r].samples > 0.0)
        .map(|r| route(r, names.get(r).cloned(), taken, &places, &split))
        .collect();
    routes.sort_by(|a, b| {
        a.route
            .is_none()
            .cmp(&b.route.is_none())
            .then(b.share.total_cmp(&a.share))
    });
    let profile = Profile {
        service: service.to_owned(),
        seconds,
        rate: RATE,
        samples: n,
        threads: taken.threads,
        cores: n as f64 / RATE as f64 / seconds.max(1e-9),
        kernel_share,
        routes,
        notes: notes(taken, stacks),
    };
    (profile, split)
}

fn route(
    r: usize,
    name: Option<String>,
    taken: &Taken,
    places: &Places,
    split: &Split,
) -> RouteCost {
    let cost = split.costs[r];
    let mut functions: BTreeMap<usize, Seen> = BTreeMap::new();
    for (s, shares) in taken.samples.iter().zip(&split.shares) {
        let part: f64 = shares.iter().filter(|(x, _)| *x == r).map(|(_, n)| n).sum();
        if let Some(stack) = places.stacks.get(s.stack as usize).filter(|_| part > 0.0) {
            see(&mut functions, stack, part);
        }
    }
    let all = functions.values().map(|f| f.own).sum::<f64>().max(1e-300);
    let mut functions: Vec<FunctionCost> = functions
        .into_iter()
        .map(|(f, seen)| FunctionCost {
            function: places.functions[f].clone(),
            own: seen.own / all,
            total: seen.total / all,
            caller: seen.caller().map(|c| places.functions[c].name.clone()),
        })
        .collect();
    functions.sort_by(|a, b| b.own.total_cmp(&a.own).then(b.total.total_cmp(&a.total)));
    let each = |samples: f64| (cost.requests > 0.0).then(|| samples / RATE as f64 / cost.requests);
    RouteCost {
        route: name,
        requests: cost.requests,
        share: cost.samples / taken.samples.len().max(1) as f64,
        seconds: each(cost.samples),
        sd: each(cost.sd),
        functions,
    }
}

/// Samples of a function within a route.
#[derive(Default)]
struct Seen {
    own: f64,
    total: f64,
    /// While it ran itself: whom it was called by.
    callers: BTreeMap<usize, f64>,
}

impl Seen {
    /// The one that most of its samples were called by.
    fn caller(&self) -> Option<usize> {
        let most = self.callers.iter().max_by(|a, b| a.1.total_cmp(b.1));
        most.filter(|(_, n)| **n >= 0.5 * self.own).map(|(f, _)| *f)
    }
}

fn see(functions: &mut BTreeMap<usize, Seen>, stack: &[usize], part: f64) {
    if let Some(leaf) = stack.first() {
        let f = functions.entry(*leaf).or_default();
        f.own += part;
        if let Some(caller) = stack.iter().find(|c| *c != leaf) {
            *f.callers.entry(*caller).or_default() += part;
        }
    }
    // One that calls itself is in it once.
    for f in stack.iter().collect::<BTreeSet<_>>() {
        functions.entry(*f).or_default().total += part;
    }
}

fn notes(taken: &Taken, stacks: &[Vec<Function>]) -> Vec<String> {
    let mut notes = Vec::new();
    let n = taken.samples.len().max(1) as f64;
    let share = |is: &dyn Fn(&[Function]) -> bool| {
        let of = |s: &&crate::kernel::Sample| stacks.get(s.stack as usize).is_some_and(|s| is(s));
        taken.samples.iter().filter(of).count() as f64 / n
    };
    if !taken.kernel {
        notes.push("time in the kernel is not seen: this user may not look there (kernel.perf_event_paranoid; CAP_PERFMON may)".into());
    }
    if taken.left_out > 0 {
        notes.push(format!(
            "{} threads were not looked at: {} were",
            taken.left_out, taken.threads
        ));
    }
    if taken.lost > 0 {
        notes.push(format!("{} samples had no room", taken.lost));
    }
    let nameless = share(&|s| {
        s.first()
            .is_some_and(|f| !f.named && !f.name.starts_with('('))
    });
    if nameless > NAMELESS {
        notes.push(format!(
            "{:.0} % of the samples are in files without symbols: build them without stripping",
            100.0 * nameless
        ));
    }
    let made = share(&|s| {
        s.first()
            .is_some_and(|f| !f.named && f.module.is_empty() && f.name.starts_with("(code"))
    });
    if made > NAMELESS {
        notes.push(format!(
            "{:.0} % of the samples are in code that is made while it runs: a runtime tells its names when it is asked to \
             (node --perf-basic-prof, python -X perf, jcmd PID Compiler.perfmap)",
            100.0 * made
        ));
    }
    let flat = share(&|s| s.len() == 1 && s[0].named);
    if flat > FLAT {
        notes.push("most stacks are cut off: build with frame pointers (-fno-omit-frame-pointer, -C force-frame-pointers) to see who calls".into());
    }
    notes
}

/// Lines of `route;outermost;…;innermost microseconds`, as flame graphs are drawn from.
pub fn folded(taken: &Taken, stacks: &[Vec<Function>], split: &Split, names: &[String]) -> String {
    let mut all: BTreeMap<(usize, u32), f64> = BTreeMap::new();
    for (s, shares) in taken.samples.iter().zip(&split.shares) {
        for (r, part) in shares {
            *all.entry((*r, s.stack)).or_default() += part;
        }
    }
    let mut out = String::new();
    for ((r, stack), samples) in all {
        let micros = (samples * 1e6 / RATE as f64).round();
        if micros < 1.0 {
            continue;
        }
        out.push_str(&frame(names.get(r).map_or("(no request)", String::as_str)));
        for f in stacks.get(stack as usize).into_iter().flatten().rev() {
            out.push(';');
            out.push_str(&frame(&f.name));
        }
        let _ = writeln!(out, " {micros}");
    }
    out
}

/// What is between two `;`.
fn frame(name: &str) -> String {
    name.replace([';', '\n', '\r'], ":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Sample, Stack};
    use crate::split::Flight;

    fn function(name: &str, module: &str) -> Function {
        Function {
            name: name.into(),
            module: module.into(),
            named: !name.starts_with(['[', '(']),
        }
    }

    /// Two routes that take turns of 10 ms; `spin` runs for the first and `pack`, called by `send`, for the second.
    fn taken() -> (Taken, Vec<Vec<Function>>, Flights, Vec<String>) {
        let ms = 1_000_000;
        let stack = |in_kernel, frames: &[u64]| Stack {
            pid: 1,
            in_kernel,
            frames: frames.to_vec(),
        };
        let stacks = vec![stack(false, &[1]), stack(true, &[2, 3])];
        let functions = vec![
            vec![function("spin", "app")],
            vec![
                function("(the kernel)", ""),
                function("pack;it", "app"),
                function("send", "app"),
            ],
        ];
        let samples = (0..500).map(|i| Sample {
            at: i * 2 * ms + 1,
            stack: (i / 5 % 2) as u32,
        });
        let flight = |i: u64| Flight {
            route: (i % 2) as usize,
            start: i * 10 * ms,
            end: (i + 1) * 10 * ms,
        };
        let taken = Taken {
            samples: samples.collect(),
            stacks,
            from: 0,
            to: 1000 * ms,
            threads: 2,
            kernel: true,
            ..Taken::default()
        };
        let flights = Flights::new((0..100).map(flight).collect(), 2, 0, 1000 * ms);
        (
            taken,
            functions,
            flights,
            vec!["product".into(), "report".into()],
        )
    }

    #[test]
    fn functions_are_under_the_route_they_ran_for() {
        let (taken, functions, flights, names) = taken();
        let (p, split) = profile("app", &taken, &functions, &flights, &names);
        assert_eq!((p.samples, p.kernel_share), (500, Some(0.5)));
        assert!((p.cores - 500.0 / 499.0).abs() < 1e-9);
        for r in &p.routes[..2] {
            assert!((r.share - 0.5).abs() < 0.01, "{r:?}");
            assert!((r.requests - 50.0).abs() < 1e-6);
            assert!((r.seconds.unwrap() - 0.01).abs() < 2e-4, "{r:?}");
        }
        let of = |name: &str| {
            p.routes
                .iter()
                .find(|r| r.route.as_deref() == Some(name))
                .unwrap()
        };
        let first = |name: &str| &of(name).functions[0];
        assert_eq!(first("product").function.name, "spin");
        assert!(first("product").own > 0.98);
        assert_eq!(first("report").function.name, "(the kernel)");
        let send = of("report")
            .functions
            .iter()
            .find(|f| f.function.name == "send")
            .unwrap();
        assert!(send.own == 0.0 && send.total > 0.98, "{send:?}");
        assert_eq!(first("report").caller.as_deref(), Some("pack;it"));
        assert_eq!(first("product").caller, None);
        assert!(p.notes.is_empty(), "{:?}", p.notes);

        let text = folded(&taken, &functions, &split, &names);
        let value = |line: &str| -> f64 {
            let found = text
                .lines()
                .find_map(|l| l.strip_prefix(line))
                .unwrap_or_else(|| panic!("{text}"));
            found.trim().parse().unwrap()
        };
        assert!((value("product;spin ") - 5e5).abs() < 1e4);
        assert!((value("report;send;pack:it;(the kernel) ") - 5e5).abs() < 1e4);
    }

    #[test]
    fn what_is_not_seen_is_said() {
        let (mut taken, mut functions, flights, names) = taken();
        taken.kernel = false;
        (taken.lost, taken.left_out) = (3, 1);
        functions[0][0] = function("(code made while it runs)", "");
        functions[1] = vec![function("[libx.so]", "libx.so")];
        let (p, _) = profile("app", &taken, &functions, &flights, &names);
        assert_eq!(p.kernel_share, None);
        let all = p.notes.join("\n");
        for word in [
            "paranoid",
            "1 threads",
            "3 samples",
            "50 % of the samples are in files",
            "--perf-basic-prof",
        ] {
            assert!(all.contains(word), "{word}: {all}");
        }
    }
}
