//! Reads from a request who asks, for the arm. Not a gate: the arm is chosen right after the route, before any gate.

use super::core::{Split, USER_HEADERS, session, who};
use crate::exchange::Head;
use base::Arm;
use http1::Kind;
use std::net::IpAddr;

/// The arm of a request, by user header, else session cookie, else address.
pub fn arm_of(split: &Split, head: &Head<'_>, client: IpAddr) -> Arm {
    let (user, session) = asks(head);
    split.arm(user, session, Some(client))
}

/// Hash of who asks, by the same order; the same on every node.
pub fn who_asks(head: &Head<'_>, client: IpAddr) -> Option<u64> {
    let (user, session) = asks(head);
    who(0, user, session, Some(client))
}

fn asks<'a>(head: &Head<'a>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let user = USER_HEADERS
        .iter()
        .find_map(|name| head.get(name))
        .filter(|v| !v.is_empty());
    (user, head.kind(Kind::Cookie).and_then(session))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ListHead;

    #[test]
    fn a_user_is_on_one_side_from_wherever_they_come() {
        let split = Split::new("o", 0.5);
        let arm = |i: u8, headers: &[(&str, &str)]| {
            arm_of(
                &split,
                &Head::List(&ListHead::new("GET", "/", headers)),
                IpAddr::from([10, 0, 0, i]),
            )
        };
        let sides = |headers: &[(&str, &str)]| {
            let canary: u32 = (0..200).map(|i| arm(i, headers).0 as u32).sum();
            canary
        };
        assert!((60..140).contains(&sides(&[])), "{}", sides(&[]));
        for one in [("x-user-id", "ann"), ("cookie", "a=b; sid=77")] {
            assert!(matches!(sides(&[one]), 0 | 200));
        }
    }
}
