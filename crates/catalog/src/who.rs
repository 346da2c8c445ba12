//! Whom to call for a service, and what to do.

use crate::Catalog;
use crate::oncall::Shift;
use crate::runbook::Runbook;
use crate::service::Service;
use crate::team::Team;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How far ahead the next one is looked for.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 60);

pub struct Who<'a> {
    pub service: &'a Service,
    pub owner: Option<String>,
    /// The owner, as far as the catalog knows it.
    pub team: Option<&'a Team>,
    /// On call now, and next; `None`: there is no rotation.
    pub shifts: Option<(Shift, Option<Shift>)>,
    pub runbooks: Vec<&'a Runbook>,
}

impl<'a> Who<'a> {
    /// `routes` are those of the service. `None`: there is no such service.
    pub fn of(c: &'a Catalog, service: &str, routes: &[&str], at: Timestamp) -> Option<Who<'a>> {
        let service = c.services.get(service)?;
        let owner = c.owner(service);
        let rotation = owner.as_ref().and_then(|o| c.rotation(o));
        Some(Who {
            service,
            team: owner.as_ref().and_then(|o| c.teams.get(o)),
            shifts: rotation.map(|r| r.now_and_next(at, AHEAD)),
            runbooks: c.runbooks_of(&service.name, routes),
            owner,
        })
    }

    pub fn to_json(&self) -> Value {
        let now = self.shifts.as_ref().map(|s| shift(&s.0));
        let next = self.shifts.as_ref().and_then(|s| s.1.as_ref()).map(shift);
        let book = |r: &&Runbook| json!({ "name": r.name, "title": r.title, "file": r.spot.file });
        json!({
            "service": self.service.name,
            "owner": self.owner,
            "contact": self.team.and_then(|t| t.contact.as_ref()),
            "now": now,
            "next": next,
            "runbooks": self.runbooks.iter().map(book).collect::<Vec<_>>(),
        })
    }
}

fn shift(s: &Shift) -> Value {
    json!({ "who": s.who, "from": s.from.to_string(), "until": s.until.map(|u| u.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oncall, runbook, service, team};

    #[test]
    fn what_is_not_there_is_none() {
        let mut c = Catalog::default();
        let at: Timestamp = "2026-01-06T10:00:00Z".parse().unwrap();
        assert!(Who::of(&c, "shop", &[], at).is_none());
        let (shop, _) = service::parse("shop", "s.yaml", "about: x\n");
        c.services.insert("shop".into(), shop);
        let told = Who::of(&c, "shop", &[], at).unwrap().to_json();
        assert!(told["owner"].is_null() && told["now"].is_null(), "{told}");
    }

    #[test]
    fn owner_shift_and_the_runbook_of_a_route() {
        let mut c = Catalog::default();
        let (shop, _) = service::parse("shop", "s.yaml", "owner: pay\n");
        let (pay, _) = team::parse("pay", "t.yaml", "members: [ana]\ncontact: \"#pay\"\n");
        let rotation = "people: [ben, ana]\nstarts: 2026-01-05T09:00\nturn: 1d\n";
        let (rotation, _) = oncall::parse("pay", "o.yaml", rotation);
        let (slow, _) = runbook::parse("slow", "r.md", "---\nroutes: [buy]\n---\n# Slow\n");
        c.services.insert("shop".into(), shop);
        c.teams.insert("pay".into(), pay);
        c.rotations.insert("pay".into(), rotation);
        c.runbooks.insert("slow".into(), slow);
        let at = "2026-01-06T10:00:00Z".parse().unwrap();
        let told = Who::of(&c, "shop", &["buy"], at).unwrap().to_json();
        assert_eq!(told["contact"], "#pay");
        assert_eq!(
            (&told["now"]["who"], &told["next"]["who"]),
            (&"ana".into(), &"ben".into())
        );
        assert_eq!(told["runbooks"][0]["title"], "Slow");
        let other = Who::of(&c, "shop", &[], at).unwrap();
        assert!(other.runbooks.is_empty());
    }
}
