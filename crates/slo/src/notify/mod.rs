//! What notifiers are sent, and when. Secrets and sockets are the caller's.

pub mod alertmanager;
pub mod pagerduty;
pub mod text;
pub mod webhook;

use crate::alert::Told;
use crate::{Alert, Scope, State};

/// So long after an alert has ended, others of its service are about the same.
const AFTER_MS: u64 = 300_000;
/// Alertmanager forgets an alert that nobody repeats; what is over is repeated for a while (as Prometheus does).
const RESEND_MS: u64 = 60_000;
const RESOLVED_FOR_MS: u64 = 900_000;
/// Before the second try; doubles.
const FIRST_MS: u64 = 5_000;
const LONGEST_MS: u64 = 300_000;

/// How a notifier wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Each state once, in order.
    Once,
    /// The same, of each alert, though others of its service are told already.
    Each,
    /// The present state, again and again.
    Repeat,
}

/// Which state a notifier is to be told now; `None`: nothing. `all`: the alerts that there are.
pub fn due(
    alert: &Alert,
    all: &[Alert],
    notifier: &str,
    manner: Manner,
    now_ms: u64,
) -> Option<State> {
    let fresh = Told::default();
    let told = alert.told.get(notifier).unwrap_or(&fresh);
    if now_ms < told.next_ms {
        return None;
    }
    if manner != Manner::Repeat {
        let ended = alert.ended_ms.unwrap_or(now_ms);
        let old = now_ms.saturating_sub(ended) >= RESOLVED_FOR_MS;
        return match (told.state, alert.state) {
            (None, _) if manner == Manner::Once && covered(alert, all, now_ms) => None,
            // Who begins to listen is not told of what has long been over.
            (None, _) if manner == Manner::Each && old && told.tries == 0 => None,
            (None, _) => Some(State::Firing),
            (Some(State::Firing), State::Resolved) => Some(State::Resolved),
            _ => None,
        };
    }
    let again = now_ms.saturating_sub(told.at_ms) >= RESEND_MS;
    let ended = alert.ended_ms.unwrap_or(now_ms);
    let matters =
        now_ms.saturating_sub(ended) < RESOLVED_FOR_MS || told.state == Some(State::Firing);
    (matters && (told.state != Some(alert.state) || again)).then_some(alert.state)
}

/// Whether somebody is up for it already: an earlier alert of the same service, as severe, fires or has just ended. Who
/// groups alerts by himself is told all the same; a dead service with fifty routes is one call.
pub fn covered(alert: &Alert, all: &[Alert], now_ms: u64) -> bool {
    // Of two that began together, the one about the whole service counts as the earlier.
    let order = |a: &Alert| (a.started_ms, a.scope == Scope::Route, a.id.clone());
    let until = alert.ended_ms.unwrap_or(now_ms);
    all.iter().any(|other| {
        other.service == alert.service
            && other.severity <= alert.severity
            && order(other) < order(alert)
            && other.ended_ms.is_none_or(|end| end + AFTER_MS > until)
    })
}

