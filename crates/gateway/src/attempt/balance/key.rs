//! The key of a request, by which the same instance answers it.

use crate::attempt::split::{cookie, who_asks};
use crate::exchange::Exchange;
use crate::hash::{hash, mix};
use config::sections::HashBy;
use http1::Kind;

/// `None`: the request has none, and any instance will do.
pub fn key(by: &HashBy, x: &Exchange<'_>) -> Option<u64> {
    let head = &x.head;
    let value = match by {
        HashBy::User => return x.user.or_else(|| who_asks(head, x.client)).map(mix),
        HashBy::Path => Some(head.path()),
        HashBy::Header(name) => head.get(name),
        HashBy::Cookie(name) => {
            let cookies = head.kind(Kind::Cookie)?;
            cookie(cookies, |n| n == name.as_bytes())
        }
    };
    let value = value.filter(|v| !v.is_empty())?;
    Some(mix(hash(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Facts, Head, ListHead};
    use base::{Nanos, RouteIx};

    fn of(by: HashBy, target: &str, headers: &[(&str, &str)]) -> Option<u64> {
        let head = ListHead::new("GET", target, headers);
        let mut facts = Facts::new(RouteIx(0), [127, 0, 0, 1].into(), Nanos(0), 1);
        let x = Exchange {
            head: Head::List(&head),
            facts: &mut facts,
        };
        key(&by, &x)
    }

    #[test]
    fn each_kind_looks_at_its_own() {
        let cookie = || HashBy::Cookie("cart".into());
        let header = || HashBy::Header("x-tenant".into());
        assert_eq!(
            of(HashBy::Path, "/a?x=1", &[]),
            of(HashBy::Path, "/a?x=2", &[])
        );
        assert_ne!(of(HashBy::Path, "/a", &[]), of(HashBy::Path, "/b", &[]));
        assert_eq!(
            of(cookie(), "/", &[("cookie", "a=b; cart=7")]),
            of(cookie(), "/x", &[("cookie", "cart=7; a=c")])
        );
        assert!(of(header(), "/", &[("X-Tenant", "t")]).is_some());
        assert_eq!(of(header(), "/", &[("X-Tenant", "")]), None);
        assert_eq!(of(cookie(), "/", &[("cookie", "a=b")]), None);
        let user = |name| of(HashBy::User, "/", &[("x-user-id", name)]);
        assert_ne!(user("ann"), user("bob"));
        assert!(of(HashBy::User, "/", &[]).is_some(), "the address, at last");
    }
}
