//! Which answers get the route's words about caching, and how they are put there.

use crate::exchange::{Edits, Reply};
use crate::request::cache::control::{Control, Fields};
use crate::request::cache::core::personal;
use crate::request::cache::{Lines, is_named};
use config::sections::CacheControl;

/// Fields that the policy speaks in place of.
const REPLACED: [&str; 3] = ["cache-control", "cdn-cache-control", "expires"];

#[derive(Clone, Debug)]
pub struct Policy(CacheControl);

impl Policy {
    pub fn of(route: &config::Route) -> Option<Policy> {
        route.cache_control.clone().map(Policy)
    }

    /// Not for errors, nor for what is about one person: then the service's own words stand.
    pub fn applies(&self, request: &impl Fields, status: u16, response: &impl Fields) -> bool {
        let control = Control::of(response);
        let own = control.no_store || control.private || response.has("set-cookie");
        status < 400 && !own && (control.public || !personal(request))
    }

    fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let CacheControl { browsers, cdns } = &self.0;
        let browsers = browsers.as_deref().map(|v| ("Cache-Control", v));
        browsers
            .into_iter()
            .chain(cdns.as_deref().map(|v| ("CDN-Cache-Control", v)))
    }

    pub fn edit(&self, edits: &mut Edits) {
        if self.0.browsers.is_some() {
            edits.drop("Expires");
        }
        for (name, value) in self.lines() {
            edits.set(name, value.as_bytes());
        }
    }

    /// The same for an answer from the cache.
    pub fn rewrite(&self, request: &impl Fields, reply: &mut Reply) {
        let stored = Lines(reply.stored.clone());
        if !self.applies(request, reply.status, &stored) {
            return;
        }
        let replaced = |n: &[u8]| match self.0.browsers {
            Some(_) => REPLACED.iter().any(|r| is_named(n, r)),
            None => is_named(n, "cdn-cache-control"),
        };
        let keeps_cdn = self.0.cdns.is_none();
        let kept = |n: &[u8]| !replaced(n) || keeps_cdn && is_named(n, "cdn-cache-control");
        reply.stored = stored.only(kept).0;
        for (name, value) in self.lines() {
            let line = format!("{name}: {value}\r\n");
            reply.said.extend_from_slice(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn policy(browsers: Option<&str>, cdns: Option<&str>) -> Policy {
        Policy(CacheControl {
            browsers: browsers.map(str::to_owned),
            cdns: cdns.map(str::to_owned),
        })
    }

    fn lines(text: &'static str) -> Lines {
        Lines(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn it_is_for_what_can_be_shared() {
        let p = policy(Some("max-age=60"), None);
        let nobody = lines("");
        let applies = |status, response| p.applies(&nobody, status, &lines(response));
        assert!(applies(200, "") && applies(301, "Cache-Control: max-age=1\r\n"));
        assert!(!applies(404, ""));
        for own in [
            "Cache-Control: no-store\r\n",
            "Cache-Control: private\r\n",
            "Set-Cookie: a\r\n",
        ] {
            assert!(!applies(200, own), "{own}");
        }
        let somebody = lines("Cookie: sid=1\r\n");
        assert!(!p.applies(&somebody, 200, &lines("")));
        assert!(p.applies(&somebody, 200, &lines("Cache-Control: public\r\n")));
    }

    #[test]
    fn it_replaces_the_lines_that_it_speaks_for() {
        let stored =
            "A: 1\r\nCache-Control: max-age=1\r\nExpires: 0\r\nCDN-Cache-Control: max-age=2\r\n";
        let of = |p: Policy| {
            let mut reply = Reply::stored(200, Bytes::from_static(stored.as_bytes()), Bytes::new());
            p.rewrite(&lines(""), &mut reply);
            let text = [&reply.stored[..], &reply.said].concat();
            String::from_utf8(text).unwrap().replace("\r\n", "|")
        };
        assert_eq!(
            of(policy(Some("max-age=60"), None)),
            "A: 1|CDN-Cache-Control: max-age=2|Cache-Control: max-age=60|"
        );
        assert_eq!(
            of(policy(None, Some("max-age=9"))),
            "A: 1|Cache-Control: max-age=1|Expires: 0|CDN-Cache-Control: max-age=9|"
        );
        assert_eq!(
            of(policy(Some("no-cache"), Some("max-age=9"))),
            "A: 1|Cache-Control: no-cache|CDN-Cache-Control: max-age=9|"
        );
    }
}
