//! What is planted: every bottleneck of the shop is a number or a flag here, off (harmless) by default.

use crate::server::MAX_BODY;
use std::str::FromStr;

/// All durations in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Switches {
    /// How long product pages and checkouts hold the stock lock.
    pub lock_ms: f64,
    /// CPU of a product page, and of a report.
    pub cpu_ms: f64,
    pub report_ms: f64,
    /// Memory that a report holds while it asks the payment provider, megabytes; 0: it asks nobody.
    pub hold_mb: usize,
    /// Size of a report's answer, KiB more than it needs.
    pub page_kb: usize,
    /// Size of what a checkout sends to the payment provider, KiB.
    pub charge_kb: usize,
    /// Connections of the catalogue's pool, and how long each item lookup holds one while its thread sleeps
    /// (a database on another host).
    pub pool: usize,
    pub db_ms: f64,
    /// Search scans the whole table instead of using the index.
    pub no_index: bool,
    /// A category page asks for its items one by one.
    pub n_plus_one: bool,
    /// Items of a category page.
    pub items: usize,
    /// Time of a charge, and how many are served at once.
    pub pay_ms: f64,
    pub pay_slots: usize,
    /// Share of the charges that are refused once they are done, and how often a checkout asks again.
    pub pay_fails: f64,
    pub retries: usize,
    /// Pools of the catalogue; the number of an item says which is its.
    pub shards: usize,
    /// The home page keeps its bestsellers for so many seconds; 0: it has none.
    pub cache_s: f64,
    /// All threads stand still for so long, every so many seconds; 0: never.
    pub pause_ms: f64,
    pub pause_every_s: f64,
    /// Run this process on one core, as a small container would.
    pub one_core: bool,
    /// Answer with `Server-Timing`.
    pub timing: bool,
    /// Rows in the catalogue.
    pub rows: usize,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            lock_ms: 0.2,
            cpu_ms: 0.5,
            report_ms: 2.0,
            hold_mb: 0,
            page_kb: 0,
            charge_kb: 0,
            pool: 32,
            db_ms: 1.0,
            no_index: false,
            n_plus_one: false,
            items: 20,
            pay_ms: 10.0,
            pay_slots: 64,
            pay_fails: 0.0,
            retries: 0,
            shards: 1,
            cache_s: 0.0,
            pause_ms: 0.0,
            pause_every_s: 5.0,
            one_core: false,
            timing: true,
            rows: 20_000,
        }
    }
}

impl FromStr for Switches {
    type Err = String;
    /// `lock_ms=6,no_index=true`; an unknown name or value is an error that lists the names.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut s = Switches::default();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (key, value) = part
                .trim()
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not name=value"))?;
            let bad = |_| format!("`{value}` is not a value of `{key}`");
            match key {
                "lock_ms" => s.lock_ms = number(key, value)?,
                "cpu_ms" => s.cpu_ms = number(key, value)?,
                "report_ms" => s.report_ms = number(key, value)?,
                "hold_mb" => s.hold_mb = value.parse().map_err(bad)?,
                "page_kb" => s.page_kb = value.parse().map_err(bad)?,
                "charge_kb" => s.charge_kb = value.parse().map_err(bad)?,
                "pool" => s.pool = value.parse().map_err(bad)?,
                "db_ms" => s.db_ms = number(key, value)?,
                "no_index" => s.no_index = flag(key, value)?,
                "n_plus_one" => s.n_plus_one = flag(key, value)?,
                "items" => s.items = value.parse().map_err(bad)?,
                "pay_ms" => s.pay_ms = number(key, value)?,
                "pay_slots" => s.pay_slots = value.parse().map_err(bad)?,
                "pay_fails" => s.pay_fails = number(key, value)?,
                "retries" => s.retries = value.parse().map_err(bad)?,
                "shards" => s.shards = value.parse().map_err(bad)?,
                "cache_s" => s.cache_s = number(key, value)?,
                "pause_ms" => s.pause_ms = number(key, value)?,
                "pause_every_s" => s.pause_every_s = number(key, value)?,
                "one_core" => s.one_core = flag(key, value)?,
                "timing" => s.timing = flag(key, value)?,
                "rows" => s.rows = value.parse().map_err(bad)?,
                _ => {
                    return Err(format!(
                        "no switch `{key}`; there are lock_ms, cpu_ms, report_ms, hold_mb, page_kb, charge_kb, pool, db_ms, no_index, \
                         n_plus_one, items, pay_ms, pay_slots, pay_fails, retries, shards, cache_s, pause_ms, pause_every_s, one_core, \
                         timing, rows"
                    ));
                }
            }
        }
        if s.hold_mb > 1024 || s.page_kb > 64 << 10 || s.charge_kb > MAX_BODY >> 10 {
            return Err(
                "hold_mb is at most 1024, page_kb at most 65536, charge_kb at most 512".into(),
            );
        }
        if s.pool == 0 || s.pay_slots == 0 || s.rows == 0 || s.shards == 0 {
            return Err("pool, pay_slots, shards and rows must be at least 1".into());
        }
        if s.pay_fails > 1.0 || (s.pause_ms > 0.0 && s.pause_every_s <= 0.0) {
            return Err("pay_fails is at most 1, and pauses have time between them".into());
        }
        Ok(s)
    }
}

fn number(key: &str, value: &str) -> Result<f64, String> {
    value
        .parse()
        .ok()
        .filter(|v: &f64| (0.0..=60_000.0).contains(v))
        .ok_or_else(|| format!("`{value}` is not a value of `{key}`"))
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| format!("`{key}` is true or false, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_and_unknown_ones_refused() {
        let s: Switches = "lock_ms=6, no_index=true".parse().unwrap();
        assert_eq!((s.lock_ms, s.no_index), (6.0, true));
        assert!(
            "lok_ms=6"
                .parse::<Switches>()
                .unwrap_err()
                .contains("lock_ms")
        );
        assert!(
            "pay_fails=2".parse::<Switches>().is_err() && "shards=0".parse::<Switches>().is_err()
        );
        assert!("pool=0".parse::<Switches>().is_err() && "lock_ms=-1".parse::<Switches>().is_err());
    }
}
