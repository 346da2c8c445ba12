//! `plimsoll catalog check`: what is declared against what is observed.

use super::read;
use crate::cli::catalog::CheckCatalogArgs;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use base::{Finding, Severity};
use catalog::Observed;
use catalog::lint::{Limits, count, rough};
use catalog::observed::SPAN;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

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
    let now = Timestamp::now();
    let found = loaded.check(observed.as_ref(), now, limits);
    let all = |s: Severity| found.iter().filter(|f| f.severity == s).count();
    let (errors, warnings) = (all(Severity::Error), all(Severity::Warning));
    let bad = errors > 0 || (args.strict && warnings > 0);
    let too_long = (observed.is_some() && limits.dead > SPAN).then(|| {
        let (dead, span) = (rough(limits.dead), rough(SPAN));
        format!("dead entries: --dead is {dead}, and counts of {span} are looked at")
    });
    let unseen = [loaded.without.clone(), not_asked, too_long];
    if args.place.ask.json {
        let unseen: Vec<_> = unseen.into_iter().flatten().collect();
        println!(
            "{}",
            json!({ "ok": !bad, "findings": found, "not_checked": unseen, "observed": spans(observed.as_ref(), now) })
        );
    } else {
        print!("{}", page(&found, terminal::width()));
        for why in unseen.into_iter().flatten() {
            println!("not checked: {why}");
        }
        if let Some(seen) = &observed {
            println!("traffic: {}", seen.span(now));
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
    match super::observed(&args.place.ask) {
        Ok(seen) => Ok((Some(seen), None)),
        Err(e) if args.place.ask.console.is_some() => Err(e),
        Err(e) => Ok((
            None,
            Some(format!("traffic, calls and dead entries: {}", e.what)),
        )),
    }
}

/// Which time was looked at, for machines; null: nobody was asked.
fn spans(seen: Option<&Observed>, now: Timestamp) -> Value {
    seen.map_or(Value::Null, |seen| {
        json!({
            "since": seen.since.map(|s| s.to_string()),
            "span_s": SPAN.as_secs(),
            "looked_s": seen.looked(now).map(|l| l.as_secs()),
        })
    })
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
