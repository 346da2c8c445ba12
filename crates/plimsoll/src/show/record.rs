//! How a recording goes, and what came of it.

use super::number::amount;
use telemetry::recording::{Ending, Progress, Stage};

/// One line while it is under way.
pub fn now(p: &Progress) -> String {
    let so_far = format!(
        "{} requests, {}",
        p.requests,
        amount(p.bytes as f64, "bytes")
    );
    match p.stage {
        Stage::Taking => format!(
            "recording to {}: {} of {} s, {so_far}; Ctrl-C ends it",
            p.folder.display(),
            p.seconds,
            p.of_s
        ),
        _ => format!(
            "{} s recorded, {so_far}; waiting for what resources did in the last seconds (about 10 s)",
            p.of_s
        ),
    }
}

/// What was recorded, why it ended, and what to do with it.
pub fn ended(p: &Progress) -> String {
    let folder = p.folder.display();
    let mut out = format!(
        "recorded {} s to {folder}: {} rows of requests, {} rows of usage, {}\n",
        p.seconds,
        p.requests,
        p.usage,
        amount(p.bytes as f64, "bytes")
    );
    match p.ending {
        Some(Ending::Size) => out.push_str("it ended at its limit of bytes; --size raises it\n"),
        Some(Ending::Stopped) => out.push_str("it ended because Plimsoll was stopped\n"),
        Some(Ending::Disk) => out.push_str("it ended because the disk failed\n"),
        Some(Ending::Time | Ending::Asked) | None => {}
    }
    if p.lost > 0 {
        out.push_str(&format!(
            "{} requests are not in it: telemetry could not keep up with the traffic\n",
            p.lost
        ));
    }
    if p.requests == 0 {
        out.push_str("no request came meanwhile: there is nothing to learn from it\n");
    } else if p.fault.is_none() {
        out.push_str(&format!(
            "read it with `plimsoll diagnose --recording {folder}`\n"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_is_missing() {
        let mut p = Progress {
            folder: "/tmp/rec".into(),
            stage: Stage::Ended,
            ending: Some(Ending::Asked),
            seconds: 61,
            requests: 7,
            usage: 900,
            bytes: 4_200_000,
            ..Progress::default()
        };
        assert_eq!(
            ended(&p),
            "recorded 61 s to /tmp/rec: 7 rows of requests, 900 rows of usage, 4200 kB\n\
             read it with `plimsoll diagnose --recording /tmp/rec`\n"
        );
        (p.lost, p.ending) = (3, Some(Ending::Size));
        assert!(ended(&p).contains("--size") && ended(&p).contains("3 requests are not in it"));
        p.requests = 0;
        assert!(ended(&p).contains("nothing to learn"));
    }
}