/// Writes down how a try went; tells whether the alert is to be stored.
pub fn went(
    alert: &mut Alert,
    notifier: &str,
    state: State,
    result: Result<(), String>,
    now_ms: u64,
) -> bool {
    let told = alert.told.entry(notifier.to_owned()).or_default();
    let new = told.state != Some(state) || told.tries > 0;
    match result {
        Ok(()) => {
            *told = Told {
                state: Some(state),
                at_ms: now_ms,
                ..Told::default()
            }
        }
        Err(why) => {
            let wait = FIRST_MS
                .saturating_mul(1 << told.tries.min(10))
                .min(LONGEST_MS);
            told.tries = told.tries.saturating_add(1);
            told.next_ms = now_ms + wait;
            told.error = Some(why);
            return true;
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;
    use crate::alert::{Context, Seen};
    use crate::objective::tests_support::objective;

    pub fn alert() -> Alert {
        let context = Context {
            cause: Some("cpu.shop (compute)".into()),
            down: Some("1 of 2 are not up: 127.0.0.1:7001 (down: its check fails)".into()),
            change: Some("2026-11-28 03:12:00 UTC the file changed".into()),
            owner: Some("checkout".into()),
            on_call: Some("ana".into()),
            runbook: Some("catalog/runbooks/slow one.md".into()),
            step: Some("plimsoll runbook run 'slow one'".into()),
        };
        let seen = Seen {
            rules: vec!["page quick".into()],
            summary: "route product: 2.3 % of the answers failed".into(),
            burn: 23.0,
            budget_left: 0.61,
            began_ms: Some(1_699_999_980_000),
            context: &context,
        };
        Alert::new(
            &objective(0.999, 28),
            Severity::Page,
            1_700_000_000_000,
            seen,
        )
    }

    #[test]
    fn each_state_is_told_once_in_order_however_long_it_takes() {
        let (mut a, start) = (alert(), 1_700_000_000_000u64);
        assert_eq!(due(&a, &[], "w", Manner::Once, start), Some(State::Firing));
        assert!(went(
            &mut a,
            "w",
            State::Firing,
            Err("refused".into()),
            start
        ));
        assert_eq!(
            due(&a, &[], "w", Manner::Once, start + 4_999),
            None,
            "it waits"
        );
        a.state = State::Resolved;
        a.ended_ms = Some(start + 60_000);
        let late = start + 86_400_000;
        assert_eq!(
            due(&a, &[], "w", Manner::Once, late),
            Some(State::Firing),
            "a short one is told too"
        );
        went(&mut a, "w", State::Firing, Ok(()), late);
        assert_eq!(due(&a, &[], "w", Manner::Once, late), Some(State::Resolved));
        went(&mut a, "w", State::Resolved, Ok(()), late);
        assert_eq!(due(&a, &[], "w", Manner::Once, late), None);
    }

    #[test]
    fn every_notifier_says_whose_it_is_and_what_to_do_first() {
        let (a, link) = (alert(), Some("http://p:9400"));
        let page = "http://p:9400/catalog/runbooks/slow%20one";
        let manager = alertmanager::body(&a, State::Firing, link, 0);
        let hook = webhook::body(&a, State::Firing, link);
        for notes in [
            &manager[0]["annotations"],
            &hook["alerts"][0]["annotations"],
        ] {
            let step = a.context.step.as_deref().unwrap();
            assert_eq!(
                (
                    &notes["on_call"],
                    &notes["runbook_step"],
                    &notes["runbook_url"]
                ),
                (&"ana".into(), &step.into(), &page.into())
            );
            let text = notes["description"].as_str().unwrap();
            assert!(text.contains("owner: checkout\non call: ana\n"), "{text}");
        }
        assert_eq!(hook["commonLabels"]["owner"], "checkout");
        let event = pagerduty::body(&a, State::Firing, "k", link);
        let details = &event["payload"]["custom_details"];
        assert_eq!(
            (&details["owner"], &details["on_call"], &details["runbook"]),
            (&"checkout".into(), &"ana".into(), &page.into())
        );
        assert_eq!(event["links"][1]["href"], page);
        let unlinked = webhook::body(&a, State::Firing, None);
        let notes = &unlinked["commonAnnotations"];
        assert_eq!(notes["runbook_url"], "catalog/runbooks/slow one.md");
        let event = pagerduty::body(&a, State::Firing, "k", None);
        assert_eq!(event["links"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn alertmanager_hears_it_again_every_minute_and_of_its_end_for_a_quarter_of_an_hour() {
        let (mut a, start) = (alert(), 1_700_000_000_000u64);
        let mut heard = Vec::new();
        for s in 0..3600u64 {
            if s == 600 {
                a.state = State::Resolved;
                a.ended_ms = Some(start + 600_000);
            }
            let now = start + s * 1000;
            if let Some(state) = due(&a, &[], "am", Manner::Repeat, now) {
                went(&mut a, "am", state, Ok(()), now);
                heard.push((s, state));
            }
        }
        let firing = heard.iter().filter(|h| h.1 == State::Firing).count();
        let last = heard.last().unwrap().0;
        assert_eq!((firing, heard[1].0), (10, 60));
        assert!((600 + 800..600 + 900).contains(&last), "{last}");
    }

    #[test]
    fn a_dead_service_is_one_call_whatever_number_of_objectives_it_has() {
        let start = 1_700_000_000_000;
        let at = |name: &str, scope, service: &str, severity, after_s: u64| Alert {
            id: name.into(),
            scope,
            service: service.into(),
            severity,
            started_ms: start + after_s * 1000,
            ..alert()
        };
        let mut all = vec![
            at("home", Scope::Route, "shop", Severity::Page, 0),
            at("cart", Scope::Route, "shop", Severity::Page, 4),
            at("whole", Scope::Service, "shop", Severity::Page, 0),
            at("slow", Scope::Route, "shop", Severity::Ticket, 9),
            at("pay", Scope::Route, "pay", Severity::Page, 0),
        ];
        let called = |all: &[Alert], after_s: u64| {
            let now_ms = start + after_s * 1000;
            let calls = all
                .iter()
                .filter(|a| due(a, all, "w", Manner::Once, now_ms).is_some());
            calls.map(|a| a.id.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(called(&all, 10), "whole pay");
        let repeated = |a: &&Alert| due(a, &all, "am", Manner::Repeat, start).is_some();
        assert_eq!(all.iter().filter(repeated).count(), 5);
        for a in [0, 2] {
            all[a].state = State::Resolved;
            all[a].ended_ms = Some(start + 100_000);
        }
        assert_eq!(
            called(&all, 399),
            "whole pay",
            "the others are about to end, too"
        );
        assert_eq!(
            called(&all, 401),
            "cart whole pay",
            "one has not ended: it is told"
        );
        all[1].state = State::Resolved;
        all[1].ended_ms = Some(start + 130_000);
        assert_eq!(called(&all, 9999), "whole slow pay");
    }

    #[test]
    fn who_keeps_a_book_hears_of_each_alert_but_not_of_old_ones() {
        let mut a = alert();
        let earlier = Alert {
            id: "a".into(),
            started_ms: a.started_ms - 1,
            ..alert()
        };
        let now = a.started_ms;
        let all = [earlier, a.clone()];
        assert_eq!(due(&a, &all, "i", Manner::Once, now), None, "covered");
        let told = |a: &Alert, now| due(a, &all, "i", Manner::Each, now);
        assert_eq!(told(&a, now), Some(State::Firing));
        (a.state, a.ended_ms) = (State::Resolved, Some(now + 1000));
        assert_eq!(
            told(&a, now + 60_000),
            Some(State::Firing),
            "its begin comes first"
        );
        assert_eq!(told(&a, now + RESOLVED_FOR_MS + 1000), None, "long over");
        went(&mut a, "i", State::Firing, Err("full".into()), now + 60_000);
        let late = now + 10 * RESOLVED_FOR_MS;
        assert_eq!(told(&a, late), Some(State::Firing), "it was tried");
        went(&mut a, "i", State::Firing, Ok(()), late);
        assert_eq!(told(&a, late), Some(State::Resolved));
    }

    #[test]
    fn waits_double_and_have_an_end() {
        let mut a = alert();
        let waits: Vec<u64> = (0..9)
            .map(|_| {
                went(&mut a, "w", State::Firing, Err("no".into()), 0);
                a.told["w"].next_ms / 1000
            })
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }
}
