//! `plimsoll runbook`: list them, show one, run its named steps.

mod run;
mod step;

use super::catalog::load;
use crate::cli::catalog::{PlaceArgs, RunbookAsk, ShowArgs};
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use catalog::Loaded;
use catalog::runbook::Runbook;
use catalog::runbook::run::last;
use serde_json::json;

pub fn run(ask: RunbookAsk) -> Result<Exit, Failure> {
    match ask {
        RunbookAsk::List(args) => list(&args),
        RunbookAsk::Show(args) => show(&args),
        RunbookAsk::Run(args) => run::run(&args),
    }
}

fn list(args: &PlaceArgs) -> Result<Exit, Failure> {
    let c = load(args)?.catalog;
    let run = |r: &Runbook| last(&c.runs, &r.name).map(|x| (x.at.to_string(), x.ok));
    if args.ask.json {
        let row = |r: &Runbook| json!({ "name": r.name, "title": r.title, "file": r.spot.file, "last": run(r).map(|x| x.0) });
        let all: Vec<_> = c.runbooks.values().map(row).collect();
        println!("{}", json!(all));
        return Ok(Exit::Ok);
    }
    let mut page = Page::new(terminal::width());
    let rows: Vec<Vec<String>> = c
        .runbooks
        .values()
        .map(|r| {
            let last = match run(r) {
                None => "never".into(),
                Some((at, true)) => at,
                Some((at, false)) => format!("{at}, failed"),
            };
            vec![
                r.name.clone(),
                r.title.clone(),
                r.blocks.len().to_string(),
                last,
            ]
        })
        .collect();
    if rows.is_empty() {
        page.line(&format!(
            "no runbook in {}",
            c.folder.join("runbooks").display()
        ));
    }
    page.table(
        "runbooks",
        &["name", "title", "steps", "last run"],
        &[2],
        rows,
    );
    print!("{}", page.done());
    Ok(Exit::Ok)
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let r = find(&loaded, &args.name)?;
    if args.place.ask.json {
        let steps: Vec<_> = r
            .blocks
            .iter()
            .map(|b| json!({ "name": b.name, "line": b.line, "script": b.script, "interactive": b.interactive }))
            .collect();
        println!(
            "{}",
            json!({ "name": r.name, "title": r.title, "file": r.spot.file, "steps": steps })
        );
        return Ok(Exit::Ok);
    }
    print!("{}", plan(r, &r.blocks.iter().collect::<Vec<_>>()));
    Ok(Exit::Ok)
}

fn find<'a>(loaded: &'a Loaded, name: &str) -> Result<&'a Runbook, Failure> {
    let c = &loaded.catalog;
    c.runbook(name).ok_or_else(|| {
        let known = c.runbooks.keys().map(String::as_str);
        let help = match config::nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        Failure::new(format!(
            "no runbook `{name}` in {}",
            c.folder.join("runbooks").display()
        ))
        .help(help)
    })
}

/// Every step with its text, before anything is run.
fn plan(r: &Runbook, steps: &[&catalog::runbook::Block]) -> String {
    let mut out = format!("{} ({})\n", r.title, r.spot.file);
    for (i, b) in steps.iter().enumerate() {
        let mut notes = vec![format!("line {}", b.line)];
        if b.interactive {
            notes.push("asks somebody".into());
        }
        if b.only_by_name {
            notes.push("only with --step".into());
        }
        out.push_str(&format!("\n{}. {} ({})\n", i + 1, b.name, notes.join(", ")));
        for line in b.script.lines() {
            out.push_str(&format!("   │ {line}\n"));
        }
    }
    if steps.is_empty() {
        out.push_str(
            "\nno block has a name, so nothing can be run: write ```sh {\"name\":\"look\"}\n",
        );
    }
    out
}
