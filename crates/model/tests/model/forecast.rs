//! When the trend meets the line.

use model::forecast::{Bounds, Forecast, Peak, forecast, peaks, step_for};
use model::twin::draw::{mix, normal};

const DAY: f64 = 86_400.0;
const LINE: Bounds = Bounds {
    low: 190.0,
    line: 200.0,
    high: 210.0,
};

/// `days` daily peaks: 100/s plus `slope` per day, noise of 4, weekends 30 % lower when `weekly`.
fn days(days: usize, slope: f64, weekly: bool, seed: u64) -> Vec<Peak> {
    (0..days)
        .map(|d| {
            let weekend = if weekly && d % 7 >= 5 { 0.7 } else { 1.0 };
            let noise = 4.0 * normal(mix(seed << 20 ^ d as u64));
            Peak {
                at_s: (d as f64 + 0.5) * DAY,
                rate: (100.0 + slope * d as f64) * weekend + noise,
            }
        })
        .collect()
}

#[test]
fn a_steady_rise_meets_the_line_when_it_should() {
    let (mut inside, mut off) = (0, Vec::new());
    for seed in 1..=40 {
        let mut p = days(40, 1.0, false, seed);
        // One odd day must not matter.
        p[20].rate = 190.0;
        match forecast(&p, LINE) {
            Forecast::Meets {
                at_s,
                earliest_s,
                latest_s,
                slope_per_day,
                ..
            } => {
                assert!((slope_per_day - 1.0).abs() < 0.25, "{slope_per_day}");
                off.push((at_s / DAY - 100.5).abs());
                let latest = latest_s.unwrap();
                inside += usize::from((earliest_s..=latest).contains(&(100.5 * DAY)));
            }
            other => panic!("{other:?}"),
        }
    }
    off.sort_by(f64::total_cmp);
    println!(
        "crossing 60 days ahead: median error {:.1} days, {inside} of 40 inside",
        off[20]
    );
    assert!(inside >= 36, "{inside} of 40");
    assert!(off[20] < 6.0 && off[39] < 25.0, "{off:?}");
}

#[test]
fn weekends_are_no_trend() {
    let mut trends = 0;
    for seed in 1..=40 {
        trends += usize::from(!matches!(
            forecast(&days(27, 0.0, true, seed), LINE),
            Forecast::NoTrend { .. }
        ));
        assert!(matches!(
            forecast(&days(42, 2.0, true, seed), LINE),
            Forecast::Meets { .. } | Forecast::Reached { .. }
        ));
    }
    assert!(trends <= 4, "{trends} of 40 flat histories had a trend");
}

#[test]
fn what_cannot_be_told_is_said() {
    assert_eq!(
        forecast(&days(5, 1.0, false, 1), LINE),
        Forecast::TooShort { have: 5, need: 7 }
    );
    assert!(matches!(
        forecast(&days(30, 0.0, false, 1), LINE),
        Forecast::NoTrend { .. }
    ));
    assert!(matches!(
        forecast(&days(30, -1.0, false, 1), LINE),
        Forecast::NoTrend { .. }
    ));
    assert!(matches!(
        forecast(&days(120, 1.0, false, 1), LINE),
        Forecast::Reached { .. }
    ));
    let far = Bounds {
        low: 9e4,
        line: 1e5,
        high: 1.1e5,
    };
    assert!(matches!(
        forecast(&days(30, 1.0, false, 1), far),
        Forecast::Far { .. }
    ));
}

#[test]
fn peaks_are_the_highest_of_each_whole_step() {
    let samples: Vec<Peak> = (0..150)
        .map(|s| Peak {
            at_s: s as f64,
            rate: (s % 60) as f64,
        })
        .collect();
    let p = peaks(&samples, 60.0);
    assert_eq!(p.len(), 2);
    assert_eq!((p[0].at_s, p[0].rate), (30.0, 59.0));
    assert_eq!(
        (
            step_for(12.0 * DAY),
            step_for(DAY),
            step_for(900.0),
            step_for(60.0)
        ),
        (DAY, 3600.0, 60.0, 1.0)
    );
}
