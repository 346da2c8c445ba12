//! The keys of `error_budget`.

use super::*;

pub const ERROR_BUDGET: &[Field<ErrorBudget>] = &[
    key!(
        "caution" = "25%",
        Kind::Share,
        "50%",
        "where less than this of an error budget is left, only small changes are tried; where nothing is left, none",
        |b, n, cx| put!(b.caution, cx.share(n))
    ),
    key!(
        "largest" = "1",
        Kind::Number,
        "2",
        "the largest change that counts as small: from 1 (a line of the config) to 5 (a redesign)",
        |b, n, cx| put!(b.largest, size(n, cx))
    ),
];

fn size(n: &Node, cx: &mut Cx) -> Option<u8> {
    let size = n.text().and_then(|t| t.parse().ok());
    if size.is_none_or(|s| !SIZES.contains(&s)) {
        cx.error(n, "config-value", "the size of a change is from 1 to 5")
            .help = "`plimsoll advise` shows the size of each proposal".into();
        return None;
    }
    size
}
