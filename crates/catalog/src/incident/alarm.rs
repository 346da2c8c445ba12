//! What alerts do with incidents: the first opens one, the others of its service go into its timeline, and the times follow. Texts in, texts out.
//!
//! The head of an incident that a person has opened is theirs: alerts only add to its timeline.

use super::{Happened, Incident, Stage, add, new, second, set};
use jiff::{SignedDuration, Timestamp};

/// How an entry begins that an alert tells.
pub const ALERT: &str = "alert: ";
/// Who writes, where nobody does.
const WHO: &str = "plimsoll";

/// An alert as an incident is opened by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    pub id: String,
    pub service: String,
    pub severity: String,
    /// Short: what users feel.
    pub title: String,
    /// When the answers turned bad, as far as counts tell.
    pub began: Option<Timestamp>,
    pub fired: Timestamp,
}

/// An entry of an alert; `None`: its time is none.
pub fn alerted(at_ms: u64, text: &str) -> Option<Happened> {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    Some(Happened {
        at: second(at),
        text: format!("{ALERT}{text}"),
    })
}

/// The newest incident of a service that is not resolved.
pub fn open_of<'a>(
    all: impl IntoIterator<Item = &'a Incident>,
    service: &str,
) -> Option<&'a Incident> {
    let mine = |i: &&Incident| {
        i.stage() != Stage::Resolved && i.service.as_ref().is_some_and(|s| s.name == service)
    };
    all.into_iter().filter(mine).max_by_key(|i| i.detected)
}

/// The file of a new one.
pub fn opened(a: &Alarm, first: Vec<Happened>) -> String {
    let (fired, began) = (
        second(a.fired).to_string(),
        a.began.map(|b| second(b).to_string()),
    );
    let mut head = vec![
        ("title", a.title.as_str()),
        ("service", &a.service),
        ("severity", &a.severity),
        ("alert", &a.id),
    ];
    head.extend(began.as_deref().map(|b| ("began", b)));
    head.push(("detected", &fired));
    let opened = Happened {
        at: second(a.fired),
        text: format!("opened by an alert ({WHO})"),
    };
    add(&new(&head, &opened), &first)
}

/// Another alert fires while it is open: it is not mitigated any more.
pub fn joined(text: &str, i: &Incident, more: Vec<Happened>) -> String {
    let text = match i.alert.is_some() && i.mitigated.is_some() {
        true => set(text, Stage::Mitigated.key(), ""),
        false => text.to_owned(),
    };
    add(&text, &more)
}

/// An alert has ended; `last`: no other one of the service fires.
pub fn calmed(
    text: &str,
    i: &Incident,
    at: Timestamp,
    last: bool,
    mut more: Vec<Happened>,
) -> String {
    let at = second(at);
    if !last || i.alert.is_none() || i.mitigated.is_some() {
        return add(text, &more);
    }
    more.push(Happened {
        at,
        text: format!("mitigated: no alert fires any more ({WHO})"),
    });
    add(&set(text, Stage::Mitigated.key(), &at.to_string()), &more)
}

/// Whether it is over without anybody: its alerts have ended long enough ago, and nobody has taken it on.
pub fn is_over(i: &Incident, now: Timestamp, after: SignedDuration) -> bool {
    let calm = i.mitigated.is_some_and(|m| now.duration_since(m) >= after);
    i.alert.is_some() && i.acknowledged.is_none() && i.resolved.is_none() && calm
}

