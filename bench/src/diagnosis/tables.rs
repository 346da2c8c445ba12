//! Rows as tables.

use super::kept::Kept;
use crate::stats::spread;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or("—")
}

fn yes(v: &Value) -> &'static str {
    match v.as_bool() {
        Some(true) => "right",
        _ => "**wrong**",
    }
}

fn percent(e: Option<f64>) -> String {
    e.map_or("—".into(), |e| format!("{:+.0} %", 100.0 * e))
}

fn rps(v: Option<f64>) -> String {
    v.map_or("—".into(), |v| format!("{v:.0}"))
}

/// Relative error of `predicted` against `measured`, signed.
pub fn error(predicted: &Value, measured: Option<f64>) -> Option<f64> {
    Some(predicted.as_f64()? / measured.filter(|m| *m > 0.0)? - 1.0)
}

/// Predicted line after ÷ predicted before, compared with the same of the measured lines.
pub fn gain(k: &Kept) -> Option<f64> {
    let after = error(&k.row["gain"]["predicted"], k.rps("lifted"))?;
    let before = error(&k.row["line"]["predicted"], k.rps("line"))?;
    Some((1.0 + after) / (1.0 + before) - 1.0)
}

/// What was answered.
pub fn answers(out: &mut String, rows: &[Kept]) {
    let _ = writeln!(
        out,
        "| planted | seed | answer | class | resource | route | confidence | smallest change | host CPU | measured at |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for k in rows {
        let (r, j) = (&k.row, &k.row["judged"]);
        let _ = writeln!(
            out,
            "| {}: {} | {} | {} {} | {} {} | {} {} | {} | {:.2} | {} | {:.0} % | {} |",
            k.scenario,
            text(&r["what"]),
            k.seed,
            text(&r["verdict"]["kind"]),
            yes(&j["verdict"]),
            text(&r["class"]),
            yes(&j["class"]),
            text(&r["resource"]),
            yes(&j["resource"]),
            yes(&j["route"]),
            r["confidence"].as_f64().unwrap_or(0.0),
            text(&r["advice"]),
            100.0 * r["host_cpu"].as_f64().unwrap_or(0.0),
            k.when(),
        );
    }
}

/// Which machines the rows are from.
pub fn machines(out: &mut String, rows: &[Kept]) {
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for k in rows {
        let named = k.machine().unwrap_or("not written down");
        *of.entry(named).or_default() += 1;
    }
    let said: Vec<String> = of
        .iter()
        .map(|(machine, n)| format!("{machine}: {n}"))
        .collect();
    let _ = writeln!(out, "\nRows by machine. {}.", said.join("; "));
}

/// Who else would have named the resource, from the same recordings.
pub fn named(out: &mut String, rows: &[Kept]) {
    // Rows of before others were asked have nothing of theirs.
    let asked = |k: &&Kept| k.planted() && k.row["named"].is_object();
    let planted: Vec<&Kept> = rows.iter().filter(asked).collect();
    if planted.is_empty() {
        return;
    }
    let of = |right: &dyn Fn(&Kept) -> bool| planted.iter().filter(|k| right(k)).count();
    let other = |key: &str| of(&|k: &Kept| k.row["named"][key] == true);
    let _ = writeln!(
        out,
        "\nThe planted resource is named, in {} rows with one: by Plimsoll in {}, by the highest utilisation (USE) in {}, by correlation \
         with the latency in {}, by the highest z-score in slow seconds (BARO) in {}.",
        planted.len(),
        of(&|k| k.row["judged"]["resource"] == true),
        other("most_utilised_right"),
        other("correlated_right"),
        other("deviant_right"),
    );
}

