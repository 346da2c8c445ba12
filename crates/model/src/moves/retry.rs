//! A smaller retry budget: tries beyond the first multiply the work just when there is too much of it.

use super::{Action, Candidate, Context, Edit, Kind, set};
use crate::pattern::{Pattern, RETRIES as TOO_MANY, Retries};
use serde_json::json;

/// The budget that is proposed: it keeps tries below [`TOO_MANY`].
const BUDGET: f64 = 0.1;

pub fn applies(cx: &Context) -> Vec<Candidate> {
    let ours = (0..cx.fit.routes.len()).filter_map(|r| of(cx, r).ok());
    let theirs = cx.fit.patterns.iter().filter_map(|p| match p {
        Pattern::Retries(x) => service(cx, x),
        _ => None,
    });
    ours.chain(theirs).collect()
}

/// The gateway's own tries of route `r`; `Err` says why nothing is to be done.
pub fn of(cx: &Context, r: usize) -> Result<Candidate, String> {
    let route = &cx.fit.routes[r];
    let name = &route.info.name;
    let tries = route.amplification.max(cx.fit.tries(r));
    if tries <= TOO_MANY {
        return Err(format!("{name} is tried {tries:.2} times"));
    }
    let configured = cx
        .config
        .and_then(|c| c.routes.iter().find(|x| x.name == *name));
    if configured.is_some_and(|x| x.retry.budget <= BUDGET) {
        return Err(format!("{name} has a budget of a tenth already"));
    }
    let failing = cx.fit.patterns.iter().find_map(|p| match p {
        Pattern::Retries(x) if x.caller.is_none() && x.route == *name => Some(format!(
            "; {:.0} % of the answers of {} fail",
            100.0 * x.failed,
            x.service
        )),
        _ => None,
    });
    Ok(Candidate {
        kind: Kind::Retry,
        subject: name.clone(),
        title: format!("{name}: retries for at most 10 % of its requests"),
        evidence: format!(
            "{tries:.2} tries per request{}",
            failing.unwrap_or_default()
        ),
        edits: vec![Edit::Work {
            route: r,
            factor: TOO_MANY / tries,
        }],
        action: Action::Patch {
            ops: vec![set(&["routes", name, "retry", "budget"], json!("10%"))],
        },
        reverse: "set the budget back".into(),
        ..candidate()
    })
}

/// Tries that a service makes of its own accord: only its people can end them.
fn service(cx: &Context, x: &Retries) -> Option<Candidate> {
    let caller = x.caller.as_ref()?;
    let at = |name: &str| cx.fit.routes.iter().position(|r| r.info.name == name);
    let (parent, child) = (at(caller)?, at(&x.route)?);
    let whose = match cx.fit.routes[parent].info.service.as_str() {
        "" => caller,
        service => service,
    };
    Some(Candidate {
        kind: Kind::Retry,
        subject: x.route.clone(),
        title: format!(
            "{whose}: ask {} again for at most 10 % of its calls",
            x.route
        ),
        evidence: format!(
            "{:.2} calls per request of {caller}; {:.0} % of the answers of {} fail",
            x.factor,
            100.0 * x.failed,
            x.service
        ),
        edits: vec![Edit::Calls {
            parent,
            child,
            factor: TOO_MANY / x.factor,
        }],
        action: Action::Instruction {
            text: format!(
                "In {whose}, let retries of {} be at most a tenth of its calls over ten seconds (a retry budget), wait a \
                 random time before each, and give up when the request's own time is over. Then find out why {} fails.",
                x.route, x.service
            ),
        },
        reverse: "take the budget out again".into(),
        ..candidate()
    })
}

/// What both have in common.
fn candidate() -> Candidate {
    Candidate {
        kind: Kind::Retry,
        subject: String::new(),
        title: String::new(),
        evidence: String::new(),
        edits: Vec::new(),
        action: Action::Patch { ops: Vec::new() },
        size: 1,
        cost_per_hour: 0.0,
        reverse: String::new(),
        guards: vec!["fewer failures are hidden from clients; find out why tries fail".into()],
        uncertainty: 0.2,
        protects: false,
    }
}
