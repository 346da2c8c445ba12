//! One trace: its waterfall, its log lines, and what is odd about it.

use super::{request, shown, status, took, waterfall};
use crate::State;
use crate::api::Problem;
use crate::pages::parts::{self, encode, figure};
use crate::pages::shell::Shown;
use maud::{Markup, html};
use traces::{Said, Severity, View};

pub fn render(s: &State, id: &str) -> Result<Shown, Problem> {
    let view = s.traces.one(id)?;
    let head = &view.summary;
    let name = request(head);
    let errors = view.rows.iter().filter(|r| r.error).count();
    let body = html! {
        header.hero {
            div.headline {
                p.eyebrow { a href="/traces" { "Traces" } " · " code { (format!("{:032x}", head.id)) } }
                h1 { (name) " took " (took(head.duration_us)) }
                p.lead {
                    (status(head)) " " (parts::ago(head.at_ms, parts::now_ms()))
                    @if !head.route.is_empty() { " · " a href={ "/routes/" (encode(&head.route)) } { "the route now" } }
                }
                @if let Some(path) = view.told("url.path") { p.note {
                    code { (path) }
                    @if let Some(client) = view.told("client.address") { " for " (client) }
                    @if let Some(tenant) = view.told("plimsoll.tenant") { ", " (tenant) }
                } }
                @if let Some(reason) = view.told("plimsoll.reason") { p.note { "Answered by Plimsoll: " (reason) } }
                @if let Some(gates) = view.told("plimsoll.gates") { p.note { "What gates did: " (gates) } }
                @for note in &view.notes { p.note { (note) } }
            }
            dl.figures {
                (figure("Spans", &view.rows.len().to_string(), "", ""))
                (figure("With an error", &errors.to_string(), "", ""))
                (figure("Log lines", &view.said.len().to_string(), "", ""))
            }
        }
        div.grid {
            section.panel.full {
                div.panel-head { h2 { "Step by step" } (waterfall::legend()) }
                (waterfall::table(&view))
            }
            section.panel.full {
                div.panel-head { h2 { "What services logged" } }
                @if view.said.is_empty() { (parts::empty("No log line names this trace", "Services send theirs by OTLP to the same address as spans.")) }
                @else { (lines(&view)) }
            }
        }
    };
    Ok(shown(name, body))
}

fn lines(view: &View) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Log lines" { table {
            (parts::headings(&[("After", true), ("Service", false), ("Severity", false), ("Line", false)]))
            tbody { @for l in &view.said { (line(l)) } }
        } }
    }
}

fn line(l: &Said) -> Markup {
    let tone = match l.severity {
        Severity::Error | Severity::Fatal => "over",
        Severity::Warn => "near",
        _ => "ok",
    };
    html! { tr {
        td.n { (waterfall::offset(l.at_us)) }
        td { (l.service) }
        td { span class={ "chip tone-" (tone) } { (l.severity.word()) } }
        td { code.line { (l.text) } @if l.cut { " …" } }
    } }
}
