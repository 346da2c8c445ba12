//! `plimsoll forecast`: when the trend of traffic meets the line.

use super::recorded;
use crate::cli::learn::ForecastArgs;
use crate::exit::{Exit, Failure};
use crate::show::{self, answer};
use crate::{ask, terminal};
use model::Fit;
use model::forecast::{Bounds, Forecast, Peak, forecast, peaks, step_for};
use model::loadline::LoadLine;
use serde_json::{Value, json};
use std::path::Path;

/// Times from this on are taken for seconds since 1970 (it is in 2001), smaller ones have no date.
const DATED: f64 = 1e9;
/// Rows taken from a file of rates.
const ROWS: usize = 1_000_000;

pub fn run(args: ForecastArgs) -> Result<Exit, Failure> {
    let json = args.source.ask.json;
    let fit = match &args.source.recording {
        None => None,
        Some(folder) => match recorded::read(folder)?.fit() {
            Ok(fit) => Some(fit),
            Err(e) => return recorded::not_yet(&e, json),
        },
    };
    let samples = match (&args.rates, &fit) {
        (Some(file), _) => read(file)?,
        (None, Some(fit)) => seconds(fit),
        (None, None) => {
            return Err(Failure::new("no traffic to look at")
                .help("give --rates FILE (time_s,rate), or --recording DIR"));
        }
    };
    let Some(line) = line(&args, fit.as_ref())? else {
        println!("Not enough evidence yet: no load line is known.");
        return Ok(Exit::Not);
    };
    let now = samples.last().map_or(0.0, |p| p.at_s);
    let span = now - samples.first().map_or(0.0, |p| p.at_s);
    let found = forecast(&peaks(&samples, step_for(span)), line);
    if json {
        println!("{}", json!({ "forecast": found, "line": line }));
    } else {
        print!(
            "{}",
            show::forecast::render(&found, line, now, &date, terminal::width())
        );
    }
    Ok(match found {
        Forecast::TooShort { .. } => Exit::Not,
        _ => Exit::Ok,
    })
}

/// The line that was given, that of the recording, or that of the running Plimsoll.
fn line(args: &ForecastArgs, fit: Option<&Fit>) -> Result<Option<Bounds>, Failure> {
    let of = |l: &LoadLine| Bounds {
        low: l.safe,
        line: l.line,
        high: l.high,
    };
    if let Some(line) = args.line {
        return Ok(Some(Bounds {
            low: line,
            line,
            high: line,
        }));
    }
    if let Some(fit) = fit {
        return Ok(answer::answer(fit, false).line.as_ref().map(of));
    }
    let at = &ask::console(&args.source.ask)?;
    let said: Value = ask::get(at, "/api/v1/diagnosis")?;
    Ok(answer::of_live(&said)?
        .and_then(|a| a.line)
        .as_ref()
        .map(of))
}

/// Entry rates of the recording, one per second.
fn seconds(fit: &Fit) -> Vec<Peak> {
    let peak = |(i, rate): (usize, &f64)| Peak {
        at_s: i as f64,
        rate: *rate,
    };
    fit.entry_rates.iter().enumerate().map(peak).collect()
}

fn date(at_s: f64) -> Option<String> {
    let at = (at_s >= DATED).then(|| jiff::Timestamp::from_second(at_s as i64).ok())??;
    Some(at.strftime("%Y-%m-%d").to_string())
}

fn read(file: &Path) -> Result<Vec<Peak>, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::new(format!("{name} cannot be read: {e}")))?;
    parse(&text).map_err(|(line, what)| {
        Failure::new(format!("{name}:{line}: {what}"))
            .help("each row is `time_s,rate`, both numbers, not negative")
    })
}

/// `Err`: the line and what is wrong with it. A first line without numbers is a heading.
fn parse(text: &str) -> Result<Vec<Peak>, (usize, String)> {
    let mut all = Vec::new();
    for (i, row) in text
        .lines()
        .enumerate()
        .filter(|(_, r)| !r.trim().is_empty())
    {
        let number = |t: &str| {
            t.trim()
                .parse::<f64>()
                .ok()
                .filter(|x| x.is_finite() && *x >= 0.0)
        };
        match row.split_once(',').map(|(t, r)| (number(t), number(r))) {
            Some((Some(at_s), Some(rate))) => all.push(Peak { at_s, rate }),
            Some((None, None)) if i == 0 => {}
            _ => return Err((i + 1, format!("`{}` is not a row", row.trim()))),
        }
        if all.len() > ROWS {
            return Err((i + 1, format!("more than {ROWS} rows")));
        }
    }
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_sorted_and_a_bad_row_is_named() {
        let found = parse("time_s,rate\n2,20\n1,10.5\n\n").unwrap();
        assert_eq!(
            found.iter().map(|p| p.rate).collect::<Vec<_>>(),
            [10.5, 20.0]
        );
        assert_eq!(parse("time_s,rate\n1,2\n1,-2\n").unwrap_err().0, 3);
    }

    #[test]
    fn a_growing_month_meets_the_line_on_a_date() {
        let days = 30u32;
        let start = 1_700_000_000.0;
        let text: String = (0..days)
            .map(|d| {
                format!(
                    "{},{}\n",
                    start + 86_400.0 * d as f64,
                    100.0 + 2.0 * d as f64 + (d % 3) as f64
                )
            })
            .collect();
        let samples = parse(&text).unwrap();
        let now = samples[29].at_s;
        let line = Bounds {
            low: 190.0,
            line: 200.0,
            high: 210.0,
        };
        let found = forecast(&peaks(&samples, step_for(now - start)), line);
        let text = show::forecast::render(&found, line, now, &date, 100);
        assert!(
            text.starts_with("The trend of traffic meets the line 2024-01-0"),
            "{text}"
        );
        assert!(text.contains("load line   200/s (190 to 210)"), "{text}");
        let short = forecast(&samples[..3], line);
        assert!(
            show::forecast::render(&short, line, now, &date, 100)
                .starts_with("Too short for a trend: 3 peaks")
        );
    }
}
