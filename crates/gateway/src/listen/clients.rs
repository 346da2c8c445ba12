//! How many connections each client has, so that none can have all.

use crate::gate::Kept;
use crate::tally::Tally;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// Reasons for closing a connection at once, by their place in `NAMES`.
pub(crate) const TOO_MANY: usize = 0;
pub(crate) const TOO_MANY_OF_ONE: usize = 1;
const NAMES: &[&str] = &["too-many", "too-many-of-one-client"];

/// Threads that count different clients seldom meet.
const SHARDS: usize = 16;

/// The counts of all threads. A client without a connection has no entry, so there are no more than connections.
pub(crate) struct Clients {
    shards: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
    hasher: RandomState,
    /// Connections that were closed at once.
    pub turned_away: Arc<Tally>,
}

/// Whom a connection counts for: of IPv6 the first 64 bits, as within those a client chooses at will.
pub(crate) fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// The most for one client, where nothing is configured: four fifths of all. Others still get in, and a balancer that
/// does not say who its clients are has nearly everything.
pub(crate) fn most(configured: Option<usize>, all: usize) -> usize {
    configured.unwrap_or(all - all / 5).max(1)
}

impl Clients {
    pub fn new(kept: &Kept) -> Clients {
        Clients {
            shards: Default::default(),
            hasher: RandomState::new(),
            turned_away: Tally::of(kept, "connections", "listen", NAMES),
        }
    }

    fn of(&self, client: IpAddr) -> std::sync::MutexGuard<'_, HashMap<IpAddr, u32>> {
        let shard = self.hasher.hash_one(client) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One connection more of this client; false: it has `most` already. Give back what was taken.
    pub fn take(&self, client: IpAddr, most: usize) -> bool {
        let mut shard = self.of(client);
        let count = shard.get(&client).copied().unwrap_or(0);
        let fits = (count as usize) < most;
        if fits {
            shard.insert(client, count + 1);
        }
        fits
    }

    pub fn give_back(&self, client: IpAddr) {
        let mut shard = self.of(client);
        if let Some(count) = shard.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&client);
            }
        }
    }

    /// Counts a connection of a client that has its part. The first is told aloud: behind a balancer that does not say who
    /// its clients are, nobody would know why.
    pub fn refuse(&self, client: IpAddr, most: usize) {
        match self.turned_away.get(TOO_MANY_OF_ONE) {
            0 => tracing::warn!(
                %client, most,
                "closed a connection: its client has as many as one may have. If that is a balancer, let it say who its clients are \
                 (`proxy_protocol`), or raise `limits.connections_per_client`; more are counted in \
                 plimsoll_gate_decisions_total{{gate=\"connections\"}}"
            ),
            _ => {
                tracing::debug!(%client, most, "closed a connection: its client has as many as one may have")
            }
        }
        self.turned_away.add(TOO_MANY_OF_ONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_not_made_new_by_its_lower_half() {
        assert_eq!(
            whose(ip("2001:db8:1:2:3::9")),
            whose(ip("2001:db8:1:2:ff::"))
        );
        assert_ne!(whose(ip("2001:db8:1:2::9")), whose(ip("2001:db8:1:3::9")));
        assert_eq!(whose(ip("::ffff:192.0.2.7")), ip("192.0.2.7"));
        assert_ne!(whose(ip("192.0.2.7")), whose(ip("192.0.2.8")));
    }

    #[test]
    fn others_always_get_in_and_nobody_is_shut_out() {
        assert_eq!((most(None, 20_000), most(Some(3), 20_000)), (16_000, 3));
        assert_eq!((most(None, 1), most(None, 4), most(None, 5)), (1, 4, 4));
    }

    #[test]
    fn places_are_given_back_and_nothing_is_kept_of_who_has_left() {
        let clients = Clients::new(&Kept::default());
        let (a, b) = (ip("192.0.2.7"), ip("192.0.2.8"));
        assert!(clients.take(a, 2) && clients.take(a, 2) && !clients.take(a, 2));
        assert!(clients.take(b, 2), "another client");
        clients.give_back(a);
        assert!(clients.take(a, 2) && !clients.take(a, 2));
        for client in [a, a, b] {
            clients.give_back(client);
        }
        let left: usize = (clients.shards.iter())
            .map(|s| s.lock().unwrap().len())
            .sum();
        assert_eq!(left, 0);
    }
}
