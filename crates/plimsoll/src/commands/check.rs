//! `plimsoll check`: every mistake of a config at once.

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use base::Severity;
use serde_json::json;

pub fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let mut checked = config::check(&args.config);
    if let Some(config) = &checked.config {
        checked.findings.extend(gateway::check(config));
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
                "{} is good: {} services, {} routes, listening on {}",
                args.config.display(),
                c.services.len(),
                c.routes.len(),
                c.listen
            );
        }
    }
    Ok(if errors { Exit::Not } else { Exit::Ok })
}
