//! A trial as it goes, and how it ended.

use super::number::percent;
use control::api::TrialView;
use control::proposal::{Change, Effect, Proposal};
use control::trial::{Outcome, Phase, Progress};

/// What is about to be tried.
pub fn proposal(p: &Proposal) -> String {
    let how = match &p.change {
        Change::Patch { .. } => "shown to a share of the users first, and compared with the others",
        Change::Replicas { .. } => "applied whole, and compared with the minutes before",
        Change::Instruction { .. } => "done by people, and compared with the minutes before",
    };
    format!(
        "{}: {how}\n  predicted  {} {}\n  reverse    {}\n",
        p.title,
        p.measures,
        effect(p, &p.predicted),
        p.reverse
    )
}

/// What people have to do themselves, and what comes then.
pub fn instruction(p: &Proposal, text: &str) -> String {
    format!(
        "{} is for people to do:\n  {text}\n  predicted  {} {}\nonce it is done: `plimsoll try {} --done` compares with the minutes before\n",
        p.title,
        p.measures,
        effect(p, &p.predicted),
        p.id
    )
}

/// Demand falls when it gets better, a line rises.
fn effect(p: &Proposal, e: &Effect) -> String {
    let sign = if p.measures.starts_with("demand") {
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

/// What a phase means, said once when it begins.
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
    let r = &p.trial.reading;
    match r.evidence.is_empty() {
        true => "waiting for the first comparison".into(),
        false => r.evidence.clone(),
    }
}

/// The verdict, predicted against measured, and what can be done next.
pub fn ended(view: &TrialView, o: &Outcome) -> String {
    let p = &view.record.proposal;
    let mut out = format!("{}: {}\n", o.verdict.label(), o.why);
    out.push_str(&format!(
        "  predicted  {} {}\n",
        p.measures,
        effect(p, &o.predicted)
    ));
    let measured = match &o.measured {
        Some(m) => effect(p, m),
        None => "not measured".into(),
    };
    out.push_str(&format!("  measured   {measured}\n"));
    if !o.evidence.is_empty() {
        out.push_str(&format!("  seen       {}\n", o.evidence));
    }
    out.push_str(&format!("  took       {} s\n", o.took_s));
    if let (true, Some(overlay)) = (o.verdict.is_kept(), &view.record.overlay) {
        out.push_str(&format!(
            "`plimsoll adopt {overlay}` writes it into the file; `plimsoll rollback {overlay}` takes it back\n"
        ));
    }
    out
}

/// How to see and end a trial that goes on without anybody watching.
pub fn goes_on(id: &str) -> String {
    format!(
        "{id} goes on: `plimsoll try --follow` shows it, `plimsoll rollback {id}` ends it, `plimsoll history` keeps its verdict\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::ledger::TrialRecord;
    use control::trial::Verdict;

    fn cache(change: Change) -> Proposal {
        Proposal {
            id: "cache-product".into(),
            kind: "cache".into(),
            title: "cache product for 1s".into(),
            evidence: String::new(),
            change,
            measures: "demand of product on lock.front.stock".into(),
            predicted: Effect::new(0.27, 0.22, 0.31),
            line: Some(336.0),
            line_safe: None,
            size: 1,
            cost_per_hour: 0.0,
            reverse: "remove the overlay".into(),
        }
    }

    #[test]
    fn the_verdict_comes_with_predicted_and_measured_and_the_next_command() {
        let view = TrialView {
            record: TrialRecord {
                id: "trial-1".into(),
                proposal: cache(Change::Patch { ops: vec![] }),
                overlay: Some("cache-product-trial-1".into()),
                share: Some(0.5),
                started_ms: 0,
                ended_ms: None,
                outcome: None,
            },
            running: None,
        };
        let mut o = Outcome {
            verdict: Verdict::Kept,
            why: "it agrees".into(),
            predicted: Effect::new(0.27, 0.22, 0.31),
            measured: Some(Effect::new(0.29, 0.18, 0.4)),
            evidence: "6.4 ms with, 9.1 ms without".into(),
            took_s: 47,
        };
        assert_eq!(
            ended(&view, &o),
            "kept: it agrees\n  predicted  demand of product on lock.front.stock -27 % (-31 to -22)\n  \
             measured   -29 % (-40 to -18)\n  seen       6.4 ms with, 9.1 ms without\n  took       47 s\n\
             `plimsoll adopt cache-product-trial-1` writes it into the file; \
             `plimsoll rollback cache-product-trial-1` takes it back\n"
        );
        (o.verdict, o.measured) = (Verdict::NoEffect, None);
        let text = ended(&view, &o);
        assert!(
            text.contains("not measured") && !text.contains("adopt"),
            "{text}"
        );
    }

    #[test]
    fn an_instruction_says_how_to_tell_that_it_is_done() {
        let text = "create an index".to_owned();
        let said = instruction(&cache(Change::Instruction { text: text.clone() }), &text);
        assert!(
            said.contains("create an index")
                && said.contains("`plimsoll try cache-product --done`"),
            "{said}"
        );
    }
}
