//! The seven steps, and what each looks at.

use super::{Known, Look};
use catalog::lint::{Facts, Limits, RULES, count};

type Step = (&'static str, fn(&Known) -> Look);

pub const STEPS: &[Step] = &[
    ("metrics and objectives", objectives),
    ("bottlenecks are known", bottleneck),
    ("cache and database first", cheap_changes),
    ("deploy, scale and recover by themselves", automation),
    ("owners and runbooks", owners),
    ("debt and architecture reviews", reviews),
    ("load and chaos before launches", rehearsal),
];

/// Kinds of changes that cost little; the others wait until none of these is left.
const CHEAP: &[&str] = &["cache", "index", "batch", "read-replica"];

/// The rules of the catalog that the fifth step is about.
const OWNERS: &[&str] = &[
    "owner",
    "team-members",
    "on-call",
    "runbook-missing",
    "runbook-names",
    "runbook-stale",
];

fn objectives(k: &Known) -> Look {
    let routes = k.loaded.config.as_ref().map_or(&[][..], |c| &c.routes);
    let with = routes.iter().filter(|r| r.slo.is_some()).count();
    let without = routes.iter().find(|r| r.slo.is_none());
    let next = match without {
        Some(r) => format!(
            "write `routes.{}.slo`, such as {{ latency: 250ms, target: 99.9%, window: 28d }}",
            r.name
        ),
        None => String::new(),
    };
    Look {
        done: with > 0 && without.is_none(),
        evidence: vec![format!(
            "{with} of {} routes have an objective",
            routes.len()
        )],
        next,
    }
}

fn bottleneck(k: &Known) -> Look {
    let Some(answer) = &k.answer else {
        let progress = k.progress.as_deref().unwrap_or("nothing runs");
        return Look {
            done: false,
            evidence: vec![format!("no diagnosis yet: {progress}")],
            next: "send traffic through Plimsoll for some minutes, then `plimsoll diagnose`".into(),
        };
    };
    let mut evidence = vec![answer.diagnosis.summary.clone()];
    evidence.extend(answer.line.as_ref().map(|l| {
        format!(
            "load line {:.0}/s, {:.1} times the current {:.0}/s",
            l.line, l.headroom, l.current
        )
    }));
    let known = answer.diagnosis.constraint.is_some();
    Look {
        done: known,
        evidence,
        next: match known {
            true => String::new(),
            false => "`plimsoll diagnose` says what is missing".into(),
        },
    }
}

fn cheap_changes(k: &Known) -> Look {
    let routes = k.loaded.config.as_ref().map_or(&[][..], |c| &c.routes);
    let cached = routes.iter().filter(|r| r.cache.is_some()).count();
    let mut all = k.proposals.iter().enumerate();
    let cheap = all.find(|(_, (kind, _))| CHEAP.contains(&kind.as_str()));
    let next = match (cheap, &k.answer) {
        (Some((i, (_, title))), _) => format!("`plimsoll try {}`: {title}", i + 1),
        (None, Some(_)) => String::new(),
        (None, None) => "once there is a diagnosis, `plimsoll advise` says which".into(),
    };
    Look {
        done: next.is_empty(),
        evidence: vec![format!("{cached} of {} routes have a cache", routes.len())],
        next,
    }
}

fn automation(k: &Known) -> Look {
    let services = k.loaded.config.as_ref().map_or(&[][..], |c| &c.services);
    let starts = services.iter().filter(|s| s.start.is_some()).count();
    let verdicts = k.events.iter().filter(|e| *e == "verdict").count();
    Look {
        done: false,
        evidence: vec![
            format!("{starts} of {} services can be started by Plimsoll (`start`)", services.len()),
            format!("{} went to a verdict, kept or rolled back by itself", count(verdicts, "trial")),
        ],
        next: "autoscaling and staged rollouts are not built yet; `start` lets `plimsoll try` add instances".into(),
    }
}

fn owners(k: &Known) -> Look {
    let facts = Facts {
        catalog: &k.loaded.catalog,
        config: k.loaded.config.as_ref(),
        observed: None,
        now: k.now,
        limits: Limits::default(),
    };
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|r| OWNERS.contains(&r.name)) {
        (rule.check)(&facts, &mut found);
    }
    let c = &k.loaded.catalog;
    let (services, runbooks) = (c.services.len(), c.runbooks.len());
    Look {
        done: services > 0 && found.is_empty(),
        evidence: vec![format!(
            "{}, {}, {}",
            count(services, "service"),
            count(runbooks, "runbook"),
            count(found.len(), "finding")
        )],
        next: match found.first() {
            Some(f) => format!("{}; all: `plimsoll catalog check`", f.what),
            None if services == 0 => "`plimsoll catalog init`".into(),
            None => String::new(),
        },
    }
}

fn reviews(_: &Known) -> Look {
    Look {
        done: false,
        evidence: vec!["not built yet: a register of debt, and decisions that are checked".into()],
        next: "keep decisions in docs/adr, one page each".into(),
    }
}

fn rehearsal(k: &Known) -> Look {
    let loads = k.loaded.config.as_ref().map_or(0, |c| c.loads.len());
    let next = match loads {
        0 => "name a mix under `loads`, then `plimsoll load --find-limit`",
        _ => "`plimsoll load --find-limit` before the launch",
    };
    Look {
        done: false,
        evidence: vec![
            format!("{loads} mixes of requests are named in the config"),
            "not built yet: experiments with faults, and a record of load tests".into(),
        ],
        next: next.into(),
    }
}
