//! A profile of a service as a page: each route, what one request of it costs, and where.

use super::page::Page;
use base::units::Secs;
use profile::{Function, FunctionCost, Profile, RouteCost};

/// A route with less than this share of all samples is a line without functions.
const SMALL: f64 = 0.01;
/// Of a function's name, characters.
const NAME: usize = 46;
/// Functions that ran themselves in less than this share of their route's samples are not shown.
const LITTLE: f64 = 0.005;

/// `top`: functions of each route.
pub fn page(p: &Profile, top: usize, width: u16) -> String {
    let mut page = Page::new(width);
    let kernel = match p.kernel_share {
        Some(share) => format!("{:.0} % in the kernel", 100.0 * share),
        None => "the kernel not seen".into(),
    };
    page.line(&format!(
        "{}: {:.2} cores busy for {:.1} s ({} samples of {} threads, {kernel})",
        p.service, p.cores, p.seconds, p.samples, p.threads
    ));
    page.table(
        "What its requests take of the processor",
        &[
            "route",
            "requests",
            "per request",
            "90 % interval",
            "of all",
        ],
        &[1, 2, 4],
        p.routes.iter().map(row).collect(),
    );
    for r in p.routes.iter().filter(|r| r.share >= SMALL) {
        let shown = |f: &&FunctionCost| f.own >= LITTLE;
        let rows = r.functions.iter().filter(shown).take(top);
        page.table(
            &format!("{}: where", name(r)),
            &["share", "function", "in", "called by"],
            &[0],
            rows.map(function).collect(),
        );
    }
    for note in &p.notes {
        page.line(note);
    }
    page.done()
}

fn name(r: &RouteCost) -> &str {
    r.route.as_deref().unwrap_or("no request")
}

fn row(r: &RouteCost) -> Vec<String> {
    let seconds = |s: f64| Secs(s).to_string();
    // Of Student's distribution: the deviation is that of ten parts of the time.
    let around = |(s, sd): (f64, f64)| {
        format!(
            "{} to {}",
            Secs((s - 1.833 * sd).max(0.0)),
            Secs(s + 1.833 * sd)
        )
    };
    vec![
        name(r).to_owned(),
        format!("{:.0}", r.requests),
        r.seconds.map_or("—".into(), seconds),
        r.seconds.zip(r.sd).map_or("—".into(), around),
        format!("{:.0} %", 100.0 * r.share),
    ]
}

fn function(f: &FunctionCost) -> Vec<String> {
    let Function { name, module, .. } = &f.function;
    let caller = f.caller.as_deref().unwrap_or("—");
    let share = format!("{:.0} %", 100.0 * f.own);
    vec![share, plain(name), plain(module), plain(caller)]
}

/// What files say goes to a terminal, as much of it as fits beside the rest.
fn plain(text: &str) -> String {
    let fit = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    match text.char_indices().nth(NAME) {
        Some((at, _)) => text[..at].chars().map(fit).chain(['…']).collect(),
        None => text.chars().map(fit).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_its_functions_and_nothing_moves_the_terminal() {
        let cost = |name: &str, own, total| FunctionCost {
            function: Function {
                name: name.into(),
                module: "shop".into(),
                named: true,
            },
            own,
            total,
            caller: Some("handle".into()),
        };
        let route = |route: Option<&str>, share, functions| RouteCost {
            route: route.map(Into::into),
            requests: 290.0,
            share,
            seconds: Some(0.0123),
            sd: Some(0.0002),
            functions,
        };
        let p = Profile {
            service: "front".into(),
            seconds: 10.0,
            rate: 499,
            samples: 2041,
            threads: 9,
            cores: 0.41,
            kernel_share: Some(0.12),
            routes: vec![
                route(
                    Some("product"),
                    0.9,
                    vec![
                        cost("spin", 0.9, 0.95),
                        cost("a\x1b[2J", 0.05, 0.05),
                        cost("rare", 0.0, 0.001),
                        cost(&"x".repeat(60), 0.01, 0.01),
                    ],
                ),
                route(None, 0.005, vec![cost("beat", 1.0, 1.0)]),
            ],
            notes: vec!["3 samples had no room".into()],
        };
        let page = page(&p, 5, 120);
        for part in [
            "front: 0.41 cores busy for 10.0 s (2041 samples of 9 threads, 12 % in the kernel)",
            "12.3 ms",
            "11.9 ms to 12.7 ms",
            "product: where",
            "no request",
            "3 samples had no room",
            &("x".repeat(46) + "…"),
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(
            !page.contains('\x1b') && !page.contains("beat") && !page.contains("rare"),
            "{page}"
        );
    }
}
