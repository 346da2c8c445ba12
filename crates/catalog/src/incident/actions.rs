//! What is to be done after an incident: the table below `## Actions`, as the draft of a postmortem has it.

use jiff::civil::Date;

const ACTIONS: &str = "## Actions";
/// Most actions that are read of one incident.
const MAX_ACTIONS: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub what: String,
    pub owner: String,
    /// As it is written, and as a date where it is one.
    pub due: String,
    pub by: Option<Date>,
    pub done: bool,
}

/// `| action | owner | due | kind | done |`, a row each. `None`: there is no such heading, so nobody has looked back.
pub fn actions(body: &str) -> Option<Vec<Action>> {
    let mut lines = body.lines();
    lines.find(|l| l.trim_end() == ACTIONS)?;
    let rows = lines.take_while(|l| !l.starts_with("## "));
    // Without the names of the columns and the line below them.
    let rows = rows.filter(|l| l.trim_start().starts_with('|')).skip(2);
    Some(rows.filter_map(row).take(MAX_ACTIONS).collect())
}

fn row(line: &str) -> Option<Action> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    let mut cells = inner.split('|').map(str::trim);
    let what = cells.next().filter(|w| !w.is_empty())?;
    let mut cell = || cells.next().unwrap_or("").to_owned();
    let (owner, due, _kind, done) = (cell(), cell(), cell(), cell());
    Some(Action {
        what: what.to_owned(),
        owner,
        by: due.parse().ok(),
        due,
        done: !matches!(done.to_lowercase().as_str(), "" | "no" | "-"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_people_fill_it_in() {
        let text = "## Timeline\n\n- x\n\n## Actions\n\n\
            | action | owner (a team) | due | kind | done |\n|---|---|---|---|---|\n\
            | an index on orders | data | 2026-12-01 | prevent | 2026-11-30 |\n| alert sooner | pay | soon | detect | no |\n\
            | half a row\n| | | | | |\n\n## Else\n\n| a | b |\n|---|---|\n| no | action |\n";
        let all = actions(text).unwrap();
        let told: Vec<_> = all.iter().map(|a| (a.what.as_str(), a.done)).collect();
        assert_eq!(
            told,
            [
                ("an index on orders", true),
                ("alert sooner", false),
                ("half a row", false)
            ]
        );
        assert_eq!(all[0].by, Some(jiff::civil::date(2026, 12, 1)));
        assert_eq!((all[1].by, all[1].due.as_str()), (None, "soon"));
        assert_eq!(actions("## Timeline\n"), None);
        assert_eq!(actions("## Actions"), Some(Vec::new()));
    }

    #[test]
    fn the_draft_has_the_columns_that_are_read() {
        let (i, _) = crate::incident::parse("x", "x.md", "---\ntitle: X\n---\n");
        assert_eq!(i.actions, None);
        let draft = crate::incident::draft(&i, &[]);
        assert_eq!(actions(&draft), Some(Vec::new()));
        let filled = draft.replace("| | | | | |", "| a | b | 2026-12-01 | prevent | yes |");
        let (i, _) = crate::incident::parse("x", "x.md", &format!("---\ntitle: X\n---\n{filled}"));
        assert!(i.actions.unwrap()[0].done);
    }
}
