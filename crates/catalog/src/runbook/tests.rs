//! Runbooks as people and Runme write them, and as nobody should.

use super::*;

const TEXT: &str = "---\nowner: pay\nservices: [shop]\n---\n# Checkout is slow\n\nLook at `route checkout` and \
`services.shop.pool.size`.\n\n```sh {\"name\":\"look\",\"interactive\":\"false\"}\nplimsoll status\n```\n\n\
```bash { name=drain excludeFromRunAll=true cwd=.. }\nplimsoll try services.shop.limt\n```\n\n```sh\nnot run\n```\n";

#[test]
fn named_blocks_and_what_the_text_names() {
    let (r, findings) = parse("slow", "runbooks/slow.md", TEXT);
    assert_eq!(findings, []);
    assert_eq!(r.title, "Checkout is slow");
    let names: Vec<_> = r
        .blocks
        .iter()
        .map(|b| (b.name.as_str(), b.line, b.only_by_name))
        .collect();
    assert_eq!(names, [("look", 9, false), ("drain", 13, true)]);
    assert_eq!(r.blocks[1].cwd.as_deref(), Some(".."));
    assert_eq!((r.blocks[0].shell, r.blocks[1].shell), ("sh", "bash"));
    let said: Vec<_> = r
        .mentions
        .iter()
        .map(|m| (m.what, m.name.name.as_str(), m.name.spot.line))
        .collect();
    assert_eq!(
        said,
        [
            (What::Route, "checkout", 7),
            (What::Key, "services.shop.pool.size", 7),
            (What::Key, "services.shop.limt", 14),
        ]
    );
}

#[test]
fn blocks_that_cannot_be_run_are_told() {
    let text = "```sh { name=a }\nx\n```\n```sh { name=a }\ny\n```\n```python { name=b }\n```\n```sh { nme=c }\n```\n\
                ```sh { name }\n```\n```sh { name=d }\nno end\n";
    let (r, findings) = parse("r", "r.md", text);
    assert_eq!(r.blocks.len(), 1);
    let what: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "two blocks are called `a`",
            "block `b` is written in `python`: only shells are run",
            "a block has no key `nme`",
            "`name` is no key with a value",
            "block `d` does not end",
        ]
    );
}

#[test]
fn runs_survive_a_broken_line() {
    let run = run::Run {
        runbook: "slow".into(),
        at: "2026-11-02T09:00:00Z".parse().unwrap(),
        who: "ana".into(),
        ok: true,
        steps: vec![("look".into(), Some(0))],
        incident: None,
    };
    let text = format!("{}\n<<<<<<< HEAD\n", serde_json::to_string(&run).unwrap());
    let (runs, findings) = run::parse("runs.jsonl", &text);
    assert_eq!((runs.as_slice(), findings.len()), (&[run][..], 1));
    assert!(run::last(&runs, "slow").is_some() && run::last(&runs, "other").is_none());
}
