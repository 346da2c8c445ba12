//! Arguments of `plimsoll cost`.

use super::AskArgs;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cost::By;
use std::path::PathBuf;

#[derive(Args)]
pub struct CostArgs {
    /// Whose part of the bill
    #[arg(long, default_value = By::default().word(), value_parser = by())]
    pub by: By,
    /// How far back: 15m, 1h, 7d, today, yesterday, week, lastweek, or a begin and an end, such as
    /// 2026-11-01T00:00:00Z,2026-11-02T00:00:00Z; 1h when left out
    #[arg(long)]
    pub window: Option<String>,
    /// Compare with a bill: a FOCUS export (CSV), over its own time unless --window says otherwise
    #[arg(long, value_name = "FILE", conflicts_with = "by")]
    pub bill: Option<PathBuf>,
    /// The id by which the bill names one of our resources or services, such as i-0abc=shop; may be given again
    #[arg(long = "named", value_name = "ID=NAME", requires = "bill", value_parser = pair)]
    pub named: Vec<(String, String)>,
    /// What one of it costs by day, and its trend: a number of the business, such as orders, or buy/orders
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["by", "bill"])]
    pub per: Option<String>,
    /// The steps of --per
    #[arg(long, value_parser = ["day", "hour"], default_value = "day", requires = "per")]
    pub each: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (id, name) = text
        .rsplit_once('=')
        .ok_or("write ID=NAME, such as i-0abc=shop")?;
    Ok((id.to_owned(), name.to_owned()))
}

fn by() -> impl TypedValueParser<Value = By> {
    let words = PossibleValuesParser::new(By::ALL.map(By::word));
    words.try_map(|word| By::from_word(&word).ok_or("no such part"))
}
