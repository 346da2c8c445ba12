//! Objectives: what is promised, how it stands, and the alerts about it.

mod alerts;

use super::parts::{self, tone};
use super::shell::{Shown, show};
use super::{Ask, Page};
use crate::live::Frame;
use crate::{App, State};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use slo::machine::Standing;
use slo::{Alert, SloStatus, State as Is};

pub static PAGE: Page = Page {
    path: "/slos",
    title: "Objectives",
    routes: || Router::new().route("/slos", get(all)),
    live,
};

/// Alerts that have ended and are shown; the API has all that are remembered.
const PAST: usize = 20;

/// How many alerts fire; every page says so.
pub fn fires(s: &State) -> usize {
    let firing = |a: &&Alert| a.state == Is::Firing;
    s.slos.alerts().iter().filter(firing).count()
}

async fn all(app: App) -> Response {
    show(app, &PAGE, |s| Ok(render(s))).await
}

fn live(s: &State, _: &Ask) -> Frame {
    let all = s.slos.slos();
    let texts = all.iter().enumerate().flat_map(|(i, one)| {
        let said = said(one).into_iter();
        said.map(move |(place, text)| (format!("{i}.{place}"), text))
    });
    Frame {
        version: version(&all, &s.slos.alerts()),
        text: texts.collect(),
        ..Frame::default()
    }
}

/// Changes with what is promised and with the alerts, also with whom they were told to.
fn version(all: &[SloStatus], alerts: &[Alert]) -> String {
    let told = |a: &Alert| a.told.values().filter(|t| t.state == Some(a.state)).count();
    let each = alerts
        .iter()
        .map(|a| format!("{}{:?}{}", a.id, a.state, told(a)));
    let promises = all.iter().map(|one| one.promise.clone());
    let pending = all
        .iter()
        .map(|one| format!("{:?}{:?}", one.page, one.ticket));
    let whole: String = each.chain(promises).chain(pending).collect();
    // Any number will do that differs when the text does.
    let hash = whole
        .bytes()
        .fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
    format!("{hash:x}")
}

fn render(s: &State) -> Shown {
    let (all, alerts) = (s.slos.slos(), s.slos.alerts());
    let (firing, past): (Vec<&Alert>, Vec<&Alert>) =
        alerts.iter().partition(|a| a.state == Is::Firing);
    let body = html! {
        header.hero { div.headline data-part="headline" {
            p.eyebrow { "Objectives" }
            h1 { (headline(&all, &firing)) }
            p.lead { (lead(&all)) }
        } }
        div data-part="firing" { @for a in &firing { (alerts::firing(a, &alerts)) } }
        section.panel data-part="objectives" {
            div.panel-head { h2 { "How each stands" } span.note { "judged every second on exact counts" } }
            @if all.is_empty() {
                (parts::empty("Nothing is promised yet", "Give a route or a service `slo: { latency: 250ms, target: 99.9% }` in the config."))
            } @else { (table(&all)) }
        }
        div data-part="past" {
            @if !past.is_empty() {
                section.panel {
                    div.panel-head { h2 { "Alerts that have ended" } }
                    ol.timeline { @for a in past.iter().take(PAST) { (alerts::past(a)) } }
                }
            }
        }
    };
    Shown {
        title: "Objectives".into(),
        body,
        ask: Ask {
            page: PAGE.path.into(),
            ..Ask::default()
        },
        version: version(&all, &alerts),
    }
}

fn headline(all: &[SloStatus], firing: &[&Alert]) -> String {
    match firing {
        [] if all.is_empty() => "No objective is declared".into(),
        [] => "Nothing fires".into(),
        [one] => format!(
            "{} fires: {} {}",
            parts::upper(&format!("a {}", one.severity.word())),
            one.scope.word(),
            one.name
        ),
        many => format!("{} alerts fire", many.len()),
    }
}

fn lead(all: &[SloStatus]) -> String {
    let spent: Vec<&str> = (all.iter().filter(|s| s.budget_left < 0.0))
        .map(|s| s.objective.id.as_str())
        .collect();
    match spent.len() {
        0 if all.is_empty() => {
            "Objectives say which share of answers is good, and who is told when it is not.".into()
        }
        0 => "Every error budget has something left.".into(),
        n if n > 3 => format!("{n} error budgets are overdrawn."),
        _ => format!("Overdrawn: {}.", spent.join(", ")),
    }
}

/// The numbers that change each second, by the names of their places.
fn said(s: &SloStatus) -> [(&'static str, String); 6] {
    [
        ("answers", s.answers.total.to_string()),
        ("good", s.shown_good()),
        ("budget", slo::alert::budget(s.budget_left)),
        ("burn5m", format!("{:.1}×", s.burn_5m)),
        ("burn1h", format!("{:.1}×", s.burn_1h)),
        ("alert", s.alert()),
    ]
}

fn table(all: &[SloStatus]) -> Markup {
    let columns = [
        ("Of", false),
        ("Promise", false),
        ("Answers", true),
        ("Good", true),
        ("Error budget", false),
        ("Burn 5 min", true),
        ("Burn 1 h", true),
        ("Alert", false),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Objectives" {
            table.routes {
                (parts::headings(&columns))
                tbody { @for (i, s) in all.iter().enumerate() { (row(i, s)) } }
            }
        }
    }
}

fn row(i: usize, s: &SloStatus) -> Markup {
    let [answers, good, budget, burn5m, burn1h, alert] = said(s);
    let o = &s.objective;
    let used = 1.0 - s.budget_left;
    let fires = s.page == Standing::Firing || s.ticket == Standing::Firing;
    let number =
        |(place, text): (&str, String)| html! { td.n data-live={ (i) "." (place) } { (text) } };
    html! {
        tr class=[fires.then_some("missed")] {
            th scope="row" { (o.scope.word()) " " @if o.scope == slo::Scope::Route { a href={ "/routes/" (parts::encode(&o.name)) } { (o.name) } } @else { (o.name) } }
            td { (s.promise) }
            (number(answers))
            (number(good))
            td { span data-live={ (i) ".budget" } { (budget.1) } (parts::meter(used * 100.0, "Error budget used", &budget.1, tone(used))) }
            (number(burn5m))
            (number(burn1h))
            td data-live={ (i) ".alert" } { (alert.1) }
        }
    }
}
