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
use catalog::{Loaded, Observed};
use config::Route;
use jiff::Timestamp;
use model::Answer;
use serde_json::{Value, json};
use std::path::PathBuf;
use steps::STEPS;

/// What is known when the steps are looked at.
struct Known {
    loaded: Loaded,
    /// How far learning is; `None`: nothing runs.
    progress: Option<String>,
    answer: Option<Answer>,
    /// Kind and title of each proposal, best first; `None`: there is no advice yet.
    proposals: Option<Vec<(String, String)>>,
    seen: Option<Observed>,
    told: Told,
    /// Where decisions are kept, and how many.
    decisions: Option<(PathBuf, usize)>,
    now: Timestamp,
}

/// Answers of the API; null for one that was not had.
#[derive(Default)]
struct Told {
    diagnosis: Value,
    advice: Value,
    history: Value,
    slos: Value,
    routes: Value,
    statements: Value,
    probes: Value,
    agents: Value,
    gates: Value,
    observed: Value,
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
    let told = Told {
        advice: more("/api/v1/advice"),
        history: more("/api/v1/history?n=1000"),
        slos: more("/api/v1/slos"),
        routes: more("/api/v1/routes"),
        statements: more("/api/v1/statements"),
        probes: more("/api/v1/probes"),
        agents: more("/api/v1/agents"),
        gates: more("/api/v1/decisions"),
        observed: more("/api/v1/observed"),
        diagnosis,
    };
    let known = Known::new(loaded, told, catalog::decisions(&args.ask.config))?;
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
    fn new(
        loaded: Loaded,
        told: Told,
        decisions: Option<(PathBuf, usize)>,
    ) -> Result<Known, Failure> {
        let proposals = told.advice["proposals"].as_array();
        let proposals = proposals.filter(|_| told.advice["stage"]["stage"] == "ready");
        let pair = |p: &Value| Some((text(&p["kind"])?, text(&p["title"])?));
        Ok(Known {
            loaded,
            progress: text(&told.diagnosis["progress"]),
            answer: of_live(&told.diagnosis)?,
            proposals: proposals.map(|all| all.iter().filter_map(pair).collect()),
            seen: (!told.observed.is_null()).then(|| Observed::of_json(&told.observed)),
            told,
            decisions,
            now: Timestamp::now(),
        })
    }

    fn routes(&self) -> &[Route] {
        self.loaded.config.as_ref().map_or(&[][..], |c| &c.routes)
    }

    /// Events of one kind at the end of the ledger.
    fn events(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        let lines = rows(&self.told.history).map(|l| &l["event"]);
        lines.filter(move |e| e["kind"] == kind)
    }
}

fn text(v: &Value) -> Option<String> {
    v.as_str().map(str::to_owned)
}

/// Of a list; nothing where it was not had.
fn rows(told: &Value) -> impl Iterator<Item = &Value> {
    told.as_array().into_iter().flatten()
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
