//! `plimsoll jobs`: what waits, what became of it, and what shall.

use crate::ask::{self, plain as text};
use crate::cli::AskArgs;
use crate::cli::jobs::{Filter, JobsAsk, ListArgs, RedriveArgs, ShowArgs, Which};
use crate::exit::{Exit, Failure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::{Read, Write as _};

pub fn run(ask: JobsAsk) -> Result<Exit, Failure> {
    match ask {
        JobsAsk::Status(args) => ask::show(&args, "/api/v1/jobs", lanes),
        JobsAsk::List(args) => list(&args),
        JobsAsk::Cron(args) => ask::show(&args, "/api/v1/jobs/cron", crons),
        JobsAsk::Show(args) => show(&args),
        JobsAsk::Cancel(args) => act(&args.ask, "cancel", json!({ "job": args.id })),
        JobsAsk::Redrive(args) => redrive(&args),
        JobsAsk::Discard(args) => act(&args.ask, "discard", which(&args.which, &args.filter)),
        JobsAsk::Pause(args) => act(&args.ask, "pause", json!({ "route": args.route })),
        JobsAsk::Resume(args) => act(&args.ask, "resume", json!({ "route": args.route })),
    }
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let mut target = format!(
        "/api/v1/jobs/list?route={}&state={}&limit={}",
        ask::encode(&args.route),
        ask::encode(&args.state),
        args.limit
    );
    target += &after(args.after.as_deref(), "a job")?;
    ask::show(&args.ask, &target, |said| {
        let jobs = said.as_array().map_or(&[][..], Vec::as_slice);
        match jobs.is_empty() {
            true => "none\n".into(),
            false => jobs.iter().map(line).collect(),
        }
    })
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let (ask, target) = (
        &args.job.ask,
        format!("/api/v1/jobs/{}", ask::encode(&args.job.id)),
    );
    if !args.body {
        return ask::show(ask, &target, one);
    }
    let said: Value = ask::get(&ask::console(ask)?, &format!("{target}/request"))?;
    if ask.json {
        println!("{said}");
        return Ok(Exit::Ok);
    }
    let body = BASE64.decode(said["body"].as_str().unwrap_or(""));
    let body = body.map_err(|e| Failure::new(format!("its answer is not understood: {e}")))?;
    let written = std::io::stdout().write_all(&body);
    written.map_err(|e| Failure::new(format!("writing the body: {e}")))?;
    Ok(Exit::Ok)
}

fn which(which: &Which, filter: &Filter) -> Value {
    json!({ "job": which.id, "route": which.route, "reason": filter.reason, "request": filter.request })
}

fn redrive(args: &RedriveArgs) -> Result<Exit, Failure> {
    let Some(file) = &args.body else {
        let mut wish = which(&args.which, &args.filter);
        wish["rate"] = json!(args.rate);
        return act(&args.ask, "redrive", wish);
    };
    let mut body = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_end(&mut body).map(|_| body),
        false => std::fs::read(file),
    };
    let body = read.map_err(|e| Failure::new(format!("the body {}: {e}", file.display())))?;
    let wish = json!({ "job": args.which.id, "body": BASE64.encode(body) });
    act(&args.ask, "edit", wish)
}

fn act(args: &AskArgs, deed: &str, which: Value) -> Result<Exit, Failure> {
    ask::act(args, &format!("/api/v1/jobs/{deed}"), &which)
}

fn lanes(said: &Value) -> String {
    let mut out = String::new();
    for lane in said.as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "{}: {} waiting ({} bytes), oldest {} s, {} dead",
            text(&lane["route"]),
            lane["waiting"],
            lane["bytes"],
            lane["oldest_s"].as_u64().unwrap_or(0),
            lane["dead"],
        );
        let reason = match lane["reason"].as_str().unwrap_or("") {
            "concurrency" => "as many at once as the route allows".to_owned(),
            "slow_start" => "it begins with one and doubles while they succeed".into(),
            "load_line" => {
                "what clients wait for leaves no more room below the service's load line".into()
            }
            "held" => format!("nothing is sent now: {}", text(&lane["detail"])),
            "paused" => "paused; `plimsoll jobs resume` goes on".into(),
            "disabled" => format!(
                "nothing is sent: {}; `plimsoll jobs resume` goes on",
                text(&lane["detail"])
            ),
            _ => "no route takes them any more".into(),
        };
        let rate = lane["rate"].as_f64().unwrap_or(0.0);
        let flight = lane["in_flight"].as_u64().unwrap_or(0);
        let _ = write!(out, "  {rate:.1}/s, {flight} under way; {reason}");
        match lane["drained_in_s"].as_f64() {
            Some(s) if lane["waiting"] != 0 => {
                let _ = writeln!(out, "; empty in about {s:.0} s{}", around(lane));
            }
            _ => out.push('\n'),
        }
    }
    match out.is_empty() {
        true => "no route has taken a job yet\n".into(),
        false => out,
    }
}

