//! Applications' connection pools, as the database sees them: connections by `application_name`.

use super::sql::Backend;
use std::collections::BTreeMap;

/// Applications told apart.
const APPLICATIONS: usize = 8;
/// A pool that has not grown for so many looks, and of which every connection was in use in so many of them, and in
/// such a share, has a size; one that grows when it is short of connections has not been full yet.
const LOOKS: u32 = 300;
const FULL: u32 = 20;
const FULL_SHARE: f64 = 0.02;
/// An application without a connection for this long is forgotten, seconds.
const FORGET_S: f64 = 600.0;

#[derive(Clone, Debug, Default)]
struct Pool {
    most: u32,
    looks: u32,
    full: u32,
    last: f64,
    /// Since the last reading: looks, and connections held in them.
    now: u32,
    held: f64,
}

#[derive(Debug, Default)]
pub struct Pools {
    all: BTreeMap<String, Pool>,
}

impl Pools {
    pub fn look(&mut self, backends: &[Backend], at: f64) {
        let mut count: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for b in backends.iter().filter(|b| !b.application.is_empty()) {
            let c = count.entry(&b.application).or_default();
            c.0 += 1;
            c.1 += u32::from(b.held());
        }
        self.all.retain(|_, p| at - p.last < FORGET_S);
        for application in count.keys() {
            let name = *application;
            if self.all.len() < APPLICATIONS && !self.all.contains_key(name) {
                self.all.insert(name.to_owned(), Pool::default());
            }
        }
        for (name, p) in &mut self.all {
            let (open, held) = count.get(name.as_str()).copied().unwrap_or_default();
            if open > 0 {
                p.last = at;
            }
            if open > p.most {
                (p.most, p.looks, p.full) = (open, 0, 0);
            }
            p.looks = p.looks.saturating_add(1);
            p.full += u32::from(held == p.most);
            p.now += 1;
            p.held += f64::from(held);
        }
    }

    /// `(application, mean connections held, size)` of the pools whose size is known.
    pub fn sized(&mut self) -> Vec<(String, f64, f64)> {
        let mut out = Vec::new();
        for (name, p) in &mut self.all {
            let (now, held) = (std::mem::take(&mut p.now), std::mem::take(&mut p.held));
            let known = p.looks >= LOOKS
                && p.full >= FULL
                && f64::from(p.full) >= FULL_SHARE * f64::from(p.looks);
            if known && now > 0 {
                out.push((name.clone(), held / f64::from(now), f64::from(p.most)));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(open: usize, active: usize) -> Vec<Backend> {
        let one = |i: usize| Backend {
            application: "shop".into(),
            state: if i < active { "active" } else { "idle" }.into(),
            ..Backend::default()
        };
        (0..open).map(one).collect()
    }

    #[test]
    fn a_pool_has_a_size_once_it_was_full_without_growing() {
        let mut fixed = Pools::default();
        let mut growing = Pools::default();
        for i in 0..400 {
            // All three are in use in every tenth look.
            let busy = if i % 10 == 0 { 3 } else { 1 };
            fixed.look(&backends(3, busy), f64::from(i));
            // Grows whenever it is full, up to what it has needed.
            growing.look(&backends(3, if i == 5 { 3 } else { 1 }), f64::from(i));
        }
        let known = fixed.sized();
        assert_eq!((known[0].0.as_str(), known[0].2), ("shop", 3.0));
        assert!((known[0].1 - 1.2).abs() < 1e-9);
        assert!(
            growing.sized().is_empty(),
            "nobody has waited for a connection"
        );
        fixed.look(&backends(4, 1), 400.0);
        assert!(fixed.sized().is_empty(), "it has grown");
    }
}
