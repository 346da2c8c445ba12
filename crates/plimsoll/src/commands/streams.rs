//! `plimsoll streams`: what was appended, who reads it and how far, and building a projection again.

use crate::ask::{self, plain as text};
use crate::cli::AskArgs;
use crate::cli::streams::{AppendArgs, ReadArgs, StreamsAsk};
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(ask: StreamsAsk) -> Result<Exit, Failure> {
    match ask {
        StreamsAsk::Status(args) => ask::show(&args, "/api/v1/streams", status),
        StreamsAsk::List(args) => {
            let (after, limit) = (ask::encode(&args.after), args.limit);
            let target = format!("/api/v1/streams/list?after={after}&limit={limit}");
            ask::show(&args.ask, &target, list)
        }
        StreamsAsk::Read(args) => read(&args),
        StreamsAsk::Append(args) => append(&args),
        StreamsAsk::Replay(args) => {
            let what =
                json!({ "projection": args.projection, "from": args.from, "rate": args.rate });
            act(&args.ask, "replay", &what)
        }
    }
}

fn read(args: &ReadArgs) -> Result<Exit, Failure> {
    let mut target = format!(
        "/api/v1/streams/read?limit={}&back={}",
        args.limit, args.back
    );
    if let Some(stream) = &args.stream {
        let _ = write!(target, "&stream={}", ask::encode(stream));
    }
    if let Some(from) = args.from {
        let _ = write!(target, "&from={from}");
    }
    ask::show(&args.ask, &target, events)
}

fn append(args: &AppendArgs) -> Result<Exit, Failure> {
    let mut event = json!({ "type": args.kind });
    if let Some(data) = &args.data {
        event["data"] = serde_json::from_str(data)
            .map_err(|e| Failure::new(format!("--data is no JSON: {e}")))?;
    }
    for (name, value) in [("id", &args.id), ("subject", &args.subject)] {
        if let Some(value) = value {
            event[name] = value.as_str().into();
        }
    }
    let what = json!({ "stream": args.stream, "expected": args.expect, "event": event });
    act(&args.ask, "append", &what)
}

fn act(args: &AskArgs, deed: &str, what: &Value) -> Result<Exit, Failure> {
    ask::act(args, &format!("/api/v1/streams/{deed}"), what)
}

fn list(said: &Value) -> String {
    let all = said.as_array().into_iter().flatten();
    let lines = all.map(|s| format!("{}: {} events\n", text(&s["stream"]), s["version"]));
    let out: String = lines.collect();
    if out.is_empty() { "none\n".into() } else { out }
}

fn events(said: &Value) -> String {
    let line = |e: &Value| {
        let (position, version) = (&e["position"], &e["version"]);
        let (stream, kind) = (text(&e["stream"]), text(&e["type"]));
        let data = match (&e["data"], e["data_base64"].as_str()) {
            (_, Some(bytes)) => format!("(base64) {bytes}"),
            (Value::Null, None) => String::new(),
            (data, None) => data.to_string(),
        };
        format!(
            "{position}  {stream} {version}  {kind}  {} {data}\n",
            text(&e["time"])
        )
    };
    let out: String = said.as_array().into_iter().flatten().map(line).collect();
    if out.is_empty() { "none\n".into() } else { out }
}

/// A line that says what is wrong, where something is.
fn wrong(said: &Value) -> String {
    let error = said["error"].as_str();
    error.map_or(String::new(), |e| format!("  {e}\n"))
}

/// A line that says which node does it, where it is not this one.
fn elsewhere(said: &Value) -> String {
    let node = said["elsewhere"].as_str();
    node.map_or(String::new(), |n| format!("  not by this node: {n}\n"))
}

