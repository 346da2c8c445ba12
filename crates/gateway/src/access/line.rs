//! One request as a line of JSON. Names are those of OpenTelemetry's semantic conventions where it has one, else
//! begin with `plimsoll.`; times are seconds.

use super::keeping::shown;
use super::notes::{Notes, Part, Tried};
use super::tap::End;
use base::{Arm, CacheState, Names, Nanos, Outcome};
use serde::Serialize;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    #[serde(rename = "http.request.method")]
    method: Option<Cow<'a, str>>,
    #[serde(rename = "url.path")]
    path: Option<Cow<'a, str>>,
    #[serde(rename = "url.query", skip_serializing_if = "Option::is_none")]
    query: Option<Cow<'a, str>>,
    #[serde(rename = "server.address", skip_serializing_if = "Option::is_none")]
    host: Option<Cow<'a, str>>,
    #[serde(rename = "http.route", skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    #[serde(rename = "plimsoll.route", skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(rename = "plimsoll.arm")]
    arm: &'static str,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "plimsoll.outcome")]
    outcome: Outcome,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(rename = "http.server.request.duration")]
    duration: f64,
    #[serde(rename = "plimsoll.first_byte", skip_serializing_if = "is_zero")]
    first_byte: f64,
    #[serde(rename = "plimsoll.wait", skip_serializing_if = "is_zero")]
    wait: f64,
    #[serde(rename = "http.request.size")]
    bytes_in: u64,
    #[serde(rename = "http.response.size")]
    bytes_out: u64,
    #[serde(rename = "client.address", skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(
        rename = "user_agent.original",
        skip_serializing_if = "Option::is_none"
    )]
    agent: Option<Cow<'a, str>>,
    #[serde(rename = "plimsoll.tenant", skip_serializing_if = "Option::is_none")]
    tenant: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(rename = "plimsoll.cache", skip_serializing_if = "is_off")]
    cache: CacheState,
    #[serde(
        rename = "plimsoll.cache_status",
        skip_serializing_if = "Option::is_none"
    )]
    cache_status: Option<Cow<'a, str>>,
    #[serde(rename = "plimsoll.gates", skip_serializing_if = "Vec::is_empty")]
    gates: Vec<Gate>,
    #[serde(rename = "plimsoll.attempts", skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt>,
}

#[derive(Serialize)]
struct Gate {
    gate: &'static str,
    decision: &'static str,
}

#[derive(Serialize)]
struct Attempt {
    instance: Option<std::sync::Arc<str>>,
    status: u16,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    /// Since the start of the request.
    start: f64,
    #[serde(skip_serializing_if = "is_zero")]
    wait: f64,
    #[serde(skip_serializing_if = "is_zero")]
    first_byte: f64,
    duration: f64,
}

/// `wall` is the calendar's time at zero of the gateway's own clock.
pub(super) fn write(out: &mut Vec<u8>, notes: &Notes, names: &Names, wall: SystemTime) {
    let Some(end) = &notes.end else {
        return;
    };
    let sample = &end.sample;
    let text = |part| notes.get(part).map(String::from_utf8_lossy);
    let route = end.route.as_deref();
    let line = Line {
        timestamp: timestamp(wall + Duration::from_nanos(sample.start.0)),
        method: text(Part::Method),
        path: text(Part::Path),
        query: text(Part::Query),
        host: text(Part::Host),
        template: route.map(|r| &*r.template),
        route: route.map(|r| &*r.name),
        arm: match sample.arm {
            Arm::BASE => "base",
            _ => "canary",
        },
        status: sample.status,
        outcome: sample.outcome,
        error: error(notes, sample.status, sample.outcome),
        duration: sample.seconds(),
        first_byte: seconds(sample.first_byte_us),
        wait: seconds(sample.wait_us),
        bytes_in: sample.bytes_in,
        bytes_out: sample.bytes_out,
        client: client(end),
        agent: text(Part::Agent),
        tenant: text(Part::Tenant),
        trace_id: (end.trace != 0).then(|| format!("{:032x}", end.trace)),
        cache: sample.cache,
        cache_status: (!notes.cache.is_empty()).then(|| String::from_utf8_lossy(&notes.cache)),
        gates: (notes.decisions().iter())
            .map(|d| Gate {
                gate: d.gate,
                decision: d.what,
            })
            .collect(),
        attempts: (notes.attempts.iter())
            .map(|t| attempt(t, sample.start, names))
            .collect(),
    };
    let before = out.len();
    match serde_json::to_writer(&mut *out, &line) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(before),
    }
}

