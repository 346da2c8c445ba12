//! Compression as a gate, the last of the ring: what passes outward is compressed before any other gate sees it, so that
//! the cache stores it as a variant.

use super::coder::Coder;
use super::core::{Liked, says, suits, token, weak};
use super::link::{Bytes, Coders, Link};
use crate::exchange::{Edits, Exchange, ResponseHead};
use crate::gate::{BodyNeed, Gate, Making, Needs, Slot, Step, Transform, Transformed};
use crate::tally::Tally;
use base::Nanos;
use config::sections::{Coding, Compress, CompressWhen};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const NAMES: &[&str] = &["compressed", "would_compress", "too_many"];
const COMPRESSED: usize = 0;
const WOULD: usize = 1;
const TOO_MANY: usize = 2;

/// While it does not act, one answer in so many is looked at, and counts for as many: a look costs half a microsecond, and
/// what it is for is the size of a sum.
const SAMPLED: u64 = 16;

/// On routes whose `compress` is not switched off.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.route.compress.clone()?;
    let route = m.route.name.as_str();
    let bytes = || Bytes {
        route: route.to_owned(),
        ..Bytes::default()
    };
    Some(Arc::new(CompressGate {
        rules,
        link: m.kept.get(&m.service.name, Link::default),
        coders: m.kept.get("compress", Coders::default),
        bytes: m.kept.get(route, bytes),
        tally: Tally::of(m.kept, "compress", route, NAMES),
    }))
}

struct CompressGate {
    rules: Compress,
    link: Arc<Link>,
    coders: Arc<Coders>,
    bytes: Arc<Bytes>,
    tally: Arc<Tally>,
}

impl CompressGate {
    fn acts(&self) -> bool {
        match self.rules.when {
            CompressWhen::Always => true,
            CompressWhen::Link => self.link.fills_first(),
            CompressWhen::Observe => false,
        }
    }

    fn wanted(&self, x: &Exchange<'_>) -> Option<Coding> {
        // A part is asked for of what the service has.
        if x.head.get("range").is_some() {
            return None;
        }
        let mut liked = Liked::default();
        x.head.each(|name, value| {
            if name.eq_ignore_ascii_case(b"accept-encoding") {
                liked.read(value);
            }
        });
        liked.best(&self.rules.codings)
    }

    /// Estimates what it would do, if it did anything.
    fn observe(&self, x: &mut Exchange<'_>, head: &ResponseHead<'_>) {
        let looks = x.random().is_multiple_of(SAMPLED);
        if !looks || !suits(&self.rules, head) || self.wanted(x).is_none() {
            return;
        }
        self.tally.add_many(WOULD, SAMPLED);
        let length = head.length().unwrap_or(0);
        (self.bytes.left).fetch_add(length.saturating_mul(SAMPLED), Relaxed);
    }

    fn coder(&self, coding: Coding) -> Option<Box<dyn Transform>> {
        let coder = Coder::new(coding, self.bytes.clone(), self.coders.permit()?)?;
        Some(Box::new(coder))
    }
}

/// Caches further out must not give it to clients of another kind.
fn vary(head: &ResponseHead<'_>, edits: &mut Edits) {
    if !says(head, "vary", b"accept-encoding") && !says(head, "vary", b"*") {
        edits.append("Vary", b"Accept-Encoding");
    }
}

/// News of an answer that was compressed are told by the tag that it was asked about with.
fn confirmed(x: &Exchange<'_>, head: &ResponseHead<'_>) -> Edits {
    let mut edits = Edits::default();
    let ours = x.edits.iter().find_map(|e| match e {
        http1::Edit::Set(name, value) if name.eq_ignore_ascii_case(b"if-none-match") => Some(value),
        _ => None,
    });
    let asked = ours.or(x.head.get("if-none-match")).unwrap_or_default();
    if let Some(weak) = head.get("etag").and_then(weak)
        && asked.windows(weak.len()).any(|w| w == weak)
    {
        edits.set("ETag", &weak);
    }
    if head.get("vary").is_some() {
        vary(head, &mut edits);
    }
    edits
}

