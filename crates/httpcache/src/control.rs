//! `Cache-Control`, of requests and responses alike.

/// Fields of a head by name; several lines of one name are several values.
pub trait Fields {
    /// `name` is in lower case. Calls `each` with every value, in order.
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8]));

    fn has(&self, name: &str) -> bool {
        let mut found = false;
        self.each(name, &mut |_| found = true);
        found
    }

    /// All values as one, separated by commas; `None` without any.
    fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let mut all: Option<Vec<u8>> = None;
        self.each(name, &mut |v| match &mut all {
            None => all = Some(v.trim_ascii().to_vec()),
            Some(all) => {
                all.extend_from_slice(b", ");
                all.extend_from_slice(v.trim_ascii());
            }
        });
        all
    }

    /// The only value; `None` when there are several.
    fn single(&self, name: &str) -> Option<Vec<u8>> {
        let (mut n, mut value) = (0, None);
        self.each(name, &mut |v| {
            n += 1;
            value = Some(v.trim_ascii().to_vec());
        });
        value.filter(|_| n == 1)
    }
}

/// Names (in any case) and values, in order.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Fields for Vec<(N, V)> {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        let named = |n: &N| n.as_ref().eq_ignore_ascii_case(name.as_bytes());
        self.iter()
            .filter(|(n, _)| named(n))
            .for_each(|(_, v)| each(v.as_ref()));
    }
}

/// What the directives say. A lifetime that cannot be read counts as zero, and of several the shortest counts:
/// in doubt nothing is fresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub only_if_cached: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub min_fresh: Option<u64>,
    /// Without a value: however stale.
    pub max_stale: Option<u64>,
    pub stale_while_revalidate: Option<u64>,
    pub stale_if_error: Option<u64>,
    /// Fields that `private="…"` and `no-cache="…"` keep out of a shared store.
    pub withheld: Vec<Box<[u8]>>,
    /// There was a header at all.
    pub given: bool,
}

impl Control {
    pub fn of(fields: &impl Fields) -> Control {
        let mut c = Control::default();
        fields.each("cache-control", &mut |value| {
            c.given = true;
            for part in list(value) {
                let (name, value) = match part.iter().position(|&b| b == b'=') {
                    Some(eq) => (part[..eq].trim_ascii(), Some(part[eq + 1..].trim_ascii())),
                    None => (part, None),
                };
                c.directive(name, value);
            }
        });
        c
    }

    pub(crate) fn directive(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        let shorter = |old: Option<u64>| Some(old.unwrap_or(u64::MAX).min(seconds(value)));
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache |= !self.withhold(value);
        } else if is("private") {
            self.private |= !self.withhold(value);
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            self.max_age = shorter(self.max_age);
        } else if is("s-maxage") {
            self.s_maxage = shorter(self.s_maxage);
        } else if is("min-fresh") {
            // Here the longest is the careful reading.
            self.min_fresh = Some(self.min_fresh.unwrap_or(0).max(seconds(value)));
        } else if is("max-stale") {
            let most = value.map_or(u64::MAX, |v| seconds(Some(v)));
            self.max_stale = Some(self.max_stale.unwrap_or(u64::MAX).min(most));
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate = shorter(self.stale_while_revalidate);
        } else if is("stale-if-error") {
            self.stale_if_error = shorter(self.stale_if_error);
        }
    }

    /// Notes the fields that a qualified form names; false: it names none, so it is about the whole.
    fn withhold(&mut self, value: Option<&[u8]>) -> bool {
        let Some([b'"', names @ .., b'"']) = value else {
            return false;
        };
        let before = self.withheld.len();
        self.withheld.extend(list(names).map(Box::from));
        self.withheld.len() > before
    }
}

/// Delta-seconds, also quoted; too large ones saturate, unreadable ones are zero.
fn seconds(value: Option<&[u8]>) -> u64 {
    let v = value.unwrap_or(b"");
    let v = match v {
        [b'"', inner @ .., b'"'] => inner,
        v => v,
    };
    if v.is_empty() || !v.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    // RFC 9111 1.2.2: what does not fit is 2^31.
    v.iter()
        .fold(0u64, |n, b| (n * 10 + (b - b'0') as u64).min(1 << 31))
}

/// The members of a comma-separated list; commas inside quotes do not separate.
#[inline]
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |&b| {
            let cut = b == b',' && !quoted;
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
            cut
        })
        .map(<[u8]>::trim_ascii)
        .filter(|m| !m.is_empty())
}
