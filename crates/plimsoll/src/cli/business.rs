//! Arguments of `plimsoll business`.

use super::AskArgs;
use clap::Args;

#[derive(Args)]
pub struct BusinessArgs {
    /// How far back: 15m, 1h, 7d, today, yesterday, week, lastweek, or a begin and an end
    #[arg(long, default_value = "1h")]
    pub window: String,
    #[command(flatten)]
    pub ask: AskArgs,
}
