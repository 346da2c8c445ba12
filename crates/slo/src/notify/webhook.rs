//! What Alertmanager posts to its webhooks, version 4: receivers need not know who sends.

use super::text::{annotations, ended, labels, time};
use crate::{Alert, State};
use serde_json::{Map, Value, json};

pub fn body(a: &Alert, state: State, link: Option<&str>) -> Value {
    let (labels, notes, link) = (labels(a), annotations(a, link), link.unwrap_or(""));
    let source = match link {
        "" => String::new(),
        link => format!("{link}/slos"),
    };
    let group = json!({ "alertname": labels["alertname"], "objective": a.objective });
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{objective=\"{}\", severity=\"{}\"}}", a.objective, a.severity.word()),
        "truncatedAlerts": 0,
        "status": state,
        "receiver": "plimsoll",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": notes,
        "externalURL": link,
        "alerts": [{
            "status": state,
            "labels": labels,
            "annotations": notes,
            "startsAt": time(a.started_ms),
            "endsAt": ended(a, state),
            "generatorURL": source,
            "fingerprint": fingerprint(&labels),
        }],
    })
}

/// As Prometheus makes it: FNV-1a over sorted names and values, each closed by a byte that no text has.
fn fingerprint(labels: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = labels.keys().collect();
    names.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for name in names {
        let value = labels[name].as_str().unwrap_or("");
        for text in [name, value] {
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    format!("{hash:016x}")
}