impl Gate for CompressGate {
    fn name(&self) -> &'static str {
        "compress"
    }

    fn needs(&self) -> Needs {
        Needs {
            response_body: BodyNeed::Transform,
            ..Needs::default()
        }
    }

    fn enter(&self, _x: &mut Exchange<'_>, _slot: &mut Slot, _now: Nanos) -> Step {
        Step::Go
    }

    fn transform(&self, x: &mut Exchange<'_>, head: ResponseHead<'_>) -> Option<Transformed> {
        if !self.acts() {
            self.observe(x, &head);
            return None;
        }
        if head.status() == 304 {
            return Some(Transformed::head(confirmed(x, &head)));
        }
        if !suits(&self.rules, &head) {
            return None;
        }
        let mut edits = Edits::default();
        vary(&head, &mut edits);
        let Some(coding) = self.wanted(x) else {
            return Some(Transformed::head(edits));
        };
        let Some(coder) = self.coder(coding) else {
            self.tally.note(x, TOO_MANY);
            return Some(Transformed::head(edits));
        };
        self.tally.note(x, COMPRESSED);
        edits.set("Content-Encoding", token(coding).as_bytes());
        // Ranges are of the bytes that the service has, which these are not.
        edits.drop("Accept-Ranges");
        if let Some(weak) = head.get("etag").and_then(weak) {
            edits.set("ETag", &weak);
        }
        Some(Transformed {
            edits,
            body: Some(coder),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Head;
    use crate::testing::{Bench, edits};

    fn bench(when: CompressWhen) -> Bench {
        let mut b = Bench::default();
        b.route.compress = Some(Compress {
            when,
            ..Compress::default()
        });
        b
    }

    fn told(
        b: &Bench,
        request: &[(&str, &str)],
        status: u16,
        lines: &[(&str, &str)],
    ) -> Option<(Vec<String>, bool)> {
        let gate = make(&b.making()).unwrap();
        let mut run = b.run(&*gate, "GET", "/", request);
        let headers: Vec<_> = (lines.iter())
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        let mut x = Exchange {
            head: Head::List(&run.head),
            facts: &mut run.facts,
        };
        let head = ResponseHead::List {
            status,
            headers: &headers,
        };
        let changed = gate.transform(&mut x, head)?;
        Some((edits(&changed.edits), changed.body.is_some()))
    }

    const JSON: (&str, &str) = ("Content-Type", "application/json");
    const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

    #[test]
    fn who_accepts_it_gets_it_and_everybody_is_told_that_it_depends() {
        let b = bench(CompressWhen::Always);
        let tag = ("ETag", "\"a\"");
        let (said, packed) = told(&b, &[GZIP], 200, &[JSON, tag]).unwrap();
        assert_eq!(
            said,
            [
                "append Vary: Accept-Encoding",
                "set Content-Encoding: gzip",
                "drop Accept-Ranges: ",
                "set ETag: W/\"a\""
            ]
        );
        assert!(packed);
        let plain = told(
            &b,
            &[],
            200,
            &[JSON, tag, ("Vary", "Accept-Encoding, Origin")],
        );
        assert_eq!(plain, Some((Vec::new(), false)));
        let range = told(&b, &[GZIP, ("Range", "bytes=0-9")], 200, &[JSON]).unwrap();
        assert!(!range.1);
        assert_eq!(
            told(&b, &[GZIP], 200, &[("Content-Type", "image/png")]),
            None
        );
        let mut off = Bench::default();
        off.route.compress = None;
        assert!(make(&off.making()).is_none());
    }

    #[test]
    fn a_confirmation_is_told_by_the_tag_that_was_asked() {
        let b = bench(CompressWhen::Always);
        let tag = ("ETag", "\"a\"");
        let asked = |tag| ("If-None-Match", tag);
        let said = |request: &[_], lines: &[_]| told(&b, request, 304, lines).unwrap().0;
        assert_eq!(
            said(&[GZIP, asked("W/\"a\"")], &[tag]),
            ["set ETag: W/\"a\""]
        );
        assert_eq!(said(&[GZIP, asked("\"a\"")], &[tag]), [""; 0]);
        let both = said(&[asked("\"b\", W/\"a\"")], &[tag, ("Vary", "Origin")]);
        assert_eq!(both, ["set ETag: W/\"a\"", "append Vary: Accept-Encoding"]);
    }

    #[test]
    fn by_the_link_it_waits_until_the_link_fills_first_and_counts_meanwhile() {
        let b = bench(CompressWhen::Link);
        let length = ("Content-Length", "5000");
        let left = || b.kept.get("r", Bytes::default).left.load(Relaxed);
        for _ in 0..1600 {
            assert_eq!(told(&b, &[GZIP], 200, &[JSON, length]), None);
            assert_eq!(told(&b, &[], 200, &[JSON, length]), None);
        }
        let would = Tally::of(&b.kept, "compress", "r", NAMES).get(WOULD);
        assert!((1200..2000).contains(&would), "{would} of 1600");
        assert_eq!(left(), would * 5000);
        b.kept.get("s", Link::default).learn(&base::Protection {
            service: "s".into(),
            resource: "net.eth0".into(),
            confidence: 1.0,
            ..base::Protection::default()
        });
        assert!(told(&b, &[GZIP], 200, &[JSON, length]).unwrap().1);
        let left_out = Bench::default();
        for _ in 0..1600 {
            assert_eq!(told(&left_out, &[GZIP], 200, &[JSON, length]), None);
        }
        let would = Tally::of(&left_out.kept, "compress", "r", NAMES).get(WOULD);
        assert!((1200..2000).contains(&would), "{would} of 1600");
    }
}
