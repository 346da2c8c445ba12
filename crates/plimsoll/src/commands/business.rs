//! `plimsoll business`: the numbers of the business that answers told.

use crate::cli::business::BusinessArgs;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::{ask, terminal};
use past::{Worth, decimal};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Said {
    numbers: Vec<Worth>,
}

pub fn run(args: BusinessArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let target = format!("/api/v1/business?window={}", ask::encode(&args.window));
    if args.ask.json {
        println!("{}", ask::get::<Value>(at, &target)?);
        return Ok(Exit::Ok);
    }
    let said: Said = ask::get(at, &target)?;
    print!("{}", render(&said.numbers, &args.window, terminal::width()));
    Ok(Exit::Ok)
}

fn render(all: &[Worth], window: &str, width: u16) -> String {
    let mut page = Page::new(width);
    if all.is_empty() {
        page.line("No route declares a number: give one `business`, such as `{ orders: { status: 201 } }`.");
    }
    let row = |w: &Worth| {
        vec![
            w.route.clone(),
            w.title(),
            decimal(w.micro()),
            w.counted.to_string(),
            w.untold().unwrap_or_default(),
        ]
    };
    page.table(
        &format!("What routes are worth, {window}"),
        &["route", "number", "sum", "answers", "not told"],
        &[2, 3],
        all.iter().map(row).collect(),
    );
    page.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_shown_with_what_was_not_told() {
        let one = Worth {
            route: "buy".into(),
            name: "revenue".into(),
            unit: "usd".into(),
            added_micro: 340_250_000,
            taken_micro: 40_000_000,
            counted: 7,
            malformed: 2,
            ..Worth::default()
        };
        let text = render(&[one], "1h", 120);
        let row = text.lines().last().unwrap();
        for part in [
            "buy",
            "revenue (usd)",
            "300.25",
            "7",
            "2 with no number there",
        ] {
            assert!(row.contains(part), "{text}");
        }
        assert!(render(&[], "1h", 120).contains("No route declares"));
    }
}
