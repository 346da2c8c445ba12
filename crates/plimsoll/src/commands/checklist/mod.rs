//! `plimsoll checklist`: seven steps to a system that carries its load, each with evidence from the running Plimsoll and
//! the catalog, and the next thing to do.

mod steps;

#[cfg(test)]
mod tests;

use super::catalog::load;
use crate::cli::catalog::PlaceArgs;
use crate::exit::{Exit, Failure};
use crate::show::answer::of_live;
use crate::show::page::Page;
use crate::{ask, terminal};
use catalog::Loaded;
use jiff::Timestamp;
use model::Answer;
use serde_json::{Value, json};
use steps::STEPS;

/// What is known when the steps are looked at.
struct Known {
    loaded: Loaded,
    /// How far learning is; `None`: nothing runs.
    progress: Option<String>,
    answer: Option<Answer>,
    /// Kind and title of each proposal, best first.
    proposals: Vec<(String, String)>,
    /// Kinds of what the end of the ledger holds.
    events: Vec<String>,
    now: Timestamp,
}

pub fn run(args: PlaceArgs) -> Result<Exit, Failure> {
    let loaded = load(&args)?;
    let at = &ask::console(&args.ask)?;
    let get = |what: &str| ask::get::<Value>(at, what);
    let (diagnosis, unasked) = match get("/api/v1/diagnosis") {
        Ok(diagnosis) => (diagnosis, None),
        Err(e) => (Value::Null, Some(e.what)),
    };
    // What answered once and fails now is as if it did not run.
    let more = |what: &str| match unasked {
        None => get(what).unwrap_or_default(),
        Some(_) => Value::Null,
    };
    let known = Known::new(
        loaded,
        &diagnosis,
        &more("/api/v1/advice"),
        &more("/api/v1/history?n=1000"),
    )?;
    let looks: Vec<(&str, Look)> = STEPS
        .iter()
        .map(|(name, look)| (*name, look(&known)))
        .collect();
    let done = looks.iter().filter(|l| l.1.done).count();
    if args.ask.json {
        let row = |(name, l): &(&str, Look)| json!({ "step": name, "done": l.done, "evidence": l.evidence, "next": l.next });
        let steps: Vec<_> = looks.iter().map(row).collect();
        println!(
            "{}",
            json!({ "done": done, "steps": steps, "not_asked": unasked })
        );
    } else {
        print!("{}", page(&looks));
        if let Some(why) = unasked {
            println!("without what runs: {why}");
        }
        println!("{done} of {} done", looks.len());
    }
    Ok(if done == looks.len() {
        Exit::Ok
    } else {
        Exit::Not
    })
}

impl Known {
    /// From the answers of the API; null for one that was not had.
    fn new(
        loaded: Loaded,
        diagnosis: &Value,
        advice: &Value,
        history: &Value,
    ) -> Result<Known, Failure> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let proposals = advice["proposals"].as_array().into_iter().flatten();
        let events = history.as_array().into_iter().flatten();
        Ok(Known {
            loaded,
            progress: text(&diagnosis["progress"]),
            answer: of_live(diagnosis)?,
            proposals: proposals
                .filter_map(|p| Some((text(&p["kind"])?, text(&p["title"])?)))
                .collect(),
            events: events.filter_map(|l| text(&l["event"]["kind"])).collect(),
            now: Timestamp::now(),
        })
    }
}

/// What one step has to show.
struct Look {
    done: bool,
    evidence: Vec<String>,
    /// Empty: nothing.
    next: String,
}

fn page(looks: &[(&str, Look)]) -> String {
    let mut page = Page::new(terminal::width());
    for (i, (name, l)) in looks.iter().enumerate() {
        let mark = if l.done { "done" } else { "open" };
        page.labelled(&format!("{}. {mark}", i + 1), [name]);
        page.labelled("", &l.evidence);
        page.labelled("", (!l.next.is_empty()).then(|| format!("→ {}", l.next)));
    }
    page.done()
}
