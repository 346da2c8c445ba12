//! `cache product ttl=10s, traffic checkout x3`: clauses to moves, with every mistake found at once.

use crate::moves::{self, Action, Candidate, Context, Edit, Kind};
use base::{Class, Discipline, Finding, units};
use config::nearest;

/// What can be asked, and how it is written.
const VERBS: &[(&str, &str)] = &[
    ("cache", "cache ROUTE ttl=10s"),
    ("traffic", "traffic ROUTE x3, or traffic x3 for all"),
    ("replica", "replica SERVICE 2"),
    ("cores", "cores SERVICE 4"),
    ("pool", "pool RESOURCE 16"),
    ("index", "index ROUTE"),
    ("batch", "batch ROUTE"),
    ("offload", "offload ROUTE"),
    ("limit", "limit ROUTE 50/s"),
];

/// Clauses of one question at most.
const CLAUSES: usize = 16;

/// The changes asked for, in order; `Err` has a finding for each clause that is wrong.
pub fn parse(cx: &Context, text: &str) -> Result<Vec<Candidate>, Vec<Finding>> {
    let clauses: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|c| !c.is_empty())
        .collect();
    if clauses.is_empty() || clauses.len() > CLAUSES {
        let what = format!(
            "{} changes are asked about; 1 to {CLAUSES} can be",
            clauses.len()
        );
        return Err(vec![Finding::error("whatif-empty", what).help(examples())]);
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for c in clauses {
        match clause(cx, c) {
            Ok(x) => good.push(x),
            Err(f) => bad.push(f),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn examples() -> String {
    let all: Vec<&str> = VERBS.iter().map(|v| v.1).collect();
    format!("write {}", all.join("; "))
}

fn clause(cx: &Context, text: &str) -> Result<Candidate, Finding> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let verb = words[0];
    let Some((_, form)) = VERBS.iter().find(|v| v.0 == verb) else {
        let help = match nearest(verb, VERBS.iter().map(|v| v.0)) {
            Some(n) => format!("did you mean `{n}`?"),
            None => examples(),
        };
        let what = format!("`{verb}` in `{text}` is not a change that is known");
        return Err(Finding::error("whatif-verb", what).help(help));
    };
    let wrong = |what: String| {
        Finding::error("whatif-clause", format!("`{text}`: {what}")).help(format!("write `{form}`"))
    };
    let cannot = |what: String| Finding::error("whatif-refused", format!("`{text}`: {what}"));
    if verb == "traffic" && words.len() == 2 {
        let factor =
            times(words[1]).ok_or_else(|| wrong(format!("`{}` is not a factor", words[1])))?;
        return Ok(traffic(cx, None, factor));
    }
    let name = words
        .get(1)
        .ok_or_else(|| wrong("a name is missing".into()))?;
    let third = words.get(2).copied();
    if words.len() > 3 {
        return Err(wrong(format!("`{}` is too much", words[3])));
    }
    let value = || third.ok_or_else(|| wrong("a value is missing".into()));
    match verb {
        "cache" => {
            let r = route(cx, name, text)?;
            let v = value()?;
            let ttl = units::duration(v.strip_prefix("ttl=").unwrap_or(v))
                .map_err(|e| wrong(e.to_string()))?;
            if ttl.is_zero() {
                return Err(wrong("a lifetime of 0 caches nothing".into()));
            }
            moves::cache(cx, r, ttl.as_secs_f64()).map_err(cannot)
        }
        "traffic" => {
            let r = route(cx, name, text)?;
            let v = value()?;
            let factor = times(v).ok_or_else(|| wrong(format!("`{v}` is not a factor")))?;
            if cx.fit.routes[r].entry_rate <= 0.0 {
                return Err(cannot(format!("no traffic from outside reaches {name}")));
            }
            Ok(traffic(cx, Some(r), factor))
        }
        "limit" => {
            let r = route(cx, name, text)?;
            let rate = units::rate(value()?).map_err(|e| wrong(e.to_string()))?;
            moves::limit(cx, r, rate).map_err(cannot)
        }
        "replica" => {
            let names = cx
                .fit
                .resources
                .iter()
                .filter_map(|x| x.info.service.as_deref());
            known(name, names, "service", text)?;
            let n = value()?.parse().ok().filter(|n| (1..=1000).contains(n));
            let n = n.ok_or_else(|| {
                wrong(format!(
                    "`{}` is not a number of instances",
                    third.unwrap_or("")
                ))
            })?;
            moves::replica(cx, name, Some(n)).map_err(cannot)
        }
        "cores" => {
            let k = processor(cx, name, text)?;
            let n = value()?
                .parse::<f64>()
                .ok()
                .filter(|n| (0.1..=1024.0).contains(n));
            let n = n.ok_or_else(|| {
                wrong(format!(
                    "`{}` is not a number of cores",
                    third.unwrap_or("")
                ))
            })?;
            moves::resize(cx, k, n).map_err(cannot)
        }
        "pool" => {
            let k = slots(cx, name, text)?;
            let n = value()?
                .parse::<f64>()
                .ok()
                .filter(|n| (1.0..=1e6).contains(n));
            let n = n.ok_or_else(|| {
                wrong(format!(
                    "`{}` is not a number of slots",
                    third.unwrap_or("")
                ))
            })?;
            moves::pool(cx, k, n).map_err(cannot)
        }
        "index" => moves::index(cx, route(cx, name, text)?).map_err(cannot),
        "offload" => moves::offload(cx, route(cx, name, text)?).map_err(cannot),
        _ => moves::batch(cx, route(cx, name, text)?).map_err(cannot),
    }
}

/// `x3`, `x0.5`, `3x` or `3`.
fn times(text: &str) -> Option<f64> {
    let number = text.trim_start_matches('x').trim_end_matches('x');
    number
        .parse::<f64>()
        .ok()
        .filter(|f| f.is_finite() && *f > 0.0 && *f <= 1e4)
}

fn traffic(cx: &Context, route: Option<usize>, factor: f64) -> Candidate {
    let entry = (0..cx.fit.routes.len()).filter(|&r| cx.fit.routes[r].entry_rate > 0.0);
    let subject = route.map_or("all".to_owned(), |r| cx.fit.routes[r].info.name.clone());
    Candidate {
        kind: Kind::Traffic,
        title: format!("{factor} times the traffic of {subject}"),
        subject,
        evidence: String::new(),
        edits: entry
            .filter(|r| route.is_none_or(|x| x == *r))
            .map(|route| Edit::Rate { route, factor })
            .collect(),
        action: Action::Instruction {
            text: String::new(),
        },
        size: 1,
        cost_per_hour: 0.0,
        reverse: String::new(),
        guards: Vec::new(),
        uncertainty: 0.0,
        protects: false,
    }
}

fn known<'a>(
    name: &str,
    names: impl Iterator<Item = &'a str>,
    what: &str,
    text: &str,
) -> Result<(), Finding> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&name) {
        return Ok(());
    }
    let help = match nearest(name, names.iter().copied()) {
        Some(n) => format!("did you mean `{n}`?"),
        None if names.is_empty() => format!("no {what} has been seen"),
        None => format!(
            "there are {}",
            names
                .iter()
                .take(12)
                .copied()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Err(Finding::error(
        "whatif-name",
        format!("`{text}`: there is no {what} `{name}`"),
    )
    .help(help))
}

fn route(cx: &Context, name: &str, text: &str) -> Result<usize, Finding> {
    let names = || cx.fit.routes.iter().map(|r| r.info.name.as_str());
    known(name, names(), "route", text)?;
    Ok(names().position(|n| n == name).unwrap_or(0))
}

/// A slots resource by its name, or by the only service that has one.
fn slots(cx: &Context, name: &str, text: &str) -> Result<usize, Finding> {
    let all: Vec<usize> = (0..cx.fit.resources.len())
        .filter(|&k| cx.fit.resources[k].info.discipline == Discipline::Slots)
        .collect();
    let info = |k: usize| &cx.fit.resources[k].info;
    let of_service: Vec<usize> = all
        .iter()
        .copied()
        .filter(|&k| info(k).service.as_deref() == Some(name))
        .collect();
    if let [k] = of_service[..] {
        return Ok(k);
    }
    known(
        name,
        all.iter().map(|&k| info(k).name.as_str()),
        "pool",
        text,
    )?;
    Ok(all.into_iter().find(|&k| info(k).name == name).unwrap_or(0))
}

/// The processor of a service's instances, or one by its own name.
fn processor(cx: &Context, name: &str, text: &str) -> Result<usize, Finding> {
    let all: Vec<usize> = (0..cx.fit.resources.len())
        .filter(|&k| cx.fit.resources[k].info.class == Class::Compute)
        .collect();
    let info = |k: usize| &cx.fit.resources[k].info;
    let is = |k: &usize| info(*k).name == name || info(*k).service.as_deref() == Some(name);
    match all.iter().copied().find(is) {
        Some(k) => Ok(k),
        None => {
            let names = all.iter().map(|&k| info(k).name.as_str());
            known(name, names, "processor", text).map(|()| 0)
        }
    }
}
