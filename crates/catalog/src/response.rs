//! Who answers when something alerts, and what they do first.

use crate::Catalog;
use crate::runbook::Runbook;
use jiff::Timestamp;

/// Most characters of a text that goes into an alert.
const MAX_TEXT: usize = 200;

/// What an alert is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The objective's id.
    pub objective: &'a str,
    /// `None`: it is about the whole service.
    pub route: Option<&'a str>,
    pub service: &'a str,
    /// All routes to the service.
    pub routes: &'a [&'a str],
    /// As the config says; a runbook may be an address.
    pub owner: Option<&'a str>,
    pub runbook: Option<&'a str>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    pub owner: Option<String>,
    /// For the owner, at the time that was asked about.
    pub on_call: Option<String>,
    /// Which rotation or calendar says so; `None`: the owner has none.
    pub rotation: Option<String>,
    /// An address, or a file of the catalog.
    pub runbook: Option<String>,
    /// The command that begins the runbook; `None`: it is not in the catalog.
    pub step: Option<String>,
}

impl Response {
    /// The config's owner, else the catalog's, else that of CODEOWNERS; the runbook that is nearest to the alert.
    pub fn of(c: &Catalog, asked: &Asked<'_>, at: Timestamp) -> Response {
        let declared = || c.owner(c.services.get(asked.service)?);
        let owner = asked.owner.map(str::to_owned).or_else(declared);
        let rotation = owner.as_deref().and_then(|o| c.rotation(o));
        let on_call = rotation.and_then(|r| r.holder(at)).map(plain);
        let (runbook, step) = match nearest(c, asked) {
            Some(Found::Here(r)) => (Some(plain(&r.spot.file)), Some(step(r))),
            Some(Found::Elsewhere(text)) => (Some(plain(text)), None),
            None => (None, None),
        };
        Response {
            owner: owner.as_deref().map(plain),
            on_call,
            rotation: rotation.map(|r| plain(&r.name)),
            runbook,
            step,
        }
    }
}

enum Found<'a> {
    Here(&'a Runbook),
    /// As the config or the catalog writes it.
    Elsewhere(&'a str),
}

/// One that waits for this alert; one about its route; the service's own, as the config says it first; one about any of its routes.
fn nearest<'a>(c: &'a Catalog, asked: &Asked<'a>) -> Option<Found<'a>> {
    let all = || c.runbooks.values();
    let waits = |name: &str| all().find(|r| r.alerts.iter().any(|a| a.name == name));
    let of_route = |route: &str| all().find(|r| r.routes.iter().any(|x| x.name == route));
    let about = asked.route.unwrap_or(asked.service);
    let near = waits(asked.objective).or_else(|| waits(about));
    if let Some(r) = near.or_else(|| of_route(asked.route?)) {
        return Some(Found::Here(r));
    }
    let service = c.services.get(asked.service);
    let own = service.map_or(&[][..], |s| &s.runbooks);
    let named = asked.runbook.into_iter();
    let mut named = named.chain(own.iter().map(|r| r.name.as_str()));
    named.find_map(|name| known(c, name)).or_else(|| {
        let rest = c.runbooks_of(asked.service, &[]).into_iter();
        let rest = rest.chain(c.runbooks_of(asked.service, asked.routes));
        rest.map(Found::Here)
            .next()
            .or(asked.runbook.map(Found::Elsewhere))
    })
}

/// A runbook by what names it, unless that is a file which is not there.
fn known<'a>(c: &'a Catalog, name: &'a str) -> Option<Found<'a>> {
    match is_address(name) {
        true => Some(Found::Elsewhere(name)),
        false => c.runbook(name).map(Found::Here),
    }
}

pub fn is_address(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

/// How to begin: the steps one after the other, or the page where none can be run.
fn step(r: &Runbook) -> String {
    let first = r.blocks.iter().find(|b| !b.only_by_name);
    let Some(b) = first.or(r.blocks.first()) else {
        return format!("plimsoll runbook show {}", word(&r.name));
    };
    let only = match b.only_by_name {
        true => format!(" --step {}", word(&b.name)),
        false => String::new(),
    };
    let mut lines = b.script.lines().map(str::trim);
    let line = lines.find(|l| !l.is_empty() && !l.starts_with('#'));
    let line = line.map_or(String::new(), |l| format!(": {}", plain(l)));
    format!(
        "plimsoll runbook run {}{only} (first {}{line})",
        word(&r.name),
        plain(&b.name)
    )
}

/// For a shell.
fn word(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !name.is_empty() && name.chars().all(bare) {
        true => plain(name),
        false => format!("'{}'", plain(&name.replace('\'', "'\\''"))),
    }
}

/// On one line, and not too long.
fn plain(text: &str) -> String {
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests;
