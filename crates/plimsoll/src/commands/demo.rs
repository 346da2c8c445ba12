//! `plimsoll demo`.

use crate::cli::DemoArgs;
use crate::demo::{Demo, run as play};
use crate::exit::{Exit, Failure};

pub fn run(args: DemoArgs) -> Result<Exit, Failure> {
    play(Demo {
        bad_change: args.bad_change,
        full: args.full,
        record: args.record,
        json: args.json,
        seed: args.seed,
    })
}
