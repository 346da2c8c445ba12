//! Documents of OpenSLO as changes of the configuration. What cannot be had is said, with its place; nothing is guessed.

use super::{LATENCY, MONTH, ROUTE, SERVICE, TYPE, VERSION, read_condition, time};
use crate::rules::round;
use crate::{Kind, Scope};
use base::{Finding, Severity};
use config::document::{Node, Value};
use config::sections::{LONGEST_WINDOW, LatencyObjective, SHORTEST_WINDOW, Slo, SloWindow};
use config::{Config, Document, Op, nearest};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Documents in one text.
const MAX_DOCUMENTS: usize = 1000;
/// What to do where an indicator is not ours.
const ABOUT: &str = "add the annotation `plimsoll.dev/route: NAME` (or `plimsoll.dev/service`), and \
    `plimsoll.dev/latency: 250ms` where answers must be fast";

/// What one SLO says.
struct Read {
    scope: Scope,
    name: String,
    kind: Kind,
    target: f64,
    window: SloWindow,
}

/// What all SLOs of a route or service say together.
#[derive(Default)]
struct Section {
    latency: Option<LatencyObjective>,
    availability: Option<f64>,
    window: Option<SloWindow>,
}

/// The operations that write the objectives into the configuration, and what was left out.
///
/// # Errors
/// Everything that stands in the way; then nothing is to be written.
pub fn import(
    file: &str,
    text: &str,
    config: &Config,
) -> Result<(Vec<Op>, Vec<Finding>), Vec<Finding>> {
    let mut reader = Reader::new(file, text, config);
    let mut sections: BTreeMap<(Scope, String), Section> = BTreeMap::new();
    for document in std::mem::take(&mut reader.documents) {
        if let Some(read) = reader.document(&document.root) {
            let at = &document.root;
            let section = sections.entry((read.scope, read.name.clone()));
            reader.merge(section.or_default(), &read, at);
        }
    }
    let op =
        |((scope, name), section): ((Scope, String), Section)| reader.op(scope, &name, section);
    let ops: Vec<Op> = sections.into_iter().map(op).collect();
    let (errors, notes): (Vec<Finding>, Vec<Finding>) =
        (reader.findings.into_iter()).partition(|f| f.severity == Severity::Error);
    match errors.is_empty() {
        true => Ok((ops, notes)),
        false => Err(errors),
    }
}

