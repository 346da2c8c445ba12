//! The draft of a postmortem: what is known is filled in, what people must think about is asked. Roles, not names.

use super::around::LEDGER;
use super::{Happened, Incident};
use jiff::SignedDuration;

/// `roles` says what to call a person who is named in the timeline.
pub fn draft(i: &Incident, roles: &[(String, String)]) -> String {
    let t = i.times();
    let service = i.service.as_ref().map_or("not said", |s| &s.name);
    let row = |what: &str, took: Option<SignedDuration>| {
        format!("| {what} | {} |\n", took.map_or("not known".into(), length))
    };
    let title = without_names(&i.title, roles);
    let severity = i.severity.as_deref().unwrap_or("not said");
    let mut out = format!(
        "# Postmortem: {title}\n\n- incident: {}\n- service: {service}\n- severity: {severity}\n\n## Summary\n\n\
         What happened, in two sentences that somebody of another team understands.\n\n## Impact\n\n\
         Who felt it, and how: requests, minutes of the objective, money.\n\n| from the begin until it was | time |\n|---|---|\n",
        i.id
    );
    out.push_str(&row("detected", t.detect));
    out.push_str(&row("acknowledged", t.acknowledge));
    out.push_str(&row("mitigated", t.mitigate));
    out.push_str(&row("resolved", t.resolve));
    if i.began.is_none() {
        out.push_str("\nWhen it began is not written down, so the times count from its detection: set `began`.\n");
    }
    out.push_str(
        "\n## Causes\n\nWhat made it possible? Ask what the system allowed, not who did it.\n\n## Trigger\n\n",
    );
    out.push_str(&trigger(i, roles));
    out.push_str("\n## Detection\n\nHow was it noticed? What would have noticed it sooner?\n\n## Timeline\n\n");
    for e in &i.timeline {
        out.push_str(&format!("- {} {}\n", e.at, without_names(&e.text, roles)));
    }
    out.push_str(
        "\n## What went well\n\n## What went wrong\n\n## Where we were lucky\n\n## Actions\n\n\
         | action | owner (a team) | due | kind (prevent, detect, mitigate) | done |\n|---|---|---|---|---|\n| | | | | |\n",
    );
    out
}

/// The last change before it was noticed is where people look first.
fn trigger(i: &Incident, roles: &[(String, String)]) -> String {
    let noticed = i.began.or(i.detected);
    let change = |e: &&Happened| e.text.starts_with(LEDGER) && noticed.is_some_and(|n| e.at <= n);
    match i.timeline.iter().rfind(change) {
        Some(e) => format!(
            "The last change before it: {} at {}. Did it start it?\n",
            without_names(&e.text, roles),
            e.at
        ),
        None => "No change is known from before it. What started it?\n".into(),
    }
}

/// `1 h 02 min`, `3 min 20 s`.
pub fn length(d: SignedDuration) -> String {
    let s = d.as_secs();
    match s.abs() {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s.abs() % 60),
        _ => format!("{} h {:02} min", s / 3600, s.abs() % 3600 / 60),
    }
}

/// Whole words that are names become roles.
fn without_names(text: &str, roles: &[(String, String)]) -> String {
    let part = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(part) {
        let end = rest[start..]
            .find(|c| !part(c))
            .map_or(rest.len(), |i| start + i);
        out.push_str(&rest[..start]);
        let word = &rest[start..end];
        let bare = word.trim_start_matches('@').trim_end_matches(['.', '-']);
        let role = roles
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(bare));
        match role {
            Some((_, role)) => {
                out.push_str(role);
                out.push_str(&word[word.trim_end_matches(['.', '-']).len()..]);
            }
            None => out.push_str(word),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}
