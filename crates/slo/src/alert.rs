//! An alert: what people and notifiers are told of.

use crate::{Objective, Scope};
use base::escape::encoded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it in the morning.
    Ticket,
}

impl Severity {
    pub const ALL: [Severity; 2] = [Severity::Page, Severity::Ticket];
    pub fn word(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Firing,
    Resolved,
}

/// What others know when it fires: found out by the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The resource that holds the system down.
    pub cause: Option<String>,
    /// Which instances of its service are not up, and why.
    #[serde(default)]
    pub down: Option<String>,
    /// The last change before it, with its time.
    pub change: Option<String>,
    #[serde(default)]
    pub owner: Option<String>,
    /// Who was on call for the owner when it fired.
    #[serde(default)]
    pub on_call: Option<String>,
    /// An address, or a file of the catalog.
    #[serde(default)]
    pub runbook: Option<String>,
    /// What to do first: a command; only where the runbook is in the catalog.
    #[serde(default)]
    pub step: Option<String>,
}

impl Context {
    /// The runbook's name in the catalog, when it is there.
    pub fn runbook_name(&self) -> Option<&str> {
        self.step.as_ref()?;
        let file = self.runbook.as_deref()?;
        file.rsplit('/').next()?.strip_suffix(".md")
    }

    /// Its page where it is in the catalog and the console's address is known (`link`), else as it is written.
    pub fn runbook_url(&self, link: Option<&str>) -> Option<String> {
        match (self.runbook_name(), link) {
            (Some(name), Some(link)) => Some(format!("{link}/catalog/runbooks/{}", encoded(name))),
            _ => self.runbook.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Of this time that it fires: objective, severity and begin.
    pub id: String,
    pub objective: String,
    pub scope: Scope,
    pub name: String,
    pub service: String,
    pub severity: Severity,
    pub state: State,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    /// One sentence, for a screen that shows no more.
    pub summary: String,
    /// The same as it was when it fired.
    #[serde(default)]
    pub first: String,
    /// When the answers turned bad, as far as counts tell, milliseconds since the Unix epoch.
    #[serde(default)]
    pub began_ms: Option<u64>,
    /// The promise, in words.
    pub promise: String,
    /// Rules that were sure when it fired.
    pub rules: Vec<String>,
    /// Times too fast that the error budget burns.
    pub burn: f64,
    /// Of the error budget, 1 when untouched; negative when overdrawn.
    pub budget_left: f64,
    #[serde(flatten)]
    pub context: Context,
    /// What each notifier was told, by its name.
    #[serde(default)]
    pub told: BTreeMap<String, Told>,
}

/// What a notifier has been told of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The last state that it took; `None`: nothing yet.
    pub state: Option<State>,
    pub at_ms: u64,
    /// Tries that failed since, and when the next may be.
    pub tries: u32,
    pub next_ms: u64,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// What is seen at the moment when it fires.
pub struct Seen<'a> {
    pub rules: Vec<String>,
    pub summary: String,
    pub burn: f64,
    pub budget_left: f64,
    pub began_ms: Option<u64>,
    pub context: &'a Context,
}

impl Alert {
    pub fn new(o: &Objective, severity: Severity, now_ms: u64, seen: Seen<'_>) -> Alert {
        Alert {
            id: format!("{}-{}-{now_ms}", o.id, severity.word()),
            objective: o.id.clone(),
            scope: o.scope,
            name: o.name.clone(),
            service: o.service.clone(),
            severity,
            state: State::Firing,
            started_ms: now_ms,
            ended_ms: None,
            first: seen.summary.clone(),
            summary: seen.summary,
            began_ms: seen.began_ms.map(|b| b.min(now_ms)),
            promise: o.text(),
            rules: seen.rules,
            burn: seen.burn,
            budget_left: seen.budget_left,
            context: Context {
                owner: or(&seen.context.owner, &o.owner),
                runbook: or(&seen.context.runbook, &o.runbook),
                ..seen.context.clone()
            },
            told: BTreeMap::new(),
        }
    }

    /// What is worth remembering of it, with its times: that it fires, and that it is over. Never another text for the same.
    pub fn moments(&self) -> Vec<(u64, String)> {
        let first = if self.first.is_empty() {
            &self.summary
        } else {
            &self.first
        };
        let more = [
            ("held down by", &self.context.cause),
            ("instances", &self.context.down),
            ("last change", &self.context.change),
        ];
        let more = more
            .iter()
            .filter_map(|(k, v)| Some(format!("; {k}: {}", v.as_ref()?)));
        let fires = format!(
            "{}: {first}{}",
            self.severity.word(),
            more.collect::<String>()
        );
        let ends = self.ended_ms.map(|at| {
            let of = format!("{} {}", self.scope.word(), self.name);
            (at, format!("{} of {of} is over", self.severity.word()))
        });
        [(self.started_ms, fires)].into_iter().chain(ends).collect()
    }

