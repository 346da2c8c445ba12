//! A trial as it goes, and how it ended.

use control::api::TrialView;
use control::proposal::Proposal;
use control::trial::Outcome;
use control::words::{self, effect};

/// What is about to be tried.
pub fn proposal(p: &Proposal) -> String {
    let how = words::how(&p.change);
    format!(
        "{}: {how}\n  predicted  {} {}\n  reverse    {}\n",
        p.title,
        p.measures,
        effect(&p.measures, &p.predicted),
        p.reverse
    )
}

/// What people have to do themselves, and what comes then.
pub fn instruction(p: &Proposal, text: &str) -> String {
    format!(
        "{} is for people to do:\n  {text}\n  predicted  {} {}\nonce it is done: `plimsoll try {} --done` compares with the minutes before\n",
        p.title,
        p.measures,
        effect(&p.measures, &p.predicted),
        p.id
    )
}

/// The verdict, predicted against measured, and what can be done next.
pub fn ended(view: &TrialView, o: &Outcome) -> String {
    let p = &view.record.proposal;
    let mut out = format!("{}: {}\n", o.verdict.label(), o.why);
    out.push_str(&format!(
        "  predicted  {} {}\n",
        p.measures,
        effect(&p.measures, &o.predicted)
    ));
    let measured = match &o.measured {
        Some(m) => effect(&p.measures, m),
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
    use control::Change;
    use control::ledger::TrialRecord;
    use control::proposal::Effect;
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
