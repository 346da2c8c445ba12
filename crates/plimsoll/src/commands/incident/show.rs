//! `plimsoll incident show` and `list`.

use super::around::happened;
use super::{file, now};
use crate::cli::catalog::{PlaceArgs, StepArgs};
use crate::commands::catalog::load;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use catalog::incident::{Incident, Stage, length};
use serde_json::json;

pub fn one(args: &StepArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let mut i = file::find(&loaded.catalog, args.id.as_deref())?.clone();
    let until = i.resolved.or(args.at).unwrap_or_else(now);
    let more = happened(&args.place.ask, &i, until);
    i.learn(more.found);
    if args.place.ask.json {
        println!("{}", i.to_json());
        return Ok(Exit::Ok);
    }
    let mut page = Page::new(terminal::width());
    page.labelled("incident", [format!("{}: {}", i.id, i.title)]);
    page.labelled("is", [i.stage().word()]);
    page.labelled("service", i.service.as_ref().map(|s| &s.name));
    page.labelled("severity", i.severity.as_ref());
    let times = i.times().rows().into_iter();
    let times = times.filter_map(|(word, took)| Some(format!("{word} after {}", length(took?))));
    page.labelled("times", times);
    let rows = i
        .timeline
        .iter()
        .map(|h| vec![h.at.to_string(), h.text.clone()])
        .collect();
    page.table("timeline", &["when", "what"], &[], rows);
    for why in more.without {
        page.line(&format!("without {why}"));
    }
    print!("{}", page.done());
    Ok(Exit::Ok)
}

pub fn list(args: &PlaceArgs) -> Result<Exit, Failure> {
    let c = load(args)?.catalog;
    let all = c.newest();
    if args.ask.json {
        let row =
            |i: &&Incident| json!({ "id": i.id, "title": i.title, "stage": i.stage().word() });
        println!("{}", json!(all.iter().map(row).collect::<Vec<_>>()));
        return Ok(Exit::Ok);
    }
    let row = |i: &&Incident| {
        let took = i.times().resolve.map_or(String::new(), length);
        let stage = match i.stage() {
            Stage::Open => "OPEN",
            other => other.word(),
        };
        vec![i.id.clone(), i.title.clone(), stage.to_owned(), took]
    };
    let mut page = Page::new(terminal::width());
    if all.is_empty() {
        page.line("no incident is written down; `plimsoll incident open TITLE` begins one");
    }
    page.table(
        "incidents",
        &["id", "title", "is", "resolved after"],
        &[],
        all.iter().map(row).collect(),
    );
    print!("{}", page.done());
    Ok(Exit::Ok)
}
