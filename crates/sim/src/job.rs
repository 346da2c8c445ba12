//! A request on its way, and what it will tell of its uses.

use crate::record::Used;

/// Column of a station without one.
pub const HIDDEN: usize = usize::MAX;

pub struct Job {
    pub route: usize,
    pub arm: u8,
    pub instance: usize,
    pub parent: Option<usize>,
    pub start: f64,
    /// This try, and when it began.
    pub tries: u32,
    pub began: f64,
    pub step: usize,
    /// Calls of the current step still to make.
    pub calls: u32,
    pub hit: bool,
    pub since: f64,
    pub entered: Vec<(usize, f64)>,
    pub uses: Vec<Used>,
}

impl Job {
    /// Adds to what is told of `column`; its entry becomes the last.
    pub fn used(&mut self, column: Option<usize>, busy: f64, wait: Option<f64>) {
        let column = column.unwrap_or(HIDDEN);
        match self.uses.iter().position(|u| u.column == column) {
            Some(i) => {
                let last = self.uses.len() - 1;
                self.uses.swap(i, last);
            }
            None => self.uses.push(Used {
                column,
                ..Used::default()
            }),
        }
        if let Some(u) = self.uses.last_mut() {
            u.busy += busy;
            if let Some(w) = wait {
                u.wait = Some(u.wait.unwrap_or(0.0) + w);
            }
        }
    }
}
