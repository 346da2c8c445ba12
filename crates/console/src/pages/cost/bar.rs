//! The bill as one bar: the dearest rows, the others, what no request used, and what is idle.

use cost::Report;
use maud::{Markup, html};

/// Rows with a colour of their own.
const COLOURS: usize = 6;
const WIDTH: f64 = 1000.0;

/// The class of a row's colour, by its place.
fn class(i: usize) -> String {
    match i {
        i if i < COLOURS => format!("c{i}"),
        _ => "rest".into(),
    }
}

pub fn key(i: usize) -> Markup {
    swatch(&class(i))
}

pub fn swatch(class: &str) -> Markup {
    html! { svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } }
}

pub fn stacked(r: &Report) -> Markup {
    let rows = r
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| (class(i), row.micro));
    let rest = [
        ("background".to_owned(), r.background_micro),
        ("idle".to_owned(), r.idle_micro),
    ];
    let mut at = 0.0;
    let pieces: Vec<(String, f64, f64)> = (rows.chain(rest))
        .map(|(class, micro)| {
            let (from, width) = (at, WIDTH * r.share(micro));
            at += width;
            (class, from, width)
        })
        .collect();
    let says = r.rows.iter().take(COLOURS);
    let says: Vec<String> = says
        .map(|row| format!("{} {:.0} %", row.name, 100.0 * r.share(row.micro)))
        .collect();
    let label = format!(
        "{}; idle {:.0} %",
        says.join(", "),
        100.0 * r.share(r.idle_micro)
    );
    html! {
        svg.stack viewBox="0 0 1000 26" preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (class, x, width) in &pieces {
                rect class=(class) x=(format!("{x:.2}")) width=(format!("{width:.2}")) height="26" {}
            }
        }
    }
}
