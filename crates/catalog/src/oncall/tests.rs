//! Turns, zones, clocks that change, overrides, layers and calendars.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read(text: &str) -> Rotation {
    let (rotation, findings) = parse("r", "r.yaml", text);
    assert_eq!(findings, []);
    rotation
}

const WEEKLY: &str =
    "people: [ana, ben, cleo]\ntime_zone: Europe/Berlin\nstarts: 2026-10-05T09:00\nturn: 1w\n";

#[test]
fn a_handover_keeps_its_hour_when_clocks_change() {
    let r = read(WEEKLY);
    assert_eq!(
        r.holder(at("2026-10-05T06:59:59Z")),
        None,
        "before the first"
    );
    assert_eq!(r.holder(at("2026-10-05T07:00:00Z")), Some("ana"));
    // Summer time ends on 25 October: 09:00 is then 08:00 UTC.
    assert_eq!(r.holder(at("2026-10-26T07:59:59Z")), Some("cleo"));
    assert_eq!(r.holder(at("2026-10-26T08:00:00Z")), Some("ana"));
    let (now, next) = r.now_and_next(
        at("2026-10-27T00:00:00Z"),
        SignedDuration::from_hours(24 * 14),
    );
    assert_eq!(now.until, Some(at("2026-11-02T08:00:00Z")));
    assert_eq!(next.unwrap().who.as_deref(), Some("ben"));
}

#[test]
fn short_turns_and_one_person() {
    let r = read("people: [a, b]\nstarts: 2026-11-02T00:00\nturn: 12h\n");
    assert_eq!(r.holder(at("2026-11-02T13:00:00Z")), Some("b"));
    assert_eq!(r.holder(at("2026-11-03T00:00:00Z")), Some("a"));
    let r = read("people: [a]\nstarts: 2026-11-02T00:00\nturn: 1d\n");
    let (now, next) = r.now_and_next(
        at("2026-11-05T13:00:00Z"),
        SignedDuration::from_hours(24 * 7),
    );
    assert_eq!((now.who.as_deref(), next), (Some("a"), None));
}

#[test]
fn the_later_override_holds_and_ends() {
    let r = read(&format!(
        "{WEEKLY}overrides:\n  - {{ from: 2026-10-06T09:00, until: 2026-10-08T09:00, who: ben }}\n  \
         - {{ from: 2026-10-07T09:00, until: 2026-10-07T21:00, who: dora }}\n"
    ));
    let who = |t: &str| r.holder(at(t)).unwrap().to_owned();
    assert_eq!(who("2026-10-06T07:00:00Z"), "ben");
    assert_eq!(who("2026-10-07T08:00:00Z"), "dora");
    assert_eq!(who("2026-10-07T19:00:00Z"), "ben");
    assert_eq!(who("2026-10-08T07:00:00Z"), "ana");
}

#[test]
fn hours_leave_gaps_that_are_found() {
    let day = "  - { people: [a], starts: 2026-11-02T09:00, turn: 1w, hours: 09:00-17:00, days: mon-fri }\n";
    let night = "  - { people: [n], starts: 2026-11-02T09:00, turn: 1w, hours: 17:00-08:00 }\n";
    let r = read(&format!("layers:\n{day}{night}"));
    // Friday: the night goes until eight, the day begins at nine.
    let gaps = r.gaps(at("2026-11-06T00:00:00Z"), at("2026-11-07T00:00:00Z"));
    assert_eq!(
        gaps,
        [(at("2026-11-06T08:00:00Z"), at("2026-11-06T09:00:00Z"))]
    );
    // Saturday: nobody from eight to five in the evening.
    let gaps = r.gaps(at("2026-11-07T00:00:00Z"), at("2026-11-08T00:00:00Z"));
    assert_eq!(
        gaps,
        [(at("2026-11-07T08:00:00Z"), at("2026-11-07T17:00:00Z"))]
    );
}

