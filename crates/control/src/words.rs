//! How a trial and its effect are said: the same at the terminal and in the console.

use crate::proposal::{Change, Effect, Proposal};
use crate::trial::{Phase, Progress};
use base::number::percent;

/// What happens when it is tried.
pub fn how(change: &Change) -> &'static str {
    match change {
        Change::Patch { .. } => "shown to a share of the users first, and compared with the others",
        Change::Replicas { .. } => "applied whole, and compared with the minutes before",
        Change::Instruction { .. } => "done by people, and compared with the minutes before",
    }
}

/// Demand falls when it gets better, a line rises.
pub fn effect(measures: &str, e: &Effect) -> String {
    let sign = if measures.starts_with("demand") {
        -1.0
    } else {
        1.0
    };
    let (a, b) = (sign * e.low, sign * e.high);
    let shown = |x: f64| format!("{:+.0}", 100.0 * x);
    format!(
        "{} % ({} to {})",
        shown(sign * e.mean),
        shown(a.min(b)),
        shown(a.max(b))
    )
}

/// The change itself: the patch, the instances, or what people have to do.
pub fn change(p: &Proposal) -> Vec<String> {
    let value =
        |v: &Option<serde_json::Value>| v.as_ref().map_or("removed".into(), |v| v.to_string());
    match &p.change {
        Change::Patch { ops } => ops
            .iter()
            .map(|op| format!("{} = {}", op.path.join("."), value(&op.value)))
            .collect(),
        Change::Replicas { service, add } => vec![format!("{add} more of {service}")],
        Change::Instruction { text } => vec![text.clone()],
    }
}

/// What a phase means.
pub fn phase(p: &Progress) -> String {
    let t = &p.trial;
    match (t.phase, t.share) {
        (Phase::Applying, _) => "applying the change".into(),
        (Phase::Settling, Some(s)) => format!(
            "canary: {} of the users are on it; settling for {} s",
            percent(s),
            t.times.settle_s
        ),
        (Phase::Settling, None) => format!("in effect; settling for {} s", t.times.settle_s),
        (Phase::Watching, _) => format!(
            "watching: a verdict in {} s at the earliest, {} s at the latest",
            t.times.least_s, t.times.most_s
        ),
        (Phase::Confirming, _) => format!(
            "for everyone now; harm is watched for {} s more",
            t.times.confirm_s
        ),
        (Phase::Done, _) => "done".into(),
    }
}

/// How it stands, while a phase goes on.
pub fn now(p: &Progress) -> String {
    match p.trial.reading.evidence.as_str() {
        "" => "waiting for the first comparison".into(),
        seen => seen.to_owned(),
    }
}
