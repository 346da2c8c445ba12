//! What came of each test, and the page that tells it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// In the order of the page. `surrogate`: a header of 2001 that its author withdrew and that Plimsoll does not read.
const KINDS: [&str; 4] = ["required", "optimal", "check", "surrogate"];

pub struct Score {
    tests: Vec<Test>,
}

struct Test {
    id: String,
    kind: String,
    verdict: String,
    detail: String,
}

impl Score {
    pub fn read(json: &[u8]) -> Result<Score, String> {
        let all: Value = serde_json::from_slice(json).map_err(|e| format!("the score: {e}"))?;
        let text = |t: &Value, key: &str| t[key].as_str().unwrap_or_default().to_owned();
        let tests = all.as_array().into_iter().flatten().map(|t| Test {
            id: text(t, "id"),
            kind: text(t, "kind"),
            verdict: text(t, "verdict"),
            detail: text(t, "detail"),
        });
        let tests: Vec<_> = tests.collect();
        match tests.is_empty() {
            true => Err("the suite had no tests".into()),
            false => Ok(Score { tests }),
        }
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Test> {
        self.tests.iter().filter(move |t| t.kind == kind)
    }

    fn passed(&self, kind: &str) -> usize {
        self.of(kind).filter(|t| t.passes()).count()
    }

    /// What is in the list and failed, and why, and names that passed and are not in it. Checks ask how a cache
    /// behaves, and no answer is wrong: they are not compared.
    pub fn against<'a>(&'a self, list: &'a str) -> (Vec<String>, Vec<&'a str>) {
        let counted = |t: &&Test| t.passes() && matches!(&*t.kind, "required" | "optimal");
        let passed = self.tests.iter().filter(counted);
        let passed: BTreeSet<&str> = passed.map(|t| t.id.as_str()).collect();
        let listed: BTreeSet<&str> = list.split_whitespace().collect();
        let lost = listed.difference(&passed).map(|id| self.why(id)).collect();
        let new = passed.difference(&listed).copied().collect();
        (lost, new)
    }

    fn why(&self, id: &str) -> String {
        match self.tests.iter().find(|t| t.id == id) {
            Some(t) => format!("{id} ({}: {})", t.verdict, t.detail),
            None => format!("{id} (not among the tests of the suite)"),
        }
    }

    pub fn line(&self) -> String {
        let of = |kind| format!("{} of {} {kind}", self.passed(kind), self.of(kind).count());
        format!("HTTP cache tests: {}, {}", of("required"), of("optimal"))
    }

    pub fn page(&self) -> String {
        let mut out = String::from(
            "| kind | pass | fail | setup | depends | of |\n|---|---|---|---|---|---|\n",
        );
        for kind in KINDS {
            let count = |verdicts: &[&str]| {
                let is = |t: &&Test| verdicts.contains(&&*t.verdict);
                self.of(kind).filter(is).count()
            };
            let _ = writeln!(
                out,
                "| {kind} | {} | {} | {} | {} | {} |",
                self.passed(kind),
                count(&["fail", "no"]),
                count(&["setup", "harness", "untested"]),
                count(&["depends"]),
                self.of(kind).count()
            );
        }
        for kind in KINDS {
            let _ = writeln!(out, "\n{kind}, not passed:\n");
            for t in self.of(kind).filter(|t| !t.passes()) {
                let _ = writeln!(out, "- `{}` ({}): {}", t.id, t.verdict, t.detail);
            }
        }
        out
    }
}

impl Test {
    fn passes(&self) -> bool {
        matches!(&*self.verdict, "pass" | "yes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_was_lost_and_one_that_is_new_are_told() {
        let json = r#"[{"id":"a","kind":"required","verdict":"pass","detail":""},
            {"id":"b","kind":"optimal","verdict":"fail","detail":"why"},
            {"id":"c","kind":"check","verdict":"yes","detail":""},
            {"id":"d","kind":"optimal","verdict":"pass","detail":""}]"#;
        let score = Score::read(json.as_bytes()).unwrap();
        assert_eq!(
            score.against("a b"),
            (vec!["b (fail: why)".into()], vec!["d"])
        );
        assert!(score.page().contains("- `b` (fail): why"));
        assert_eq!(
            score.line(),
            "HTTP cache tests: 1 of 1 required, 1 of 2 optimal"
        );
        assert!(Score::read(b"[]").is_err());
    }
}
