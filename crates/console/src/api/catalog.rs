//! The catalog and the incidents as JSON.

use super::{Answer, off_thread};
use crate::State;
use crate::books::{self, Books};
use axum::extract::{Path, State as Extract};
use catalog::incident::typical;
use catalog::runbook::run::last;
use jiff::Timestamp;
use serde_json::{Value, json};

pub async fn all(Extract(s): Extract<State>) -> Answer {
    off_thread(move || Ok(whole(&Books::read(&s)?))).await
}

/// What the catalog is compared with.
pub async fn observed(Extract(s): Extract<State>) -> Answer {
    off_thread(move || {
        let now = Timestamp::now();
        Ok(books::observed(&s, now).to_json(now))
    })
    .await
}

pub async fn incidents(Extract(s): Extract<State>) -> Answer {
    off_thread(move || {
        let books = Books::read(&s)?;
        let all = books.loaded.catalog.newest();
        let typical = typical(all.iter().copied()).to_json();
        let all: Vec<_> = all.iter().map(|i| i.to_json()).collect();
        Ok(json!({ "typical": typical, "incidents": all }))
    })
    .await
}

pub async fn incident(Extract(s): Extract<State>, Path(id): Path<String>) -> Answer {
    off_thread(move || {
        let books = Books::read(&s)?;
        let i = books.incident(&s, &id)?;
        let mut told = i.to_json();
        told["draft"] = books.draft(&i).into();
        Ok(told)
    })
    .await
}

fn whole(books: &Books) -> Value {
    let c = &books.loaded.catalog;
    let services = books.services().into_iter().map(|w| {
        let mut told = w.to_json();
        told["about"] = json!(w.service.about);
        let calls: Vec<_> = w.service.depends_on.iter().map(|d| &d.name).collect();
        told["depends_on"] = json!(calls);
        told
    });
    let teams = c.teams.values().map(|t| {
        let members: Vec<_> = t.members.iter().map(|m| &m.name).collect();
        json!({ "name": t.name, "title": t.title, "members": members, "contact": t.contact })
    });
    let runbooks = c.runbooks.values().map(|r| {
        let steps: Vec<_> = r.blocks.iter().map(|b| &b.name).collect();
        let run = last(&c.runs, &r.name);
        let run = run.map(|x| json!({ "at": x.at.to_string(), "who": x.who, "ok": x.ok }));
        json!({ "name": r.name, "title": r.title, "file": r.spot.file, "steps": steps, "last": run })
    });
    json!({
        "folder": c.folder,
        "services": services.collect::<Vec<_>>(),
        "teams": teams.collect::<Vec<_>>(),
        "runbooks": runbooks.collect::<Vec<_>>(),
        "findings": books.found,
        "not_checked": books.loaded.without,
    })
}
