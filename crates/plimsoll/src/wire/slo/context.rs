//! What else is known when an alert fires: what holds the system down, which instances are, what was changed last, and who
//! answers with which runbook.

use ::slo::alert::Context;
use ::slo::{Objective, Scope};
use catalog::{Asked, Catalog, Response};
use config::Config;
use console::Instance;
use control::Control;
use control::ledger::Event;
use jiff::Timestamp;

/// Entries of the ledger that are looked at for a change.
const LOOK: usize = 20;

/// Instances that are named; of more only the number is said.
const NAMED: usize = 5;

/// Control may be gone: then the alert goes without what it knows.
pub fn of(
    control: Option<&Control>,
    instances: &[Instance],
    objective: &Objective,
    response: Response,
) -> Context {
    let (cause, change) = control.map_or((None, None), known);
    Context {
        cause,
        down: down(instances, &objective.service),
        change,
        owner: response.owner,
        on_call: response.on_call,
        runbook: response.runbook,
        step: response.step,
    }
}

/// Who answers, as the catalog says now; `None`: it was not read yet.
pub fn response(
    o: &Objective,
    config: &Config,
    catalog: Option<&Catalog>,
    now: Timestamp,
) -> Response {
    let routes = config.routes.iter().filter(|r| r.to == o.service);
    let routes: Vec<&str> = routes.map(|r| r.name.as_str()).collect();
    let asked = Asked {
        objective: &o.id,
        route: (o.scope == Scope::Route).then_some(&o.name),
        service: &o.service,
        routes: &routes,
        owner: o.owner.as_deref(),
        runbook: o.runbook.as_deref(),
    };
    match catalog {
        Some(c) => Response::of(c, &asked, now),
        None => Response::of(&Catalog::default(), &asked, now),
    }
}

/// What holds the system down, and the last change.
fn known(control: &Control) -> (Option<String>, Option<String>) {
    let diagnosis = control.diagnose().diagnosis;
    let cause = diagnosis.and_then(|d| {
        // With the line beside it once that has been simulated.
        let of = d.get("diagnosis").unwrap_or(&d);
        of.get("constraint").filter(|c| !c.is_null())?;
        Some(of.get("summary")?.as_str()?.to_owned())
    });
    let lines = control.history(LOOK).unwrap_or_default();
    let change = lines.into_iter().find(|l| {
        // A generation is what follows from a change, and a proposal is none.
        !matches!(
            l.entry.event,
            Event::GenerationPublished { .. } | Event::ProposalMade { .. }
        )
    });
    let change = change.map(|l| format!("{}, {} ({})", l.text, l.time, l.entry.who));
    (cause, change)
}

/// `None` when all of them are up.
fn down(all: &[Instance], service: &str) -> Option<String> {
    let mine = || all.iter().filter(|i| i.service == service);
    let down: Vec<&Instance> = mine()
        .filter(|i| !i.usable || !i.state.starts_with("up"))
        .collect();
    let named = down
        .iter()
        .take(NAMED)
        .map(|i| format!("{} ({})", i.address, i.state));
    let mut named: Vec<String> = named.collect();
    if down.len() > NAMED {
        named.push(format!("and {} more", down.len() - NAMED));
    }
    (!down.is_empty()).then(|| {
        format!(
            "{} of {} are not up: {}",
            down.len(),
            mine().count(),
            named.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_that_get_no_requests_are_named_up_to_a_bound() {
        let at = |n: usize, usable| Instance {
            service: "shop".into(),
            address: format!("127.0.0.1:{n}"),
            usable,
            state: if usable {
                "up"
            } else {
                "down: its check fails"
            }
            .into(),
            busy: 0,
            waiting: 0,
        };
        let some = [at(1, true), at(2, false)];
        assert_eq!(down(&some[..1], "shop"), None);
        assert_eq!(down(&some, "pay"), None);
        let one = "1 of 2 are not up: 127.0.0.1:2 (down: its check fails)";
        assert_eq!(down(&some, "shop").as_deref(), Some(one));
        let many: Vec<Instance> = (0..9).map(|n| at(n, false)).collect();
        let said = down(&many, "shop").unwrap();
        assert!(
            said.starts_with("9 of 9") && said.ends_with("and 4 more"),
            "{said}"
        );
    }
}
