//! How long answers took, counted by time and by latency: what a heatmap is drawn from.

use base::Window;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Columns at most: more than a screen can show helps nobody.
pub const COLUMNS: u64 = 60;
/// Edges of the rows in one power of ten.
const EDGES: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0];
/// Rows at most; what is slower than the last is in it.
const ROWS: usize = 30;

/// One stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its end, seconds since the Unix epoch.
    pub at_s: u64,
    /// Answers in each row.
    pub counts: Vec<u64>,
}

/// Rows from fast to slow, columns from old to new. Empty where nothing was answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Heat {
    /// Edges of the rows, seconds: one more than there are rows.
    pub edges_s: Vec<f64>,
    pub columns: Vec<Column>,
}

/// One route's answers, whoever caused them.
pub fn heat(windows: &[Arc<Window>], route: usize, last_s: u64, zero_s: u64) -> Heat {
    let width = width(last_s);
    let mut seen: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for w in windows {
        let mine = w
            .requests
            .iter()
            .filter(|c| c.key.route.get() == Some(route));
        for (low, high, n) in mine.flat_map(|c| c.latency.buckets()) {
            let row = row((low + high) / 2.0);
            *seen.entry((w.index / width, row)).or_default() += u64::from(n);
        }
    }
    let rows = || seen.keys().map(|k| k.1);
    let (Some(first), Some(last)) = (rows().min(), rows().max()) else {
        return Heat::default();
    };
    let last = last.min(first + ROWS - 1);
    let times = windows.iter().map(|w| w.index / width);
    let columns = times.collect::<std::collections::BTreeSet<_>>();
    let column = |i: u64| {
        let mut counts = vec![0; last - first + 1];
        for ((_, row), n) in seen.range((i, 0)..=(i, usize::MAX)) {
            counts[row.min(&last) - first] += n;
        }
        Column {
            at_s: zero_s + (i + 1) * width,
            counts,
        }
    };
    Heat {
        edges_s: (first..=last + 1).map(edge).collect(),
        columns: columns.into_iter().map(column).collect(),
    }
}

/// Seconds of one column.
pub fn width(last_s: u64) -> u64 {
    last_s.div_ceil(COLUMNS).max(1)
}

/// Lower edge of a row, seconds; the first begins at a microsecond.
fn edge(row: usize) -> f64 {
    let n = EDGES.len();
    EDGES[row % n] * 10f64.powi((row / n) as i32 - 6)
}

fn row(seconds: f64) -> usize {
    let mut row = 0;
    while seconds >= edge(row + 1) && row < 20 * EDGES.len() {
        row += 1;
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Arm, Cell, CellKey, InstanceIx, RouteIx};

    fn window(index: u64, answers: &[(u64, u32)]) -> Arc<Window> {
        let key = CellKey {
            route: RouteIx(3),
            arm: Arm::BASE,
            instance: InstanceIx::NONE,
        };
        let mut cell = Cell::new(key);
        answers
            .iter()
            .for_each(|(us, n)| cell.latency.record_us(*us, *n));
        Arc::new(Window {
            index,
            requests: vec![cell],
            ..Window::default()
        })
    }

    #[test]
    fn answers_are_counted_where_they_belong() {
        let windows = [
            window(0, &[(12_000, 4), (80_000, 1)]),
            window(1, &[(13_000, 2)]),
            window(5, &[(12_500, 7)]),
        ];
        let h = heat(&windows, 3, 300, 1000);
        assert_eq!(h.edges_s, [0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1]);
        let all: Vec<_> = h
            .columns
            .iter()
            .map(|c| (c.at_s, c.counts.as_slice()))
            .collect();
        assert_eq!(
            all,
            [(1005, &[6, 0, 0, 0, 0, 1][..]), (1010, &[7, 0, 0, 0, 0, 0])]
        );
        assert_eq!(
            heat(&windows, 2, 300, 1000),
            Heat::default(),
            "another route"
        );
    }

    #[test]
    fn there_are_never_more_rows_and_columns_than_a_screen_has() {
        let windows: Vec<_> = (0..3600)
            .map(|i| window(i, &[(1, 1), (u64::MAX, 1)]))
            .collect();
        let h = heat(&windows, 3, 3600, 0);
        assert_eq!((h.columns.len(), h.edges_s.len()), (60, ROWS + 1));
        let counted: u64 = h.columns.iter().flat_map(|c| &c.counts).sum();
        assert_eq!(counted, 7200, "what is slower than the last row is in it");
    }
}
