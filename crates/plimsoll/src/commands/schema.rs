//! `plimsoll schema`: the config's JSON Schema for editors, or its reference page.

use crate::cli::SchemaArgs;
use crate::exit::{Exit, Failure};

pub fn run(args: SchemaArgs) -> Result<Exit, Failure> {
    if args.markdown {
        print!("{}", config::schema::reference());
    } else {
        let text = serde_json::to_string_pretty(&config::schema::schema())
            .map_err(|e| Failure::new(e.to_string()))?;
        println!("{text}");
    }
    Ok(Exit::Ok)
}
