//! `on-call/NAME.ics`: events of a calendar (RFC 5545), as on-call services export them. Who has it is the attendee,
//! else the summary. Daily and weekly repetition is read; any other is a finding.

use super::{Duty, Rotation, civil};
use base::{Finding, Spot};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// Most shifts, and most repetitions of one that has no end: ten years of days.
const MAX_EVENTS: usize = 20_000;
const MAX_REPEATS: i64 = 3660;

#[derive(Default)]
struct Event {
    line: u32,
    summary: String,
    attendee: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    duration: Option<SignedDuration>,
    rule: Option<String>,
    except: Vec<Moment>,
    cancelled: bool,
}

/// A local time and its zone.
#[derive(Clone)]
struct Moment {
    local: DateTime,
    zone: TimeZone,
    /// A whole day.
    date: bool,
}

impl Moment {
    fn instant(&self) -> Option<Timestamp> {
        civil::instant(self.local, &self.zone)
    }
}

pub fn parse(name: &str, file: &str, text: &str) -> (Rotation, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut overrides = Vec::new();
    let wrong = |line: u32, what: String| {
        Finding::warning("catalog-calendar", what).at(file.to_owned(), line, 1)
    };
    if !text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with("BEGIN:VCALENDAR")
    {
        findings.push(
            Finding::error("catalog-calendar", "this is not a calendar")
                .at(file.to_owned(), 1, 1)
                .help("save the feed itself: it begins with BEGIN:VCALENDAR"),
        );
    }
    let mut zone = TimeZone::UTC;
    let mut event: Option<Event> = None;
    for (line, content) in unfolded(text) {
        let Some(property) = Property::parse(&content) else {
            continue;
        };
        match (property.name.as_str(), &mut event) {
            ("X-WR-TIMEZONE", None) => zone = civil::zone(property.value).unwrap_or(zone),
            ("BEGIN", _) if property.value == "VEVENT" => {
                event = Some(Event {
                    line,
                    ..Event::default()
                });
            }
            ("END", Some(_)) if property.value == "VEVENT" => {
                if let Some(e) = event.take()
                    && let Err(what) = duties(&e, &mut overrides)
                {
                    findings.push(wrong(e.line, what));
                }
            }
            (_, Some(e)) => {
                if let Err(what) = e.set(&property, &zone) {
                    findings.push(wrong(line, what));
                }
            }
            _ => {}
        }
        if overrides.len() >= MAX_EVENTS {
            let what = format!("more than {MAX_EVENTS} shifts: the rest is not read");
            findings.push(wrong(line, what));
            break;
        }
    }
    let spot = Spot {
        file: file.to_owned(),
        line: 1,
        column: 1,
    };
    let rotation = Rotation {
        name: name.to_owned(),
        layers: Vec::new(),
        overrides,
        spot,
    };
    (rotation, findings)
}

/// Lines with their numbers; what begins with a space belongs to the line before.
fn unfolded(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ => lines.push((i as u32 + 1, line.to_owned())),
        }
    }
    lines
}

struct Property<'a> {
    name: String,
    parameters: Vec<(String, &'a str)>,
    value: &'a str,
}

impl Property<'_> {
    /// `NAME;KEY=value;KEY="a:b":value`.
    fn parse(line: &str) -> Option<Property<'_>> {
        let mut quoted = false;
        let colon = line.char_indices().find_map(|(i, c)| {
            quoted ^= c == '"';
            (c == ':' && !quoted).then_some(i)
        })?;
        let (head, value) = (&line[..colon], &line[colon + 1..]);
        let mut parts = head.split(';');
        let name = parts.next()?.trim().to_uppercase();
        let parameters = parts
            .filter_map(|p| p.split_once('='))
            .map(|(k, v)| (k.to_uppercase(), v.trim_matches('"')))
            .collect();
        Some(Property {
            name,
            parameters,
            value: value.trim(),
        })
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.0 == key).map(|p| p.1)
    }

    fn moment(&self, value: &str, zone: &TimeZone) -> Result<Moment, String> {
        let named = self.parameter("TZID").map(civil::zone).transpose()?;
        let zone = named.unwrap_or_else(|| zone.clone());
        let err = || format!("`{value}` is no time");
        let plain = value.strip_suffix('Z');
        if value.len() == 8 {
            let date = Date::strptime("%Y%m%d", value).map_err(|_| err())?;
            let local = date.to_datetime(jiff::civil::Time::midnight());
            return Ok(Moment {
                local,
                zone,
                date: true,
            });
        }
        let local =
            DateTime::strptime("%Y%m%dT%H%M%S", plain.unwrap_or(value)).map_err(|_| err())?;
        let zone = if plain.is_some() { TimeZone::UTC } else { zone };
        Ok(Moment {
            local,
            zone,
            date: false,
        })
    }
}