fn status(said: &Value) -> String {
    if said.is_null() {
        return "there are no streams: nothing in the config asks for them\n".into();
    }
    let number = |what: &str| said[what].as_u64().unwrap_or(0);
    let kept = number("last").saturating_sub(number("gone"));
    let mut out = format!("{kept} events, the last at position {}", said["last"]);
    match said["gone"].as_u64() {
        Some(gone) if gone > 0 => out += &format!("; those up to {gone} were let go\n"),
        _ => out.push('\n'),
    }
    let following = &said["following"];
    if let Some(why) = following["wrong"].as_str() {
        let _ = writeln!(out, "NOT FOLLOWED: {why}");
    } else if following["behind"] == true {
        out += "this node still reads what was appended before\n";
    } else if let Some(stream) = following["stream"].as_str() {
        let _ = writeln!(
            out,
            "the same at all nodes: message {} of {stream}",
            following["applied"]
        );
    }
    let all = |what: &str| said[what].as_array().cloned().unwrap_or_default();
    if let Some(why) = said["subscriptions_unknown"].as_str() {
        let _ = writeln!(out, "subscriptions are not known: {why}");
    }
    for s in all("subscriptions") {
        let _ = writeln!(
            out,
            "subscription {}: {} behind, acknowledged up to {}",
            text(&s["name"]),
            s["lag"],
            s["position"]
        );
    }
    for p in all("projections") {
        let _ = write!(
            out,
            "projection {}: {} behind, at position {}",
            text(&p["name"]),
            p["lag"],
            p["position"]
        );
        match p["replay_until"].as_u64() {
            Some(until) => out += &format!("; being built again up to {until}\n"),
            None => out.push('\n'),
        }
        out += &(elsewhere(&p) + &wrong(&p));
    }
    for o in all("outboxes") {
        let waiting = o["waiting"].as_u64().map_or("?".into(), |n| n.to_string());
        let target = match o["job"].as_str() {
            Some(route) => format!("jobs of {route}"),
            None => format!("events of {}", text(&o["stream"])),
        };
        let _ = writeln!(
            out,
            "outbox {}: {waiting} rows wait in {}, {} became {target}",
            text(&o["name"]),
            text(&o["table"]),
            o["relayed"]
        );
        match o["refused"].as_u64() {
            Some(n) if n > 0 => {
                out += &format!("  {n} rows can never go: too large, or without an id or a type\n")
            }
            _ => {}
        }
        out += &(elsewhere(&o) + &wrong(&o));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_how_far_all_are_and_what_holds_them() {
        let said = json!({ "gone": 2, "last": 9,
            "subscriptions": [{ "name": "mail", "lag": 4, "position": 5 }],
            "projections": [{ "name": "view", "lag": 0, "position": 9, "replay_until": null, "error": null }],
            "outboxes": [{ "name": "orders", "table": "outbox", "stream": "orders", "waiting": 3, "refused": 1, "relayed": 7,
                "error": "connection refused" },
                { "name": "mails", "table": "mail", "job": "send", "waiting": 0, "refused": 0, "relayed": 2 }] });
        assert_eq!(
            status(&said),
            "7 events, the last at position 9; those up to 2 were let go\n\
             subscription mail: 4 behind, acknowledged up to 5\n\
             projection view: 0 behind, at position 9\n\
             outbox orders: 3 rows wait in outbox, 7 became events of orders\n  \
             1 rows can never go: too large, or without an id or a type\n  connection refused\n\
             outbox mails: 0 rows wait in mail, 2 became jobs of send\n"
        );
        assert!(status(&Value::Null).starts_with("there are no streams"));
        let following = |following: Value| status(&json!({ "last": 9, "following": following }));
        let well = json!({ "stream": "p_events", "applied": 4, "wrong": null, "behind": false });
        assert!(following(well).contains("the same at all nodes: message 4 of p_events\n"));
        let wrong = json!({ "stream": "p_events", "applied": 4, "wrong": "gone", "behind": true });
        assert!(following(wrong).contains("NOT FOLLOWED: gone\n"));
        let event = json!([{ "position": 1, "stream": "s", "version": 1, "type": "t", "time": "now", "data": {"a": 1} }]);
        assert_eq!(events(&event), "1  s 1  t  now {\"a\":1}\n");
    }
}