/// It is resolved, as nobody has taken it on and all is calm.
pub fn closed(text: &str, now: Timestamp) -> String {
    let at = second(now);
    let over = Happened {
        at,
        text: format!("resolved: calm, and nobody has taken it on ({WHO})"),
    };
    add(&set(text, Stage::Resolved.key(), &at.to_string()), &[over])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::parse;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-28T{time}Z").parse().unwrap()
    }

    fn told(time: &str, text: &str) -> Vec<Happened> {
        let ms = u64::try_from(at(time).as_millisecond()).unwrap();
        alerted(ms, text).into_iter().collect()
    }

    fn read(text: &str) -> Incident {
        let (i, findings) = parse("1", "1.md", text);
        assert_eq!(findings, [], "{text}");
        i
    }

    fn first() -> String {
        let alarm = Alarm {
            id: "route-home-latency-page-1".into(),
            service: "shop".into(),
            severity: "page".into(),
            title: "Outage of route home".into(),
            began: Some(at("03:58:20")),
            fired: at("03:58:31"),
        };
        opened(&alarm, told("03:58:31", "page: OUTAGE of route home"))
    }

    #[test]
    fn a_life_without_anybody_has_all_its_times() {
        let text = first();
        let i = read(&text);
        assert_eq!(i.times().detect.unwrap().as_secs(), 11);
        assert_eq!(i.timeline.len(), 2);
        // Another route's alert of the storm, told twice.
        let text = joined(&text, &i, told("03:58:40", "page: OUTAGE of route cart"));
        assert_eq!(
            joined(
                &text,
                &read(&text),
                told("03:58:40", "page: OUTAGE of route cart")
            ),
            text
        );
        let text = calmed(
            &text,
            &read(&text),
            at("04:10:00"),
            false,
            told("04:10:00", "over: cart"),
        );
        assert_eq!(read(&text).mitigated, None, "one still fires");
        let text = calmed(
            &text,
            &read(&text),
            at("04:12:00"),
            true,
            told("04:12:00", "over: home"),
        );
        assert_eq!(read(&text).times().mitigate.unwrap().as_secs(), 820);
        // It comes back within the hour: the same incident, not mitigated any more.
        let text = joined(
            &text,
            &read(&text),
            told("04:20:00", "page: OUTAGE of route home"),
        );
        assert_eq!(
            (read(&text).mitigated, read(&text).stage()),
            (None, Stage::Open)
        );
        let text = calmed(
            &text,
            &read(&text),
            at("04:30:00"),
            true,
            told("04:30:00", "over: home"),
        );
        let hour = SignedDuration::from_hours(1);
        assert!(!is_over(&read(&text), at("05:29:59"), hour));
        assert!(is_over(&read(&text), at("05:30:00"), hour));
        let acked = set(&text, "acknowledged", "2026-11-28T04:02:00Z");
        assert!(
            !is_over(&read(&acked), at("09:00:00"), hour),
            "it is somebody's"
        );
        let i = read(&closed(&text, at("05:30:00")));
        assert_eq!(
            (i.stage(), is_over(&i, at("09:00:00"), hour)),
            (Stage::Resolved, false)
        );
        let said: Vec<&str> = i.timeline.iter().map(|h| h.text.as_str()).collect();
        assert_eq!(said[0], "opened by an alert (plimsoll)");
        assert!(
            said.last().unwrap().starts_with("resolved: calm"),
            "{said:?}"
        );
    }

    #[test]
    fn an_incident_that_a_person_opened_keeps_its_head() {
        let text = "---\nservice: shop\ndetected: 2026-11-28T03:50:00Z\nmitigated: 2026-11-28T03:55:00Z\n---\n";
        let i = read(text);
        let more = joined(text, &i, told("03:58:31", "page: x"));
        let calm = calmed(
            &more,
            &read(&more),
            at("04:00:00"),
            true,
            told("04:00:00", "over: x"),
        );
        let j = read(&calm);
        assert_eq!((j.mitigated, j.timeline.len()), (i.mitigated, 2));
        assert!(!is_over(&j, at("23:00:00"), SignedDuration::from_mins(1)));
        assert_eq!(open_of([&i], "shop"), Some(&i));
        assert_eq!(open_of([&i], "pay"), None);
        let done = read(&closed(text, at("05:00:00")));
        assert_eq!(open_of([&done], "shop"), None);
    }
}
