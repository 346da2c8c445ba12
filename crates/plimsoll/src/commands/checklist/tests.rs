//! What the steps say about answers of the API.

use super::steps::STEPS;
use super::*;
use crate::show::answer::of_history;

fn known(config: &str, diagnosis: &Value, advice: &Value) -> Known {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plimsoll.yaml");
    std::fs::write(&file, config).unwrap();
    let loaded = catalog::load(&file, None).unwrap();
    let history =
        json!([{ "event": { "kind": "verdict" } }, { "event": { "kind": "trial_started" } }]);
    Known::new(loaded, diagnosis, advice, &history).unwrap()
}

fn look(step: usize, k: &Known) -> Look {
    (STEPS[step].1)(k)
}

const CONFIG: &str = "listen: 127.0.0.1:1\nservices: { app: { instances: [\"127.0.0.1:2\"] } }\nroutes:\n  \
                      a: { match: GET /a, to: app, slo: { latency: 1s, target: 99% } }\n  b: { match: GET /b, to: app }\n";

#[test]
fn without_anything_that_runs_each_step_says_what_to_do() {
    let k = known(CONFIG, &Value::Null, &Value::Null);
    assert_eq!(look(0, &k).evidence, ["1 of 2 routes have an objective"]);
    assert!(look(0, &k).next.contains("`routes.b.slo`"));
    assert_eq!(look(1, &k).evidence, ["no diagnosis yet: nothing runs"]);
    assert!(look(3, &k).evidence[1].starts_with("1 trial "));
    for (i, (name, _)) in STEPS.iter().enumerate() {
        let l = look(i, &k);
        assert!(!l.done && !l.next.is_empty(), "{name}");
    }
}

#[test]
fn a_cheap_change_comes_before_the_others() {
    let advice = json!({ "proposals": [
        { "kind": "replica", "title": "one more instance" },
        { "kind": "cache", "title": "cache a" },
    ] });
    let k = known(CONFIG, &Value::Null, &advice);
    assert_eq!(look(2, &k).next, "`plimsoll try 2`: cache a");
}

#[test]
fn a_diagnosis_is_evidence() {
    let (answer, _) = of_history(
        &base::History::default(),
        &model::demand::Options::default(),
    );
    let said = json!({ "progress": "ready", "diagnosis": answer });
    let k = known(CONFIG, &said, &Value::Null);
    let l = look(1, &k);
    assert_eq!(l.evidence, [answer.diagnosis.summary]);
    assert!(!l.done, "a summary without a constraint is no answer");
    assert!(look(2, &k).done, "nothing cheap is left");
}
