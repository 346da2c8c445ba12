//! Verdicts by simulation: false alarms under repeated looks, and power.

use model::advice::Range;
use model::twin::draw::{mix, normal, uniform};
use model::verify::{Effect, Harm, Measure, Options, Trial, Verdict, harm_evidence, verify};

struct World {
    share: f64,
    bad: (f64, f64),
    ratio: f64,
    predicted: Range,
}

const PREDICTED: Range = Range {
    value: 0.3,
    low: 0.22,
    high: 0.4,
};

/// Too slight to be seen: the trial goes on to its last look.
const SLIGHT: Range = Range {
    value: 0.97,
    low: 0.95,
    high: 0.99,
};

/// Twenty looks of `step` requests each; the last must decide. A demand has a coefficient of variation of 1.
fn trial(w: &World, seed: u64, step: u64) -> Verdict {
    let (mut base, mut new) = (Harm::default(), Harm::default());
    let mut sums = [(0.0, 0.0, 0.0); 2];
    let mut i = 0;
    for look in 1..=20 {
        for _ in 0..step {
            i += 1;
            let h = mix(seed << 32 ^ i);
            let on_new = uniform(h) < w.share;
            let (harm, p) = if on_new {
                (&mut new, w.bad.1)
            } else {
                (&mut base, w.bad.0)
            };
            harm.requests += 1;
            harm.errors += u64::from(uniform(mix(h ^ 1)) < p);
            harm.slow += u64::from(uniform(mix(h ^ 2)) < p);
            let x = (1.0 + normal(mix(h ^ 3))) * if on_new { w.ratio } else { 1.0 };
            let s = &mut sums[usize::from(on_new)];
            *s = (s.0 + 1.0, s.1 + x, s.2 + x * x);
        }
        let measure = |s: (f64, f64, f64)| {
            let n: f64 = s.0.max(2.0);
            let mean = s.1 / n;
            Measure {
                mean,
                se: ((s.2 / n - mean * mean).max(0.0) / n).sqrt(),
                n,
            }
        };
        let t = Trial {
            effects: vec![Effect {
                of: "demand of product on lock.front.stock".into(),
                predicted: w.predicted,
                base: measure(sums[0]),
                new: measure(sums[1]),
            }],
            base,
            new,
            last_look: look == 20,
        };
        match verify(&t, &Options::default()) {
            Verdict::Continue { .. } => {}
            v => return v,
        }
    }
    unreachable!("the last look decides")
}

fn share(w: &World, step: u64, of: impl Fn(&Verdict) -> bool) -> f64 {
    let n = 300;
    (0..n).filter(|&s| of(&trial(w, s + 1, step))).count() as f64 / n as f64
}

#[test]
fn harmless_changes_are_rarely_rolled_back() {
    for share_of in [0.5, 0.1] {
        for bad in [0.002, 0.02, 0.3] {
            let w = World {
                share: share_of,
                bad: (bad, bad),
                ratio: 0.97,
                predicted: SLIGHT,
            };
            let alarms = share(&w, 200, |v| matches!(v, Verdict::RolledBack { .. }));
            println!(
                "share {share_of}, {bad} bad: {:.1} % false alarms",
                alarms * 100.0
            );
            assert!(alarms <= 0.05, "{alarms}");
        }
    }
}

#[test]
fn what_works_is_kept_and_harm_is_seen() {
    let works = World {
        share: 0.5,
        bad: (0.01, 0.01),
        ratio: 0.3,
        predicted: PREDICTED,
    };
    assert!(share(&works, 100, |v| matches!(v, Verdict::Kept { .. })) > 0.95);
    let harms = World {
        share: 0.5,
        bad: (0.01, 0.04),
        ratio: 0.3,
        predicted: PREDICTED,
    };
    // The effect may be proven first; on its own, the harm of 4 % against 1 % is found within 4000 requests.
    let evidence = |seed: u64| {
        let count = |arm: u64, p: f64| {
            (0..2000)
                .filter(|i| uniform(mix(seed << 20 ^ arm << 16 ^ i)) < p)
                .count() as u64
        };
        harm_evidence(
            (2000, count(0, harms.bad.0)),
            (2000, count(1, harms.bad.1)),
            0.1,
        )
    };
    let found = (1..=200).filter(|&s| evidence(s) >= 40.0).count();
    println!("harm of 4 % against 1 % found in {} of 200", found);
    assert!(found >= 190, "{found}");
}

#[test]
fn what_does_not_help_is_rolled_back() {
    let w = World {
        share: 0.5,
        bad: (0.01, 0.01),
        ratio: 1.0,
        predicted: PREDICTED,
    };
    let back = share(
        &w,
        200,
        |v| matches!(v, Verdict::RolledBack { why } if why.contains("does not help")),
    );
    let kept = share(&w, 200, |v| matches!(v, Verdict::Kept { .. }));
    println!(
        "no effect: rolled back {:.0} %, kept {:.1} %",
        back * 100.0,
        kept * 100.0
    );
    assert!(back > 0.9 && kept <= 0.05);
}

#[test]
fn an_effect_that_cannot_be_seen_is_kept_unproven() {
    let w = World {
        share: 0.5,
        bad: (0.01, 0.01),
        ratio: 0.97,
        predicted: SLIGHT,
    };
    assert!(share(&w, 50, |v| matches!(v, Verdict::KeptUnproven { .. })) > 0.9);
    let nothing = Trial {
        effects: vec![],
        base: Harm::default(),
        new: Harm::default(),
        last_look: false,
    };
    assert!(matches!(
        verify(&nothing, &Options::default()),
        Verdict::Continue { .. }
    ));
}
