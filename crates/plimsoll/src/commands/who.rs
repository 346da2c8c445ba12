//! `plimsoll who`: who owns something, who is on call for it, and what to do.

use super::catalog::load;
use crate::cli::catalog::WhoArgs;
use crate::exit::{Exit, Failure};
use crate::show::page::Page;
use crate::terminal;
use catalog::runbook::Runbook;
use catalog::{Loaded, Who};
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub fn run(args: WhoArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let at = args.at.unwrap_or_else(Timestamp::now);
    let config = loaded.config.as_ref();
    let route = config.and_then(|c| c.route(&args.what));
    let name = route.map_or(args.what.as_str(), |r| r.to.as_str());
    let Some(who) = loaded.who(name, at) else {
        return Err(unknown(&loaded, &args.what));
    };
    if args.place.ask.json {
        let mut told = who.to_json();
        told["route"] = route.map(|r| r.name.as_str()).into();
        println!("{told}");
    } else {
        let mut page = Page::new(terminal::width());
        let about = who.service.about.as_ref();
        let about = about.map_or(String::new(), |a| format!(": {a}"));
        page.labelled("service", [format!("{name}{about}")]);
        call(&who, &mut page);
        print!("{}", page.done());
    }
    Ok(match who.owner {
        Some(_) => Exit::Ok,
        None => Exit::Not,
    })
}

fn unknown(loaded: &Loaded, what: &str) -> Failure {
    let routes = loaded.config.iter().flat_map(|c| &c.routes);
    let services = loaded.catalog.services.keys().map(String::as_str);
    let known = services.chain(routes.map(|r| r.name.as_str()));
    let help = match config::nearest(what, known.clone()) {
        Some(n) => format!("did you mean `{n}`?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Failure::new(format!("no service or route `{what}`")).help(help)
}

/// Owner, on call, runbooks.
pub fn call(who: &Who<'_>, page: &mut Page) {
    match (&who.owner, who.team) {
        (None, _) => page.labelled("owner", ["nobody: write `owner: TEAM` into the catalog"]),
        (Some(o), None) => {
            page.labelled("owner", [format!("{o}, which is no team of the catalog")]);
        }
        (Some(o), Some(t)) => {
            let contact = t.contact.as_ref();
            let contact = contact.map_or(String::new(), |c| format!(", {c}"));
            page.labelled("owner", [format!("{o}{contact}")]);
            let members: Vec<&str> = t.members.iter().map(|m| m.name.as_str()).collect();
            page.labelled("members", (!members.is_empty()).then(|| members.join(", ")));
        }
    }
    match &who.shifts {
        None if who.owner.is_none() => {}
        None => page.labelled("on call", ["nobody: the team has no rotation"]),
        Some((now, next)) => {
            let who = now.who.as_deref().unwrap_or("NOBODY");
            let until = now.until.map(|u| format!(" until {}", local(u)));
            page.labelled("on call", [format!("{who}{}", until.unwrap_or_default())]);
            let next = next.as_ref().and_then(|n| Some((n.who.as_ref()?, n.from)));
            let next = next.map(|(who, from)| format!("{who} from {}", local(from)));
            page.labelled("then", next);
        }
    }
    let book = |r: &&Runbook| format!("{}: plimsoll runbook show {}", r.title, r.name);
    page.labelled("runbooks", who.runbooks.iter().map(book));
    if who.runbooks.is_empty() {
        page.labelled("runbooks", ["none"]);
    }
}

/// In the zone of the machine where it is asked, which is said.
fn local(at: Timestamp) -> String {
    let zone = TimeZone::system();
    at.to_zoned(zone)
        .strftime("%a %Y-%m-%d %H:%M %Z")
        .to_string()
}
