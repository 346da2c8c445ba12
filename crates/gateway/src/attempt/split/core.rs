//! The arm of a request: a hash of who asks, as a position from 0 to 1, against the canary's share.
//! A position never moves while the overlay lives, so a growing share only adds users and a shrinking one only
//! removes them; another overlay draws other users.

use crate::hash::{fnv, hash, mix, position};
use base::Arm;
use std::net::IpAddr;

/// Headers that name the user, in order of trust.
pub const USER_HEADERS: [&str; 2] = ["x-user-id", "x-user"];
/// Cookies that hold a session, by the names that frameworks give them.
pub const SESSION_COOKIES: [&str; 8] = [
    "session",
    "sessionid",
    "session_id",
    "sid",
    "connect.sid",
    "JSESSIONID",
    "PHPSESSID",
    "ASP.NET_SessionId",
];

/// The running canary. The overlay's id is part of the hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    salt: u64,
    share: f64,
}

impl Split {
    /// `share` is from 0 to 1.
    pub fn new(overlay: &str, share: f64) -> Split {
        Split {
            salt: hash(overlay.as_bytes()),
            share,
        }
    }

    /// The first of user, session and client that is known decides. Without any, the base.
    #[inline]
    pub fn arm(&self, user: Option<&[u8]>, session: Option<&[u8]>, client: Option<IpAddr>) -> Arm {
        match who(self.salt, user, session, client) {
            Some(who) => self.place(who),
            None => Arm::BASE,
        }
    }

    /// The same for a user who is known by the hash of the name already.
    pub fn places(&self, user: u64) -> Arm {
        self.place(fnv(self.salt ^ 1, &user.to_le_bytes()))
    }

    fn place(&self, who: u64) -> Arm {
        if position(mix(who)) < self.share {
            Arm::CANARY
        } else {
            Arm::BASE
        }
    }
}

/// Hash of whoever is known first.
pub fn who(
    salt: u64,
    user: Option<&[u8]>,
    session: Option<&[u8]>,
    client: Option<IpAddr>,
) -> Option<u64> {
    Some(match (user, session, client) {
        (Some(user), _, _) => fnv(salt ^ 1, user),
        (_, Some(session), _) => fnv(salt ^ 2, session),
        (_, _, Some(IpAddr::V4(a))) => fnv(salt ^ 3, &a.octets()),
        // A household or a phone changes the lower half of its address at will.
        (_, _, Some(IpAddr::V6(a))) => fnv(salt ^ 4, &a.octets()[..8]),
        _ => return None,
    })
}

/// The value of the session cookie in one `Cookie` header.
pub fn session(cookies: &[u8]) -> Option<&[u8]> {
    cookie(cookies, |name| {
        SESSION_COOKIES.iter().any(|c| c.as_bytes() == name)
    })
}

/// The first value, which is not empty, of a cookie with such a name.
pub fn cookie(cookies: &[u8], is: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    cookies.split(|&b| b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let eq = pair.iter().position(|&b| b == b'=')?;
        let (name, value) = (&pair[..eq], &pair[eq + 1..]);
        (is(name) && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_user_who_is_in_stays_in_as_the_share_grows(user in "[a-z0-9]{1,20}", a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let (small, large) = (Split::new("o", a.min(b)), Split::new("o", a.max(b)));
            let arm = |s: Split| s.arm(Some(user.as_bytes()), None, None);
            prop_assert!(arm(small) <= arm(large));
            prop_assert_eq!(arm(small), small.arm(Some(user.as_bytes()), Some(b"other"), None));
        }
    }

    #[test]
    fn the_share_is_kept_and_overlays_draw_different_users() {
        let (one, two) = (Split::new("one", 0.2), Split::new("two", 0.2));
        let n = 20_000u32;
        let (mut first, mut both) = (0, 0);
        for i in 0..n {
            let id = format!("user-{i}");
            let arm = |s: &Split| s.arm(Some(id.as_bytes()), None, None).0 as u32;
            first += arm(&one);
            both += arm(&one) * arm(&two);
        }
        assert!((first as f64 / n as f64 - 0.2).abs() < 0.01, "{first}");
        assert!((both as f64 / n as f64 - 0.04).abs() < 0.01, "{both}");
    }

    #[test]
    fn neighbouring_addresses_spread_and_all_or_none_means_it() {
        let arm = |share: f64, i: u8| {
            Split::new("o", share)
                .arm(None, None, Some(IpAddr::from([10, 0, 0, i])))
                .0 as u32
        };
        let half: u32 = (0..=255).map(|i| arm(0.5, i)).sum();
        assert!((90..166).contains(&half), "{half} of 256");
        assert_eq!((0..=255).map(|i| arm(0.0, i)).sum::<u32>(), 0);
        assert_eq!((0..=255).map(|i| arm(1.0, i)).sum::<u32>(), 256);
        assert_eq!(Split::new("o", 1.0).arm(None, None, None), Arm::BASE);
    }

    #[test]
    fn placement_is_the_same_in_every_version() {
        let s = Split::new("cache-product", 0.5);
        let arms: String = (0..16)
            .map(|i| {
                s.arm(Some(format!("u{i}").as_bytes()), None, None)
                    .0
                    .to_string()
            })
            .collect();
        assert_eq!(arms, "0110000001001011");
    }

    #[test]
    fn finds_the_session_among_cookies() {
        assert_eq!(session(b"a=b; sid=x=y ;c"), Some(&b"x=y"[..]));
        assert_eq!(session(b"sid=; connect.sid=1"), Some(&b"1"[..]));
        assert_eq!(session(b"xsid=1; sidx=2;;="), None);
    }
}
