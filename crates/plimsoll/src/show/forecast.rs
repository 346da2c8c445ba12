//! When the trend of traffic meets the line.

use super::number::{rate, rate_in};
use super::page::Page;
use base::units::Secs;
use model::forecast::{Bounds, Forecast};

/// `now`: the clock of the peaks at their end, seconds; `date`: such a time for people, when the clock has dates.
pub fn render(
    f: &Forecast,
    line: Bounds,
    now: f64,
    date: &dyn Fn(f64) -> Option<String>,
    width: u16,
) -> String {
    let at = |t: f64| {
        let wait = format!("in {}", Secs((t - now).max(0.0)));
        date(t).map_or(wait.clone(), |d| format!("{d} ({wait})"))
    };
    let per_day = |x: f64| format!("{x:+.2}/s per day");
    let mut page = Page::new(width);
    match f {
        Forecast::TooShort { have, need } => page.line(&format!(
            "Too short for a trend: {have} peaks, {need} are needed. Watch for longer, or give --rates."
        )),
        Forecast::NoTrend { slope_per_day, low, high } => {
            page.line("No trend: traffic may as well stay or fall.");
            let slope = format!("{} ({} to {})", per_day(*slope_per_day), per_day(*low), per_day(*high));
            page.labelled("trend", [slope]);
        }
        Forecast::Reached { level, .. } => {
            page.line(&format!("The peaks are at the line already: {}.", rate(*level)));
        }
        Forecast::Meets {
            at_s,
            earliest_s,
            latest_s,
            level,
            slope_per_day,
        } => {
            page.line(&format!("The trend of traffic meets the line {}.", at(*at_s)));
            page.labelled("earliest", [at(*earliest_s)]);
            page.labelled("latest", [latest_s.map_or("it may also never".to_owned(), at)]);
            page.labelled("peaks", [format!("{} now, {}", rate(*level), per_day(*slope_per_day))]);
        }
        Forecast::Far { slope_per_day, at_least_s } => {
            page.line(&format!("Further away than this history can tell: not before {}.", at(*at_least_s)));
            page.labelled("trend", [per_day(*slope_per_day)]);
        }
    }
    page.labelled("load line", [rate_in(line.line, line.low, line.high)]);
    page.done()
}
