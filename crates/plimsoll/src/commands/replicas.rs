//! `plimsoll replicas`: how far each database is, and who answers the reads of each route.

use crate::ask;
use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use serde_json::Value;
use std::fmt::Write;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    ask::show(&args, "/api/v1/replicas", page)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn page(said: &Value) -> String {
    let mut out = String::new();
    for group in list(&said["replications"]) {
        let text = |v: &Value| v.as_str().unwrap_or("nobody").to_owned();
        let (name, primary) = (text(&group["name"]), text(&group["primary"]));
        let _ = writeln!(
            out,
            "{name}: the primary is {primary}; {} samples of it, {} failed",
            group["samples"], group["samples_failed"]
        );
        for d in list(&group["databases"]) {
            let lag = match d["lag_s"].as_f64() {
                Some(s) => format!("at most {:.0} ms old", s * 1e3),
                None => "nobody knows how old".into(),
            };
            let up = if d["up"] == true { "up" } else { "away" };
            let wrong = d["wrong"]
                .as_str()
                .map_or(String::new(), |w| format!("; {w}"));
            let (name, role, at) = (text(&d["name"]), text(&d["role"]), text(&d["position"]));
            let _ = writeln!(out, "  {name}  {role}, {up}, at {at}, {lag}{wrong}");
        }
    }
    for r in list(&said["routes"]) {
        let share = r["replica_share"].as_f64().unwrap_or(0.0) * 100.0;
        let n = |what: &str| r[what].as_u64().unwrap_or(0);
        let _ = writeln!(
            out,
            "route {}: {share:.0} % of reads on replicas ({} of them had waited); on the primary {} as asked, {} because no \
             replica had come so far, {} because none could be used; {} refused",
            r["route"].as_str().unwrap_or(""),
            n("waited"),
            n("primary"),
            n("behind"),
            n("away"),
            n("refused"),
        );
    }
    match out.is_empty() {
        true => "no service has a `replication`\n".into(),
        false => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_says_who_answers_and_why() {
        let said = json!({
            "replications": [{ "name": "shop", "primary": "r2", "samples": 9, "samples_failed": 0, "databases": [
                { "name": "r1", "role": "replica", "up": true, "position": "pg/1/0/16B", "lag_s": 0.042, "wrong": null }] }],
            "routes": [{ "route": "product", "replica": 3, "behind": 1, "replica_share": 0.75 }],
        });
        let page = page(&said);
        assert!(
            page.contains("r1  replica, up, at pg/1/0/16B, at most 42 ms old"),
            "{page}"
        );
        assert!(
            page.contains("75 % of reads on replicas") && page.contains("1 because no replica"),
            "{page}"
        );
        assert_eq!(super::page(&json!({})), "no service has a `replication`\n");
    }
}
