//! `plimsoll status`: what is in service, and what is wrong.

use crate::cli::AskArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use base::Protection;
use base::learned::CONFIDENT;
use serde_json::Value;

pub fn run(args: AskArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args)?;
    let mut status: Value = ask::get(at, "/api/v1/status")?;
    status["probes"] = ask::get(at, "/api/v1/probes")?;
    status["mirrors"] = ask::get(at, "/api/v1/mirrors")?;
    status["stateful"] = ask::get(at, "/api/v1/stateful")?;
    status["agents"] = ask::get(at, "/api/v1/agents")?;
    status["past"] = ask::get(at, "/api/v1/past")?;
    status["certificate"] = ask::get(at, "/api/v1/certificate")?;
    status["engines"] = ask::get(at, "/api/v1/engines")?;
    status["quotas"] = ask::get(at, "/api/v1/quotas")?;
    status["export"] = ask::get(at, "/api/v1/export")?;
    status["disks"] = ask::get(at, "/api/v1/cache/disks")?;
    status["second"] = ask::get(at, "/api/v1/cache/shared")?;
    // Refused where none are kept.
    if let Ok(mut told) = ask::get::<Value>(at, "/api/v1/traces?limit=1") {
        status["traces"] = told["standing"].take();
    }
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
    if !status["certificate"].is_null() {
        println!("certificate {}", certificate(&status["certificate"]));
    }
    for (name, kind) in [("shared", "redis"), ("durable", "nats")] {
        let standing = &status["engines"][name];
        if !standing.is_null() {
            println!("engine      {name}: {kind} at {}", engine(name, standing));
            for line in overlays(&standing["overlays"]) {
                println!("overlays    {line}");
            }
        }
    }
    let empty = Vec::new();
    let nodes = &status["engines"]["shared"]["nodes"];
    for n in nodes.as_array().unwrap_or(&empty) {
        println!("node        {}", node(n));
    }
    for p in status["protections"].as_array().unwrap_or(&empty) {
        if let Ok(p) = serde_json::from_value(p.clone()) {
            println!("limit       {}", limit(&p));
        }
    }
    for q in status["quotas"].as_array().unwrap_or(&empty) {
        println!("quota       {}", quota(q));
    }
    for m in status["mirrors"].as_array().unwrap_or(&empty) {
        println!("mirror      {}", mirror(m));
    }
    for s in status["stateful"].as_array().unwrap_or(&empty) {
        println!("stateful    {}", stateful(s));
    }
    for d in status["disks"].as_array().unwrap_or(&empty) {
        println!("disk        {}", disk(d));
    }
    for s in status["second"].as_array().unwrap_or(&empty) {
        println!("shared      {}", second(s));
    }
    for a in status["agents"].as_array().unwrap_or(&empty) {
        println!("agent       {}", agent(a));
    }
    if !status["export"].is_null() {
        println!("export      {}", export(&status["export"]));
    }
    if !status["traces"].is_null() {
        println!("traces      {}", traces(&status["traces"]));
    }
    for p in status["probes"].as_array().unwrap_or(&empty) {
        if p["blind"] == true {
            println!("blind       {}", blind(p));
        } else if p["probe"] == "agent" {
            println!("note        {}", blind(p));
        }
    }
    if let Some(why) = status["past"]["not_stored"].as_str() {
        println!("wrong       {why}");
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

/// Where it is, whether it can be used, and which loops run where.
fn engine(name: &str, e: &Value) -> String {
    let without = match name {
        "shared" => "limits do what their `fail` says",
        _ => "what needs a key or a value is refused, and nobody is logged out",
    };
    let state = match e["wrong"].as_str() {
        None => "in use".to_owned(),
        Some(why) => format!("AWAY or refusing: {why}; {without}"),
    };
    let mut text = format!(
        "{}: {state}; {} calls failed since the start",
        e["place"].as_str().unwrap_or(""),
        e["failed"],
    );
    if let Some(loops) = e["loops"].as_object() {
        let loops: Vec<String> = loops
            .iter()
            .map(|(name, at)| format!("{name} {}", at.as_str().unwrap_or("?")))
            .collect();
        text += &format!("; loops: {}", loops.join(", "));
    }
    text
}

/// What of the overlays of all nodes is not in service everywhere.
fn overlays(o: &Value) -> Vec<String> {
    let wrong = o["wrong"].as_str();
    let wrong =
        wrong.map(|why| format!("NOT FOLLOWED between nodes: {why}; what is in service stays"));
    let refused = o["refused"].as_array();
    let refused = refused.into_iter().flatten().map(|r| {
        let (ids, why) = (
            terminal::list(&r["overlays"]),
            r["why"].as_str().unwrap_or(""),
        );
        match r["node"].as_str().unwrap_or("") {
            "here" => format!("{ids} STAYS HERE ONLY: {why}"),
            node => format!("{ids} of {node} IS NOT IN SERVICE HERE: {why}"),
        }
    });
    wrong.into_iter().chain(refused).collect()
}

/// Whether another node runs what this one runs.
fn node(n: &Value) -> String {
    let name = n["node"].as_str().unwrap_or("");
    if n["differs"].as_array().is_none_or(Vec::is_empty) {
        return format!("{name}: runs the same config");
    }
    let since = n["since_ms"].as_i64();
    let since = since.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!(
        "{name}: RUNS ANOTHER CONFIG since {}: different are {}; give it the same file and send it SIGHUP",
        since.map_or("an unknown time".to_owned(), |at| at.to_string()),
        terminal::list(&n["differs"])
    )
}

/// What is counted, until when, and who has used most.
fn quota(q: &Value) -> String {
    let end = q["ends_ms"].as_i64();
    let end = end.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let keys = match q["keys"].as_u64().unwrap_or(0) {
        1 => "1 key".to_owned(),
        n => format!("{n} keys"),
    };
    let away = match q["away"] == true {
        true => "; NOT COUNTED NOW, it does what its `fail` says",
        false => "",
    };
    format!(
        "{}: the busiest of {keys} has {} of {} in {}, which ends at {}{away}",
        q["quota"].as_str().unwrap_or(""),
        q["most"][0]["used"].as_u64().unwrap_or(0),
        q["limit"],
        q["period"].as_str().unwrap_or(""),
        end.unwrap_or_default(),
    )
}

/// Names, its end, and what comes next.
fn certificate(c: &Value) -> String {
    let at = |key: &str| {
        let at = jiff::Timestamp::from_second(c[key].as_i64()?).ok()?;
        Some(at.to_string())
    };
    let has = match at("until") {
        Some(until) => format!("ends {until}"),
        None => "none yet".to_owned(),
    };
    let next = at("next").unwrap_or_default();
    let names = terminal::list(&c["names"]);
    match c["wrong"].as_str() {
        None => format!("{names}: {has}, the next one is asked for at {next}"),
        Some(why) => format!("{names}: {has}; no new one: {why}; next try at {next}"),
    }
}

/// What a collector took, and why not all.
fn export(e: &Value) -> String {
    let number = |v: &Value| v.as_u64().unwrap_or(0);
    let of = |signal: &str, what: &str| {
        let counts = &e[signal]["counts"];
        let lost = ["rejected", "refused", "given_up"].map(|key| number(&counts[key]));
        let wrong = match e[signal]["wrong"].as_str() {
            Some(why) => format!(", NOT TAKEN NOW: {why}"),
            None => String::new(),
        };
        let lost: u64 = lost.iter().sum();
        format!(
            "{} {what} sent, {lost} lost{wrong}",
            number(&counts["sent"])
        )
    };
    format!(
        "to {}: {}; {} requests wait, {} were dropped; {}",
        e["to"].as_str().unwrap_or(""),
        of("traces", "spans"),
        number(&e["waiting"]),
        number(&e["dropped"]),
        of("metrics", "data points")
    )
}

/// How many are kept, and why not all.
fn traces(t: &Value) -> String {
    let number = |key: &str| t[key].as_u64().unwrap_or(0);
    let mib = |key: &str| number(key) as f64 / f64::from(1 << 20);
    let wrong = match t["wrong"].as_str() {
        Some(why) => format!("; NOT KEPT NOW: {why}"),
        None => String::new(),
    };
    let dropped = match number("dropped") {
        0 => String::new(),
        n => format!(", {n} gave way to `traces.rate`"),
    };
    format!(
        "{} kept, {:.1} of {:.0} MiB; {} were lost{dropped}{wrong}",
        number("traces"),
        mib("bytes"),
        mib("size"),
        number("lost")
    )
}

pub fn blind(p: &Value) -> String {
    let part = |key: &str| p[key].as_str().unwrap_or("").to_owned();
    let about = match part("about") {
        a if a.is_empty() => a,
        a => format!(" of {a}"),
    };
    format!("probe {}{about}: {}", part("probe"), part("text"))
}

/// Its age, its clock, and what it sees.
fn agent(a: &Value) -> String {
    let number = |key: &str| a[key].as_f64().unwrap_or(0.0);
    let state = match a["silent"] == true {
        true => "SILENT",
        false => "heard",
    };
    format!(
        "{} at {}: {state} {:.0} s ago, clock known to {:.1} ms, {} readings used and {} not; instances {}; resources {}",
        a["name"].as_str().unwrap_or(""),
        a["address"].as_str().unwrap_or(""),
        number("age_s"),
        number("off_by_ms"),
        number("used"),
        number("unused"),
        terminal::list(&a["instances"]),
        terminal::list(&a["resources"]),
    )
}

/// How often the services differ, and how often the own one differs from itself.
fn mirror(m: &Value) -> String {
    let number = |v: &Value| v.as_u64().unwrap_or(0);
    let compared = number(&m["compared"]);
    let share = |kind: &str, part: usize| match compared {
        0 => 0.0,
        all => 100.0 * number(&m[kind][part]) as f64 / all as f64,
    };
    let part = |(i, name): (usize, &str)| {
        let (differ, noise) = (share("differ", i), share("noise", i));
        format!("{name} {differ:.1} % (noise {noise:.1} %)")
    };
    let parts = ["status", "headers", "body"].into_iter().enumerate();
    let unanswered = number(&m["unanswered"][0]);
    format!(
        "{} with {}: of {compared} compared differ {}; {unanswered} had no answer, {} were left out",
        m["route"].as_str().unwrap_or(""),
        m["to"].as_str().unwrap_or(""),
        parts.map(part).collect::<Vec<_>>().join(", "),
        number(&m["left_out"])
    )
}

/// What is known of one route's instances, on how much, and what to do.
fn stateful(s: &Value) -> String {
    format!(
        "{} of {}: {}",
        s["route"].as_str().unwrap_or(""),
        s["service"].as_str().unwrap_or(""),
        s["says"].as_str().unwrap_or("")
    ) + &match s["advice"].as_str() {
        Some(advice) => format!("; {advice}"),
        None => String::new(),
    }
}

/// Of one route's cache.
fn disk(d: &Value) -> String {
    let text = |key: &str| d[key].as_str().unwrap_or("").to_owned();
    let number = |key: &str| d[key].as_f64().unwrap_or(0.0);
    let (route, path) = (text("route"), text("path"));
    match (text("wrong"), d["opening"].as_bool()) {
        (wrong, _) if !wrong.is_empty() => format!(
            "{route}: memory only, because {path} is broken: {wrong}; it is tried again every 30 s, empty"
        ),
        (_, Some(true)) => format!(
            "{route}: memory only until {path} is open; the Plimsoll before this one may still have it"
        ),
        _ => format!(
            "{route}: {} addresses, {:.1} of {:.1} MiB in {path}, {} hits",
            number("records"),
            number("bytes") / (1 << 20) as f64,
            number("size") / (1 << 20) as f64,
            number("hits")
        ),
    }
}

/// What several nodes have together of a route's cache.
fn second(s: &Value) -> String {
    let number = |key: &str| s[key].as_u64().unwrap_or(0);
    let route = s["route"].as_str().unwrap_or("");
    let told = format!(
        "{} hits and {} misses among other nodes' answers, {} given to them ({} not)",
        number("hits"),
        number("misses"),
        number("writes"),
        number("writes_dropped") + number("too_large")
    );
    let wrong = match s["wrong"].as_str().unwrap_or("") {
        "" => String::new(),
        wrong => format!("NOT ASKED: {wrong}; "),
    };
    let untold = match number("untold") {
        0 => String::new(),
        n => format!(", {n} changes not told yet"),
    };
    format!("{route}: {wrong}{told}{untold}")
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
    use base::learned::Use;

    #[test]
    fn a_disk_says_why_it_is_not_used() {
        let mut d = serde_json::json!({
            "route": "product", "path": "/c/product", "wrong": "", "opening": false,
            "records": 7, "bytes": 3 << 20, "size": 16 << 20, "hits": 2,
        });
        assert_eq!(
            disk(&d),
            "product: 7 addresses, 3.0 of 16.0 MiB in /c/product, 2 hits"
        );
        d["wrong"] = "no space".into();
        assert!(
            disk(&d).starts_with("product: memory only, because /c/product is broken: no space")
        );
    }

    #[test]
    fn an_engine_says_what_is_wrong_and_who_leads() {
        let mut e = serde_json::json!({
            "place": "127.0.0.1:6379", "wrong": null, "failed": 3,
            "loops": { "driver": "here", "trial": "b-7" },
        });
        assert_eq!(
            engine("shared", &e),
            "127.0.0.1:6379: in use; 3 calls failed since the start; loops: driver here, trial b-7"
        );
        e["wrong"] = "no answer".into();
        assert!(engine("shared", &e).contains("AWAY or refusing: no answer; limits"));
        e["loops"] = serde_json::Value::Null;
        let durable = engine("durable", &e);
        assert!(
            durable.contains("nobody is logged out") && !durable.contains("loops"),
            "{durable}"
        );
    }

    #[test]
    fn a_mirror_shows_differences_beside_the_noise() {
        let m = serde_json::json!({
            "route": "product", "to": "next", "compared": 200, "left_out": 7,
            "unanswered": [3, 0], "differ": [4, 0, 30], "noise": [0, 0, 29],
        });
        assert_eq!(
            mirror(&m),
            "product with next: of 200 compared differ status 2.0 % (noise 0.0 %), headers 0.0 % (noise 0.0 %), \
             body 15.0 % (noise 14.5 %); 3 had no answer, 7 were left out"
        );
        let none = mirror(&serde_json::json!({ "route": "r", "to": "n" }));
        assert!(
            none.starts_with("r with n: of 0 compared differ status 0.0 %"),
            "{none}"
        );
    }

    #[test]
    fn a_certificate_says_when_it_ends_and_what_is_wrong() {
        let mut c = serde_json::json!({
            "names": ["a.example"], "until": 1_704_067_200, "next": 1_704_000_000, "wrong": null,
        });
        assert_eq!(
            certificate(&c),
            "a.example: ends 2024-01-01T00:00:00Z, the next one is asked for at 2023-12-31T05:20:00Z"
        );
        c["wrong"] = "refused".into();
        c["until"] = Value::Null;
        assert_eq!(
            certificate(&c),
            "a.example: none yet; no new one: refused; next try at 2023-12-31T05:20:00Z"
        );
    }

    #[test]
    fn an_agent_says_how_old_and_how_exact_it_is() {
        let mut a = serde_json::json!({
            "name": "web-2", "address": "10.0.0.2", "silent": false, "age_s": 0.4, "off_by_ms": 0.25,
            "instances": ["10.0.0.2:7001"], "resources": ["cpu.shop", "mem.shop"], "used": 7, "unused": 1,
        });
        assert_eq!(
            agent(&a),
            "web-2 at 10.0.0.2: heard 0 s ago, clock known to 0.2 ms, 7 readings used and 1 not; instances 10.0.0.2:7001; \
             resources cpu.shop, mem.shop"
        );
        a["silent"] = true.into();
        a["instances"] = serde_json::json!([]);
        assert!(agent(&a).contains("SILENT") && agent(&a).contains("instances none"));
    }

    #[test]
    fn an_export_says_what_is_lost_and_why() {
        let counts =
            |sent| serde_json::json!({ "sent": sent, "rejected": 1, "refused": 2, "given_up": 0 });
        let e = serde_json::json!({
            "to": "http://c:4318", "waiting": 7, "dropped": 2,
            "traces": { "counts": counts(5), "wrong": "it answered 503" },
            "metrics": { "counts": counts(9), "wrong": null },
        });
        assert_eq!(
            export(&e),
            "to http://c:4318: 5 spans sent, 3 lost, NOT TAKEN NOW: it answered 503; 7 requests wait, 2 were dropped; \
             9 data points sent, 3 lost"
        );
    }

    #[test]
    fn a_limit_says_whether_it_acts() {
        let mut p = Protection {
            service: "shop".into(),
            resource: "lock.shop".into(),
            servers: 5.0,
            mean: Use {
                seconds: 0.006,
                share: 0.4,
                ..Use::default()
            },
            confidence: 0.95,
            ..Protection::default()
        };
        assert_eq!(
            limit(&p),
            "shop: 12.5 average requests at once on lock.shop, confidence 95 %: acts where no limit is configured"
        );
        p.confidence = 0.5;
        assert!(limit(&p).ends_with("only counts"));
    }
}
