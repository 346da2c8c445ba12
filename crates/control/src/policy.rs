//! The error-budget policy: what may still be tried as budgets shrink (Site Reliability Workbook, appendix B). A change
//! is held back only by the budgets of the routes and services that it touches.

use crate::proposal::{Change, Proposal};
use base::Finding;
use base::number::percent;
use config::Config;
use config::sections::ErrorBudget;
use std::collections::BTreeSet;

/// How much of one objective's error budget is left.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub objective: String,
    pub service: String,
    /// `None`: the objective is the service's own.
    pub route: Option<String>,
    /// 1 when untouched, negative when overdrawn.
    pub left: f64,
}

/// What a change may make worse.
#[derive(Default)]
struct Touched {
    everything: bool,
    routes: BTreeSet<String>,
    /// With all their routes.
    services: BTreeSet<String>,
}

/// Why a change has to wait, and the budget that it waits for; `None`: it need not.
pub fn holds_back<'b>(
    config: &Config,
    budgets: &'b [Budget],
    proposal: &Proposal,
) -> Option<(&'b Budget, Finding)> {
    let policy = config.error_budget.as_ref()?;
    let touched = touched(&proposal.change);
    let concerned = budgets.iter().filter(|b| concerns(b, &touched, config));
    let least = concerned.min_by(|a, b| a.left.total_cmp(&b.left))?;
    let what = refusal(policy, least, proposal.size)?;
    let finding = Finding::error("error-budget", what)
        .why("`error_budget` in the config says so")
        .help(format!(
            "`plimsoll try {} --override REASON` tries it all the same, and the ledger says why; what is in service can always be rolled back",
            proposal.id
        ));
    Some((least, finding))
}

fn refusal(policy: &ErrorBudget, budget: &Budget, size: u8) -> Option<String> {
    let of = format!("the error budget of {}", budget.objective);
    if budget.left <= 0.0 {
        let is = match percent(-budget.left) {
            _ if budget.left == 0.0 => "is spent".to_owned(),
            over => format!("is overdrawn by {over}"),
        };
        return Some(format!("{of} {is}: no change of what it is about is tried"));
    }
    (budget.left < policy.caution && size > policy.largest).then(|| {
        format!(
            "{of} has {} left: below {} only changes up to size {} are tried, and this one is {size}",
            percent(budget.left),
            percent(policy.caution),
            policy.largest
        )
    })
}

fn touched(change: &Change) -> Touched {
    let mut touched = Touched::default();
    match change {
        // People have done it already: it is only measured.
        Change::Instruction { .. } => {}
        Change::Replicas { service, .. } => {
            touched.services.insert(service.clone());
        }
        Change::Patch { ops } => {
            for op in ops {
                match op.path.as_slice() {
                    [kind, name, ..] if kind == "routes" => touched.routes.insert(name.clone()),
                    [kind, name, ..] if kind == "services" => touched.services.insert(name.clone()),
                    _ => std::mem::replace(&mut touched.everything, true),
                };
            }
        }
    }
    touched
}

fn concerns(budget: &Budget, touched: &Touched, config: &Config) -> bool {
    let leads = |name: &String| config.route(name).is_some_and(|r| r.to == budget.service);
    touched.everything
        || touched.services.contains(&budget.service)
        || match &budget.route {
            Some(route) => touched.routes.contains(route),
            None => touched.routes.iter().any(leads),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proposal::Effect;
    use config::Op;

    const FILE: &str = "listen: 127.0.0.1:1\n\
        error_budget: { caution: 25%, largest: 2 }\n\
        services: { app: { instances: [127.0.0.1:2] }, pay: { instances: [127.0.0.1:3] } }\n\
        routes: { home: { match: GET /, to: app }, cart: { match: GET /c, to: app }, buy: { match: POST /, to: pay } }\n";

    fn budget(service: &str, route: Option<&str>, left: f64) -> Budget {
        Budget {
            objective: format!("{}-latency", route.unwrap_or(service)),
            service: service.into(),
            route: route.map(str::to_owned),
            left,
        }
    }

    fn patch(path: &[&str]) -> Change {
        let op = Op {
            path: path.iter().map(|p| p.to_string()).collect(),
            value: None,
            base: None,
        };
        Change::Patch { ops: vec![op] }
    }

    /// Which objective holds it back.
    fn held(file: &str, budgets: &[Budget], change: Change, size: u8) -> Option<(String, String)> {
        let config = config::check_text("p.yaml", file).config.unwrap();
        let proposal = Proposal {
            id: "p".into(),
            kind: "cache".into(),
            title: "cache home".into(),
            evidence: String::new(),
            change,
            measures: String::new(),
            predicted: Effect::new(0.5, 0.4, 0.6),
            line: None,
            line_safe: None,
            size,
            cost_per_hour: 0.0,
            reverse: String::new(),
        };
        let held = holds_back(&config, budgets, &proposal);
        held.map(|(b, f)| (b.objective.clone(), f.what))
    }

    #[test]
    fn only_budgets_of_what_is_touched_hold_a_change_back() {
        let budgets = [
            budget("app", Some("home"), 0.9),
            budget("app", Some("cart"), -0.3),
            budget("app", None, 0.5),
            budget("pay", None, -2.0),
        ];
        let by = |change| held(FILE, &budgets, change, 1).map(|h| h.0);
        assert_eq!(by(patch(&["routes", "home", "cache"])), None);
        assert_eq!(
            by(patch(&["routes", "cart", "cache"])).as_deref(),
            Some("cart-latency")
        );
        assert_eq!(
            by(patch(&["routes", "buy", "cache"])).as_deref(),
            Some("pay-latency")
        );
        assert_eq!(
            by(patch(&["services", "app", "limit"])).as_deref(),
            Some("cart-latency")
        );
        assert_eq!(
            by(patch(&["limits", "connections"])).as_deref(),
            Some("pay-latency")
        );
        let replicas = |service: &str| Change::Replicas {
            service: service.into(),
            add: 1,
        };
        assert_eq!(by(replicas("pay")).as_deref(), Some("pay-latency"));
        let done = Change::Instruction {
            text: "an index".into(),
        };
        assert_eq!(by(done), None);
        let without = FILE.replace("error_budget: { caution: 25%, largest: 2 }\n", "");
        assert_eq!(held(&without, &budgets, replicas("pay"), 5), None);
    }

    #[test]
    fn less_and_less_is_tried_as_a_budget_shrinks() {
        let at = |left, size| {
            let budgets = [budget("app", Some("home"), left)];
            held(FILE, &budgets, patch(&["routes", "home"]), size).map(|h| h.1)
        };
        assert_eq!((at(0.25, 5), at(0.2, 2)), (None, None));
        let small = "the error budget of home-latency has 20 % left: below 25 % only changes up to size 2 are tried, and this one is 3";
        assert_eq!(at(0.2, 3).as_deref(), Some(small));
        let spent = "the error budget of home-latency is overdrawn by 30 %: no change of what it is about is tried";
        assert_eq!(at(-0.3, 1).as_deref(), Some(spent));
        assert!(at(0.0, 1).unwrap().contains("is spent"));
    }
}
