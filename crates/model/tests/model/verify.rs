//! Comparisons of two arms by simulation: false alarms under repeated looks, power, and intervals that hold.

use model::twin::draw::{mix, normal, uniform};
use model::verify::{Harm, Measure, Options, harm, ratio};

const LOOKS: u64 = 20;

/// One route: its share of each arm's requests, and how often it fails on each.
struct Route {
    mix: (f64, f64),
    bad: (f64, f64),
}

/// Whether harm is said at any of twenty looks, a step of requests apart; `share` of them are on the new arm.
fn alarmed(routes: &[Route], share: f64, step: u64, seed: u64) -> bool {
    let mut seen = vec![(Harm::default(), Harm::default()); routes.len()];
    seen.iter_mut().for_each(|(b, n)| {
        (b.slow, n.slow) = (Some(0), Some(0));
    });
    let mut i = 0;
    (0..LOOKS).any(|_| {
        for _ in 0..step {
            i += 1;
            let h = mix(seed << 32 ^ i);
            let on_new = uniform(h) < share;
            let (r, p) = drawn(routes, on_new, uniform(mix(h ^ 4)));
            let side = if on_new {
                &mut seen[r].1
            } else {
                &mut seen[r].0
            };
            side.requests += 1;
            side.errors += u64::from(uniform(mix(h ^ 1)) < p);
            side.slow = side.slow.map(|s| s + u64::from(uniform(mix(h ^ 2)) < p));
        }
        harm(&seen, &Options::default()).is_some()
    })
}

fn drawn(routes: &[Route], on_new: bool, at: f64) -> (usize, f64) {
    let pick = |r: &Route| {
        if on_new {
            (r.mix.1, r.bad.1)
        } else {
            (r.mix.0, r.bad.0)
        }
    };
    let mut sum = 0.0;
    for (i, r) in routes.iter().enumerate() {
        sum += pick(r).0;
        if at < sum {
            return (i, pick(r).1);
        }
    }
    let last = routes.len() - 1;
    (last, pick(&routes[last]).1)
}

fn alarms(routes: &[Route], share: f64, step: u64) -> f64 {
    let n = 300;
    (1..=n).filter(|&s| alarmed(routes, share, step, s)).count() as f64 / n as f64
}

#[test]
fn harmless_changes_are_rarely_called_harmful() {
    for share in [0.5, 0.1] {
        for bad in [0.002, 0.02, 0.3] {
            let one = [Route {
                mix: (1.0, 1.0),
                bad: (bad, bad),
            }];
            let found = alarms(&one, share, 200);
            println!(
                "share {share}, {bad} bad: {:.1} % false alarms",
                found * 100.0
            );
            assert!(found <= 0.05, "{found}");
        }
    }
}

/// Calls between services may all be on one side, and users differ in what they ask for.
#[test]
fn another_mix_on_the_new_arm_is_no_harm() {
    let routes = [
        Route {
            mix: (0.1, 0.6),
            bad: (0.2, 0.2),
        },
        Route {
            mix: (0.9, 0.4),
            bad: (0.0, 0.0),
        },
    ];
    for share in [0.5, 0.1] {
        let found = alarms(&routes, share, 100);
        assert!(found <= 0.05, "{found}");
    }
}

#[test]
fn harm_is_found_whatever_the_mix() {
    let one = [Route {
        mix: (1.0, 1.0),
        bad: (0.01, 0.04),
    }];
    let found = alarms(&one, 0.5, 200);
    println!(
        "4 % against 1 % within 4000 requests: {:.0} %",
        found * 100.0
    );
    assert!(found >= 0.95, "{found}");
    // A route that fails outright is found among many that do not.
    let hidden = [
        Route {
            mix: (0.95, 0.95),
            bad: (0.01, 0.01),
        },
        Route {
            mix: (0.05, 0.05),
            bad: (0.01, 0.9),
        },
    ];
    let found = alarms(&hidden, 0.1, 200);
    println!(
        "one route of 5 % that fails, a tenth of the users: {:.0} %",
        found * 100.0
    );
    assert!(found >= 0.95, "{found}");
}

#[test]
fn what_was_seen_of_one_arm_only_says_nothing() {
    let worst = Harm {
        requests: 1000,
        errors: 1000,
        slow: None,
    };
    let options = Options::default();
    assert_eq!(harm(&[], &options), None);
    assert_eq!(harm(&[(Harm::default(), worst)], &options), None);
    let fine = Harm {
        requests: 1000,
        errors: 0,
        slow: Some(0),
    };
    let said = harm(&[(fine, worst)], &options).unwrap();
    assert_eq!(
        said,
        "100.00 % errors with the change, 0.00 % without, at the same mix"
    );
}

/// A demand with a coefficient of variation of about 1 on each arm, looked at twenty times.
fn looks(truth: f64, seed: u64) -> Vec<Option<model::advice::Range>> {
    let mut sums = [(0.0, 0.0, 0.0); 2];
    let measure = |s: (f64, f64, f64)| {
        let n: f64 = s.0;
        let mean = s.1 / n.max(1.0);
        let var = (s.2 / n.max(1.0) - mean * mean).max(0.0);
        Measure {
            mean,
            se: (var / n.max(1.0)).sqrt(),
            n,
        }
    };
    (0..LOOKS)
        .map(|look| {
            for i in 0..60 {
                let h = mix(seed << 32 ^ (look * 60 + i));
                let s = &mut sums[(i % 2) as usize];
                let x = (1.0 + normal(h)).max(0.0) * if i % 2 == 1 { truth } else { 1.0 };
                *s = (s.0 + 1.0, s.1 + x, s.2 + x * x);
            }
            ratio(&measure(sums[0]), &measure(sums[1]), &Options::default())
        })
        .collect()
}

#[test]
fn the_interval_of_an_effect_holds_at_all_looks_and_narrows() {
    for truth in [1.0, 0.7, 0.2] {
        let holds = |s: &u64| {
            looks(truth, *s)
                .iter()
                .flatten()
                .all(|r| r.low <= truth && truth <= r.high)
        };
        let held = (1..=300).filter(holds).count();
        println!("x{truth}: held at all looks in {held} of 300");
        assert!(held >= 285, "{held}");
    }
    let seen: Vec<_> = looks(0.7, 1).into_iter().flatten().collect();
    let width = |r: &model::advice::Range| (r.high / r.low).ln();
    assert!(width(&seen[19]) < width(&seen[1]) / 2.0);
    assert!(
        seen[19].high < 1.0,
        "1200 requests prove a third less: {:?}",
        seen[19]
    );
}

#[test]
fn a_side_that_is_not_measured_gives_no_ratio() {
    let m = |mean: f64, n: f64| Measure {
        mean,
        se: 0.1 * mean,
        n,
    };
    let options = Options::default();
    assert_eq!(ratio(&m(9.0, 50.0), &m(0.0, 0.0), &options), None);
    assert_eq!(ratio(&m(0.0, 50.0), &m(1.0, 50.0), &options), None);
    // Nothing at all is a measurement when requests were seen, and a vague one.
    let none = ratio(&m(9.0, 50.0), &m(0.0, 50.0), &options).unwrap();
    assert!(none.value <= 0.001 && none.high > 0.01, "{none:?}");
}
