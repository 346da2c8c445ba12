//! Any text is a calendar with shifts that last and have somebody, or findings that point into it.

use catalog::oncall::parse_ics;
use jiff::SignedDuration;

pub fn check(data: &[u8]) {
    let (kind, data) = crate::kind(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Within an event, so that the fuzzer gets to what is read of it.
    let text = match kind % 2 {
        0 => format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}\nEND:VEVENT\nEND:VCALENDAR"),
        _ => text.to_owned(),
    };
    let (rotation, findings) = parse_ics("a", "a.ics", &text);
    let lines = text.lines().count().max(1) as u32;
    for f in &findings {
        assert!(
            f.spot
                .as_ref()
                .is_some_and(|s| (1..=lines).contains(&s.line)),
            "{f}"
        );
    }
    assert!(rotation.overrides.len() <= 20_000);
    for duty in &rotation.overrides {
        assert!(duty.from < duty.until && !duty.who.is_empty(), "{duty:?}");
    }
    let Some(first) = rotation.overrides.first() else {
        return;
    };
    let (now, next) = rotation.now_and_next(first.from, SignedDuration::from_hours(48));
    assert_eq!(now.from, first.from);
    assert!(now.who.is_some() && next.is_none_or(|n| n.from > now.from));
}