/// The reason of Plimsoll's own answer, else the status of a failure; `None`: no error.
fn error(notes: &Notes, status: u16, outcome: Outcome) -> Option<Cow<'_, str>> {
    match (notes.reason, outcome) {
        ("", Outcome::UpstreamFailed) => Some("broken-off".into()),
        ("", _) => (status >= 500).then(|| status.to_string().into()),
        (reason, _) => Some(reason.into()),
    }
}

fn attempt(tried: &Tried, began: Nanos, names: &Names) -> Attempt {
    let wait = Some(tried.wait_us).filter(|w| *w != u32::MAX);
    Attempt {
        instance: names.instances.name(tried.instance),
        status: tried.status,
        outcome: tried.outcome,
        failure: tried.failure,
        start: tried.start.since(began).as_secs_f64(),
        wait: seconds(wait.unwrap_or(0)),
        first_byte: seconds(tried.first_byte_us),
        duration: tried.end.since(tried.start).as_secs_f64(),
    }
}

fn client(end: &End) -> Option<String> {
    shown(end.client, end.rules.config.client, &end.rules.hasher)
}

fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or(String::new(), |t| format!("{t:.6}"))
}

fn seconds(us: u32) -> f64 {
    f64::from(us) / 1e6
}

fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

fn is_off(cache: &CacheState) -> bool {
    *cache == CacheState::Off
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Rules;
    use crate::exchange::{Head, ListHead};
    use base::{RouteIx, Sample, SampleKind};
    use config::sections::{AccessLog, ClientAddress};
    use serde_json::Value;
    use std::sync::Arc;

    fn notes(client: ClientAddress) -> Notes {
        let mut sample = Sample::new(SampleKind::Request, RouteIx(0), Nanos(1_500_000_000));
        (sample.status, sample.end) = (503, Nanos(1_750_000_000));
        let mut notes = Notes::default();
        let head = ListHead::new("GET", "/a\u{1}\"b?token=x", &[("user-agent", "q\"\\\n")]);
        notes.head(&Head::List(&head), false);
        notes.tenant(b"acme");
        notes.decision("shed", "no_room", 0);
        notes.reason("shed");
        notes.end = Some(End {
            sample,
            route: None,
            client: [192, 0, 2, 7].into(),
            trace: 0xabc,
            rules: Arc::new(Rules {
                config: AccessLog {
                    client,
                    ..AccessLog::default()
                },
                hasher: Arc::default(),
            }),
        });
        notes
    }

    fn line(notes: &Notes) -> (String, Value) {
        let mut out = Vec::new();
        write(&mut out, notes, &Names::default(), SystemTime::UNIX_EPOCH);
        let text = String::from_utf8(out).unwrap();
        let json = serde_json::from_str(&text).unwrap();
        (text, json)
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_client_sent() {
        let (text, json) = line(&notes(ClientAddress::Keep));
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert_eq!(json["url.path"], "/a\u{1}\"b");
        assert_eq!(json["url.query"], "REDACTED");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:01.500000Z");
        assert_eq!(json["http.server.request.duration"], 0.25);
        assert_eq!(json["error.type"], "shed");
        assert_eq!(json["plimsoll.tenant"], "acme");
        assert_eq!(json["plimsoll.gates"][0]["decision"], "no_room");
        assert_eq!(json["client.address"], "192.0.2.7");
        assert_eq!(json["trace_id"], "00000000000000000000000000000abc");
        assert!(json.get("plimsoll.cache").is_none() && json.get("http.route").is_none());
    }

    #[test]
    fn a_client_can_be_named_by_a_hash_or_not_at_all() {
        let hashed = notes(ClientAddress::Hash);
        let [(_, first), (_, second)] = [line(&hashed), line(&hashed)];
        assert_eq!(first["client.address"], second["client.address"]);
        assert_eq!(first["client.address"].as_str().map(str::len), Some(16));
        let (text, _) = line(&notes(ClientAddress::Drop));
        assert!(!text.contains("192.0.2.7") && !text.contains("client.address"));
    }
}
