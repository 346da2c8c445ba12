//! CODEOWNERS against a table that PyPI `codeowners` made, and the traps.

use super::*;

/// `pattern<TAB>path<TAB>matches`; made by `cases.py` beside it.
const CASES: &str = include_str!("cases.tsv");

#[test]
fn patterns_match_as_the_oracle_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in CASES.lines().filter(|l| !l.starts_with('#')) {
        let [pattern, path, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        count += 1;
        if Pattern::new(pattern).matches(path) != (expected == "1") {
            wrong.push(line);
        }
    }
    assert!(count > 500, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
}

fn owners(text: &str, path: &str) -> Vec<String> {
    let (c, findings) = parse("CODEOWNERS", text);
    assert_eq!(findings, []);
    c.owners(path).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_last_match_holds_and_may_have_no_owner() {
    let text =
        "* @org/all # everything\n/shop/ @org/shop ana@example.com\n/shop/open\na\\ b @ben\n";
    assert_eq!(owners(text, "x/y"), ["@org/all"]);
    assert_eq!(owners(text, "shop/y"), ["@org/shop", "ana@example.com"]);
    assert!(owners(text, "shop/open/z").is_empty());
    assert_eq!(owners(text, "deep/a b"), ["@ben"]);
}

#[test]
fn sections_add_up() {
    let text = "[Base] @all\n*\n^[Docs][2] @writers\n*.md\n/a.md @ana\n[BASE]\n/shop/ @shop\n";
    assert_eq!(owners(text, "b.md"), ["@all", "@writers"]);
    assert_eq!(owners(text, "a.md"), ["@all", "@ana"]);
    assert_eq!(owners(text, "shop/a.md"), ["@shop", "@writers"]);
}

#[test]
fn traps_are_told_with_their_lines() {
    let text = "* @a\n!docs/ @b\n[ab].md @c\n\\#x @d\n/my file @e\n/ok @org/team x@y.z\n";
    let (_, findings) = parse("CODEOWNERS", text);
    let lines: Vec<_> = findings
        .iter()
        .map(|f| f.spot.as_ref().unwrap().line)
        .collect();
    assert_eq!(lines, [2, 3, 4, 5], "{findings:?}");
    assert_eq!(
        (team("@org/pay"), team("@ana"), team("a@b.c")),
        (Some("pay"), None, None)
    );
}

#[test]
fn a_hostile_pattern_takes_no_time() {
    let stars = "*a".repeat(400);
    assert!(!Pattern::new(&stars).matches(&"a".repeat(399)));
    let deep = "**/a/".repeat(200);
    assert!(!Pattern::new(&deep).matches(&"a/".repeat(100)));
}
