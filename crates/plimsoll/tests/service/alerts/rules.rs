//! What Prometheus' own tool says of our rules and metrics.

use std::path::Path;
use std::process::Command;

const CONFIG: &str = "listen: 127.0.0.1:1\n\
    services: { app: { instances: [127.0.0.1:2], owner: checkout, runbook: https://wiki.internal/app, slo: { latency: 2s, window: month } } }\n\
    routes: { home: { match: GET /, to: app, slo: { latency: 1500ms, target: 99.9%, availability: 90%, window: 7d } } }\n";

/// Six of a hundred answers are bad on one of two Plimsolls: three of a hundred together, twice the factor of a fast burn.
const TESTS: &str = r#"
rule_files: [rules.yaml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'plimsoll_slo_answers_total{objective="route-home-latency",service="app",instance="a"}'
        values: '0+150x1200'
      - series: 'plimsoll_slo_answers_total{objective="route-home-latency",service="app",instance="b"}'
        values: '0+150x1200'
      - series: 'plimsoll_slo_bad_answers_total{objective="route-home-latency",service="app",instance="a"}'
        values: '0+9x1200'
      - series: 'plimsoll_slo_bad_answers_total{objective="route-home-latency",service="app",instance="b"}'
        values: '0x1200'
    promql_expr_test:
      - expr: round(slo:sli_error:ratio_rate15m, 0.001)
        eval_time: 5h
        exp_samples:
          - labels: '{sloth_id="app-route-home-latency",sloth_service="app",sloth_slo="route-home-latency",sloth_window="15m"}'
            value: 0.03
      - expr: round(slo:current_burn_rate:ratio, 1)
        eval_time: 5h
        exp_samples:
          - labels: '{sloth_id="app-route-home-latency",sloth_service="app",sloth_slo="route-home-latency",sloth_window="1m15s"}'
            value: 30
      - expr: round(slo:period_error_budget_remaining:ratio, 1)
        eval_time: 5h
        exp_samples:
          - labels: '{sloth_id="app-route-home-latency",sloth_service="app",sloth_slo="route-home-latency",sloth_window="1w"}'
            value: -29
      - expr: count(sloth_slo_info)
        eval_time: 5h
        exp_samples: [{ labels: '{}', value: 3 }]
    alert_rule_test:
      - eval_time: 5h
        alertname: PlimsollSlo
        exp_alerts:
          - exp_labels: { severity: page, sloth_severity: page, objective: route-home-latency, service: app, route: home, owner: checkout, sloth_id: app-route-home-latency, sloth_service: app, sloth_slo: route-home-latency }
            exp_annotations: &notes
              summary: 'route home: too many failed or late answers'
              description: 'promised: 99.9 % good within 1.5 s over 7 days; the error budget burns too fast'
              runbook_url: https://wiki.internal/app
          - exp_labels: { severity: ticket, sloth_severity: ticket, objective: route-home-latency, service: app, route: home, owner: checkout, sloth_id: app-route-home-latency, sloth_service: app, sloth_slo: route-home-latency }
            exp_annotations: *notes
"#;

#[test]
fn prometheus_takes_our_rules_and_they_say_what_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("plimsoll.yaml"), CONFIG).unwrap();
    let rules = slo(folder.path(), &["export", "--prometheus"]);
    std::fs::write(at("rules.yaml"), rules).unwrap();
    std::fs::write(at("tests.yaml"), TESTS).unwrap();
    content(&["check", "rules", path(&at("rules.yaml"))], "");
    content(&["test", "rules", path(&at("tests.yaml"))], "");
}

/// A team with a rotation, and a runbook that waits for an alert and prints a template of its own.
const CATALOG: [(&str, &str); 5] = [
    ("services/app.yaml", "owner: pay\n"),
    ("teams/pay.yaml", "members: [ana]\non_call: night\n"),
    (
        "on-call/night.yaml",
        "people: [ana]\nstarts: 2026-01-05T09:00\nturn: 1w\n",
    ),
    (
        "runbooks/app.md",
        "---\nservices: [app]\n---\n# The service\n",
    ),
    (
        "runbooks/home.md",
        "---\nalerts: [route-home-availability]\n---\n# Home\n```sh { name=look }\ndocker ps --format '{{.Names}}'\n```\n",
    ),
];

