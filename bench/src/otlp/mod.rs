//! Real OpenTelemetry SDKs (Python and Node, each of their OTLP exporters) in small services behind a real Plimsoll: what
//! their spans tell must come out of `plimsoll diagnose`, and what they log beside their spans in `plimsoll traces`. And what Plimsoll itself sends (`export`).

pub mod export;

use super::npm;
use super::peers::{self, Proxy};
use super::pypi;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "target/otlp";
const NPM: &[&str] = &[
    "@opentelemetry/api@1.9.0",
    "@opentelemetry/sdk-trace-node@2.0.1",
    "@opentelemetry/resources@2.0.1",
    "@opentelemetry/exporter-trace-otlp-http@0.203.0",
    "@opentelemetry/exporter-trace-otlp-proto@0.203.0",
    "@opentelemetry/exporter-trace-otlp-grpc@0.203.0",
    "@opentelemetry/api-logs@0.203.0",
    "@opentelemetry/sdk-logs@0.203.0",
    "@opentelemetry/exporter-logs-otlp-http@0.203.0",
    "@opentelemetry/exporter-logs-otlp-proto@0.203.0",
    "@opentelemetry/exporter-logs-otlp-grpc@0.203.0",
];
const PYPI: &[&str] = &[
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
];
/// Service, program and exporter.
const SERVICES: [(&str, &str, &str); 5] = [
    ("python-http", "python", "http"),
    ("python-grpc", "python", "grpc"),
    ("node-json", "node", "json"),
    ("node-proto", "node", "proto"),
    ("node-grpc", "node", "grpc"),
];
/// What the services plant: calls of one statement per request, and seconds of each.
const CALLS: f64 = 8.0;
const CALL_S: f64 = 0.005;
/// Requests per second of each service, half of them to the planted route.
const RATE: usize = 12;
const LOAD: Duration = Duration::from_secs(180);
/// Seconds that an answer rests on: 180 requests of each route, of which half are traced within 4 %. What is learned begins anew when the
/// machine changes, as it does while others compile and fuzz on it: a minute without that may not come.
const ENOUGH_S: f64 = 30.0;

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    export::check(plimsoll)?;
    let mut programs = Vec::new();
    for (program, got) in [
        ("node", npm::install(&folder, NPM)),
        ("python", pypi::install(&folder, PYPI).map(drop)),
    ] {
        match got {
            Ok(()) => programs.push(program),
            Err(why) => eprintln!("SKIPPED, NOT PASSED: no spans of {program} were sent: {why}"),
        }
    }
    let services: Vec<_> = (SERVICES.iter())
        .filter(|s| programs.contains(&s.1))
        .collect();
    if services.is_empty() {
        return Ok(());
    }
    let stage = Stage::start(plimsoll, &folder, &services)?;
    let told = stage.watch()?;
    for (name, ..) in &services {
        judge(name, &told).map_err(|e| format!("spans of {name}: {e}"))?;
        (stage.logged(name)).map_err(|e| format!("log lines of {name}: {e}"))?;
    }
    let names: Vec<&str> = services.iter().map(|s| s.0).collect();
    eprintln!(
        "N+1 and database time are known by spans, and log lines are found by trace id, of {}",
        names.join(", ")
    );
    Ok(())
}

/// The services, Plimsoll in front of them, and traffic.
struct Stage {
    plimsoll: PathBuf,
    console: SocketAddr,
    _running: Vec<Proxy>,
    load: std::process::Child,
}