    /// What users feel, in few words.
    pub fn title(&self) -> String {
        let of = format!("{} {}", self.scope.word(), self.name);
        match self.rules.iter().any(|r| r.starts_with("outage")) {
            true => format!("Outage of {of}"),
            false => format!("{of} misses its objective"),
        }
    }

    /// More than the summary, a line for each thing that helps.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("promised: {}", self.promise),
            format!(
                "error budget: {}; it burns {:.1} times too fast ({})",
                budget(self.budget_left),
                self.burn,
                self.rules.join(", ")
            ),
        ];
        let cause = self.context.cause.as_deref().unwrap_or("not known yet");
        lines.push(format!("held down by: {cause}"));
        lines.extend((self.context.down.iter()).map(|d| format!("instances: {d}")));
        lines.extend(
            self.context
                .change
                .iter()
                .map(|c| format!("last change: {c}")),
        );
        let c = &self.context;
        let nobody = |who: &Option<String>| who.clone().unwrap_or_else(|| "nobody is named".into());
        lines.push(format!("owner: {}", nobody(&c.owner)));
        if c.owner.is_some() || c.on_call.is_some() {
            lines.push(format!("on call: {}", nobody(&c.on_call)));
        }
        lines.extend(c.runbook.iter().map(|r| format!("runbook: {r}")));
        lines.extend(c.step.iter().map(|s| format!("first step: {s}")));
        lines
    }

    /// The runbook's name in the catalog, when it is there.
    pub fn runbook_name(&self) -> Option<&str> {
        self.context.runbook_name()
    }
}

/// What was found out, else what the config says.
fn or(found: &Option<String>, declared: &Option<String>) -> Option<String> {
    found.as_ref().or(declared.as_ref()).cloned()
}

/// The moments of all alerts of a service, or of all services.
pub fn moments(all: &[Alert], service: Option<&str>) -> Vec<(u64, String)> {
    let mine = |a: &&Alert| service.is_none_or(|s| s == a.service);
    all.iter().filter(mine).flat_map(Alert::moments).collect()
}

/// `61 % left`, or how far it is overdrawn.
pub fn budget(left: f64) -> String {
    match left {
        l if l >= 0.0 => format!("{:.1} % left", l * 100.0),
        l if l > -10.0 => format!("overdrawn by {:.0} %", -l * 100.0),
        l => format!("overdrawn {:.0} times", -l),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::tests_support::objective;

    #[test]
    fn a_moment_has_the_same_words_however_late_it_is_asked_for() {
        let seen = Seen {
            rules: vec!["outage: surely more than 5 %".into()],
            summary: "OUTAGE of route product".into(),
            burn: 23.0,
            budget_left: 0.6,
            began_ms: Some(9000),
            context: &Context {
                down: Some("1 of 2 are not up".into()),
                ..Context::default()
            },
        };
        let mut a = Alert::new(&objective(0.999, 28), Severity::Page, 8000, seen);
        assert_eq!(
            (a.began_ms, a.title().as_str()),
            (Some(8000), "Outage of route product")
        );
        let first = a.moments();
        assert_eq!(
            first[0].1,
            "page: OUTAGE of route product; instances: 1 of 2 are not up"
        );
        (a.ended_ms, a.summary) = (Some(9000), "over after 1 s".into());
        let both = a.moments();
        assert_eq!(
            (&both[0], &both[1].1),
            (&first[0], &"page of route product is over".to_owned())
        );
        let unknown = "on call: nobody is named".to_owned();
        assert!(a.lines().contains(&unknown), "{:?}", a.lines());
        let all = [a.clone()];
        assert_eq!(moments(&all, Some(&a.service)).len(), 2);
        assert_eq!(moments(&all, Some("another")).len(), 0);
    }

    #[test]
    fn an_alert_that_an_older_version_kept_is_read_with_its_owner() {
        let old = r#"{"id":"a","objective":"route-home-latency","scope":"route","name":"home","service":"app",
            "severity":"page","state":"firing","started_ms":8000,"ended_ms":null,"summary":"x","promise":"y","rules":[],
            "burn":1.0,"budget_left":1.0,"cause":null,"change":null,"owner":"pay","runbook":"https://wiki/app"}"#;
        let a: Alert = serde_json::from_str(old).unwrap();
        let lines = a.lines();
        let told = [
            "owner: pay",
            "on call: nobody is named",
            "runbook: https://wiki/app",
        ];
        assert_eq!(lines[lines.len() - 3..], told);
        assert_eq!(a.runbook_name(), None, "it is not in the catalog");
        // It goes out as it came.
        let again = serde_json::to_value(&a).unwrap();
        assert_eq!(
            (&again["owner"], &again["step"]),
            (&"pay".into(), &serde_json::Value::Null)
        );
    }
}
