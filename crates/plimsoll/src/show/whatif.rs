//! The answer to `whatif`: before and after, side by side.

use super::number::{rate, rate_in, seconds, times};
use super::page::Page;
use model::advice::Change;
use model::loadline::{Limit, LoadLine};
use model::whatif::WhatIf;

pub fn render(w: &WhatIf, width: u16) -> String {
    let mut page = Page::new(width);
    page.labelled("what if", &w.changes);
    let p = &w.predicted;
    let money = |x: Option<f64>| x.map_or("—".to_owned(), |x| format!("${x:.4}"));
    let row = |name: &str, before: String, after: String| vec![name.to_owned(), before, after];
    let mut rows = vec![
        row("traffic", rate(w.before.current), rate(w.traffic_after)),
        row(
            "load line",
            rate_in(p.before.value, p.before.low, p.before.high),
            rate_in(p.after.value, p.after.low, p.after.high),
        ),
        row("safe line", rate(p.before_safe), rate(p.after_safe)),
        row("headroom", headroom(&w.before), headroom(&w.after)),
        row(
            "set by",
            limit(w.before.limit.as_ref()),
            limit(w.after.limit.as_ref()),
        ),
        row("p99 of all", seconds(p.p99_before), seconds(p.p99_after)),
    ];
    if p.cost_before.is_some() || p.cost_after.is_some() {
        rows.push(row(
            "per 1000 requests",
            money(p.cost_before),
            money(p.cost_after),
        ));
    }
    page.table("before and after", &["", "now", "then"], &[], rows);
    let g = &p.gain;
    let gain = format!(
        "{} the headroom ({} to {})",
        times(g.value),
        times(g.low),
        times(g.high)
    );
    page.line("");
    page.labelled("gain", [gain]);
    page.labelled("changes", p.demand.iter().chain(&p.capacity).map(change));
    page.labelled("mind", &w.guards);
    page.labelled("doubts", &w.before.reasons);
    if w.traffic_after > w.after.safe {
        page.line("the traffic then is above the safe line: this would not hold");
    }
    page.done()
}

fn headroom(line: &LoadLine) -> String {
    times(line.headroom)
}

fn limit(l: Option<&Limit>) -> String {
    l.map_or("nothing known".to_owned(), |l| {
        format!("{} [{}]", l.resource, l.class.label())
    })
}

fn change(c: &Change) -> String {
    let moved = |x: f64| format!("{:+.0} %", 100.0 * (x - 1.0));
    let whose = c
        .route
        .as_ref()
        .map_or(String::new(), |r| format!("{r} on "));
    let sure = if c.ratio.high - c.ratio.low > 0.005 {
        format!(" ({} to {})", moved(c.ratio.low), moved(c.ratio.high))
    } else {
        String::new()
    };
    format!("{whose}{}: {}{sure}", c.of, moved(c.ratio.value))
}