impl Stage {
    fn start(
        plimsoll: &Path,
        folder: &Path,
        services: &[&(&'static str, &str, &str)],
    ) -> Result<Stage, String> {
        write(&folder.join("service.py"), include_str!("service.py"))?;
        write(&folder.join("service.js"), include_str!("service.js"))?;
        let plimsoll = npm::absolute(plimsoll)?;
        let [listen, console, http, grpc] = peers::free()?;
        let data = folder.join(format!("data-{}", listen.port()));
        let mut text = format!(
            "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n\
             otlp: {{ http: {http}, grpc: {grpc}, sample: 50% }}\ntraces: {{ share: 20% }}\nservices:\n",
            data.display()
        );
        let (mut routes, mut loads) = (String::from("routes:\n"), String::from("loads:\n  all:\n"));
        let mut running = Vec::new();
        for (name, program, exporter) in services {
            let [at] = peers::free()?;
            let to = if *exporter == "grpc" { grpc } else { http };
            let mut command = match *program {
                "python" => Command::new(folder.join("venv/bin/python")),
                _ => Command::new("node"),
            };
            let script = if *program == "python" {
                "service.py"
            } else {
                "service.js"
            };
            command.arg(folder.join(script)).args([
                *name,
                &at.port().to_string(),
                exporter,
                &to.to_string(),
            ]);
            running.push(peers::launch(name, at, &mut command)?);
            text += &format!("  {name}: {{ instances: [\"{at}\"] }}\n");
            for page in ["list", "one"] {
                routes +=
                    &format!("  {name}-{page}: {{ match: GET /{name}/{page}, to: {name} }}\n");
                loads += &format!("    - {{ request: GET /{name}/{page} }}\n");
            }
        }
        let file = folder.join("plimsoll.yaml");
        write(&file, &(text + &routes + &loads))?;
        let mut run = Command::new(&plimsoll);
        let front = run.args(["run", "--config"]).arg(&file);
        running.push(peers::launch("Plimsoll", listen, front)?);
        let mut load = Command::new(&plimsoll);
        load.args(["load", "--mix", "all", "--config"]).arg(&file);
        load.args(["--rate", &format!("{}/s", RATE * services.len())]);
        load.args(["--duration", &format!("{}s", LOAD.as_secs())]);
        let load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Stage {
            plimsoll,
            console,
            _running: running,
            load: load.map_err(|e| format!("no traffic: {e}"))?,
        })
    }

    /// What a command says as JSON, and on stderr.
    fn ask(&self, args: &[&str]) -> Result<(Value, String), String> {
        let mut ask = Command::new(&self.plimsoll);
        let ask = ask.args(args).args(["--json", "--console"]);
        let out = ask.arg(self.console.to_string()).output();
        let out = out.map_err(|e| e.to_string())?;
        let said = serde_json::from_slice(&out.stdout).unwrap_or_default();
        Ok((said, String::from_utf8_lossy(&out.stderr).into_owned()))
    }

    /// A trace of the planted route has the service's spans, and its log line at the span that was open.
    fn logged(&self, name: &str) -> Result<(), String> {
        let (said, error) = self.ask(&["traces", "--route", &format!("{name}-list")])?;
        let all = said["traces"].as_array().cloned().unwrap_or_default();
        // The gateway's two spans, the service's, and its calls.
        let whole = |t: &&Value| t["lines"] == 1 && t["spans"] == 3 + CALLS as u64;
        let Some(found) = all.iter().find(whole) else {
            return Err(format!(
                "no trace has all of its spans and one: {said} {error}"
            ));
        };
        let (trace, error) = self.ask(&["traces", found["id"].as_str().unwrap_or("")])?;
        let line = &trace["said"][0];
        let rows = trace["rows"].as_array().cloned().unwrap_or_default();
        let open = |r: &&Value| r["id"] == line["span"] && r["service"] == *name;
        let text = format!("asks {CALLS} times");
        let good = line["text"] == *text && line["severity"] == "warn" && line["service"] == *name;
        let own = rows.iter().filter(|r| r["service"] == *name).count();
        match good && rows.iter().any(|r| open(&r)) && own == 1 + CALLS as usize {
            true => Ok(()),
            false => Err(format!("{trace} {error}")),
        }
    }

    /// Asks until the answer rests on enough seconds.
    fn watch(&self) -> Result<Value, String> {
        let until = Instant::now() + LOAD;
        loop {
            std::thread::sleep(Duration::from_secs(2));
            let (said, error) = self.ask(&["diagnose"])?;
            let found = &said["diagnosis"]["diagnosis"];
            let known = found["span_s"].as_f64().unwrap_or(0.0);
            if known >= ENOUGH_S {
                return Ok(found.clone());
            }
            if Instant::now() > until {
                let why = format!("{known} s of {} are told of", LOAD.as_secs());
                return Err(format!("no diagnosis: {why} {error}: {said}"));
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.load.kill();
        let _ = self.load.wait();
    }
}

/// The planted route makes its calls one after another and they take their time; the other route calls once.
fn judge(name: &str, diagnosis: &Value) -> Result<(), String> {
    let find = |list: &str, test: &dyn Fn(&Value) -> bool| {
        let found = diagnosis[list]
            .as_array()
            .into_iter()
            .flatten()
            .find(|r| test(r));
        found
            .cloned()
            .ok_or_else(|| format!("nothing in `{list}` of {diagnosis}"))
    };
    for (page, calls) in [("list", CALLS), ("one", 1.0)] {
        let route = format!("{name}-{page}");
        let resource = format!("db.{name}");
        let row = find("demand", &|r| {
            r["route"] == *route && r["resource"] == *resource
        })?;
        let mean = row["mean"].as_f64().unwrap_or(0.0);
        // Services sleep as long as they say, or somewhat longer.
        let least = calls * CALL_S;
        if row["grade"] != "direct" || !(0.9 * least..3.0 * least).contains(&mean) {
            return Err(format!(
                "{route}: {least} s were planted, and told is {row}"
            ));
        }
        let traced = find("traced", &|t| t["route"] == *route)?;
        let share = traced["share"].as_f64().unwrap_or(0.0);
        if !(0.3..0.7).contains(&share) {
            return Err(format!(
                "{route}: half of it is traced, and told is {share}"
            ));
        }
        let repeats = traced["repeats"].as_array().cloned().unwrap_or_default();
        let planted = |r: &Value| {
            let number = |key: &str| r[key].as_f64().unwrap_or(0.0);
            let what = r["what"] == "SELECT * FROM items WHERE id = ?";
            what && (number("calls") - CALLS).abs() < 0.1 && number("serial") > 0.95
        };
        if repeats.iter().any(planted) != (calls > 1.0) {
            return Err(format!("{route}: its calls are told as {traced}"));
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
