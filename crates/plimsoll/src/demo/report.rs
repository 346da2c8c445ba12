//! What came of the demo: before and after in one table.

use crate::show::number::percent;
use crate::terminal;
use base::units::Secs;
use control::proposal::Proposal;
use model::Answer;
use prove::{Limit, Stopped};
use serde_json::{Value, json};

/// Everything that the last table compares.
pub struct Outcome {
    pub answer: Answer,
    pub proposal: Proposal,
    pub trial: control::trial::Outcome,
    pub before: Limit,
    pub after: Limit,
    pub bad_change: bool,
    /// What the model has learned of the state after the trial, and the p99 measured meanwhile; or what is missing.
    pub learned: Result<(Answer, Option<f64>), String>,
    /// The p99 measured before, seconds.
    pub p99: Option<f64>,
}

/// A gain counts when it is clearly above what a quick ramp can be wrong by.
const GAIN: f64 = 1.15;

impl Outcome {
    fn gain(&self) -> Option<f64> {
        gain(&self.before, &self.after)
    }

    /// Whether the demo showed what it promises: a measured gain, or with a bad change that it was rolled back.
    pub fn holds(&self) -> bool {
        if self.bad_change {
            return !self.trial.verdict.is_kept();
        }
        self.trial.verdict.is_kept() && self.gain().is_some_and(|g| g >= GAIN)
    }

    fn sentence(&self) -> String {
        match (self.holds(), self.bad_change) {
            (true, true) => "The change did not help and was rolled back.".into(),
            (false, true) => "The change should have been rolled back and was not.".into(),
            (true, false) => format!(
                "The line is {:.1} times as high.",
                self.gain().unwrap_or(0.0)
            ),
            (false, false) if self.trial.verdict.is_kept() && self.gain().is_none() => {
                "The gain is not known.".into()
            }
            (false, false) => "The gain is not there.".into(),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "holds": self.holds(),
            "gain": self.gain(),
            "proposal": self.proposal,
            "trial": self.trial,
            "before": self.before,
            "after": self.after,
            "learned": self.learned.as_ref().ok().map(|l| &l.0),
            "p99_before_s": self.p99,
            "p99_after_s": self.learned.as_ref().ok().and_then(|l| l.1),
            "not_learned": self.learned.as_ref().err(),
        })
    }

    /// Table, verdict, sentence.
    pub fn text(&self) -> String {
        let (table, trial) = (self.table(), &self.trial);
        format!(
            "\n{table}\n{trial}\n{}\n{}\n",
            trial.evidence,
            self.sentence()
        )
    }

    fn table(&self) -> String {
        let mut t = terminal::table(&["", "before", "after"]);
        let not_yet = |why: &String| format!("not learned yet: {why}");
        let after = |of: &dyn Fn(&Answer, Option<f64>) -> Option<String>| match &self.learned {
            Ok((a, p99)) => of(a, *p99).unwrap_or("not known".into()),
            Err(why) => not_yet(why),
        };
        let p99 = |x: Option<f64>| x.map_or("not measured".into(), |s| Secs(s).to_string());
        t.add_row([
            "constraint".into(),
            constraint(&self.answer).unwrap_or("not known".into()),
            after(&|a, _| constraint(a)),
        ]);
        t.add_row([
            format!("p99 at {:.0}/s", self.answer.diagnosis.current),
            p99(self.p99),
            after(&|_, x| Some(p99(x))),
        ]);
        let predicted = self.answer.line.as_ref().map(|l| l.line);
        let promised = match (self.trial.verdict.is_kept(), self.proposal.line) {
            (true, Some(line)) => format!("{line:.0}/s"),
            (true, None) => "not predicted".into(),
            (false, _) => "unchanged: rolled back".into(),
        };
        t.add_row([
            "load line predicted".into(),
            predicted.map_or("not known".into(), |l| format!("{l:.0}/s")),
            promised,
        ]);
        t.add_row([
            "load line measured".into(),
            measured(&self.before),
            measured(&self.after),
        ]);
        let after = self.learned.as_ref().ok().map(|l| &l.0);
        let [before, after] = [
            self.cost(Some(&self.answer), &self.before),
            self.cost(after, &self.after),
        ];
        t.add_row([
            "cost of 1000 requests at the measured line".into(),
            before,
            after,
        ]);
        t.to_string()
    }

    /// The bill of the model's answer, spread over the requests of a measured line.
    fn cost(&self, answer: Option<&Answer>, limit: &Limit) -> String {
        let costs = answer.and_then(|a| a.costs.as_ref());
        let bill = costs.map(|c| c.bill_micro_per_hour as f64 / 1e6);
        let cost = bill.and_then(|b| model::cost::per_1000(b, limit.line_rps?));
        cost.map_or("not known".into(), |c| format!("${c:.6}"))
    }
}

/// How many times the line before is that after, or more: a line before that is only "at least" so high tells nothing.
fn gain(before: &Limit, after: &Limit) -> Option<f64> {
    before.high?;
    Some(after.line_rps? / before.line_rps?)
}

/// A measured line in words.
pub fn measured(limit: &Limit) -> String {
    match (limit.line_rps, limit.high, &limit.stopped) {
        (Some(l), Some(_), _) => format!("{l:.0}/s"),
        (Some(l), None, _) => format!("at least {l:.0}/s"),
        (None, _, Stopped::Generator(_)) => "not known: the generator was late".into(),
        (None, ..) => "not met at any rate".into(),
    }
}

/// The resource that is full first, and how busy it is now.
fn constraint(a: &Answer) -> Option<String> {
    let d = &a.diagnosis;
    let name = &d.constraint.as_ref()?.resource;
    let row = d.resources.iter().find(|r| r.resource == *name)?;
    Some(format!(
        "{name}, {} busy at {:.0}/s",
        percent(row.utilisation),
        d.current
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(line_rps: Option<f64>, high: Option<f64>, stopped: Stopped) -> Limit {
        Limit {
            line_rps,
            low: line_rps,
            high,
            method: String::new(),
            steps: Vec::new(),
            stopped,
        }
    }

    #[test]
    fn a_line_below_which_all_was_good_is_at_least_there_and_proves_no_gain_over_it() {
        let late = || Stopped::Generator("late".into());
        let found = |l: f64| limit(Some(l), Some(1.1 * l), Stopped::Found);
        let at_least = limit(Some(140.0), None, late());
        assert_eq!(gain(&found(140.0), &found(350.0)), Some(2.5));
        assert_eq!(gain(&found(70.0), &at_least), Some(2.0));
        assert_eq!(gain(&at_least, &found(350.0)), None);
        assert_eq!(measured(&found(140.0)), "140/s");
        assert_eq!(measured(&at_least), "at least 140/s");
        assert_eq!(
            measured(&limit(None, None, late())),
            "not known: the generator was late"
        );
        let never = limit(None, None, Stopped::NeverGood);
        assert_eq!(measured(&never), "not met at any rate");
    }
}
