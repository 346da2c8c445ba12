//! `diagnose --recording` as people run it: two CSV files in, an answer and an exit status out.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

/// Two routes of a shop: `buy` holds its only lock for 6 ms, both use a little CPU. Deterministic.
fn record(folder: &Path, seconds: u32) {
    let mut state = 7u64;
    let mut gap = |mean: f64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        -mean * (((state >> 11) as f64 + 1.0) / (1u64 << 53) as f64).ln()
    };
    let n = seconds as usize;
    let (mut lock, mut cpu) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let spend = |busy: &mut Vec<f64>, from: f64, to: f64| {
        let mut at = from;
        while at < to {
            let next = (at.floor() + 1.0).min(to);
            if let Some(b) = busy.get_mut(at as usize) {
                *b += next - at;
            }
            at = next;
        }
    };
    let mut requests = String::from("route,arrival_s,duration_s\n");
    for (route, rate, work, held) in [("buy", 50.0, 0.001, 0.006), ("browse", 40.0, 0.002, 0.0)] {
        let (mut at, mut free) = (gap(1.0 / rate), 0.0f64);
        while at < seconds as f64 - 1.0 {
            let done = at + gap(work);
            spend(&mut cpu, at, done);
            let mut end = done;
            if held > 0.0 {
                let start = done.max(free);
                free = start + gap(held);
                spend(&mut lock, start, free);
                end = free;
            }
            let _ = writeln!(requests, "{route},{at:.6},{:.6}", end - at);
            at += gap(1.0 / rate);
        }
    }
    let mut usage =
        String::from("time_s,resource,busy,capacity\n0,lock.shop.stock,0,1\n0,cpu.shop,0,4\n");
    for s in 0..n {
        let _ = writeln!(
            usage,
            "{},lock.shop.stock,{:.6},1\n{0},cpu.shop,{:.6},4",
            s + 1,
            lock[s],
            cpu[s]
        );
    }
    std::fs::write(folder.join("requests.csv"), requests).unwrap();
    std::fs::write(folder.join("usage.csv"), usage).unwrap();
}

fn plimsoll(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(args)
        .arg("--recording")
        .arg(folder)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn two_csv_files_name_the_constraint_and_draw_the_line() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 120);
    let out = plimsoll(&["diagnose"], folder.path());
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}{}", text(&out.stderr));
    for part in [
        "The constraint is lock.shop.stock",
        "constraint  lock.shop.stock [pool or lock]",
        "evidence",
        "confidence",
        "load line",
        "headroom",
        "next        cpu.shop [compute]",
        "90 % interval",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }

    let out = plimsoll(&["diagnose", "--json"], folder.path());
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        json["diagnosis"]["constraint"]["resource"],
        "lock.shop.stock"
    );
    let rows = json["diagnosis"]["demand"].as_array().unwrap();
    let held = rows
        .iter()
        .find(|r| r["route"] == "buy" && r["resource"] == "lock.shop.stock")
        .unwrap();
    let mean = held["mean"].as_f64().unwrap();
    assert!(
        (mean / 0.006 - 1.0).abs() < 0.1,
        "the lock is held 6 ms, not {mean}"
    );
    let line = json["line"]["line"].as_f64().unwrap();
    let full = json["line"]["saturation"].as_f64().unwrap();
    assert!(
        line > 90.0 && line <= full && (full / 300.0 - 1.0).abs() < 0.1,
        "line {line}, full at {full}"
    );
    assert!(json["line"]["safe"].as_f64().unwrap() <= line);

    let out = plimsoll(&["whatif", "traffic buy x2"], folder.path());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("safe line"));
    let out = plimsoll(&["whatif", "cach buy"], folder.path());
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("did you mean `cache`?"),
        "{}",
        text(&out.stderr)
    );
    let out = plimsoll(&["advise"], folder.path());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(
        text(&out.stdout).contains("lock.shop.stock"),
        "{}",
        text(&out.stdout)
    );
}

#[test]
fn too_short_a_recording_says_for_how_much_longer_to_watch() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 12);
    for command in [&["diagnose"][..], &["advise"], &["whatif", "traffic x2"]] {
        let out = plimsoll(command, folder.path());
        assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
        let said = text(&out.stdout);
        assert!(
            said.starts_with("Not enough evidence yet: watch for ")
                && said.contains("more seconds"),
            "{said}"
        );
        assert!(!said.contains("load line"), "{said}");
    }
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 12);
    let at = folder.path().join("requests.csv");
    std::fs::write(
        &at,
        "route,arrival_s,duration_s\nbuy,0.5,0.01\nbuy,soon,0.01\n",
    )
    .unwrap();
    let out = plimsoll(&["diagnose"], folder.path());
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stdout));
    let said = text(&out.stderr);
    assert!(
        said.contains("requests.csv:3") && said.contains("soon"),
        "{said}"
    );

    std::fs::remove_file(&at).unwrap();
    let out = plimsoll(&["diagnose"], folder.path());
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("requests.csv"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn an_access_log_becomes_a_recording_that_diagnose_reads() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let mut text = String::new();
    for i in 0..60 {
        let _ = writeln!(
            text,
            "10.0.0.1 - - [29/Feb/2024:12:00:{:02} +0000] \"GET /products/{i} HTTP/1.1\" 200 612 \"-\" \"a\" 0.250",
            i % 60
        );
    }
    text.push_str("not a line\n");
    std::fs::write(&log, text).unwrap();
    let out = folder.path().join("made");
    let import = || {
        Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["import", "nginx"])
            .arg(&log)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap()
    };
    let done = import();
    let said = text_of(&done);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(
        said.contains("60 requests of ") && said.contains("access.log:61: not a line"),
        "{said}"
    );
    let again = import();
    assert_eq!(
        again.status.code(),
        Some(1),
        "an existing recording is not overwritten"
    );
    let out = plimsoll(&["diagnose"], &out);
    assert_eq!(out.status.code(), Some(3), "{}", text_of(&out));
    assert!(text_of(&out).contains("requests seen"), "{}", text_of(&out));
}

fn text_of(out: &Output) -> String {
    format!("{}{}", text(&out.stdout), text(&out.stderr))
}
