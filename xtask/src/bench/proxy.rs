//! `cargo xtask bench proxy`: CPU per proxied request on one core beside HAProxy and nginx.

use super::drive::Drive;
use super::peers::{self, Proxy};
use super::stats::{cpu_seconds, memory_kib, spread};
use std::fmt::Write;
use std::time::Duration;

const CONNECTIONS: usize = 64;
const TURN: Duration = Duration::from_millis(1200);
const WARM: Duration = Duration::from_millis(700);
/// Paced rows, requests per second.
const PACED: f64 = 8000.0;

/// Runs `pairs` pairs for each proxy against the first (HAProxy) and returns the report.
pub fn run(plimsoll: &std::path::Path, pairs: usize) -> Result<String, String> {
    super::cores::pin(1)?;
    let dir = std::env::temp_dir().join(format!("plimsoll-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let mut drive = Drive::new().map_err(|e| e.to_string())?;
    let upstream = drive.upstream().map_err(|e| e.to_string())?;
    let (proxies, missing) = peers::start(upstream, plimsoll, &dir);
    let report = measure(&mut drive, &proxies, &missing, pairs);
    drop(proxies);
    let _ = std::fs::remove_dir_all(&dir);
    report
}

fn measure(
    drive: &mut Drive,
    proxies: &[Proxy],
    missing: &[String],
    pairs: usize,
) -> Result<String, String> {
    let Some((first, others)) = proxies.split_first() else {
        return Err(missing.join("\n"));
    };
    let mut out = String::new();
    for why in missing {
        let _ = writeln!(out, "missing: {why}");
    }
    let _ = writeln!(
        out,
        "| proxy | load | CPU µs/request relative to {} (median, range) | µs | requests/s |",
        first.name
    );
    let _ = writeln!(out, "|---|---|---|---|---|");
    for rate in [None, Some(PACED)] {
        let load = rate.map_or("saturated".to_owned(), |r| format!("paced {r:.0}/s"));
        for other in others {
            let (mut ratios, mut cost, mut rps) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..pairs.div_ceil(2) {
                // A B B A: drift within the four turns cancels.
                let a1 = turn(drive, first, rate)?;
                let b1 = turn(drive, other, rate)?;
                let b2 = turn(drive, other, rate)?;
                let a2 = turn(drive, first, rate)?;
                ratios.extend([b1.0 / a1.0, b2.0 / a2.0]);
                cost.extend([b1.0, b2.0]);
                rps.extend([b1.1, b2.1]);
            }
            if let (Some(r), Some(c), Some(q)) = (spread(&ratios), spread(&cost), spread(&rps)) {
                let _ = writeln!(
                    out,
                    "| {} | {load} | {:.2} ({:.2}–{:.2}) | {:.1} | {:.0} |",
                    other.name, r.median, r.low, r.high, c.median, q.median
                );
            }
        }
    }
    let _ = writeln!(out, "\n| proxy | KiB per idle connection |\n|---|---|");
    for p in proxies {
        let before = memory_kib(p.pid());
        drive
            .connect(p.address, 2000)
            .map_err(|e| format!("{}: {e}", p.name))?;
        drive
            .run(Duration::from_millis(1500), None)
            .map_err(|e| e.to_string())?;
        let after = memory_kib(p.pid());
        drive.disconnect();
        let _ = writeln!(out, "| {} | {:.1} |", p.name, (after - before) / 2000.0);
    }
    let _ = writeln!(out, "\nerrors: {}", drive.errors);
    Ok(out)
}

/// CPU µs per request, and requests per second.
fn turn(drive: &mut Drive, proxy: &Proxy, rate: Option<f64>) -> Result<(f64, f64), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", proxy.name);
    drive.connect(proxy.address, CONNECTIONS).map_err(fail)?;
    drive.run(WARM, rate).map_err(fail)?;
    let before = cpu_seconds(proxy.pid());
    let n = drive.run(TURN, rate).map_err(fail)?;
    let used = cpu_seconds(proxy.pid()) - before;
    drive.disconnect();
    if n == 0 {
        return Err(format!("{} answered nothing", proxy.name));
    }
    Ok((used * 1e6 / n as f64, n as f64 / TURN.as_secs_f64()))
}
