//! `plimsoll incident open`: writes its file, and says whom to call and what to do.

use super::now;
use crate::cli::catalog::OpenArgs;
use crate::commands::catalog::load;
use crate::commands::who;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use catalog::Loaded;
use catalog::incident::{Happened, create, new, path, slug};

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
    let folder = &loaded.catalog.folder;
    let id = create(folder, &name, &new(&head, &first)).map_err(|f| Failure::new(f.to_string()))?;
    let mut page = Page::new(terminal::width());
    let path = path(folder, &id);
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
