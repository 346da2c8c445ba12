//! Whether a diagnosis is right, part by part.

use super::scenarios::Right;
use base::Class;
use model::diagnose::{Diagnosis, Verdict, Why};
use serde::{Deserialize, Serialize};

/// A route that carries this share of a constraint's load counts as named.
const CARRIES: f64 = 0.25;

/// An answer beside what is right. Where no constraint is asked for, `class`, `resource` and `route` say the same as
/// `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    pub verdict: bool,
    pub class: bool,
    pub resource: bool,
    pub route: bool,
}

impl Judged {
    pub fn all(&self) -> bool {
        self.verdict && self.class && self.resource && self.route
    }
}

pub fn judge(right: &Right, d: &Diagnosis) -> Judged {
    let one = |ok: bool| Judged {
        verdict: ok,
        class: ok,
        resource: ok,
        route: ok,
    };
    match right {
        Right::Constraint {
            class,
            resources,
            routes,
        } => constraint(*class, resources, routes, d),
        Right::HeldUp { routes } => one(d.held_up.iter().any(|h| {
            let route = h.route.as_ref().map(|(name, _)| name.as_str());
            h.why == Why::Receiver && route.is_some_and(|r| routes.contains(&r))
        })),
        Right::Unseen { routes } => one(d.verdict == Verdict::UnseenResource
            && d.unseen
                .as_ref()
                .is_some_and(|u| routes.contains(&u.route.as_str()))),
        Right::Nothing => one(d.verdict == Verdict::NoConstraint),
        Right::TooLittle => one(matches!(d.verdict, Verdict::NotEnoughEvidence { .. })),
    }
}

fn constraint(class: Class, resources: &[&str], routes: &[&str], d: &Diagnosis) -> Judged {
    let Some(c) = &d.constraint else {
        return Judged {
            verdict: false,
            class: false,
            resource: false,
            route: false,
        };
    };
    Judged {
        verdict: matches!(d.verdict, Verdict::Constraint),
        class: d.class == class,
        resource: resources.contains(&c.resource.as_str()),
        route: c
            .carriers
            .iter()
            .any(|x| x.share >= CARRIES && routes.contains(&x.route.as_str())),
    }
}
