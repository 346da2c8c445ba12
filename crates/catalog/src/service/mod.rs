//! A service: who owns it, what it calls, what to do when it breaks. One file each in `services/`; the config and
//! Backstage declare them, too.

use crate::fields::{Fields, Named};
use crate::team::Source;
use base::{Finding, Spot};
use config::Document;

const KEYS: &[&str] = &["about", "owner", "path", "depends_on", "runbooks"];

#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub name: String,
    pub about: Option<String>,
    /// A team; `None`: CODEOWNERS is asked about `path`.
    pub owner: Option<Named>,
    /// Its folder in the repository.
    pub path: Option<String>,
    /// Services and resources that it calls.
    pub depends_on: Vec<Named>,
    pub runbooks: Vec<Named>,
    pub spot: Spot,
    pub source: Source,
}

impl Service {
    pub fn named(name: &str, spot: Spot, source: Source) -> Service {
        Service {
            name: name.to_owned(),
            about: None,
            owner: None,
            path: None,
            depends_on: Vec::new(),
            runbooks: Vec::new(),
            spot,
            source,
        }
    }

    /// What `other` says besides; where both say one thing, this one stays.
    pub fn join(&mut self, other: Service) {
        self.about = self.about.take().or(other.about);
        self.owner = self.owner.take().or(other.owner);
        self.path = self.path.take().or(other.path);
        add(&mut self.depends_on, other.depends_on);
        add(&mut self.runbooks, other.runbooks);
    }
}

fn add(mine: &mut Vec<Named>, theirs: Vec<Named>) {
    for t in theirs {
        if !mine.iter().any(|m| m.name == t.name) {
            mine.push(t);
        }
    }
}

/// `services/NAME.yaml`.
pub fn parse(name: &str, file: &str, text: &str) -> (Service, Vec<Finding>) {
    let (document, mut findings) = Document::parse(file, text);
    let mut f = Fields::new("a service", &document.root, KEYS, &mut findings);
    let mut service = Service::named(name, f.spot(), Source::Catalog);
    service.about = f.text("about");
    service.owner = f.word("owner");
    service.path = f.text("path");
    service.depends_on = f.words("depends_on");
    service.runbooks = f.words("runbooks");
    (service, findings)
}

/// What the config says of its services.
pub fn of_config(config: &config::Config, document: &Document) -> Vec<Service> {
    let at = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|p| (*p).to_owned()).collect();
        let node = document.root.find(&path).unwrap_or(&document.root);
        node.at.spot()
    };
    let of = |s: &config::Service| {
        let spot = |key: &str| at(&["services", &s.name, key]);
        let mut service = Service::named(&s.name, at(&["services", &s.name]), Source::Config);
        let named = |name: &String, key| Named::new(name, &spot(key));
        service.owner = s.owner.as_ref().map(|o| named(o, "owner"));
        service.runbooks = s.runbook.iter().map(|r| named(r, "runbook")).collect();
        service.depends_on = s
            .depends_on
            .iter()
            .map(|d| named(d, "depends_on"))
            .collect();
        service
    };
    config.services.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_the_config_say_it_together() {
        let (mut mine, findings) = parse(
            "shop",
            "s.yaml",
            "owner: pay\ndepends_on: stock\nrunbooks: [slow]\n",
        );
        assert_eq!(findings, []);
        let text = "listen: 127.0.0.1:80\nservices:\n  shop:\n    instances: [\"127.0.0.1:1\"]\n    owner: other\n    \
                    depends_on: [stock, db]\n  stock: { instances: [\"127.0.0.1:2\"] }\n  db: { instances: [\"127.0.0.1:3\"] }\nroutes: { all: { match: GET /, to: shop } }\n";
        let checked = config::check_text("p.yaml", text);
        let theirs = of_config(&checked.config.unwrap(), &checked.document);
        let shop = theirs.into_iter().find(|s| s.name == "shop").unwrap();
        assert_eq!(shop.spot.line, 4);
        mine.join(shop);
        assert_eq!(mine.owner.unwrap().name, "pay");
        let calls: Vec<_> = mine.depends_on.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(calls, ["stock", "db"]);
    }
}
