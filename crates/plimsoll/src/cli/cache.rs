//! Arguments of the commands about caches.

use super::AskArgs;
use clap::{Args, Subcommand};

#[derive(Args)]
#[group(id = "what", required = true, multiple = false, args = ["url", "prefix", "group"])]
pub struct PurgeArgs {
    /// Path and query, or a whole address
    pub url: Option<String>,
    /// Everything whose path begins so
    #[arg(long)]
    pub prefix: Option<String>,
    /// Everything that names this group in `Cache-Groups`
    #[arg(long)]
    pub group: Option<String>,
    /// Of this host only
    #[arg(long)]
    pub host: Option<String>,
    /// Take it out; else it becomes stale, and is still good while a new one is fetched or when the service fails
    #[arg(long)]
    pub hard: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Subcommand)]
pub enum CacheAsk {
    /// What the cache would do with this address, and why
    Why(WhyArgs),
}

#[derive(Args)]
pub struct WhyArgs {
    /// A whole address, as clients ask for it
    pub url: String,
    /// A field of the request, such as 'Accept-Language: de'
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}