impl Event {
    fn set(&mut self, p: &Property<'_>, zone: &TimeZone) -> Result<(), String> {
        match p.name.as_str() {
            "SUMMARY" => self.summary = unescaped(p.value),
            "ATTENDEE" if self.attendee.is_none() => {
                let address = p.value.strip_prefix("mailto:").unwrap_or(p.value);
                let who = p.parameter("CN").unwrap_or(address);
                self.attendee = Some(unescaped(who)).filter(|w| !w.is_empty());
            }
            "DTSTART" => self.start = Some(p.moment(p.value, zone)?),
            "DTEND" => self.end = Some(p.moment(p.value, zone)?),
            "DURATION" => {
                let span: Span = p
                    .value
                    .parse()
                    .map_err(|_| format!("`{}` is no duration", p.value))?;
                let seconds = span.total((
                    jiff::Unit::Second,
                    jiff::SpanRelativeTo::days_are_24_hours(),
                ));
                let seconds = seconds.map_err(|_| format!("`{}` is no duration", p.value))?;
                self.duration = SignedDuration::try_from_secs_f64(seconds).ok();
            }
            "RRULE" => self.rule = Some(p.value.to_owned()),
            "EXDATE" => {
                for value in p.value.split(',') {
                    self.except.push(p.moment(value, zone)?);
                }
            }
            "STATUS" => self.cancelled = p.value == "CANCELLED",
            _ => {}
        }
        Ok(())
    }

    /// When the repetition ends that begins at `local`; in one zone it keeps its hour when clocks change.
    fn end(&self, start: &Moment, local: DateTime) -> Option<Timestamp> {
        let from = civil::instant(local, &start.zone)?;
        let until = match (&self.end, self.duration) {
            (Some(end), _) if end.zone == start.zone => {
                let length = end.local.duration_since(start.local);
                civil::instant(local.checked_add(length).ok()?, &start.zone)?
            }
            (Some(end), _) => {
                let length = end.instant()?.duration_since(start.instant()?);
                from.checked_add(length).ok()?
            }
            (None, Some(length)) => from.checked_add(length).ok()?,
            (None, None) if start.date => {
                let day = local.checked_add(Span::new().days(1)).ok()?;
                civil::instant(day, &start.zone)?
            }
            (None, None) => return None,
        };
        Some(until).filter(|u| *u > from)
    }
}

fn unescaped(text: &str) -> String {
    text.replace("\\,", ",")
        .replace("\\;", ";")
        .replace("\\n", " ")
        .replace("\\\\", "\\")
}

/// The stretches that an event covers.
fn duties(e: &Event, into: &mut Vec<Duty>) -> Result<(), String> {
    if e.cancelled {
        return Ok(());
    }
    let start = e
        .start
        .as_ref()
        .ok_or("an event without DTSTART is left out")?;
    e.end(start, start.local)
        .ok_or("an event that does not last is left out")?;
    let who = e.attendee.clone().unwrap_or_else(|| e.summary.clone());
    if who.is_empty() {
        return Err("an event with neither ATTENDEE nor SUMMARY is left out".into());
    }
    let once = (1, 1, None);
    let rule = e.rule.as_ref().map(|rule| repetition(rule, start));
    let (every, count, until) = match &rule {
        Some(Ok(read)) => *read,
        None | Some(Err(_)) => once,
    };
    for i in 0..count {
        let days = Span::new()
            .try_days(i * every)
            .map_err(|_| "too far away")?;
        let Ok(local) = start.local.checked_add(days) else {
            break;
        };
        let Some((from, ends)) = civil::instant(local, &start.zone).zip(e.end(start, local)) else {
            break;
        };
        if until.is_some_and(|u| from > u) || into.len() >= MAX_EVENTS {
            break;
        }
        if !e.except.iter().any(|x| x.instant() == Some(from)) {
            into.push(Duty {
                from,
                until: ends,
                who: who.clone(),
            });
        }
    }
    rule.map_or(Ok(()), |read| read.map(|_| ()))
}

/// Days from one to the next, how many, and until when.
fn repetition(rule: &str, start: &Moment) -> Result<(i64, i64, Option<Timestamp>), String> {
    let not_read = || {
        format!(
            "the repetition `{rule}` is not read: only the first event counts; export a feed without it"
        )
    };
    let (mut unit, mut interval, mut count, mut until) = (None, 1, MAX_REPEATS, None);
    for part in rule.split(';') {
        let (key, value) = part.split_once('=').ok_or_else(not_read)?;
        let number = || {
            value
                .parse()
                .ok()
                .filter(|n| (1..=MAX_REPEATS).contains(n))
                .ok_or_else(not_read)
        };
        match key {
            "FREQ" if value == "DAILY" => unit = Some(1),
            "FREQ" if value == "WEEKLY" => unit = Some(7),
            "INTERVAL" => interval = number()?,
            "COUNT" => count = number()?,
            "UNTIL" => {
                let p = Property {
                    name: String::new(),
                    parameters: Vec::new(),
                    value,
                };
                until = p.moment(value, &start.zone)?.instant();
            }
            "WKST" => {}
            // The day on which it begins anyway adds nothing.
            "BYDAY" if value.len() == 2 && byday(value, start) => {}
            _ => return Err(not_read()),
        }
    }
    Ok((unit.ok_or_else(not_read)? * interval, count, until))
}

fn byday(value: &str, start: &Moment) -> bool {
    let days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let day = usize::try_from(start.local.weekday().to_monday_zero_offset()).unwrap_or(7);
    days.get(day) == Some(&value)
}
