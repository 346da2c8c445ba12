//! `plimsoll cost --bill FILE`: a FOCUS export beside what we say.

use crate::cli::cost::CostArgs;
use crate::exit::{Exit, Failure};
use crate::wire::system::failure;
use crate::{ask, show, terminal};
use cost::Report;
use cost::focus::{compare, read};
use serde_json::json;
use std::fs::File;
use std::path::Path;

pub fn run(args: &CostArgs) -> Result<Exit, Failure> {
    let path = args.bill.as_deref().unwrap_or(Path::new(""));
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    let bill = read(&name, file).map_err(|f| failure(&f))?;
    let own = format!("{},{}", bill.from_s, bill.to_s);
    let window = ask::encode(args.window.as_deref().unwrap_or(&own));
    let at = &ask::console(&args.ask)?;
    let ours: Report = ask::get(at, &format!("/api/v1/cost?by=resource&window={window}"))?;
    let compared = compare(&bill, &ours, &args.named.iter().cloned().collect());
    if args.ask.json {
        println!("{}", json!(compared));
    } else {
        print!("{}", show::cost::bill(&compared, terminal::width()));
    }
    Ok(Exit::Ok)
}
