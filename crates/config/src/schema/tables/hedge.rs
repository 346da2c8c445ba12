//! The keys of a route's `hedge`.

use super::*;
use crate::sections::After;

/// More second attempts than this are no hedge but a doubled load.
const MOST_EXTRA: f64 = 0.5;
/// Percentiles that can be asked for.
const PERCENTILES: std::ops::RangeInclusive<f64> = 50.0..=99.9;

pub const HEDGE: &[Field<Hedge>] = &[
    key!(
        "after" = "p95",
        Kind::Text,
        "80ms",
        "when the second attempt starts: a percentile of how long this route's answers take to begin, or a time",
        |h, n, cx| put!(h.after, after(n, cx))
    ),
    key!(
        "extra" = "5%",
        Kind::Share,
        "5%",
        "second attempts as a share of requests, at most; not above 50%",
        |h, n, cx| put!(h.extra, extra(n, cx))
    ),
];

/// `true` stands for all defaults, `false` for none. What is wrong by itself is not judged with the rest as well.
pub(super) fn read(n: &Node, cx: &mut Cx) -> Option<Hedge> {
    if matches!(n.value, Value::Scalar(_)) {
        return cx.flag(n)?.then(Hedge::default);
    }
    let (mut hedge, before) = (Hedge::default(), cx.findings.len());
    cx.section("hedge", n, HEDGE, &mut hedge);
    (cx.findings.len() == before).then_some(hedge)
}

fn after(n: &Node, cx: &mut Cx) -> Option<After> {
    let Some(number) = n.text().and_then(|t| t.strip_prefix('p')) else {
        return cx.some_time(n).map(After::Time);
    };
    match number.parse::<f64>() {
        Ok(p) if PERCENTILES.contains(&p) => Some(After::Percentile(p / 100.0)),
        _ => {
            cx.error(n, "config-value", format!("`p{number}` is no percentile"))
                .help =
                "write one from `p50` to `p99.9`, such as `p95`, or a time such as `80ms`".into();
            None
        }
    }
}

fn extra(n: &Node, cx: &mut Cx) -> Option<f64> {
    let share = cx.share(n)?;
    if share <= 0.0 || share > MOST_EXTRA {
        let help = match share > MOST_EXTRA {
            true => "more than half of the requests twice only adds load: begin with `extra: 5%`",
            false => {
                "no second attempt would ever start: leave `hedge` out, or begin with `extra: 5%`"
            }
        };
        cx.error(n, "config-hedge", "`extra` lies between 0% and 50%")
            .help = help.into();
        return None;
    }
    Some(share)
}
