//! Every path through a trial, on a made-up clock.

use super::*;

const TIMES: Times = Times {
    settle_s: 5,
    look_s: 2,
    least_s: 10,
    most_s: 60,
    confirm_s: 20,
};

fn predicted() -> Effect {
    Effect::new(0.7, 0.6, 0.8)
}

fn reading(mean: f64, half: f64) -> Reading {
    Reading {
        effect: Some(Effect::new(mean, mean - half, mean + half)),
        ..Reading::default()
    }
}

/// Ticks each second and answers every comparison with `see(now)`; returns what was done when, until the end.
fn run(share: Option<f64>, see: impl Fn(u64) -> Reading) -> Vec<(u64, Action)> {
    let (mut trial, first) = Trial::begin(predicted(), share, TIMES, 100);
    let mut done: Vec<_> = first.into_iter().map(|a| (100, a)).collect();
    assert!(trial.on(Event::Applied, 101).is_empty());
    for now in 102..400 {
        let mut actions = trial.on(Event::Tick, now);
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                if action == Action::Compare {
                    next.extend(trial.on(Event::Read(see(now)), now));
                } else {
                    done.push((now, action));
                }
            }
            actions = next;
        }
    }
    assert_eq!(trial.phase, Phase::Done, "a trial must end");
    done
}

fn verdict(done: &[(u64, Action)]) -> (u64, Verdict) {
    match done.last() {
        Some((at, Action::Done(o))) => (*at, o.verdict),
        other => panic!("ended with {other:?}"),
    }
}

fn names(done: &[(u64, Action)]) -> Vec<&'static str> {
    done.iter()
        .map(|(_, a)| match a {
            Action::PublishCanary { .. } => "canary",
            Action::ApplyWhole => "whole",
            Action::Compare => "compare",
            Action::Promote => "promote",
            Action::Rollback => "rollback",
            Action::Done(_) => "done",
        })
        .collect()
}

#[test]
fn what_does_as_predicted_is_kept_after_a_confirmation() {
    let done = run(Some(0.2), |_| reading(0.68, 0.1));
    assert_eq!(names(&done), ["canary", "promote", "done"]);
    // Applied at 101, settled at 106, 10 s of evidence, then 20 s of watching.
    assert_eq!(done[1].0, 116);
    assert_eq!(verdict(&done), (136, Verdict::Kept));
}

#[test]
fn harm_rolls_back_at_the_first_look_even_while_settling() {
    let done = run(Some(0.2), |_| Reading {
        harm: Some("errors 9 % against 0.1 %".into()),
        ..reading(0.7, 0.1)
    });
    assert_eq!(names(&done), ["canary", "rollback", "done"]);
    assert_eq!(verdict(&done), (102, Verdict::Harm));
}

#[test]
fn harm_after_promotion_still_rolls_back() {
    let done = run(Some(0.2), |now| Reading {
        harm: (now >= 120).then(|| "slower for everyone".into()),
        ..reading(0.7, 0.1)
    });
    assert_eq!(names(&done), ["canary", "promote", "rollback", "done"]);
    assert_eq!(verdict(&done), (120, Verdict::Harm));
}

#[test]
fn what_does_not_help_is_rolled_back() {
    let done = run(Some(0.2), |_| reading(0.02, 0.1));
    assert_eq!(names(&done), ["canary", "rollback", "done"]);
    assert_eq!(verdict(&done), (116, Verdict::NoEffect));
}

#[test]
fn what_cannot_be_seen_is_kept_unproven_at_the_end_of_the_time() {
    for see in [reading(0.3, 2.0), Reading::default()] {
        let done = run(Some(0.2), |_| see.clone());
        assert_eq!(names(&done), ["canary", "promote", "done"]);
        assert_eq!(verdict(&done), (186, Verdict::KeptUnproven));
    }
}

#[test]
fn a_change_of_instances_has_no_canary_and_nothing_to_promote() {
    let done = run(None, |_| reading(0.9, 0.1));
    assert_eq!(names(&done), ["whole", "done"]);
    assert_eq!(verdict(&done).1, Verdict::Kept);
    let done = run(None, |_| reading(-0.1, 0.1));
    assert_eq!(names(&done), ["whole", "rollback", "done"]);
}

#[test]
fn a_restart_removes_the_canary() {
    let (mut trial, _) = Trial::begin(predicted(), Some(0.2), TIMES, 0);
    trial.on(Event::Applied, 1);
    let actions = trial.on(Event::Restarted, 30);
    assert_eq!(actions[0], Action::Rollback);
    assert!(matches!(&actions[1], Action::Done(o) if o.verdict == Verdict::Interrupted));
    assert!(trial.on(Event::Tick, 1000).is_empty(), "done is done");
}

#[test]
fn what_never_takes_effect_fails_and_what_is_taken_away_is_withdrawn() {
    let (mut trial, _) = Trial::begin(predicted(), None, TIMES, 0);
    assert!(trial.on(Event::Tick, 59).is_empty());
    let actions = trial.on(Event::Tick, 60);
    assert!(matches!(&actions[1], Action::Done(o) if o.verdict == Verdict::Failed));

    let (mut trial, _) = Trial::begin(predicted(), Some(0.1), TIMES, 0);
    let actions = trial.on(Event::Gone("rolled back by ann".into()), 5);
    assert!(matches!(&actions[..], [Action::Done(o)] if o.verdict == Verdict::Withdrawn));
}

#[test]
fn the_judgement_at_its_edges() {
    let p = predicted();
    let judged = |mean, low, high| judge(&p, Some(&Effect::new(mean, low, high)));
    assert_eq!(judged(0.6, 0.01, 1.0), Judgement::Helps);
    assert_eq!(judged(0.95, 0.9, 1.0), Judgement::Helps);
    assert_eq!(judged(0.6, -0.1, 1.3), Judgement::Unclear);
    assert_eq!(judged(0.45, 0.4, 0.5), Judgement::Helps);
    assert_eq!(judged(0.2, 0.1, 0.3), Judgement::DoesNotHelp);
    assert_eq!(judged(0.0, -0.2, 0.2), Judgement::DoesNotHelp);
    assert_eq!(judged(-0.9, -1.0, -0.8), Judgement::DoesNotHelp);
}
