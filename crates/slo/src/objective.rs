//! What is promised: of which route or service, which share of answers, over which window.

use config::Config;
use config::sections::{Slo, SloWindow};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A month counts as so long where rules are scaled to the window.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Route,
    Service,
}

impl Scope {
    pub fn word(self) -> &'static str {
        match self {
            Scope::Route => "route",
            Scope::Service => "service",
        }
    }
}

/// What a good answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// Status below 500, and complete in time.
    Latency {
        #[serde(rename = "latency")]
        within: Duration,
    },
    /// Status below 500.
    Availability,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Latency { .. } => config::sections::LATENCY,
            Kind::Availability => config::sections::AVAILABILITY,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// `route-product-latency`: unique, and the name in metrics and exports.
    pub id: String,
    pub scope: Scope,
    /// Of the route or service.
    pub name: String,
    /// The service itself, or where the route leads.
    pub service: String,
    /// In JSON `kind`, and `latency` where it is one.
    #[serde(flatten)]
    pub kind: Kind,
    pub target: f64,
    pub window: SloWindow,
    pub owner: Option<String>,
    pub runbook: Option<String>,
}

impl Objective {
    /// Share of bad answers that is allowed.
    pub fn allowed(&self) -> f64 {
        1.0 - self.target
    }

    /// How long the window is; a month is 30 days.
    pub fn period(&self) -> Duration {
        match self.window {
            SloWindow::Rolling(d) => d,
            SloWindow::Month => MONTH,
        }
    }

    /// How far back the window reaches at this time.
    pub fn reach(&self, now_ms: u64) -> Duration {
        match self.window {
            SloWindow::Rolling(d) => d,
            SloWindow::Month => Duration::from_millis(now_ms.saturating_sub(month_start(now_ms))),
        }
    }

    /// `99.9 % good within 250 ms over 28 days`.
    pub fn text(&self) -> String {
        let over = match self.window {
            SloWindow::Rolling(d) => format!("over {} days", round(d.as_secs_f64() / 86_400.0)),
            SloWindow::Month => "in a month".into(),
        };
        let percent = round(self.target * 100.0);
        match self.kind {
            Kind::Latency { within } => {
                format!("{percent} % good within {} {over}", limit(within))
            }
            Kind::Availability => format!("{percent} % available {over}"),
        }
    }
}

/// A time limit as it was given: `250 ms`, `1.5 s`.
pub(crate) fn limit(within: Duration) -> String {
    match within.as_secs_f64() {
        s if s < 1.0 => format!("{} ms", round(s * 1000.0)),
        s => format!("{} s", round(s)),
    }
}

/// Without the noise that shares of binary numbers end in.
fn round(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// The first of this month, UTC.
fn month_start(now_ms: u64) -> u64 {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now_ms).unwrap_or(i64::MAX));
    let first = at.ok().and_then(|t| {
        let day = t.to_zoned(TimeZone::UTC).date().first_of_month();
        day.to_zoned(TimeZone::UTC).ok()
    });
    first.map_or(0, |t| {
        u64::try_from(t.timestamp().as_millisecond()).unwrap_or(0)
    })
}

/// Every objective of a configuration: routes first, in the order of their file.
pub fn objectives(config: &Config) -> Vec<Objective> {
    let routes = config.routes.iter().filter_map(|r| {
        let s = config.service(&r.to);
        let of = (
            s.and_then(|s| s.owner.clone()),
            s.and_then(|s| s.runbook.clone()),
        );
        Some((Scope::Route, &r.name, &r.to, r.slo.as_ref()?, of))
    });
    let services = config.services.iter().filter_map(|s| {
        let of = (s.owner.clone(), s.runbook.clone());
        Some((Scope::Service, &s.name, &s.name, s.slo.as_ref()?, of))
    });
    let each = routes.chain(services);
    each.flat_map(|(scope, name, service, slo, of)| section(scope, name, service, slo, &of))
        .collect()
}

fn section(
    scope: Scope,
    name: &str,
    service: &str,
    slo: &Slo,
    (owner, runbook): &(Option<String>, Option<String>),
) -> Vec<Objective> {
    let latency = slo.latency.map(|l| {
        let kind = Kind::Latency { within: l.within };
        (kind, l.target)
    });
    let available = slo.availability.map(|target| (Kind::Availability, target));
    let all = latency.into_iter().chain(available);
    all.map(|(kind, target)| Objective {
        id: config::sections::objective_id(scope.word(), name, kind.word()),
        scope,
        name: name.into(),
        service: service.into(),
        kind,
        target,
        window: slo.window,
        owner: owner.clone(),
        runbook: runbook.clone(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_says_one_objective_or_two() {
        let text = "listen: 127.0.0.1:1\n\
            services: { app: { instances: [127.0.0.1:2], owner: checkout, slo: { latency: 1s, window: month } } }\n\
            routes: { home: { match: GET /, to: app, slo: { latency: 100ms, target: 99.9%, availability: 99.95% } } }\n";
        let config = config::check_text("p.yaml", text).config.unwrap();
        let all = objectives(&config);
        let ids: Vec<_> = all.iter().map(|o| o.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "route-home-latency",
                "route-home-availability",
                "service-app-latency"
            ]
        );
        assert_eq!(all[0].text(), "99.9 % good within 100 ms over 28 days");
        assert_eq!(all[0].owner.as_deref(), Some("checkout"));
        // 2026-03-02 00:00:10 UTC: a day and ten seconds into the month.
        let reach = all[2].reach(1_772_409_610_000);
        assert_eq!(reach, Duration::from_secs(86_410));
    }

    #[test]
    fn an_objective_of_availability_alone_knows_no_latency() {
        let text = "listen: 127.0.0.1:1\n\
            services: { app: { instances: [127.0.0.1:2], slo: { availability: 99% } } }\n\
            routes: { home: { match: GET /, to: app, slo: { availability: 99.95% } } }\n";
        let all = objectives(&config::check_text("p.yaml", text).config.unwrap());
        let ids: Vec<_> = all.iter().map(|o| o.id.as_str()).collect();
        assert_eq!(ids, ["route-home-availability", "service-app-availability"]);
        let json = serde_json::to_value(&all[0]).unwrap();
        assert_eq!(json["kind"], "availability");
        assert_eq!(json.get("latency"), None);
        assert_eq!(serde_json::from_value::<Objective>(json).unwrap(), all[0]);
        let timed = tests_support::objective(0.999, 28);
        let json = serde_json::to_value(&timed).unwrap();
        assert_eq!(
            (&json["kind"], &json["latency"]["nanos"]),
            (&"latency".into(), &200_000_000.into())
        );
        assert_eq!(serde_json::from_value::<Objective>(json).unwrap(), timed);
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;

    /// 200 ms, on a route.
    pub fn objective(target: f64, days: u64) -> Objective {
        Objective {
            id: "route-product-latency".into(),
            scope: Scope::Route,
            name: "product".into(),
            service: "shop".into(),
            kind: Kind::Latency {
                within: Duration::from_millis(200),
            },
            target,
            window: SloWindow::Rolling(Duration::from_secs(days * 86_400)),
            owner: Some("checkout".into()),
            runbook: Some("runbooks/shop.md".into()),
        }
    }
}