#[test]
fn what_is_missing_or_wrong_is_told_once() {
    let told = |text: &str| {
        let (_, findings) = parse("r", "r.yaml", text);
        findings.into_iter().map(|f| f.what).collect::<Vec<_>>()
    };
    assert_eq!(told("people: [a]\nturn: 1w\n"), ["a rotation needs starts"]);
    assert_eq!(
        told("people: [a]\nstarts: 2026-11-02T09:00\nturn: often\n").len(),
        1
    );
    let wrong = told("people: [a]\nstarts: 2026-11-02T09:00\nturn: 1w\ntime_zone: Mars/Base\n");
    assert!(
        wrong[0].contains("`Mars/Base` is no time zone"),
        "{wrong:?}"
    );
    assert_eq!(wrong.len(), 1);
}

const FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20261102T090000\r\n\
DTEND;TZID=Europe/Berlin:20261103T090000\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3\r\nSUMMARY:On Call - Primary\r\n\
ATTENDEE;CN=\"Ana: the\r\n  first\":mailto:ana@example.com\r\nEXDATE;TZID=Europe/Berlin:20261116T090000\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nDTSTART:20261103T080000Z\r\nDURATION:PT12H\r\nSUMMARY:Ben\\, second\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\n\
DTSTART:20261201\r\nRRULE:FREQ=MONTHLY\r\nSUMMARY:Cleo\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn a_feed_is_read_with_zones_repetition_and_folded_lines() {
    let (r, findings) = parse_ics("r", "r.ics", FEED);
    assert_eq!(r.holder(at("2026-11-02T08:00:00Z")), Some("Ana: the first"));
    assert_eq!(r.holder(at("2026-11-03T08:00:00Z")), Some("Ben, second"));
    assert_eq!(r.holder(at("2026-11-16T09:00:00Z")), None, "an exception");
    assert_eq!(r.holder(at("2026-11-30T09:00:00Z")), Some("Ana: the first"));
    assert_eq!(r.holder(at("2026-12-14T09:00:00Z")), None, "three times");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].what.contains("FREQ=MONTHLY"), "{findings:?}");
    assert_eq!(r.holder(at("2026-12-01T12:00:00Z")), Some("Cleo"));
    assert_eq!(r.holder(at("2027-01-01T12:00:00Z")), None, "only the first");
}

#[test]
fn a_feed_hands_over_at_the_same_hour_when_clocks_change() {
    let event = |from: &str, to: &str, who: &str| {
        format!(
            "BEGIN:VEVENT\nDTSTART;TZID=Europe/Berlin:{from}\nDTEND;TZID=Europe/Berlin:{to}\n\
                 RRULE:FREQ=WEEKLY;INTERVAL=2\nSUMMARY:{who}\nEND:VEVENT\n"
        )
    };
    let (ana, ben) = (
        event("20260105T090000", "20260112T090000", "ana"),
        event("20260112T090000", "20260119T090000", "ben"),
    );
    let (r, findings) = parse_ics(
        "r",
        "r.ics",
        &format!("BEGIN:VCALENDAR\n{ana}{ben}END:VCALENDAR\n"),
    );
    assert_eq!(findings, []);
    let year = (at("2026-01-05T08:00:00Z"), at("2027-01-05T08:00:00Z"));
    assert_eq!(r.gaps(year.0, year.1), []);
    assert_eq!(r.shifts(year.0, year.1).len(), 53);
}

#[test]
fn hostile_text_ends_in_findings() {
    for text in [
        "",
        "BEGIN:VEVENT",
        "\u{0}\u{1}",
        "a: [",
        "people: {a: b}\nstarts: -9999-99-99\nturn: ž\n",
    ] {
        parse("r", "r.yaml", text);
        parse_ics("r", "r.ics", text);
    }
    let far = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:99991231T235959Z\nDURATION:P9000W\nSUMMARY:x\nRRULE:FREQ=DAILY\nEND:VEVENT\n";
    let (r, _) = parse_ics("r", "r.ics", far);
    assert!(r.overrides.len() <= 1);
}
