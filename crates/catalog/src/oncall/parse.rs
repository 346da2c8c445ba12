//! `on-call/NAME.yaml`: one layer in the file itself, or several under `layers`, and `overrides`.

use super::layer::{Hours, Layer};
use super::{Duty, Rotation, civil};
use crate::fields::{Fields, at};
use base::Finding;
use config::Document;
use config::document::Node;
use jiff::tz::TimeZone;

const LAYER: &[&str] = &["people", "time_zone", "starts", "turn", "hours", "days"];
const TOP: &[&str] = &[
    "people",
    "time_zone",
    "starts",
    "turn",
    "hours",
    "days",
    "layers",
    "overrides",
];
const OVERRIDE: &[&str] = &["from", "until", "who"];

pub fn parse(name: &str, file: &str, text: &str) -> (Rotation, Vec<Finding>) {
    let (document, mut findings) = Document::parse(file, text);
    let root = &document.root;
    let mut f = Fields::new("a rotation", root, TOP, &mut findings);
    let zone = f.value("time_zone", civil::zone).unwrap_or(TimeZone::UTC);
    let (layers, overrides) = (f.items("layers"), f.items("overrides"));
    let spot = f.spot();
    let mut rotation = Rotation {
        name: name.to_owned(),
        layers: Vec::new(),
        overrides: Vec::new(),
        spot,
    };
    if layers.is_empty() {
        rotation
            .layers
            .extend(layer(root, TOP, &zone, &mut findings));
    }
    for node in layers {
        rotation
            .layers
            .extend(layer(node, LAYER, &zone, &mut findings));
    }
    for node in overrides {
        rotation.overrides.extend(duty(node, &zone, &mut findings));
    }
    (rotation, findings)
}

fn layer(
    node: &Node,
    keys: &[&str],
    zone: &TimeZone,
    findings: &mut Vec<Finding>,
) -> Option<Layer> {
    // What is wrong in the keys of the whole file has been told.
    let mut own = Vec::new();
    let mut f = Fields::new("a layer", node, keys, &mut own);
    let people = f.words("people");
    let zone = f
        .value("time_zone", civil::zone)
        .unwrap_or_else(|| zone.clone());
    let starts = f.value("starts", civil::moment);
    let turn = f.value("turn", civil::turn);
    let hours = f.value("hours", civil::hours);
    let mut days = Vec::new();
    for word in f.words("days") {
        match civil::days(&word.name) {
            Ok(more) => days.extend(more),
            Err(why) => f
                .findings
                .push(at(Finding::error("catalog-value", why), &word.spot)),
        }
    }
    let missing: Vec<&str> = [
        ("people", people.is_empty()),
        ("starts", node.get("starts").is_none()),
        ("turn", node.get("turn").is_none()),
    ]
    .iter()
    .filter_map(|(key, missing)| missing.then_some(*key))
    .collect();
    if !missing.is_empty() {
        let what = format!("a rotation needs {}", missing.join(", "));
        let example = "people: [ana, ben], starts: 2026-11-02T09:00, turn: 1w";
        f.findings.push(
            at(Finding::error("catalog-rotation", what), &node.at.spot())
                .help(format!("write, for example, {example}")),
        );
    }
    for finding in own {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    let around = (jiff::civil::Time::midnight(), jiff::civil::Time::midnight());
    let hours = match (hours, days.is_empty()) {
        (None, true) => None,
        (hours, _) => {
            let (from, to) = hours.unwrap_or(around);
            Some(Hours { from, to, days })
        }
    };
    Some(Layer {
        people,
        zone,
        starts: starts?,
        turn: turn?,
        hours,
    })
}

fn duty(node: &Node, zone: &TimeZone, findings: &mut Vec<Finding>) -> Option<Duty> {
    let mut f = Fields::new("an override", node, OVERRIDE, findings);
    let when = |text: &str| {
        let local = civil::moment(text)?;
        civil::instant(local, zone).ok_or_else(|| format!("`{text}` is too far away"))
    };
    let (from, until) = (f.value("from", when), f.value("until", when));
    let who = f.text("who");
    if who.is_none() || node.get("from").is_none() || node.get("until").is_none() {
        f.wrong(
            node,
            "an override needs from, until and who".into(),
            "write { from: 2026-12-24T09:00, until: 2026-12-26T09:00, who: ben }",
        );
    }
    let duty = Duty {
        from: from?,
        until: until?,
        who: who?,
    };
    if duty.until <= duty.from {
        f.wrong(
            node,
            "an override ends before it begins".into(),
            "swap its times",
        );
        return None;
    }
    Some(duty)
}
