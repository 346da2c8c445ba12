use super::*;
use crate::metric::{DURATIONS, REQUESTS};
use crate::promql::{Steps, Value, answer};

const START: u64 = 1_800_000_000_000;
const DAY: u64 = 86_400_000;

fn bounds() -> Bounds {
    Bounds {
        counts_ms: 35 * DAY,
        buckets_ms: 3 * DAY,
        bytes: 64 << 20,
    }
}

fn good() -> Series {
    Series::new(&REQUESTS, &["a", "base", "2xx"])
}

fn fast() -> Series {
    Series::new(&DURATIONS, &["a", "base"]).of_part(3)
}

/// All that was counted, as it is asked for at a time.
fn total(past: &Past, at_ms: u64) -> f64 {
    let asked = answer(past, "plimsoll_requests_total", Steps::at(at_ms as i64)).unwrap();
    let Value::Vector(lines) = asked.value else {
        panic!()
    };
    lines.first().map_or(0.0, |l| l.values[0])
}

fn count(past: &mut Past, slots: std::ops::RangeInclusive<u64>) -> Vec<Row> {
    let counts = || vec![(good(), 10), (fast(), 10)];
    slots
        .flat_map(|s| past.push(START + s * FINE_MS, counts()))
        .collect()
}

/// As a store gives rows back.
fn put_back(from: &Past, mut rows: Vec<Row>, now_ms: u64) -> Past {
    let mut past = Past::new(bounds());
    past.put_back_names(from.series().to_vec());
    rows.sort_by_key(|r| (r.grain == Grain::Fine, r.slot));
    rows.into_iter().for_each(|r| past.put_back(r, now_ms));
    past
}

#[test]
fn what_is_stored_comes_back_whatever_was_written_last() {
    let mut past = Past::new(bounds());
    let rows = count(&mut past, 1..=2000);
    let at = START + 2000 * FINE_MS;
    assert_eq!(total(&past, at), 20_000.0);
    let fine = rows.iter().filter(|r| r.grain == Grain::Fine).count();
    let coarse = rows.iter().filter(|r| r.grain == Grain::Coarse).count();
    assert_eq!((fine, coarse), (2000, 2 * 66));
    // As a ring on the disk has them: the fine ones of the last hours only.
    let kept = |r: &Row| r.grain == Grain::Coarse || r.slot * FINE_MS + FINE_KEEP_MS > at;
    let rows: Vec<Row> = rows.into_iter().filter(kept).collect();
    let mut again = put_back(&past, rows, at);
    for ms in [at, at - 3 * 3_600_000, at - 300_000] {
        assert_eq!(total(&again, ms), total(&past, ms), "{ms}");
    }
    // It goes on, also in the slot that was under way.
    again.push_open(at, vec![(good(), 7)]);
    again.push(at + FINE_MS, vec![(good(), 3)]);
    assert_eq!(total(&again, at + FINE_MS), 20_010.0);
    let asked = answer(
        &again,
        "increase(plimsoll_requests_total[1h])",
        Steps::at(at as i64),
    );
    assert!(
        matches!(asked.unwrap().value, Value::Vector(l) if (l[0].values[0] - 3600.0).abs() < 1e-6)
    );
}

#[test]
fn a_clock_that_goes_back_loses_nothing_and_what_is_put_back_ends_now() {
    let mut past = Past::new(bounds());
    let rows = count(&mut past, 1..=100);
    let back = START + 80 * FINE_MS;
    past.push(back, vec![(good(), 5)]);
    assert_eq!(total(&past, START + 100 * FINE_MS), 1005.0);
    let long_ago = START + 10 * FINE_MS;
    let again = put_back(&past, rows, long_ago);
    assert_eq!(
        total(&again, long_ago),
        100.0,
        "the future came from a wrong clock"
    );
}

#[test]
fn what_is_old_or_too_much_goes_buckets_first() {
    let mut past = Past::new(bounds());
    let mut at = START;
    while at < START + 40 * DAY {
        past.push(at, vec![(good(), 10), (fast(), 10)]);
        at += COARSE_MS;
    }
    let oldest = past.summary().oldest_ms.unwrap();
    assert!(oldest >= at - 36 * DAY - COARSE_MS && oldest <= at - 35 * DAY);
    let id = past.ids[&fast()] as usize;
    let held =
        |p: &Past, id: usize| p.coarse.columns[id].read(u64::MAX, u64::MAX, 288, |_, _| {}) / 10;
    assert!((3 * 288..=4 * 288).contains(&held(&past, id)));
    let small = past.bytes() - 1_000;
    past.set_bounds(Bounds {
        bytes: small,
        ..bounds()
    });
    past.push(at, vec![(good(), 10)]);
    assert!(past.bytes() <= small, "{} of {small}", past.bytes());
    assert!(held(&past, past.ids[&good()] as usize) > 14 * 288);
}

#[test]
fn series_that_are_too_many_are_counted_as_lost() {
    let mut past = Past::new(bounds());
    let many =
        (0..MAX_SERIES + 3).map(|n| (Series::new(&REQUESTS, &[&n.to_string(), "base", "2xx"]), 1));
    past.push(START, many.collect());
    assert_eq!(
        (past.summary().series, past.summary().lost),
        (MAX_SERIES, 3)
    );
}

#[test]
fn what_was_quiet_for_hours_is_still_there_after_a_restart() {
    let mut past = Past::new(bounds());
    let mut rows = count(&mut past, 0..=0);
    // Its number is above all that come later.
    let other = Series::new(&REQUESTS, &["b", "base", "2xx"]);
    rows.extend(past.push(START + FINE_MS, vec![(other, 7)]));
    rows.extend(count(&mut past, 2..=2000));
    let at = START + 2000 * FINE_MS;
    let kept = |r: &Row| r.grain == Grain::Coarse || r.slot * FINE_MS + FINE_KEEP_MS > at;
    let again = put_back(&past, rows.into_iter().filter(kept).collect(), at);
    let quiet = |p: &Past| {
        let told = answer(
            p,
            "plimsoll_requests_total{route=\"b\"}",
            Steps::at(at as i64),
        );
        told.unwrap().value
    };
    let told = quiet(&again);
    assert!(
        matches!(&told, Value::Vector(l) if l.len() == 1 && l[0].values == [7.0]),
        "{told:?}"
    );
    assert_eq!(told, quiet(&past));
}
