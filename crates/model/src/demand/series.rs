//! The windows as dense columns, one value per second: what the fits read.

use base::History;

/// One second per entry; `present` tells which seconds have a window at all.
#[derive(Clone, Debug)]
pub struct Series {
    pub seconds: usize,
    pub present: Vec<bool>,
    /// `life[route][second]`: attempts, each spread over its life.
    pub life: Vec<Vec<f64>>,
    /// Mean number of attempts in flight.
    pub in_flight: Vec<Vec<f64>>,
    /// Attempts that began, less those that ended.
    pub more: Vec<Vec<f64>>,
    /// Entry requests that started, all routes.
    pub entry: Vec<f64>,
    pub resources: Vec<Column>,
}

/// What probes saw of one resource, instances summed.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub seen: Vec<bool>,
    pub busy: Vec<f64>,
    pub background: Option<Vec<f64>>,
    pub waiting: Option<Vec<f64>>,
    pub level: Option<Vec<f64>>,
}

impl Series {
    /// The windows from index `from` on.
    pub fn new(history: &History, from: u64) -> Series {
        let windows: Vec<_> = history.windows.iter().filter(|w| w.index >= from).collect();
        let first = windows.first().map_or(0, |w| w.index);
        let last = windows.last().map_or(0, |w| w.index + 1);
        // A gap of more than an hour is a broken clock, not a gap.
        let n = (last.saturating_sub(first)).min(7200) as usize;
        let zero = || vec![0.0; n];
        let mut s = Series {
            seconds: n,
            present: vec![false; n],
            life: history.routes.iter().map(|_| zero()).collect(),
            in_flight: history.routes.iter().map(|_| zero()).collect(),
            more: history.routes.iter().map(|_| zero()).collect(),
            entry: zero(),
            resources: history
                .resources
                .iter()
                .map(|_| Column {
                    seen: vec![false; n],
                    busy: zero(),
                    ..Column::default()
                })
                .collect(),
        };
        // A recording without attempts: its requests are the work.
        let attempts = windows.iter().any(|w| !w.attempts.is_empty());
        for w in windows {
            let t = (w.index - first) as usize;
            if t >= n {
                break;
            }
            s.present[t] = true;
            let cells = if attempts { &w.attempts } else { &w.requests };
            for c in cells {
                if let Some(life) = c.key.route.get().and_then(|r| s.life.get_mut(r)) {
                    life[t] += finite(c.life);
                    let r = c.key.route.0 as usize;
                    s.in_flight[r][t] += finite(c.in_flight_s);
                    s.more[r][t] += f64::from(c.arrivals) - f64::from(c.ends);
                }
            }
            let started: u32 = w.requests.iter().map(|c| c.arrivals).sum();
            let called: u32 = w.calls.iter().map(|c| c.count).sum();
            s.entry[t] = f64::from(started.saturating_sub(called));
            for c in &w.resources {
                let Some(col) = c.resource.get().and_then(|k| s.resources.get_mut(k)) else {
                    continue;
                };
                col.seen[t] = true;
                col.busy[t] += finite(c.busy);
                add(&mut col.background, n, t, c.background);
                add(&mut col.waiting, n, t, c.waiting);
                add(&mut col.level, n, t, c.level);
            }
        }
        s
    }

    /// Entry requests of each second that there is.
    pub fn entry_rates(&self) -> Vec<f64> {
        let there = self.entry.iter().zip(&self.present).filter(|x| *x.1);
        there.map(|x| *x.0).collect()
    }

    /// Seconds that have a window.
    pub fn covered(&self) -> f64 {
        self.present.iter().filter(|p| **p).count() as f64
    }
}

/// No resource gives this much in a second; larger numbers are broken ones.
const MOST: f64 = 1e15;

pub(super) fn finite(v: f64) -> f64 {
    if v.is_finite() && v < MOST {
        v.max(0.0)
    } else {
        0.0
    }
}

fn add(to: &mut Option<Vec<f64>>, n: usize, t: usize, v: Option<f64>) {
    if let Some(v) = v {
        to.get_or_insert_with(|| vec![0.0; n])[t] += finite(v);
    }
}

/// Splits the seconds into runs of five, sorted by load; the positions of the lowest and highest quarter.
pub fn quarters(load: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let mut runs: Vec<(f64, usize)> = load
        .chunks(5)
        .enumerate()
        .map(|(i, c)| (c.iter().sum::<f64>() / c.len() as f64, i))
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let quarter = (runs.len() / 4).max(1).min(runs.len());
    let expand = |part: &[(f64, usize)]| {
        part.iter()
            .flat_map(|&(_, i)| i * 5..((i + 1) * 5).min(load.len()))
            .collect()
    };
    (
        expand(&runs[..quarter]),
        expand(&runs[runs.len() - quarter..]),
    )
}
