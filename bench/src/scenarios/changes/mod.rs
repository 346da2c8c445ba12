//! A thousand reloads and ten upgrades of the binary, under load and with a thousand WebSockets open: is anything lost?

mod echo;
mod load;
mod subjects;

use super::Stage;
use super::page::{Row, Section};
use load::{Load, Lost};
use std::time::{Duration, Instant};
use subjects::{SUBJECTS, Subject};

const RELOADS: u32 = 1000;
const UPGRADES: u32 = 10;
/// Between two changes of a kind, at least.
const RELOAD_EACH: Duration = Duration::from_millis(100);
const UPGRADE_EACH: Duration = Duration::from_secs(4);
/// What a change may take until it is said to have failed.
const PATIENCE: Duration = Duration::from_secs(30);

const STORY: &str = "1000 WebSockets that live for 4 to 6 s and echo once a second, then are opened anew, and 16 kept connections that ask 100 times a second each.
Meanwhile 1000 reloads, 0.1 s apart or as fast as they are in force, and then ten upgrades of the binary, one at a time, 4 s apart. An idle connection may be
closed; a request that was sent and gets no answer, and a WebSocket that ends before its client ends it, are lost. Target: nothing is lost, and everything
takes place.";

const COLUMNS: &[&str] = &[
    "reloads",
    "requests, lost",
    "WebSockets, cut",
    "upgrades",
    "requests, lost",
    "WebSockets, cut",
];

pub fn run(stage: &Stage<'_>) -> Result<Section, String> {
    let mut section = Section::new(STORY, COLUMNS);
    for s in SUBJECTS {
        let origin = echo::start().map_err(|e| e.to_string())?;
        match (s.start)(stage, origin) {
            Err(why) => section.skip(s.name, &why),
            Ok(subject) => section.rows.push(row(s.name, s.how, subject)?),
        }
    }
    Ok(section)
}

fn row(name: &str, how: &str, mut subject: Subject) -> Result<Row, String> {
    let address = subject.proxy.address;
    let mut cells = Vec::new();
    let mut met = true;
    let load = Load::start(address)?;
    let reloads = repeat(RELOADS, RELOAD_EACH, |n| (subject.reload)(n))?;
    cells.extend(told(reloads, RELOADS, load.end(), &mut met));
    let load = Load::start(address)?;
    match &mut subject.upgrade {
        Some(upgrade) => {
            let upgrades = repeat(UPGRADES, UPGRADE_EACH, upgrade)?;
            cells.extend(told(upgrades, UPGRADES, load.end(), &mut met));
        }
        None => cells.extend(["–"; 3].map(str::to_owned)),
    }
    eprintln!("{name}: {}", cells.join(", "));
    Ok(Row {
        proxy: name.into(),
        cells,
        met: Some(met),
        remark: how.into(),
    })
}

fn told(changes: u32, planned: u32, lost: Lost, met: &mut bool) -> [String; 3] {
    *met &= changes == planned && lost.requests == 0 && lost.sockets == 0;
    if let Some(why) = &lost.why {
        eprintln!("  lost, for example: {why}");
    }
    [
        format!("{changes} of {planned}"),
        format!("{}, {}", lost.asked, lost.requests),
        format!("{}, {}", lost.opened, lost.sockets),
    ]
}

/// So many changes took place.
fn repeat(
    n: u32,
    each: Duration,
    mut change: impl FnMut(u32) -> Result<bool, String>,
) -> Result<u32, String> {
    let mut done = 0;
    for i in 0..n {
        let next = Instant::now() + each;
        done += u32::from(change(i)?);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(done)
}