#[test]
fn rules_name_the_catalogs_owner_its_rotation_and_the_runbook_that_is_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = "listen: 127.0.0.1:1\nservices: { app: { instances: [127.0.0.1:2] } }\n\
        routes: { home: { match: GET /, to: app, slo: { availability: 99.9% } }, other: { match: GET /x, to: app, slo: { latency: 1s } } }\n";
    std::fs::write(at("plimsoll.yaml"), config).unwrap();
    let bare = slo(folder.path(), &["export", "--prometheus"]);
    for absent in ["owner", "runbook", "on_call", "route-home-latency"] {
        assert!(!bare.contains(absent), "{absent} in\n{bare}");
    }
    for (file, text) in CATALOG {
        let path = at("catalog").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let linked = format!("{config}alerts: {{ link: 'https://plimsoll.internal' }}\n");
    std::fs::write(at("plimsoll.yaml"), linked).unwrap();
    let rules = slo(folder.path(), &["export", "--prometheus"]);
    for (text, times) in [
        // Four alerts: a page and a ticket of each.
        ("owner: pay", 4),
        ("on_call_rotation: night", 4),
        ("https://plimsoll.internal/catalog/runbooks/home", 2),
        ("https://plimsoll.internal/catalog/runbooks/app", 2),
        ("plimsoll runbook run home (first look: docker ps", 2),
        ("ana", 0),
    ] {
        assert_eq!(rules.matches(text).count(), times, "{text} in\n{rules}");
    }
    std::fs::write(at("rules.yaml"), rules).unwrap();
    content(&["check", "rules", path(&at("rules.yaml"))], "");
}

/// What `plimsoll slo` says.
fn slo(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let out = command
        .arg("slo")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let wrong = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{wrong}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn openslo_goes_out_and_comes_back_into_a_file_whose_comments_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("plimsoll.yaml"), CONFIG).unwrap();
    let exported = slo(
        folder.path(),
        &["export", "--openslo", "--config", "plimsoll.yaml"],
    );
    std::fs::write(at("o.yaml"), &exported).unwrap();
    let bare = "listen: 127.0.0.1:1\n\
        services:\n  app: { instances: [127.0.0.1:2] }  # ours\n\
        routes:\n  home:\n    match: GET /  # the front page\n    to: app\n";
    std::fs::write(at("bare.yaml"), bare).unwrap();
    let import = ["import", "o.yaml", "--config", "bare.yaml"];
    let shown = slo(folder.path(), &[&import[..], &["--dry-run"]].concat());
    assert!(shown.contains("+     slo: {"), "{shown}");
    let untouched = std::fs::read_to_string(at("bare.yaml")).unwrap();
    assert_eq!(untouched, bare);
    slo(folder.path(), &import);
    let written = std::fs::read_to_string(at("bare.yaml")).unwrap();
    for kept in [
        "# ours",
        "# the front page",
        "99.9%",
        "1500ms",
        "window: month",
    ] {
        assert!(written.contains(kept), "{kept} in\n{written}");
    }
    let again = slo(
        folder.path(),
        &["export", "--openslo", "--config", "bare.yaml"],
    );
    let slos = |text: &str| {
        text.split("---\n")
            .filter(|d| d.contains("kind: SLO"))
            .count()
    };
    assert_eq!(slos(&again), 3, "{again}");
    assert!(slo(folder.path(), &import).contains("nothing to write"));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `promtool check metrics` has nothing to say against a page.
pub fn metrics(answer: &str) {
    families(answer, "plimsoll_slo_");
}

/// Families of counters whose names begin so are there, and as they should be.
pub fn families(answer: &str, begin: &str) {
    let page = answer.split_once("\r\n\r\n").unwrap().1;
    let ours: String = page
        .split_inclusive('\n')
        .filter(|l| l.contains(begin))
        .collect();
    assert!(
        ours.contains(&format!("# TYPE {begin}answers_total counter")),
        "{page}"
    );
    content(&["check", "metrics"], &ours);
}

fn content(args: &[&str], input: &str) {
    if let Some((fine, said)) = peers::there(peers::promtool(args, input)) {
        assert!(fine, "promtool {args:?}: {said}");
    }
}
