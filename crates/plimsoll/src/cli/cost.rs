//! Arguments of `plimsoll cost`.

use super::AskArgs;
use clap::{Args, ValueEnum};

#[derive(Args)]
pub struct CostArgs {
    /// Whose part of the bill
    #[arg(long, value_enum, default_value_t)]
    pub by: CostBy,
    /// How far back: 15m, 1h, 7d, today, yesterday, week, lastweek, or a begin and an end, such as
    /// 2026-11-01T00:00:00Z,2026-11-02T00:00:00Z
    #[arg(long, default_value = "1h")]
    pub window: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CostBy {
    #[default]
    Route,
    Service,
    Resource,
}

impl CostBy {
    pub fn word(self) -> &'static str {
        match self {
            CostBy::Route => "route",
            CostBy::Service => "service",
            CostBy::Resource => "resource",
        }
    }
}
