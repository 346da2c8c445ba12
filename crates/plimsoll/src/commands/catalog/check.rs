//! `plimsoll catalog check`: what is declared against what is observed.

use super::read;
use crate::cli::catalog::CheckCatalogArgs;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::{ask, terminal};
use base::{Finding, Severity};
use catalog::Observed;
use catalog::lint::{Limits, count};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub fn run(args: &CheckCatalogArgs) -> Result<Exit, Failure> {
    let loaded = read(&args.place)?;
    if loaded.empty {
        return Err(Failure::new("there is no catalog here").help(
            "write a first one with `plimsoll catalog init`, or name its folder with --catalog",
        ));
    }
    let (observed, not_asked) = observe(args)?;
    let span = |d| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX);
    let limits = Limits {
        stale: span(args.stale),
        dead: span(args.dead),
        ..Limits::default()
    };
    let found = loaded.check(observed.as_ref(), Timestamp::now(), limits);
    let all = |s: Severity| found.iter().filter(|f| f.severity == s).count();
    let (errors, warnings) = (all(Severity::Error), all(Severity::Warning));
    let bad = errors > 0 || (args.strict && warnings > 0);
    let unseen = [loaded.without.clone(), not_asked];
    if args.place.ask.json {
        let unseen: Vec<_> = unseen.into_iter().flatten().collect();
        println!(
            "{}",
            json!({ "ok": !bad, "findings": found, "not_checked": unseen })
        );
    } else {
        print!("{}", page(&found, terminal::width()));
        for why in unseen.into_iter().flatten() {
            println!("not checked: {why}");
        }
        let c = &loaded.catalog;
        println!(
            "{}, {}, {}, {}: {}, {}",
            count(c.services.len(), "service"),
            count(c.teams.len(), "team"),
            count(c.rotations.len(), "rotation"),
            count(c.runbooks.len(), "runbook"),
            count(errors, "error"),
            count(warnings, "warning")
        );
    }
    Ok(if bad { Exit::Not } else { Exit::Ok })
}

/// What a running Plimsoll has seen, or why there is none. One that was named by its address must answer.
fn observe(args: &CheckCatalogArgs) -> Result<(Option<Observed>, Option<String>), Failure> {
    if args.offline {
        return Ok((None, Some("traffic: --offline".into())));
    }
    let told = ask::console(&args.place.ask).and_then(|at| ask::text(&at, "/metrics"));
    match told {
        Ok(text) => Ok((Some(Observed::from_metrics(&text)), None)),
        Err(e) if args.place.ask.console.is_some() => Err(e),
        Err(e) => Ok((
            None,
            Some(format!("traffic, calls and dead entries: {}", e.what)),
        )),
    }
}

/// Each finding with its place; what to do below it.
fn page(found: &[Finding], width: u16) -> String {
    let mut page = Page::new(width);
    for f in found {
        let word = match f.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = f
            .spot
            .as_ref()
            .map(|s| format!("{s}: "))
            .unwrap_or_default();
        page.labelled(word, [format!("{place}{} [{}]", f.what, f.code)]);
        for text in [&f.why, &f.help].into_iter().filter(|t| !t.is_empty()) {
            page.labelled("", [format!("→ {text}")]);
        }
    }
    if !found.is_empty() {
        page.line("");
    }
    page.done()
}
