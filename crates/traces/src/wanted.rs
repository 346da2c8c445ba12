//! Which attributes of services' spans are kept. What is not named is not: attributes hold what people typed.

/// Of one span, at most; the first that come.
pub const ATTRIBUTES: usize = 16;

/// Names of the semantic conventions whose values services choose, and users do not.
const KNOWN: [&str; 22] = [
    "code.function.name",
    "db.collection.name",
    "db.namespace",
    "db.operation.name",
    "db.response.status_code",
    "db.system.name",
    "error.type",
    "faas.name",
    "http.request.method",
    "http.request.resend_count",
    "http.route",
    "messaging.batch.message_count",
    "messaging.consumer.group.name",
    "messaging.destination.name",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.system",
    "network.protocol.name",
    "rpc.grpc.status_code",
    "rpc.method",
    "rpc.service",
    "rpc.system",
];

/// A few names, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(Vec<Box<str>>);

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted::of(KNOWN)
    }
}

impl Wanted {
    pub fn none() -> Wanted {
        Wanted(Vec::new())
    }

    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Wanted {
        let mut all: Vec<Box<str>> = names.into_iter().map(Box::from).collect();
        all.sort();
        all.dedup();
        Wanted(all)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|n| (**n).cmp(name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_wanted() {
        let known = Wanted::default();
        assert!(KNOWN.iter().all(|n| known.has(n)));
        for of_users in [
            "url.full",
            "url.query",
            "user.id",
            "db.query.text",
            "",
            "http.routes",
        ] {
            assert!(!known.has(of_users), "{of_users}");
        }
        let own = Wanted::of(["b", "a", "b"]);
        assert!(own.has("a") && own.has("b") && !own.has("http.route"));
        assert!(!Wanted::none().has("a"));
    }
}
