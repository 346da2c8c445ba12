use super::*;
use crate::objectives;
use config::{Config, Document, Overlay, check_text, edit, overlay_for};

const BARE: &str = "listen: 127.0.0.1:1\n\
    services:\n  app: { instances: [127.0.0.1:2], owner: checkout }\n  Pay_2: { instances: [127.0.0.1:3] }\n\
    routes:\n  home: { match: GET /, to: app }\n  home_: { match: GET /x, to: app }\n  pay: { match: POST /, to: Pay_2 }\n";

fn read(text: &str) -> Config {
    let checked = check_text("p.yaml", text);
    checked
        .config
        .unwrap_or_else(|| panic!("{:?}\n{text}", checked.findings))
}

/// The configuration with what was imported.
fn with(text: &str, openslo: &str) -> Result<Config, Vec<String>> {
    let (ops, _) = import("o.yaml", openslo, &read(text))
        .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let (document, _) = Document::parse("p.yaml", text);
    let overlay = Overlay {
        id: "openslo".into(),
        owner: String::new(),
        reason: String::new(),
        evidence: String::new(),
        ops: overlay_for(&document, ops),
        created_at: 0,
        expires_at: None,
        share: None,
    };
    Ok(read(&edit::adopt("p.yaml", text, &overlay).unwrap()))
}

#[test]
fn what_is_exported_comes_back_the_same() {
    let slo = |text: &str| format!("slo: {{ {text} }}");
    let full = BARE
        .replace(
            "owner: checkout",
            &format!("owner: checkout, {}", slo("latency: 1s, window: month")),
        )
        .replace(
            "GET /,",
            &format!(
                "GET /, {},",
                slo("latency: 250ms, target: 99.9%, availability: 99.95%")
            ),
        )
        .replace(
            "GET /x,",
            &format!(
                "GET /x, {},",
                slo("latency: 1500us, target: 99.999%, window: 36h")
            ),
        )
        .replace(
            "POST /,",
            &format!("POST /, {},", slo("latency: 90s, target: 50%, window: 35d")),
        )
        .replace(
            "127.0.0.1:3]",
            &format!("127.0.0.1:3], {}", slo("availability: 99.9%, window: 7d")),
        );
    let before = objectives(&read(&full));
    assert_eq!(before.len(), 6);
    let text = export(&before);
    assert_eq!(objectives(&with(BARE, &text).unwrap()), before, "{text}");
    assert_eq!(objectives(&with(&full, &text).unwrap()), before);
    for name in [
        "name: route-home-latency\n",
        "name: route-home--latency\n",
        "service: pay-2\n",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
}

/// As others write it: an indicator of its own, another source, a target in percent.
const FOREIGN: &str = r#"apiVersion: openslo/v1
kind: SLI
metadata: { name: fast }
spec:
  ratioMetric:
    counter: true
    good: { metricSource: { type: Prometheus, spec: { query: 'sum(rate(good[5m]))' } } }
    total: { metricSource: { type: Prometheus, spec: { query: 'sum(rate(all[5m]))' } } }
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: home
  annotations: { plimsoll.dev/route: home, plimsoll.dev/latency: 300ms }
spec:
  service: app
  indicatorRef: fast
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ targetPercent: 99.5 }]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: { name: fast-burn }
spec: { alertWhenBreaching: true }
"#;

#[test]
fn a_foreign_indicator_needs_a_word_of_what_it_is_about() {
    let all = objectives(&with(BARE, FOREIGN).unwrap());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].text(), "99.5 % good within 300 ms over 28 days");
    let (_, left_out) = import("o.yaml", FOREIGN, &read(BARE)).unwrap();
    assert!(
        left_out[0].what.contains("AlertPolicy is left out"),
        "{left_out:?}"
    );
    let silent = FOREIGN.replace("plimsoll.dev/", "other.dev/");
    let wrong = with(BARE, &silent).unwrap_err();
    assert!(
        wrong[0].contains("o.yaml:14") && wrong[0].contains("plimsoll.dev/route: NAME"),
        "{wrong:?}"
    );
}

#[test]
fn what_cannot_be_had_is_said_all_at_once() {
    for (old, new, says) in [
        ("route: home", "route: hom", "did you mean `home`?"),
        ("latency: 300ms", "latency: 300", "write `250ms`"),
        ("Occurrences", "Timeslices", "every answer counts the same"),
        ("99.5", "100", "both left out"),
        ("4w", "1Q", "from 1d to 35d"),
        ("isRolling: true", "isRolling: false", "`duration: 1M`"),
        ("[{ targetPercent: 99.5 }]", "[]", "exactly one objective"),
        (
            "openslo/v1\nkind: SLO\n",
            "openslo/v1alpha\nkind: SLO\n",
            "no document of openslo/v1",
        ),
        ("latency: 300ms", "latency: 0s", "within 0"),
        ("kind: SLI", "kind: [", "o.yaml"),
    ] {
        let text = FOREIGN.replacen(old, new, 1);
        assert_ne!(text, FOREIGN, "{old}");
        let wrong = with(BARE, &text).unwrap_err();
        assert!(wrong.iter().any(|w| w.contains(says)), "{says}: {wrong:?}");
    }
    let twice = FOREIGN
        .replace("Occurrences", "Timeslices")
        .replace("4w", "90d");
    assert_eq!(with(BARE, &twice).unwrap_err().len(), 2);
}

#[test]
fn an_objective_of_availability_alone_gets_no_latency_and_takes_none_away() {
    let text = FOREIGN.replace(", plimsoll.dev/latency: 300ms", "");
    let slo = |config: Config| config.route("home").unwrap().slo.clone().unwrap();
    let alone = slo(with(BARE, &text).unwrap());
    assert_eq!((alone.latency, alone.availability), (None, Some(0.995)));
    let timed = BARE.replace("GET /,", "GET /, slo: { latency: 1s, target: 99% },");
    let both = slo(with(&timed, &text).unwrap());
    assert_eq!(both.availability, Some(0.995));
    assert_eq!(both.latency, slo(read(&timed)).latency);
}