/// Load lines, and what a change gains.
pub fn lines(out: &mut String, rows: &[Kept]) {
    let _ = writeln!(
        out,
        "\n| planted | watched at | line measured | held | predicted (safe) | error | X* | 70 % rule | USL | lifted by | predicted | measured | \
         error of the gain | runner-up lifted | valid |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let others = ["saturation", "seventy_percent", "usl"];
    let mut errors: Vec<Vec<f64>> = vec![Vec::new(); 1 + others.len()];
    let mut gains = Vec::new();
    for k in rows.iter().filter(|k| k.truth.contains_key("line")) {
        let (l, g, line) = (&k.row["line"], &k.row["gain"], k.rps("line"));
        let all: Vec<Option<f64>> = std::iter::once("predicted")
            .chain(others)
            .map(|key| error(&l[key], line))
            .collect();
        for (to, e) in errors.iter_mut().zip(&all) {
            to.extend(e.map(f64::abs));
        }
        gains.extend(gain(k).map(f64::abs));
        let at = error(&k.row["rate"], line).map(|e| 1.0 + e);
        let held = k.truth["line"]["held_s"].as_u64().unwrap_or(0);
        let valid = match k.valid() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "—",
        };
        let _ = writeln!(
            out,
            "| {} | {}/s ({}) | {} | {held} s | {} ({}) | {} | {} | {} | {} | {} | {} | {} | {} | {} | {valid} |",
            k.scenario,
            rps(k.row["rate"].as_f64()),
            at.map_or("—".into(), |a| format!("{:.0} %", 100.0 * a)),
            rps(line),
            rps(l["predicted"].as_f64()),
            rps(l["safe"].as_f64()),
            percent(all[0]),
            percent(all[1]),
            percent(all[2]),
            percent(all[3]),
            text(&g["change"]),
            rps(g["predicted"].as_f64()),
            rps(k.rps("lifted")),
            percent(gain(k)),
            rps(k.rps("runner-up")),
        );
    }
    let said = |name: &str, v: &[f64]| {
        spread(v).map_or(format!("{name}: nothing to compare"), |s| {
            format!(
                "{name}: median {:.0} % ({:.0}–{:.0}) of {}",
                100.0 * s.median,
                100.0 * s.low,
                100.0 * s.high,
                v.len()
            )
        })
    };
    let _ = writeln!(
        out,
        "\nErrors of the load line, without sign. {}; {}; {}; {}. {}.",
        said("Ours", &errors[0]),
        said("X*", &errors[1]),
        said("70 % rule", &errors[2]),
        said("USL", &errors[3]),
        said("Gain of the change", &gains)
    );
}

/// Demand without the services' reports, beside what textbooks do.
pub fn estimates(out: &mut String, rows: &[Kept]) {
    let keys = ["ours", "nnls_1s", "nnls_10s", "apportioned", "kalman"];
    let _ = writeln!(
        out,
        "\n| planted | ours | NNLS, 1 s | NNLS, 10 s | by response time | Kalman, 5 s | true values inside our 90 % intervals |\n\
         |---|---|---|---|---|---|---|"
    );
    let mut all = vec![Vec::new(); keys.len()];
    let (mut inside, mut of) = (0, 0);
    for k in rows.iter().filter(|k| k.row["estimates"].is_object()) {
        let e = &k.row["estimates"];
        let values = keys.map(|key| e[key].as_f64());
        for (to, v) in all.iter_mut().zip(values) {
            to.extend(v);
        }
        let count = |key: &str| e[key].as_u64().unwrap_or(0);
        inside += count("inside");
        of += count("of");
        let cell = |v: Option<f64>| v.map_or("—".into(), |v| format!("{:.0} %", 100.0 * v));
        let _ = writeln!(
            out,
            "| {}, {} | {} | {} of {} |",
            k.scenario,
            k.seed,
            values.map(cell).join(" | "),
            count("inside"),
            count("of")
        );
    }
    let medians = all
        .iter()
        .map(|v| spread(v).map_or("—".into(), |s| format!("{:.0} %", 100.0 * s.median)));
    let _ = writeln!(
        out,
        "| median | {} | {inside} of {of} |",
        medians.collect::<Vec<String>>().join(" | ")
    );
}
