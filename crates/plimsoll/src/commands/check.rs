//! `plimsoll check`: every mistake of a config at once.

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use crate::wire::engines;
use base::Severity;
use serde_json::json;

pub fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let file = args.config.path();
    let mut checked = config::check(&file);
    if let Some(config) = &checked.config {
        checked.findings.extend(gateway::check(config));
        checked.findings.extend(engines::check(config));
    }
    let errors = checked
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error);
    if args.json {
        println!("{}", json!({ "ok": !errors, "findings": checked.findings }));
    } else {
        print!(
            "{}",
            config::report::render(&checked.findings, &checked.document, terminal::colour())
        );
        if let (Some(c), false) = (&checked.config, errors) {
            println!(
                "{} is good: {}, {}, listening on {}",
                file.display(),
                number(c.services.len(), "service"),
                number(c.routes.len(), "route"),
                c.listen
            );
        }
    }
    Ok(if errors { Exit::Not } else { Exit::Ok })
}

fn number(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}
