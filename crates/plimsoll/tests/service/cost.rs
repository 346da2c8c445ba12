//! Prices in front of real instances: what `plimsoll cost` says sums to the bill, to the micro-dollar, over a restart.

use crate::stage::{Clients, Stage};
use serde_json::Value;

const PRICED: &str = "identity: { tenant: host, costs: true }\nroutes:\n  page: { match: GET /p, to: app, business: { visits: { status: 200 } } }\n  rest: { match: '/{path...}', to: app }\n\
                      resources: { cpu.host: { price: $3.60/h }, db.unseen: { price: $0.37/h } }";

fn stage() -> Stage {
    let stage = Stage::new("");
    let config = stage
        .config(PRICED)
        .replace("app: {", "app: { price: $0.123457/h,");
    stage.write(&config);
    stage
}

fn said(stage: &Stage, args: &[&str]) -> Option<Value> {
    let out = stage.ask(&[&["cost", "--json"], args].concat());
    serde_json::from_slice(&out.stdout).ok()
}

fn micro(v: &Value) -> u64 {
    v.as_u64().unwrap()
}

/// Checks the sums, and gives the bill.
fn exact(v: &Value) -> u64 {
    let bill = micro(&v["bill_micro"]);
    let rows: u64 = v["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| micro(&r["micro"]))
        .sum();
    assert_eq!(
        rows + micro(&v["idle_micro"]) + micro(&v["background_micro"]),
        bill,
        "{v}"
    );
    let items = v["items"].as_array().unwrap();
    assert_eq!(
        items.iter().map(|i| micro(&i["micro"])).sum::<u64>(),
        bill,
        "{v}"
    );
    let covered = v["covered_s"].as_f64().unwrap();
    let by_price: f64 = [3.60, 0.37, 0.123_457]
        .iter()
        .map(|p| (p * covered / 3600.0 * 1e6).round())
        .sum();
    assert!(
        (by_price - bill as f64).abs() <= 1.0,
        "{by_price} is not {bill}"
    );
    bill
}

/// A bill of two hours, of which only seconds were watched; and the same sums for OpenCost's tools.
fn bill_and_opencost(stage: &Stage) {
    let hour = |s: u64| s - s % 3600;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let from = hour(now.unwrap().as_secs()) - 3600;
    let time = |s: u64| slo::notify::text::time(s * 1000);
    let row = |cost: &str, id: &str| {
        format!(
            "{cost},USD,{},{},{id},Compute\n",
            time(from),
            time(from + 7200)
        )
    };
    let head =
        "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ResourceId,ServiceName\n";
    let text = [
        head,
        &row("7.20", "i-1"),
        &row("0.25", "app"),
        &row("0.10", "nat"),
    ]
    .concat();
    std::fs::write(stage.path("bill.csv"), text).unwrap();
    let args = ["--bill", "bill.csv", "--named", "i-1=cpu.host"];
    let v = said(stage, &args).unwrap();
    let micro = |v: &Value| v.as_i64().unwrap();
    assert_eq!(micro(&v["billed_micro"]), 7_550_000, "{v}");
    assert_eq!(
        micro(&v["residual_micro"]),
        7_550_000 - micro(&v["ours_micro"])
    );
    assert_eq!(v["unmatched"][0]["billed_micro"], 100_000);
    let left: i64 = v["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| micro(&l["residual_micro"]))
        .sum();
    assert_eq!(left + 100_000, micro(&v["residual_micro"]), "{v}");
    let text = stage.ask(&["cost", "--bill", "bill.csv", "--named", "i-1=cpu.host"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("left over") && text.contains("were watched"),
        "{text}"
    );

    let target = "/allocation/compute?window=1h&aggregate=route&includeIdle=true";
    let told = stage.console_get(target).unwrap();
    let told: Value = serde_json::from_str(told.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let set = told["data"][0].as_object().unwrap();
    let sum: f64 = set.values().map(|a| a["totalCost"].as_f64().unwrap()).sum();
    let bill = exact(&said(stage, &[]).unwrap()) as f64 / 1e6;
    assert!(
        set.contains_key("page") && sum > 0.0 && sum <= bill + 1e-5,
        "{sum} of {bill}: {told}"
    );
}

/// What answers told of the business is the same as a metric, in the history and over the API; and one costs something.
fn visits(stage: &Stage) {
    let metrics = stage.console_get("/metrics").unwrap();
    let name = "plimsoll_business_value_total{route=\"page\",metric=\"visits\",unit=\"\"} ";
    let counted = metrics.lines().find_map(|l| l.strip_prefix(name));
    let counted: u64 = counted.unwrap().parse().unwrap();
    assert!(counted > 100);
    crate::alerts::rules::families(&metrics, "plimsoll_business_");
    let told = stage.wait("the visits in the history", |s| {
        let out = s.ask(&["business", "--json"]);
        let told: Value = serde_json::from_slice(&out.stdout).ok()?;
        let n = told["numbers"][0]["added_micro"].as_u64()?;
        (n == counted * 1_000_000).then_some(told)
    });
    assert_eq!(told["numbers"][0]["counted"], counted, "{told}");
    let query = "/api/v1/query?query=plimsoll_business_value_total";
    let past = stage.console_get(query).unwrap();
    assert!(past.contains(&format!("\"{counted}\"")), "{past}");
    let text = stage.ask(&["business"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("visits"), "{text}");
    let out = stage.ask(&["cost", "--per", "page/visits", "--each", "hour", "--json"]);
    let units: Value = serde_json::from_slice(&out.stdout).unwrap();
    let steps = units[0]["steps"].as_array().unwrap();
    let sum: u64 = steps.iter().map(|s| micro(&s["value_micro"])).sum();
    assert_eq!(sum, counted * 1_000_000, "{units}");
    assert_eq!(units[0]["trend"]["verdict"], "too-little");
    let text = stage.ask(&["cost", "--per", "visits"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("too little for a trend"), "{text}");
}

#[test]
fn the_parts_are_the_bill_and_a_restart_forgets_nothing() {
    let mut stage = stage();
    let pid = stage.start();
    let clients = Clients::start(stage.listen, 2);
    let first = stage.wait("costs of requests", |s| {
        let v = said(s, &[])?;
        let page = v["rows"]
            .as_array()?
            .iter()
            .find(|r| r["name"] == "page")?
            .clone();
        (page["requests"].as_f64()? > 100.0).then_some(v)
    });
    assert_eq!(clients.end(), [] as [String; 0]);
    exact(&first);
    // The unseen database is borne by requests; the host's processors are not all used by them.
    let item = |name: &str| {
        let all = first["items"].as_array().unwrap();
        all.iter().find(|i| i["resource"] == name).unwrap().clone()
    };
    assert_eq!(
        (
            &item("db.unseen")["measured"],
            &item("db.unseen")["idle_micro"]
        ),
        (&false.into(), &0.into())
    );
    assert_eq!(item("cpu.host")["kind"], "host");
    assert!(micro(&item("cpu.host")["used_micro"]) < micro(&item("cpu.host")["micro"]));

    for by in ["route", "service", "resource", "tenant", "user"] {
        exact(&said(&stage, &["--by", by]).unwrap());
    }
    let text = stage.ask(&["cost"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("(idle)") && text.contains("the bill"),
        "{text}"
    );
    let metrics = stage.console_get("/metrics").unwrap();
    assert!(
        metrics.contains("plimsoll_cost_used_dollars_total{route=\"page\"}"),
        "{metrics}"
    );
    assert!(stage.console_get("/cost").unwrap().contains("Who uses it"));

    bill_and_opencost(&stage);
    visits(&stage);
    crate::stage::signal(pid, "TERM");
    stage.ended(pid);
    stage.start();
    let again = said(&stage, &[]).unwrap();
    assert!(exact(&again) >= micro(&first["bill_micro"]), "{again}");
}
