//! The latency heatmap of one route: time to the right, slower upwards, more answers in stronger colour.

use crate::pages::parts::{clock, empty, headings};
use control::lately::{Column, Heat};
use maud::{Markup, html};

/// Of the whole picture, and of a row.
const WIDTH: usize = 760;
const ROW: usize = 16;
const LEFT: usize = 62;
const BOTTOM: usize = 20;
/// Strengths of colour.
const LEVELS: u64 = 5;
/// Columns of the table: a long one helps nobody.
const STRETCHES: usize = 6;

pub fn heatmap(heat: &Heat, objective_s: Option<f64>) -> Markup {
    let Some(rows) = heat.edges_s.len().checked_sub(1) else {
        return empty("No answer in this time", "");
    };
    let height = rows * ROW + BOTTOM;
    html! {
        div.scroll tabindex="0" role="region" aria-label="Heatmap" {
            svg.heat viewBox={ "0 -10 " (WIDTH) " " (height + 10) } role="img" aria-label=(summary(heat)) {
                (cells(heat, rows))
                (axes(heat, rows))
                @if let Some(y) = objective_s.and_then(|o| place(&heat.edges_s, o)) {
                    @let y = format!("{:.1}", (rows as f64 - y) * ROW as f64);
                    line.mark x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) { title { "objective" } }
                }
            }
        }
        details { summary { "Table" } (table(heat, rows)) }
    }
}

fn cells(heat: &Heat, rows: usize) -> Markup {
    let most = heat
        .columns
        .iter()
        .flat_map(|c| &c.counts)
        .max()
        .copied()
        .unwrap_or(0);
    let wide = (WIDTH - LEFT) as f64 / heat.columns.len().max(1) as f64;
    html! {
        @for (x, column) in heat.columns.iter().enumerate() {
            @for (row, n) in column.counts.iter().enumerate().filter(|c| *c.1 > 0) {
                rect class={ "h" (level(*n, most)) } x=(format!("{:.1}", LEFT as f64 + x as f64 * wide)) y=((rows - 1 - row) * ROW) width=(format!("{:.1}", wide - 1.0)) height=(ROW - 1) {
                    title { (clock(column.at_s)) ", " (band(heat, row)) ": " (n) }
                }
            }
        }
    }
}

/// Edges at every third row at most, and the first and last time.
fn axes(heat: &Heat, rows: usize) -> Markup {
    let step = rows.div_ceil(6).max(1);
    let time = |c: Option<&Column>| c.map_or(String::new(), |c| clock(c.at_s));
    html! {
        @for (i, edge) in heat.edges_s.iter().enumerate().step_by(step).filter(|e| e.0 > 0 || rows == 1) {
            text x=(LEFT - 7) y=((rows - i) * ROW + 4) text-anchor="end" { (short(*edge)) }
        }
        text x=(LEFT) y=(rows * ROW + BOTTOM - 5) { (time(heat.columns.first())) }
        text x=(WIDTH) y=(rows * ROW + BOTTOM - 5) text-anchor="end" { (time(heat.columns.last())) }
    }
}

/// From 1: twice as strong is four times as many.
fn level(n: u64, most: u64) -> u64 {
    let share = n as f64 / most.max(1) as f64;
    ((share.sqrt() * LEVELS as f64).ceil() as u64).clamp(1, LEVELS)
}

/// Where a latency lies, in rows from the fastest; `None`: outside of what is drawn.
fn place(edges_s: &[f64], latency_s: f64) -> Option<f64> {
    let row = edges_s
        .windows(2)
        .position(|e| (e[0]..e[1]).contains(&latency_s))?;
    let (low, high) = (edges_s[row], edges_s[row + 1]);
    Some(row as f64 + (latency_s / low).ln() / (high / low).ln())
}

/// Edges are round numbers: `15 ms`.
fn short(edge_s: f64) -> String {
    let (n, unit) = match edge_s {
        s if s < 0.000_999 => (s * 1e6, "µs"),
        s if s < 0.999 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", (n * 10.0).round() / 10.0)
}

fn band(heat: &Heat, row: usize) -> String {
    let edge = |i: usize| heat.edges_s.get(i).map_or(String::new(), |e| short(*e));
    format!("{} to {}", edge(row), edge(row + 1))
}

/// What somebody would say who sees it.
fn summary(heat: &Heat) -> String {
    let rows = heat.edges_s.len().saturating_sub(1);
    let of = |row: usize| heat.columns.iter().map(|c| c.counts[row]).sum::<u64>();
    let all: u64 = (0..rows).map(of).sum();
    let most = (0..rows).max_by_key(|r| of(*r)).unwrap_or(0);
    format!(
        "{all} answers by time and latency: most, {:.0} %, took {}; the slowest took {}",
        100.0 * of(most) as f64 / all.max(1) as f64,
        band(heat, most),
        band(heat, rows.saturating_sub(1))
    )
}

/// The same with the time in few stretches, slow answers first.
fn table(heat: &Heat, rows: usize) -> Markup {
    let size = heat.columns.len().div_ceil(STRETCHES).max(1);
    let stretches: Vec<&[Column]> = heat.columns.chunks(size).collect();
    let until = |s: &&[Column]| {
        s.last()
            .map_or(String::new(), |c| format!("to {}", clock(c.at_s)))
    };
    let names: Vec<String> = stretches.iter().map(until).collect();
    let mut columns = vec![("Answers that took", false)];
    columns.extend(names.iter().map(|n| (n.as_str(), true)));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Answers by time and latency" {
            table {
                (headings(&columns))
                tbody {
                    @for row in (0..rows).rev() {
                        tr {
                            th scope="row" { (band(heat, row)) }
                            @for s in &stretches { td.n { (s.iter().map(|c| c.counts[row]).sum::<u64>()) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat() -> Heat {
        let column = |at_s, counts: &[u64]| Column {
            at_s,
            counts: counts.to_vec(),
        };
        Heat {
            edges_s: vec![0.01, 0.02, 0.03],
            columns: vec![column(5, &[9, 0]), column(10, &[90, 1])],
        }
    }

    #[test]
    fn what_it_shows_is_said_too() {
        let said = summary(&heat());
        assert_eq!(
            said,
            "100 answers by time and latency: most, 99 %, took 10 ms to 20 ms; the slowest took 20 ms to 30 ms"
        );
        let drawn = heatmap(&heat(), Some(0.02)).into_string();
        assert!(
            drawn.contains("<title>00:00:10, 20 ms to 30 ms: 1</title>"),
            "{drawn}"
        );
        assert_eq!(
            drawn.matches("<rect").count(),
            3,
            "nothing is drawn where nothing was"
        );
        assert!(
            heatmap(&Heat::default(), None)
                .into_string()
                .contains("No answer")
        );
    }

    #[test]
    fn stronger_is_more_and_one_answer_can_be_seen() {
        assert_eq!(
            [0, 1, 100, 2500, 10_000].map(|n| level(n, 10_000)),
            [1, 1, 1, 3, 5]
        );
        assert_eq!(place(&[0.01, 0.02, 0.04], 0.02), Some(1.0));
        assert_eq!(place(&[0.01, 0.02], 0.3), None);
    }
}