/// How sure an estimate is, and what it rests on.
fn around(said: &Value) -> String {
    let (Some(low), Some(high)) = (said["eta_low_s"].as_f64(), said["eta_high_s"].as_f64()) else {
        return String::new();
    };
    let by = match said["eta_basis"].as_str() {
        Some("demand") => "by the route's demand and what is free below the load line",
        _ => "by the rate of the last seconds",
    };
    format!(" ({low:.0} to {high:.0}), {by}")
}

fn crons(said: &Value) -> String {
    let at = |ms: &Value| {
        let at = ms
            .as_i64()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or("never".to_owned(), |at| at.to_string())
    };
    let one = |c: &Value| {
        let (name, schedule, zone) = (text(&c["cron"]), text(&c["schedule"]), text(&c["timezone"]));
        format!(
            "{name}: {schedule} {zone}, jobs of {}; due next {}\n",
            text(&c["route"]),
            at(&c["next_ms"])
        )
    };
    let out: String = said.as_array().into_iter().flatten().map(one).collect();
    if out.is_empty() { "none\n".into() } else { out }
}

/// `--after` as a parameter, for a list of jobs or events: nothing when it was not given.
pub(super) fn after(id: Option<&str>, what: &str) -> Result<String, Failure> {
    let Some(id) = id else {
        return Ok(String::new());
    };
    match u64::from_str_radix(id, 16) {
        Ok(place) => Ok(format!("&after={place}")),
        Err(_) => Err(Failure::new(format!("`{id}` is no place of {what}"))),
    }
}

pub(super) fn line(job: &Value) -> String {
    let reason = job["reason"].as_str().filter(|r| !r.is_empty());
    let reason = reason.map_or(String::new(), |r| format!("  {r}"));
    let (id, request) = (text(&job["id"]), text(&job["request"]));
    let (state, attempts) = (text(&job["state"]), &job["attempts"]);
    format!("{id}  {state}  {attempts} attempts  {request}{reason}\n")
}

fn one(job: &Value) -> String {
    let mut out = line(job);
    if let Some(key) = job["key"].as_str() {
        let _ = writeln!(out, "  ordered by {key}");
    }
    if let Some(s) = job["eta_s"].as_f64() {
        let _ = writeln!(out, "  done in about {s:.0} s{}", around(job));
    }
    if let Some(answer) = job["answer"].as_str() {
        let _ = writeln!(out, "  answered:");
        for line in answer.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_how_fast_and_why() {
        let said = json!([{ "route": "orders", "waiting": 12, "bytes": 99, "dead": 1, "oldest_s": 4, "in_flight": 2,
            "rate": 3.0, "drained_in_s": 4.0, "reason": "held", "detail": "breaker-open" }]);
        assert_eq!(
            lanes(&said),
            "orders: 12 waiting (99 bytes), oldest 4 s, 1 dead\n  \
             3.0/s, 2 under way; nothing is sent now: breaker-open; empty in about 4 s\n"
        );
        let waiting = json!({ "id": "1-a", "state": "waiting", "attempts": 0, "request": "POST /x", "eta_s": 9.4,
            "eta_low_s": 7.0, "eta_high_s": 12.0, "eta_basis": "demand" });
        let shown = one(&waiting);
        assert!(
            shown.contains("done in about 9 s (7 to 12), by the route's demand"),
            "{shown}"
        );
        assert_eq!(lanes(&json!([])), "no route has taken a job yet\n");
        assert_eq!(after(None, "a job").unwrap(), "");
        assert_eq!(after(Some("1f"), "a job").unwrap(), "&after=31");
        let Err(why) = after(Some("1f-"), "a job") else {
            panic!("no place")
        };
        assert!(format!("{why:?}").contains("no place of a job"), "{why:?}");
        let dead = json!({ "id": "1-a", "state": "dead", "attempts": 3, "request": "POST /x", "reason": "status 400" });
        assert_eq!(line(&dead), "1-a  dead  3 attempts  POST /x  status 400\n");
    }
}
