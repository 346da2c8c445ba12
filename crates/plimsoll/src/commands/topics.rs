//! `plimsoll topics`: how each subscription stands, what is dead, and what shall become of it.

use crate::ask::{self, plain as text};
use crate::cli::topics::{EventsArgs, OfArgs, TopicsAsk};
use crate::commands::jobs::{after, line};
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(ask: TopicsAsk) -> Result<Exit, Failure> {
    match ask {
        TopicsAsk::Status(args) => ask::show(&args, "/api/v1/topics", topics),
        TopicsAsk::List(args) => list(&args),
        TopicsAsk::Redrive(args) => act(&args, "redrive"),
        TopicsAsk::Pause(args) => act(&args, "pause"),
        TopicsAsk::Resume(args) => act(&args, "resume"),
    }
}

fn list(args: &EventsArgs) -> Result<Exit, Failure> {
    let mut target = format!(
        "/api/v1/topics/list?topic={}&subscription={}&state={}&limit={}",
        ask::encode(&args.topic),
        ask::encode(&args.subscription),
        ask::encode(&args.state),
        args.limit
    );
    target += &after(args.after.as_deref(), "an event")?;
    ask::show(&args.ask, &target, |said| {
        let all: String = said.as_array().into_iter().flatten().map(line).collect();
        match all.is_empty() {
            true => "none\n".into(),
            false => all,
        }
    })
}

fn act(args: &OfArgs, deed: &str) -> Result<Exit, Failure> {
    let which = json!({ "topic": args.topic, "subscription": args.subscription });
    ask::act(&args.ask, &format!("/api/v1/topics/{deed}"), &which)
}

fn topics(said: &Value) -> String {
    let mut out = String::new();
    let following = &said[0]["following"];
    if let Some(why) = following["wrong"].as_str() {
        let _ = writeln!(out, "NOT FOLLOWED: {why}");
    } else if following["behind"] == true {
        out += "this node still reads what was done before\n";
    } else if let Some(stream) = following["stream"].as_str() {
        let _ = writeln!(
            out,
            "the same at all nodes: message {} of {stream}",
            following["applied"]
        );
    }
    for t in said.as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "{}: {} events ({} bytes), the newest at {}",
            text(&t["topic"]),
            t["events"],
            t["bytes"],
            t["position"]
        );
        if t["dead_dropped"].as_u64().is_some_and(|n| n > 0) {
            let _ = writeln!(
                out,
                "  {} dead events gave way to new ones",
                t["dead_dropped"]
            );
        }
        for s in t["subscriptions"].as_array().into_iter().flatten() {
            out += &subscription(s);
        }
    }
    match out.is_empty() {
        true => "there is no topic\n".into(),
        false => out,
    }
}

fn subscription(s: &Value) -> String {
    let (name, to) = (text(&s["subscription"]), text(&s["to"]));
    if to == "sse" {
        return format!("  {name} (sse)\n");
    }
    let oldest = match s["oldest_s"].as_u64() {
        Some(age) => format!(", the oldest for {age} s"),
        None => String::new(),
    };
    let mut out = format!(
        "  {name} ({to}): {} waiting{oldest}, {} dead\n",
        s["waiting"], s["dead"]
    );
    let detail = text(&s["detail"]);
    let reason = match s["reason"].as_str() {
        None => return out,
        Some("concurrency") => "as many at once as its config allows".to_owned(),
        Some("slow_start") => "it begins with one and doubles while they succeed".into(),
        Some("load_line") => {
            "what clients wait for leaves no more room below the service's load line".into()
        }
        Some("rate") => "as many per second as its config allows".into(),
        Some("held") => format!("nothing is sent now: {detail}"),
        Some("paused") => "paused; `plimsoll topics resume` goes on".into(),
        Some("disabled") => format!("DISABLED: {detail}; `plimsoll topics resume` goes on"),
        Some(other) => other.to_owned(),
    };
    let rate = s["rate"].as_f64().unwrap_or(0.0);
    let flight = s["in_flight"].as_u64().unwrap_or(0);
    let _ = writeln!(out, "    {rate:.1}/s, {flight} under way; {reason}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_how_each_subscription_stands() {
        let said = json!([{ "topic": "orders", "events": 3, "bytes": 99, "position": 7, "dead_dropped": 2, "subscriptions": [
            { "subscription": "hook", "to": "webhook", "waiting": 2, "dead": 1, "oldest_s": 4, "in_flight": 0, "rate": 0.0,
              "reason": "disabled", "detail": "it answered 410: it is gone" },
            { "subscription": "audit", "to": "pull", "waiting": 0, "dead": 0, "oldest_s": null, "reason": null },
            { "subscription": "live", "to": "sse" },
        ] }]);
        assert_eq!(
            topics(&said),
            "orders: 3 events (99 bytes), the newest at 7\n  2 dead events gave way to new ones\n  \
             hook (webhook): 2 waiting, the oldest for 4 s, 1 dead\n    \
             0.0/s, 0 under way; DISABLED: it answered 410: it is gone; `plimsoll topics resume` goes on\n  \
             audit (pull): 0 waiting, 0 dead\n  live (sse)\n"
        );
        assert_eq!(topics(&json!([])), "there is no topic\n");
        let following = |following: Value| {
            let t = json!({ "topic": "t", "events": 0, "bytes": 0, "position": 0, "following": following });
            topics(&json!([t]))
        };
        let well = json!({ "stream": "p_topics", "applied": 4, "wrong": null, "behind": false });
        assert!(following(well).starts_with("the same at all nodes: message 4 of p_topics\nt: "));
        let wrong = json!({ "stream": "p_topics", "applied": 4, "wrong": "gone", "behind": true });
        assert!(following(wrong).starts_with("NOT FOLLOWED: gone\n"));
    }
}
