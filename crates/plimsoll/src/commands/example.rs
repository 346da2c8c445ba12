//! `plimsoll example shop ROLE`: the binary as one process of the example application.

use crate::cli::Example;
use crate::exit::{Exit, Failure};

pub fn run(example: Example) -> Result<Exit, Failure> {
    let Example::Shop(args) = example;
    let switches = args.switches.parse().map_err(Failure::new)?;
    let options = shop::Options {
        listen: args.listen,
        via: args.via,
        data: args.data,
        switches,
    };
    shop::run(&args.role, options).map_err(|e| {
        Failure::new(format!(
            "the shop's {} on {} stopped: {e}",
            args.role, args.listen
        ))
    })?;
    Ok(Exit::Ok)
}
