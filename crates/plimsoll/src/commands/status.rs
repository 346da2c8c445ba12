//! `plimsoll status`: what is in service, and what is wrong.

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use base::Protection;
use base::learned::CONFIDENT;
use serde_json::Value;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let at = ask::console(args.console, &args.config);
    let mut status: Value = ask::get(at, "/api/v1/status")?;
    status["probes"] = ask::get(at, "/api/v1/probes")?;
    if args.json {
        println!("{status}");
        return Ok(Exit::Ok);
    }
    println!("learning    {}", status["progress"].as_str().unwrap_or(""));
    println!(
        "generation  {} ({:.12})",
        status["generation"],
        status["hash"].as_str().unwrap_or("")
    );
    println!("overlays    {}", terminal::list(&status["overlays"]));
    if let Some(id) = status["trial"]["id"].as_str() {
        let phase = status["trial"]["trial"]["phase"].as_str().unwrap_or("");
        println!("trial       {id}, {phase}; `plimsoll try --follow` shows it");
    }
    let empty = Vec::new();
    for p in status["protections"].as_array().unwrap_or(&empty) {
        if let Ok(p) = serde_json::from_value(p.clone()) {
            println!("limit       {}", limit(&p));
        }
    }
    for p in status["probes"].as_array().unwrap_or(&empty) {
        if p["blind"] == true {
            println!("blind       {}", blind(p));
        }
    }
    let wrong = ["file", "findings"]
        .iter()
        .flat_map(|k| status[k].as_array().unwrap_or(&empty));
    for f in wrong {
        println!(
            "wrong       {} {}",
            f["what"].as_str().unwrap_or(""),
            f["help"].as_str().unwrap_or("")
        );
    }
    Ok(Exit::Ok)
}

fn blind(p: &Value) -> String {
    let part = |key: &str| p[key].as_str().unwrap_or("").to_owned();
    let about = match part("about") {
        a if a.is_empty() => a,
        a => format!(" of {a}"),
    };
    format!("probe {}{about}: {}", part("probe"), part("text"))
}

fn limit(p: &Protection) -> String {
    let acts = match p.confidence >= CONFIDENT {
        true => "acts where no limit is configured",
        false => "only counts",
    };
    format!(
        "{}: {:.1} average requests at once on {}, confidence {:.0} %: {acts}",
        p.service,
        p.permits(),
        p.resource,
        100.0 * p.confidence
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_whether_it_acts() {
        let mut p = Protection {
            service: "shop".into(),
            resource: "lock.shop".into(),
            work_s: 0.075,
            waiting_s: 0.0,
            mean_s: 0.006,
            costs: vec![],
            confidence: 0.95,
        };
        assert_eq!(
            limit(&p),
            "shop: 12.5 average requests at once on lock.shop, confidence 95 %: acts where no limit is configured"
        );
        p.confidence = 0.5;
        assert!(limit(&p).ends_with("only counts"));
    }
}
