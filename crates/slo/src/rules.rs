//! Rules for Prometheus, with the groups, names and labels that Sloth gives them: its dashboards work. They are made of
//! the counts that `/metrics` has for each objective.

use crate::burn::{Rule, rules};
use crate::metrics::{ANSWERS, BAD, LABEL};
use crate::notify::text::NAME;
use crate::{Kind, Objective, Scope, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Over the whole window of the objective it takes Prometheus long to compute, and little changes.
const SLOW: &str = "2m";
const WEEK: u64 = 7 * 86_400;

/// Who answers and how. A file outlives a shift, so it names the rotation and nobody in it.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub owner: Option<String>,
    pub rotation: Option<String>,
    pub runbook_url: Option<String>,
    /// The command that begins the runbook.
    pub step: Option<String>,
}

/// The file's content.
pub fn file(objectives: &[Objective], response: impl Fn(&Objective) -> Response) -> Value {
    let groups = |o: &Objective| groups(o, &response(o));
    json!({ "groups": objectives.iter().flat_map(groups).collect::<Vec<_>>() })
}

fn groups(o: &Objective, response: &Response) -> [Value; 4] {
    let rules = rules(o);
    let windows: BTreeSet<Duration> = rules.iter().flat_map(|r| [r.short, r.long]).collect();
    let shortest = windows.first().copied().unwrap_or(o.period() / 8064);
    let windows = windows
        .into_iter()
        .chain([shortest])
        .collect::<BTreeSet<_>>();
    let name = |what: &str| format!("sloth-slo-{what}-{}", id(o));
    [
        json!({
            "name": name("sli-recordings"),
            "rules": windows.iter().map(|w| share(o, *w)).collect::<Vec<_>>(),
        }),
        json!({
            "name": name("period-recordings"),
            "interval": SLOW,
            "rules": [share(o, o.period())],
        }),
        json!({ "name": name("meta-recordings"), "rules": meta(o, shortest) }),
        json!({ "name": name("alerts"), "rules": alerts(o, &rules, response) }),
    ]
}

/// As Sloth makes it: service and objective.
fn id(o: &Objective) -> String {
    format!("{}-{}", o.service, o.id)
}

fn labels(o: &Objective) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert("sloth_id".into(), json!(id(o)));
    labels.insert("sloth_service".into(), json!(o.service));
    labels.insert("sloth_slo".into(), json!(o.id));
    labels
}

/// `{sloth_id="…", sloth_service="…", sloth_slo="…"}`.
fn selector(o: &Objective) -> String {
    let each = labels(o).into_iter().map(|(k, v)| format!("{k}={v}"));
    format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
}

fn record(o: &Objective, name: &str, expr: String) -> Value {
    json!({ "record": name, "expr": expr, "labels": labels(o) })
}

fn rate(window: Duration) -> String {
    format!("slo:sli_error:ratio_rate{}", time(window))
}

/// Share of bad answers in a window, of all Plimsolls together, each answer with the same weight.
fn share(o: &Objective, window: Duration) -> Value {
    let of = |name| format!("sum(rate({name}{{{LABEL}={:?}}}[{}]))", o.id, time(window));
    let mut rule = record(o, &rate(window), format!("{} / {}", of(BAD), of(ANSWERS)));
    rule["labels"]["sloth_window"] = json!(time(window));
    rule
}

fn meta(o: &Objective, shortest: Duration) -> Vec<Value> {
    let (all, allowed) = (selector(o), round(o.allowed()));
    let burn = |window| {
        let on = "/ on(sloth_id, sloth_slo, sloth_service) group_left";
        format!("{}{all} {on} slo:error_budget:ratio{all}", rate(window))
    };
    let days = round(o.period().as_secs_f64() / 86_400.0);
    let mut info = record(o, "sloth_slo_info", "vector(1)".into());
    for (name, value) in [
        ("sloth_mode", "plimsoll".to_owned()),
        ("sloth_spec", "plimsoll".to_owned()),
        ("sloth_objective", round(o.target * 100.0).to_string()),
        ("sloth_version", env!("CARGO_PKG_VERSION").to_owned()),
    ] {
        info["labels"][name] = json!(value);
    }
    vec![
        record(
            o,
            "slo:objective:ratio",
            format!("vector({})", round(o.target)),
        ),
        record(o, "slo:error_budget:ratio", format!("vector({allowed})")),
        record(o, "slo:time_period:days", format!("vector({days})")),
        record(o, "slo:current_burn_rate:ratio", burn(shortest)),
        record(o, "slo:period_burn_rate:ratio", burn(o.period())),
        record(
            o,
            "slo:period_error_budget_remaining:ratio",
            format!("1 - slo:period_burn_rate:ratio{all}"),
        ),
        info,
    ]
}

/// One alert for each severity that has rules.
fn alerts(o: &Objective, rules: &[Rule], response: &Response) -> Vec<Value> {
    let all = selector(o);
    let over = |window, factor: f64| {
        let limit = format!("({factor} * {})", round(o.allowed()));
        format!(
            "max({}{all} > {limit}) without (sloth_window)",
            rate(window)
        )
    };
    let of = |severity: Severity| {
        let mine = rules.iter().filter(|r| r.severity == severity);
        let both = mine.map(|r| {
            format!(
                "({} and {})",
                over(r.short, r.factor),
                over(r.long, r.factor)
            )
        });
        let expr = both.collect::<Vec<_>>().join(" or ");
        (!expr.is_empty()).then(|| alert(o, severity, expr, response))
    };
    Severity::ALL.into_iter().filter_map(of).collect()
}

fn alert(o: &Objective, severity: Severity, expr: String, response: &Response) -> Value {
    let mut labels = Map::new();
    let mut put = |k: &str, v: &str| labels.insert(k.into(), json!(v));
    put("severity", severity.word());
    put("sloth_severity", severity.word());
    put("objective", &o.id);
    put("service", &o.service);
    if o.scope == Scope::Route {
        put("route", &o.name);
    }
    if let Some(owner) = &response.owner {
        put("owner", &literal(owner));
    }
    let what = match o.kind {
        Kind::Latency { .. } => "failed or late answers",
        Kind::Availability => "failed answers",
    };
    let mut notes = json!({
        "summary": format!("{} {}: too many {what}", o.scope.word(), o.name),
        "description": format!("promised: {}; the error budget burns too fast", o.text()),
    });
    for (name, text) in [
        ("on_call_rotation", &response.rotation),
        ("runbook_url", &response.runbook_url),
        ("runbook_step", &response.step),
    ] {
        if let Some(text) = text {
            notes[name] = json!(literal(text));
        }
    }
    json!({ "alert": NAME, "expr": expr, "labels": labels, "annotations": notes })
}

/// Labels and annotations are templates to Prometheus: what others wrote stays as it is.
fn literal(text: &str) -> String {
    text.replace("{{", r#"{{ "{{" }}"#)
}

/// `1h`, `5m`, `1m15s`, and `4w` for 28 days: as Prometheus reads and writes it.
fn time(d: Duration) -> String {
    let (mut left, mut text) = (d.as_secs().max(1), String::new());
    if left.is_multiple_of(WEEK) {
        return format!("{}w", left / WEEK);
    }
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            text += &format!("{}{unit}", left / seconds);
            left %= seconds;
        }
    }
    text
}

/// Without the noise that shares of binary numbers end in.
pub(crate) fn round(x: f64) -> f64 {
    (x * 1e9).round() / 1e9
}
