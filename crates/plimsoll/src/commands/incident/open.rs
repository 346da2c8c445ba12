//! `plimsoll incident open`: writes its file, and says whom to call and what to do.

use super::{file, now};
use crate::cli::catalog::OpenArgs;
use crate::commands::catalog::load;
use crate::commands::who;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use catalog::Loaded;
use catalog::incident::{Happened, new};
use std::io::{ErrorKind, Write};

/// Longest title in a file's name.
const NAME: usize = 40;
/// Most incidents of one title on one day.
const SAME: u32 = 99;

pub fn run(args: &OpenArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    if let Some(service) = &args.service {
        known(&loaded, service)?;
    }
    let now = now();
    let (time, began) = (now.to_string(), args.began.map(|b| b.to_string()));
    let mut head = vec![("title", args.title.as_str())];
    head.extend(args.service.as_deref().map(|s| ("service", s)));
    head.extend(args.severity.as_deref().map(|s| ("severity", s)));
    head.extend(began.as_deref().map(|b| ("began", b)));
    head.push(("detected", &time));
    let first = Happened {
        at: now,
        text: format!("opened ({})", terminal::who()),
    };
    let name = format!("{}-{}", now.strftime("%Y-%m-%d"), slug(&args.title));
    let id = write(&loaded, &name, &new(&head, &first))?;
    let mut page = Page::new(terminal::width());
    let path = file::path(&loaded.catalog, &id);
    page.line(&format!("{id} is open: {}", path.display()));
    if let Some(who) = args.service.as_ref().and_then(|s| loaded.who(s, now)) {
        who::call(&who, &mut page);
    }
    page.labelled(
        "next",
        [
            "`plimsoll incident ack`: you work on it",
            "`plimsoll diagnose`: what holds the system back",
            "`plimsoll history`: what was changed lately",
            "`plimsoll incident note \"TEXT\"`: into its timeline",
        ],
    );
    print!("{}", page.done());
    Ok(Exit::Ok)
}

fn known(loaded: &Loaded, service: &str) -> Result<(), Failure> {
    let services = &loaded.catalog.services;
    if services.contains_key(service) {
        return Ok(());
    }
    let near = config::nearest(service, services.keys().map(String::as_str));
    let help = near.map_or("leave it out if it is none of them".into(), |n| {
        format!("did you mean `{n}`?")
    });
    Err(Failure::new(format!("no service `{service}`")).help(help))
}

/// A second one of the same name gets a number.
fn write(loaded: &Loaded, name: &str, text: &str) -> Result<String, Failure> {
    let folder = loaded.catalog.folder.join("incidents");
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for n in 1..=SAME {
        let id = match n {
            1 => name.to_owned(),
            n => format!("{name}-{n}"),
        };
        let mut options = std::fs::OpenOptions::new();
        match options
            .write(true)
            .create_new(true)
            .open(file::path(&loaded.catalog, &id))
        {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(failed)?;
                return Ok(id);
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Err(Failure::new(format!(
        "there are {SAME} incidents `{name}` already"
    )))
}

/// Letters and digits in lower case, others as one `-`.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.to_lowercase().chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out.truncate(NAME);
    match out.trim_matches('-') {
        "" => "incident".into(),
        s => s.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_title_becomes_a_name_of_a_file() {
        assert_eq!(super::slug("Checkout: is ../ SLOW!"), "checkout-is-slow");
        assert_eq!(super::slug("…"), "incident");
        assert!(super::slug(&"a ".repeat(100)).len() <= super::NAME);
    }
}
