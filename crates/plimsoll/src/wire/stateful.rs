//! Routes that keep sessions in the memory of their instances, in words: what was seen, how sure it is, what to do.

use gateway::attempt::stateful::{Finding, Verdict};
use serde_json::{Value, json};

/// As `GET /api/v1/stateful` tells it.
pub fn shown(findings: &[Finding]) -> Value {
    let one = |f: &Finding| {
        let mut shown = serde_json::to_value(f).unwrap_or_default();
        shown["says"] = says(f).into();
        shown["advice"] = json!(advice(f));
        shown
    };
    findings.iter().map(one).collect()
}

fn says(f: &Finding) -> String {
    let e = &f.evidence;
    let differ = e.status + e.body;
    match f.verdict {
        Verdict::KeepsState => {
            let example = match f.example {
                Some((here, there)) if here != there => {
                    format!(" ({here} at one, {there} at the other)")
                }
                _ => " (another body)".into(),
            };
            format!(
                "its instances keep sessions in their memory: {differ} of {} requests were answered differently by another \
                 instance{example}, {} by the same one asked twice; confidence {:.1} %",
                e.compared,
                e.noise,
                // Never more than is said of it.
                ((f.confidence * 1000.0).floor() / 10.0).min(99.9)
            )
        }
        Verdict::InstancesDiffer => format!(
            "its instances tell something of themselves: {} of {} requests were answered differently by another instance, \
             also without a session",
            e.anyway, e.compared
        ),
        Verdict::NothingSeen => format!(
            "no session in the memory of instances was seen: {differ} of {} requests were answered differently by another \
             one, surely at most {:.1} %",
            e.compared,
            f.at_most * 100.0
        ),
        Verdict::Unknown => format!("not known yet: {} requests compared", e.compared),
    }
}

fn advice(f: &Finding) -> Option<String> {
    (f.verdict == Verdict::KeepsState).then(|| {
        format!(
            "keep them here: `session` on the route and `Plimsoll-Session-Set` in its answers, or a key of the state API \
             (docs/state.md); until then `services.{}.balance: {{ by: 'cookie:NAME' }}` keeps a client with its instance",
            f.service
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::attempt::stateful::Evidence;

    fn finding(verdict: Verdict, example: Option<(u16, u16)>) -> Finding {
        Finding {
            route: "cart".into(),
            service: "shop".into(),
            verdict,
            confidence: 0.99996,
            at_most: 0.05,
            evidence: Evidence {
                compared: 40,
                status: 37,
                ..Evidence::default()
            },
            example,
            compared: 40,
            void: 0,
            left_out: 0,
        }
    }

    #[test]
    fn who_keeps_state_is_told_what_to_do_and_nobody_else() {
        let named = shown(&[finding(Verdict::KeepsState, Some((200, 302)))]);
        let says = named[0]["says"].as_str().unwrap();
        assert!(
            says.contains("37 of 40") && says.contains("200 at one, 302 at the other"),
            "{says}"
        );
        assert!(says.ends_with("99.9 %"), "{says}");
        let advice = named[0]["advice"].as_str().unwrap();
        assert!(advice.contains("services.shop.balance"), "{advice}");
        assert_eq!(named[0]["verdict"], "keeps-state");
        let seen = shown(&[finding(Verdict::NothingSeen, None)]);
        assert!(seen[0]["advice"].is_null());
        assert!(seen[0]["says"].as_str().unwrap().contains("at most 5.0 %"));
    }
}
