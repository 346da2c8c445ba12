//! `plimsoll catalog`: check what is declared, write a first one; and how the commands beside it find the catalog.

mod check;
mod init;

use crate::ask;
use crate::cli::AskArgs;
use crate::cli::catalog::{CatalogAsk, PlaceArgs};
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use base::{Finding, Severity};
use catalog::{Loaded, Observed};
use serde_json::Value;

pub fn run(ask: CatalogAsk) -> Result<Exit, Failure> {
    match ask {
        CatalogAsk::Check(args) => check::run(&args),
        CatalogAsk::Init(args) => init::run(&args),
        CatalogAsk::Rules => {
            let mut page = Page::new(terminal::width());
            for rule in catalog::lint::RULES {
                page.line(&format!("{:<16} {}", rule.name, rule.about));
            }
            print!("{}", page.done());
            Ok(Exit::Ok)
        }
    }
}

/// Everything that the arguments lead to. That something of it cannot be read is said, and hinders nothing.
pub fn load(args: &PlaceArgs) -> Result<Loaded, Failure> {
    let loaded = read(args)?;
    let broken = |f: &&Finding| f.severity == Severity::Error;
    if let Some(first) = loaded.findings.iter().find(broken) {
        eprintln!(
            "{first}\nnot all of the catalog was read: `plimsoll catalog check` shows what is wrong"
        );
    }
    Ok(loaded)
}

/// What a running Plimsoll has seen in the last weeks.
pub fn observed(args: &AskArgs) -> Result<Observed, Failure> {
    let at = ask::console(args)?;
    let told: Value = ask::get(&at, "/api/v1/observed")?;
    Ok(Observed::of_json(&told))
}

fn read(args: &PlaceArgs) -> Result<Loaded, Failure> {
    let loaded = catalog::load(&args.ask.config, args.catalog.as_deref());
    loaded.map_err(|f| Failure::new(f.what).help(f.help))
}