struct Reader<'a> {
    file: &'a str,
    config: &'a Config,
    documents: Vec<Document>,
    /// By name, the SLIs that SLOs refer to.
    indicators: BTreeMap<String, Node>,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, text: &str, config: &'a Config) -> Reader<'a> {
        let (mut documents, mut findings) = (Vec::new(), Vec::new());
        for part in split(text) {
            let (document, more) = Document::parse(file, &part);
            findings.extend(more);
            if !document.root.entries().is_empty() {
                documents.push(document);
            }
        }
        if documents.len() > MAX_DOCUMENTS {
            findings.push(Finding::error(
                "openslo-size",
                format!("more than {MAX_DOCUMENTS} documents in {file}"),
            ));
            documents.clear();
        }
        let indicators = documents
            .iter()
            .filter(|d| text_at(&d.root, "kind") == Some("SLI"));
        let named = |d: &Document| {
            let name = find(&d.root, "metadata.name")?.text()?.to_owned();
            Some((name, d.root.get("spec")?.clone()))
        };
        Reader {
            file,
            config,
            indicators: indicators.filter_map(named).collect(),
            documents,
            findings,
        }
    }

    fn wrong(&mut self, at: &Node, what: impl Into<String>, help: &str) {
        let spot = at.at.spot();
        let finding = Finding::error("openslo", what).help(help);
        self.findings
            .push(finding.at(spot.file, spot.line, spot.column));
    }

    /// `None` where there is no objective in it, or one that is wrong.
    fn document(&mut self, root: &Node) -> Option<Read> {
        if text_at(root, "apiVersion") != Some(VERSION) {
            self.wrong(
                root,
                format!("this is no document of {VERSION}"),
                "write `apiVersion: openslo/v1`",
            );
            return None;
        }
        match text_at(root, "kind") {
            Some("SLO") => {}
            Some("SLI" | "Service") => return None,
            other => {
                let kind = other.unwrap_or("what has no kind");
                let what = format!("{}: {kind} is left out", self.file);
                let note = Finding::note("openslo-left-out", what);
                let why = "Plimsoll has its own alert rules; who is told is in `alerts` of the configuration";
                self.findings.push(note.why(why));
                return None;
            }
        }
        let spec = root.get("spec").unwrap_or(root);
        match text_at(spec, "budgetingMethod") {
            None | Some("Occurrences") => {}
            Some(other) => {
                let what = format!("`{other}` cannot be had: every answer counts the same");
                self.wrong(spec, what, "write `budgetingMethod: Occurrences`");
            }
        }
        let window = self.window(spec);
        let target = self.target(spec);
        let (scope, name, kind) = self.about(root, spec)?;
        Some(Read {
            scope,
            name,
            kind,
            target: target?,
            window: window?,
        })
    }

    fn window(&mut self, spec: &Node) -> Option<SloWindow> {
        let Some(one) = spec.get("timeWindow").and_then(only) else {
            self.wrong(
                spec,
                "an SLO has exactly one time window",
                "write `timeWindow: [{ duration: 28d, isRolling: true }]`",
            );
            return None;
        };
        let (text, rolls) = (
            text_at(one, "duration").unwrap_or(""),
            text_at(one, "isRolling"),
        );
        if rolls == Some("false") || one.get("calendar").is_some() {
            if text == MONTH {
                return Some(SloWindow::Month);
            }
            let what = format!("a calendar window of `{text}` cannot be had");
            self.wrong(one, what, "months can: `duration: 1M`");
            return None;
        }
        let length = match (text.strip_suffix('w'), text.strip_suffix('M')) {
            (Some(weeks), _) => weeks.parse().ok().map(|n: u32| 7 * n),
            (_, Some(months)) => months.parse().ok().map(|n: u32| 30 * n),
            _ => None,
        };
        let length = length
            .map(|days| Duration::from_secs(u64::from(days) * 86_400))
            .or_else(|| base::units::duration(text).ok());
        match length.filter(|d| (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(d)) {
            Some(d) => Some(SloWindow::Rolling(d)),
            None => {
                let what =
                    format!("a window of `{text}` cannot be had: counts are kept from 1d to 35d");
                self.wrong(one, what, "write `duration: 28d`");
                None
            }
        }
    }

    fn target(&mut self, spec: &Node) -> Option<f64> {
        let Some(one) = spec.get("objectives").and_then(only) else {
            self.wrong(
                spec,
                "an SLO has exactly one objective here",
                "write each objective as an SLO of its own",
            );
            return None;
        };
        let number = |key: &str| text_at(one, key).and_then(|t| t.parse::<f64>().ok());
        let share = number("target").or(number("targetPercent").map(|p| p / 100.0));
        match share.filter(|t| (0.5..1.0).contains(t)) {
            Some(share) => Some(share),
            None => {
                self.wrong(
                    one,
                    "a target lies between 0.5 and 1, both left out",
                    "write `target: 0.999`",
                );
                None
            }
        }
    }

    /// Of what, and which answers are good.
    fn about(&mut self, root: &Node, spec: &Node) -> Option<(Scope, String, Kind)> {
        let inline = find(spec, "indicator.spec").cloned();
        let named =
            text_at(spec, "indicatorRef").and_then(|name| self.indicators.get(name).cloned());
        let indicator = inline.or(named);
        let source = |which: &str| {
            let ratio = indicator.as_ref()?.get("ratioMetric")?;
            ratio.get(which)?.get("metricSource").cloned()
        };
        let good = source("good").filter(|s| text_at(s, "type") == Some(TYPE));
        let (place, about, limit) = match good.as_ref().and_then(|s| s.get("spec")) {
            Some(ours) => {
                let condition = text_at(ours, "good").unwrap_or("");
                let Some(limit) = read_condition(condition) else {
                    let what = format!("`{condition}` is no condition that can be counted");
                    self.wrong(
                        ours,
                        what,
                        "write `status<500`, or `status<500 && latency<=250ms`",
                    );
                    return None;
                };
                (ours, which(ours, "route", "service"), limit)
            }
            None => {
                let notes = find(root, "metadata.annotations").unwrap_or(root);
                let limit = text_at(notes, LATENCY).map(base::units::duration);
                if let Some(Err(e)) = &limit {
                    self.wrong(notes, e.to_string(), "write `250ms`");
                }
                (
                    notes,
                    which(notes, ROUTE, SERVICE),
                    limit.and_then(Result::ok),
                )
            }
        };
        let Some((scope, name)) = about.map(|(scope, name)| (scope, name.to_owned())) else {
            self.wrong(
                place,
                "it is not said which route or service this is about",
                ABOUT,
            );
            return None;
        };
        self.known(scope, &name, root)?;
        if limit.is_some_and(|l| l.is_zero()) {
            self.wrong(place, "no answer is complete within 0", "write `250ms`");
            return None;
        }
        let kind = match limit {
            Some(within) => Kind::Latency { within },
            None => Kind::Availability,
        };
        Some((scope, name, kind))
    }

    fn known(&mut self, scope: Scope, name: &str, at: &Node) -> Option<()> {
        let all: Vec<&str> = match scope {
            Scope::Route => self.config.routes.iter().map(|r| r.name.as_str()).collect(),
            Scope::Service => self
                .config
                .services
                .iter()
                .map(|s| s.name.as_str())
                .collect(),
        };
        if all.contains(&name) {
            return Some(());
        }
        let help = match nearest(name, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", all.join(", ")),
        };
        let what = format!("the configuration has no {} `{name}`", scope.word());
        self.wrong(at, what, &help);
        None
    }

    fn merge(&mut self, section: &mut Section, read: &Read, at: &Node) {
        let of = format!("{} {}", read.scope.word(), read.name);
        let target = read.target;
        let twice = match read.kind {
            Kind::Latency { within } => {
                let latency = LatencyObjective { within, target };
                section.latency.replace(latency).is_some()
            }
            Kind::Availability => section.availability.replace(target).is_some(),
        };
        let other = section
            .window
            .replace(read.window)
            .is_some_and(|w| w != read.window);
        if twice {
            self.wrong(
                at,
                format!("{of} has two objectives of {}", read.kind.word()),
                "leave one out",
            );
        }
        if other {
            self.wrong(
                at,
                format!("the objectives of {of} have two windows"),
                "give both the same",
            );
        }
    }

    /// What the file does not speak of stays as the configuration has it.
    fn op(&self, scope: Scope, name: &str, section: Section) -> Op {
        let (map, old) = match scope {
            Scope::Route => (
                "routes",
                self.config.route(name).and_then(|r| r.slo.as_ref()),
            ),
            Scope::Service => (
                "services",
                self.config.service(name).and_then(|s| s.slo.as_ref()),
            ),
        };
        let latency = section.latency.or(old.and_then(|s| s.latency));
        let availability = section.availability.or(old.and_then(|s| s.availability));
        let window = section.window.unwrap_or(Slo::default().window);
        let mut value = json!({
            "window": match window {
                SloWindow::Month => "month".into(),
                SloWindow::Rolling(d) => time(d),
            },
        });
        if let Some(l) = latency {
            value["latency"] = json!(time(l.within));
            value["target"] = json!(percent(l.target));
        }
        if let Some(share) = availability {
            value["availability"] = json!(percent(share));
        }
        Op {
            path: [map, name, "slo"].map(str::to_owned).to_vec(),
            value: Some(value),
            base: None,
        }
    }
}

fn percent(share: f64) -> String {
    format!("{}%", round(share * 100.0))
}

fn which<'n>(at: &'n Node, route: &str, service: &str) -> Option<(Scope, &'n str)> {
    let route = text_at(at, route).map(|name| (Scope::Route, name));
    route.or_else(|| text_at(at, service).map(|name| (Scope::Service, name)))
}

/// Each document with as many empty lines before it as it has in the whole, so that places are right.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (i, line) in text.lines().enumerate() {
        if line.trim_end() == "---" {
            parts.push("\n".repeat(i + 1));
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

/// The value below dotted keys.
fn find<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.').try_fold(node, |n, key| n.get(key))
}

fn text_at<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key)?.text()
}

/// The member of a list of one.
fn only(list: &Node) -> Option<&Node> {
    match &list.value {
        Value::List(items) if items.len() == 1 => items.first(),
        _ => None,
    }
}
