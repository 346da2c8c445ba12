//! What was learned from incidents and what came of it, and which decisions are written down.

use super::{Known, Look};
use catalog::incident::{Action, Incident, Stage};
use catalog::lint::count;
use jiff::tz::TimeZone;

pub fn look(k: &Known) -> Look {
    let mut over = k.loaded.catalog.newest();
    over.retain(|i| i.stage() == Stage::Resolved);
    let unread = over.iter().find(|i| i.actions.is_none());
    let reviewed = over.iter().filter(|i| i.actions.is_some()).count();
    let of = |i: &Incident| -> Vec<(String, Action)> {
        let all = i.actions.iter().flatten();
        all.map(|a| (i.id.clone(), a.clone())).collect()
    };
    let all: Vec<(String, Action)> = over.iter().flat_map(|i| of(i)).collect();
    let open: Vec<&(String, Action)> = all.iter().filter(|(_, a)| !a.done).collect();
    let today = k.now.to_zoned(TimeZone::UTC).date();
    let late = |a: &Action| a.by.is_some_and(|by| by < today);
    let overdue = open.iter().find(|(_, a)| late(a));
    let mut evidence = vec![
        format!(
            "{} resolved, {reviewed} with actions written down",
            count(over.len(), "incident")
        ),
        format!(
            "{}: {} done, {} open, {} of them overdue",
            count(all.len(), "action"),
            all.len() - open.len(),
            open.len(),
            open.iter().filter(|(_, a)| late(a)).count()
        ),
    ];
    evidence.extend(
        k.decisions
            .as_ref()
            .map(|(folder, n)| format!("{} in {}", count(*n, "decision"), folder.display())),
    );
    evidence.push("not built yet: a register of debt, and decisions that are checked".into());
    let next = match (overdue, unread, &k.decisions) {
        (Some((id, a)), _, _) => {
            format!(
                "overdue since {}, for {}: {} (incident {id})",
                a.due,
                whose(a),
                a.what
            )
        }
        (None, Some(i), _) => format!(
            "look back at {0}: `plimsoll incident draft {0}`, and its `## Actions` into incidents/{0}.md",
            i.id
        ),
        (None, None, None) => "keep decisions in docs/adr, one page each".into(),
        (None, None, Some(_)) => {
            "until that is built, keep debts as actions of incidents, with an owner and a day"
                .into()
        }
    };
    Look {
        done: false,
        evidence,
        next,
    }
}

fn whose(a: &Action) -> &str {
    match a.owner.as_str() {
        "" => "nobody",
        owner => owner,
    }
}
