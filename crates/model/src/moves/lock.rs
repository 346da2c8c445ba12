//! A lock that is held for less, or split in stripes.

use super::statement::shown;
use super::{Action, Candidate, Context, Edit, Kind};
use base::{Class, Discipline};

const STRIPES: f64 = 4.0;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let lock = |k: &usize| {
        let i = &cx.fit.resources[*k].info;
        i.class == Class::PoolOrLock && i.discipline == Discipline::Fcfs
    };
    cx.hot()
        .into_iter()
        .filter(lock)
        .flat_map(|k| [shorter(cx, k), striped(cx, k)])
        .collect()
}

fn base(cx: &Context, k: usize, title: String, text: String) -> Candidate {
    let r = &cx.fit.resources[k];
    let holders: Vec<String> = (0..cx.fit.routes.len())
        .filter(|&i| cx.share(i, k) > 0.05)
        .map(|i| {
            format!(
                "{} {:.0} %",
                cx.fit.routes[i].info.name,
                cx.share(i, k) * 100.0
            )
        })
        .collect();
    Candidate {
        kind: Kind::Lock,
        subject: r.info.name.clone(),
        title,
        evidence: format!(
            "held {:.0} % of the time, by {}",
            cx.utilisation(k) * 100.0,
            holders.join(", ")
        ),
        edits: Vec::new(),
        action: Action::Instruction { text },
        size: 3,
        cost_per_hour: 0.0,
        reverse: "revert the code change".into(),
        guards: Vec::new(),
        uncertainty: 0.3,
        protects: false,
    }
}

fn shorter(cx: &Context, k: usize) -> Candidate {
    let name = &cx.fit.resources[k].info.name;
    let text = match holder(cx, name) {
        Some((text, routes)) => format!(
            "The transaction that begins to hold it with `{text}`{routes} should do so as late as it can and commit at once: \
             move calls, thinking and other statements before it."
        ),
        None => format!(
            "Move what does not need {name} (calls, parsing, logging) out of the section that holds it."
        ),
    };
    let mut c = base(cx, k, format!("hold {name} half as long"), text);
    let used = (0..cx.fit.routes.len()).filter(|&r| cx.fit.demand[r][k].mean > 0.0);
    c.edits = used
        .map(|route| Edit::Demand {
            route,
            resource: k,
            factor: 0.5,
        })
        .collect();
    c.guards
        .push("how much shorter it can be is for the code to say; a half is assumed".into());
    c
}

/// The statement that holds a lock of a database, and whose it is.
fn holder(cx: &Context, lock: &str) -> Option<(String, String)> {
    let waits = |s: &&base::Statement| s.waits_for.as_deref() == Some(lock);
    let holds = |s: &&base::Statement| s.holds.as_deref() == Some(lock);
    let all = &cx.fit.statements;
    // Who waits for a row takes it next, with the same statement.
    let waiter = all
        .iter()
        .filter(waits)
        .max_by(|a, b| a.waiting.total_cmp(&b.waiting));
    let s = waiter.or_else(|| all.iter().find(holds))?;
    let routes: Vec<&str> = s.routes.iter().map(|r| r.0.as_str()).collect();
    let of = match routes.is_empty() {
        true => String::new(),
        false => format!(" (of {})", routes.join(", ")),
    };
    Some((shown(&s.text), of))
}

fn striped(cx: &Context, k: usize) -> Candidate {
    let name = &cx.fit.resources[k].info.name;
    let text = match holder(cx, name) {
        // The probe of PostgreSQL calls it so.
        Some((text, routes)) if name.ends_with(".advisory") => format!(
            "Take an advisory lock for each thing that is changed (pg_advisory_xact_lock of its id, or a lock of its row) instead \
             of one for all of them: `{text}`{routes}."
        ),
        Some((text, routes)) => format!(
            "Split the row that `{text}`{routes} locks into {STRIPES} rows, use one of them at random, and add them up when read."
        ),
        None => format!(
            "Split {name} by key into {STRIPES} locks, so that requests for different keys do not meet."
        ),
    };
    let mut c = base(cx, k, format!("split {name} into {STRIPES} stripes"), text);
    c.edits = vec![Edit::Stripes {
        resource: k,
        factor: STRIPES,
    }];
    c.guards
        .push("a hot key keeps its stripe busy: the gain ends at one over its share".into());
    c
}
