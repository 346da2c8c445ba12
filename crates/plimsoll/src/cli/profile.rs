//! Arguments of `plimsoll profile`.

use super::{AskArgs, duration};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(
    after_help = "It looks from here: run it on the host of the service, as its user or as root. Requests are told apart by when they were in the \
                  service, so that it takes traffic; the more of it, and the longer, the closer.\n\
                  Flame graphs: --folded FILE, for inferno-flamegraph, flamegraph.pl or speedscope."
)]
pub struct ProfileArgs {
    /// The service, as the config names it
    pub service: String,
    /// How long to look, from 1s to 2m
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = length)]
    pub length: Duration,
    /// Functions of each route
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub top: u16,
    /// Write stacks and their microseconds to this file too, each under its route
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
    #[command(flatten)]
    pub ask: AskArgs,
}

fn length(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    match (1.0..=120.0).contains(&length.as_secs_f64()) {
        true => Ok(length),
        false => Err("it is from 1s to 2m".into()),
    }
}
