//! Any text is a calendar with shifts that last and have somebody, or findings that point into it.
#![no_main]

use catalog::oncall::parse_ics;
use jiff::SignedDuration;

libfuzzer_sys::fuzz_target!(|input: (bool, &str)| {
    // Within an event, so that the fuzzer gets to what is read of it.
    let text = match input.0 {
        true => input.1.to_owned(),
        false => format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{}\nEND:VEVENT\nEND:VCALENDAR", input.1),
    };
    let (rotation, findings) = parse_ics("a", "a.ics", &text);
    let lines = text.lines().count().max(1) as u32;
    for f in &findings {
        assert!(f.spot.as_ref().is_some_and(|s| (1..=lines).contains(&s.line)), "{f}");
    }
    assert!(rotation.overrides.len() <= 20_000);
    for duty in &rotation.overrides {
        assert!(duty.from < duty.until && !duty.who.is_empty(), "{duty:?}");
    }
    let Some(first) = rotation.overrides.first() else { return };
    let (now, next) = rotation.now_and_next(first.from, SignedDuration::from_hours(48));
    assert_eq!(now.from, first.from);
    assert!(now.who.is_some() && next.is_none_or(|n| n.from > now.from));
});
