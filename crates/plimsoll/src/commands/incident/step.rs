//! `plimsoll incident ack|mitigate|resolve|note`: the times in its head, and its timeline.

use super::around::{More, happened};
use super::file::{append, change, find};
use super::now;
use crate::cli::catalog::{NoteArgs, StepArgs};
use crate::commands::catalog::load;
use crate::exit::{Exit, Failure};
use crate::terminal;
use catalog::incident::{Happened, Incident, Stage, add, length, parse, set};
use jiff::Timestamp;

pub fn run(args: &StepArgs, stage: Stage) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let i = find(&loaded.catalog, args.id.as_deref())?;
    if let (Some(since), None) = (i.reached(stage), args.at) {
        println!(
            "{} is {} already, since {since}: nothing is changed; --at TIME corrects it",
            i.id,
            stage.word()
        );
        return Ok(Exit::Ok);
    }
    let at = past(args.at)?;
    let more = happened(&args.place.ask, i, at);
    let text = change(&loaded.catalog, &i.id, |text| {
        advance(text, stage, at, &terminal::who(), &more)
    })?;
    let took = i.start().map_or(String::new(), |s| {
        format!(", {} after it began", length(at.duration_since(s)))
    });
    println!("{} is {}{took}", i.id, stage.word());
    for why in more.without {
        println!("its timeline is without {why}");
    }
    for finding in parse(&i.id, &i.spot.file, &text).1 {
        println!("{finding}");
    }
    println!("next: {}", next(i, stage));
    Ok(Exit::Ok)
}

pub fn note(args: &NoteArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let i = find(&loaded.catalog, args.incident.as_deref())?;
    let entry = Happened {
        at: past(args.at)?,
        text: format!("{} ({})", args.text, terminal::who()),
    };
    append(&loaded.catalog, &i.id, std::slice::from_ref(&entry))?;
    println!("{}: noted at {}", i.id, entry.at);
    Ok(Exit::Ok)
}

/// When it was; what is still to come cannot have happened.
fn past(given: Option<Timestamp>) -> Result<Timestamp, Failure> {
    let now = now();
    match given {
        Some(at) if at > now => {
            let ahead = length(at.duration_since(now));
            Err(Failure::new(format!("{at} is {ahead} ahead of now"))
                .help("write the day, too, or how long ago it was, such as --at 15m"))
        }
        given => Ok(given.unwrap_or(now)),
    }
}

/// The file's text after a step.
fn advance(text: &str, stage: Stage, at: Timestamp, who: &str, more: &More) -> String {
    let entry = Happened {
        at,
        text: format!("{} ({who})", stage.word()),
    };
    let text = add(&set(text, stage.key(), &at.to_string()), &more.found);
    add(&text, &[entry])
}

fn next(i: &Incident, stage: Stage) -> String {
    match stage {
        Stage::Resolved => format!("`plimsoll incident draft {} > postmortem.md`", i.id),
        Stage::Mitigated => "`plimsoll incident resolve`, once it cannot come back".into(),
        _ => "`plimsoll incident mitigate`, as soon as users do not feel it any more".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_in_the_head_and_in_the_timeline() {
        let at: Timestamp = "2026-11-28T04:10:00Z".parse().unwrap();
        let more = More {
            found: vec![Happened {
                at: "2026-11-28T04:00:00Z".parse().unwrap(),
                text: "ledger: generation 2 (ben)".into(),
            }],
            without: Vec::new(),
        };
        let text = "---\ntitle: slow\n---\nwhat people wrote\n";
        let text = advance(text, Stage::Acknowledged, at, "ana", &more);
        let (i, findings) = parse("1", "1.md", &text);
        assert_eq!(findings, []);
        assert_eq!(i.reached(Stage::Acknowledged), Some(at));
        let told: Vec<_> = i.timeline.iter().map(|h| h.text.as_str()).collect();
        assert_eq!(told, ["ledger: generation 2 (ben)", "acknowledged (ana)"]);
        assert!(text.contains("what people wrote"), "{text}");
    }

    #[test]
    fn what_is_to_come_has_not_happened() {
        let later = now() + jiff::SignedDuration::from_hours(2);
        let told = past(Some(later)).unwrap_err();
        assert!(told.what.contains("ahead of now"), "{told}");
        let before = now() - jiff::SignedDuration::from_hours(2);
        assert_eq!(past(Some(before)).unwrap(), before);
    }
}
