//! `plimsoll whatif 'TEXT'`: the line before and after a change that somebody asks about.

use super::recorded;
use crate::cli::learn::WhatifArgs;
use crate::exit::{Exit, Failure};
use crate::{ask, show, terminal};
use model::advice::Options;
use model::whatif::{WhatIf, whatif};
use serde::Deserialize;
use serde_json::Value;

pub fn run(args: WhatifArgs) -> Result<Exit, Failure> {
    let source = &args.source;
    let said: Value = match &source.recording {
        Some(folder) => {
            let recorded = recorded::read(folder)?;
            let fit = match recorded.fit() {
                Ok(fit) => fit,
                Err(e) => return recorded::not_yet(&e, source.ask.json),
            };
            let options = Options {
                config: recorded::config(&source.ask.config)?,
                ..Options::default()
            };
            let found =
                whatif(&fit, &args.question, &options).map_err(|f| recorded::refused(&f))?;
            serde_json::to_value(found).map_err(|e| Failure::new(e.to_string()))?
        }
        None => {
            let at = &ask::console(&source.ask)?;
            ask::get(
                at,
                &format!("/api/v1/whatif?q={}", ask::encode(&args.question)),
            )?
        }
    };
    if source.ask.json {
        println!("{said}");
        return Ok(Exit::Ok);
    }
    let answer = WhatIf::deserialize(&said).map_err(|e| {
        Failure::new(format!("its answer is not understood: {e}"))
            .help("use the same version of plimsoll as the one that runs")
    })?;
    print!("{}", show::whatif::render(&answer, terminal::width()));
    Ok(Exit::Ok)
}
