//! The quota as a gate: one key per request, 429 until the period ends, or only a count.

use super::ask::{Said, Wish, refill};
use super::book::{Entry, Quotas};
use super::core::Verdict;
use super::scope::Scope;
use crate::exchange::{Exchange, Facts, Outgoing, Reply};
use crate::gate::{Gate, Making, Slot, Step};
use crate::request::rate::{seconds_up, who};
use crate::tally::Tally;
use base::Nanos;
use config::sections::{Period, Quota, RateFail};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use store::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest wait of a request for the store.
const WAIT: Duration = Duration::from_millis(500);

const NAMES: &[&str] = &["refused", "would_refuse", "unknown", "alone", "crowded"];

#[derive(Clone, Copy)]
enum Note {
    Refused,
    WouldRefuse,
    /// The store is away, and nothing passes without it.
    Unknown,
    /// It passed, or not, without the store.
    Alone,
    /// It counts with all that came too late for a key of their own.
    Crowded,
}

/// On routes with a `quota`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let rules = m.route.quota.clone()?;
    // The config was checked: a zone that has gone since is UTC rather than no quota.
    let zone = rules.zone().unwrap_or(jiff::tz::TimeZone::UTC);
    // Services that share a route's users share its quota.
    let (kind, name) = match &rules.name {
        Some(name) => ("name", name.as_str()),
        None => ("route", m.undivided()),
    };
    let place = format!("{kind} {name} {} {}", rules.per.name(), rules.timezone);
    let scope = m
        .kept
        .get(&place, || Scope::new(name, kind, rules.per, zone));
    let quotas = m.kept.get("quotas", Quotas::default);
    quotas.register(&scope);
    scope.limit.store(rules.limit, Relaxed);
    Some(Arc::new(QuotaGate {
        policy: format!("{name}-{}", rules.per.name()),
        tally: Tally::of(m.kept, "quota", &m.route.name, NAMES),
        route: m.route.name.clone(),
        wish: Wish {
            limit: rules.limit,
            cost: rules.cost,
            keys: rules.keys,
        },
        place,
        rules,
        scope,
        quotas,
    }))
}

struct QuotaGate {
    rules: Quota,
    wish: Wish,
    /// What clients know it by.
    policy: String,
    /// What tells its keys from those of other quotas.
    place: String,
    route: String,
    scope: Arc<Scope>,
    quotas: Arc<Quotas>,
    tally: Arc<Tally>,
}

/// What a wait has brought, when it is over.
type Later = Rc<RefCell<Option<Result<Said, Error>>>>;

/// A request, and what it counts by.
#[derive(Clone)]
struct Counted {
    entry: Arc<Entry>,
    period: Arc<Period>,
    unix_ms: u64,
}

enum Stage {
    Asked(Counted, Later),
    Passed(Counted),
}

impl QuotaGate {
    fn entry(&self, x: &Exchange<'_>) -> Arc<Entry> {
        who::of(&self.rules.key, x, |kind, key| {
            let hash = self.quotas.hash(&self.place, kind, key);
            // The same in every quota, at every node: what a client has used of each can be told.
            self.quotas.entry(hash, || who::name("quota", kind, key))
        })
    }

    fn decide(&self, x: &mut Exchange<'_>, slot: &mut Slot, c: Counted, now: Nanos) -> Step {
        let from_ms = c.period.from_ms;
        let verdict = c.entry.key().decide(from_ms, self.wish.cost, now);
        match verdict {
            Verdict::Go => self.pass(slot, c),
            Verdict::Refuse => self.refused(x, &c),
            Verdict::Ask => match self.quotas.store(now) {
                None => self.without(x, slot, c),
                Some(store) => {
                    let said = Later::default();
                    let asked = (c.entry.clone(), self.scope.clone(), c.period.clone());
                    let when = (now, c.unix_ms);
                    let ask = refill(store, asked.0, asked.1, asked.2, self.wish, when);
                    let (tell, answer) = oneshot::channel();
                    // It goes on when nobody waits for it: what is taken is for the next one.
                    tokio::spawn(async move {
                        let _ = tell.send(ask.await);
                    });
                    let later = said.clone();
                    *slot = Slot::boxed(Stage::Asked(c, said));
                    Step::Wait(Box::pin(async move {
                        let answer = timeout(WAIT, answer).await;
                        *later.borrow_mut() = answer.ok().and_then(Result::ok);
                    }))
                }
            },
        }
    }

    /// As `fail` says, while the store is away.
    fn without(&self, x: &mut Exchange<'_>, slot: &mut Slot, mut c: Counted) -> Step {
        if c.entry.single {
            // It would be forgotten.
            c.entry = self.scope.others.clone();
        }
        let Wish { limit, cost, .. } = self.wish;
        // Where it is counted when the store is back.
        c.entry.at(&self.scope, &c.period);
        let passes = match self.rules.fail {
            RateFail::Closed if !self.rules.observe => {
                self.tally.note(x, Note::Unknown as usize);
                let detail = format!(
                    "the quota of route {} is counted elsewhere, and cannot be asked for now",
                    self.route
                );
                let reply = Reply::problem(503, "quota-unknown", &detail);
                return Step::Answer(reply.with("Retry-After", "1"));
            }
            RateFail::Closed | RateFail::Open => {
                c.entry.key().pass(cost);
                true
            }
            RateFail::LocalShare => c.entry.key().share(limit, cost),
        };
        self.tally.note(x, Note::Alone as usize);
        match passes {
            true => self.pass(slot, c),
            false => self.refused(x, &c),
        }
    }

    fn pass(&self, slot: &mut Slot, c: Counted) -> Step {
        *slot = Slot::boxed(Stage::Passed(c));
        Step::Go
    }

    fn refused(&self, x: &mut Exchange<'_>, c: &Counted) -> Step {
        if self.rules.observe {
            self.tally.note(x, Note::WouldRefuse as usize);
            return Step::Go;
        }
        self.tally.note(x, Note::Refused as usize);
        let left = self.ends_in(c);
        let end = i64::try_from(c.period.to_ms).ok();
        let end = end.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let detail = format!(
            "route {} takes no more of these requests in this {} ({}); the next one begins at {}, in {left} s",
            self.route,
            self.rules.per.name(),
            c.period.label,
            end.unwrap_or_default(),
        );
        let (policy, limit) = self.fields(c);
        Step::Answer(
            Reply::problem(429, "quota", &detail)
                .with("Retry-After", left.to_string())
                .with("RateLimit-Policy", policy)
                .with("RateLimit", limit),
        )
    }

    /// Seconds.
    fn ends_in(&self, c: &Counted) -> u64 {
        let left = c.period.to_ms.saturating_sub(c.unix_ms);
        seconds_up(Duration::from_millis(left)).max(1)
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    fn fields(&self, c: &Counted) -> (String, String) {
        let (name, limit) = (&self.policy, self.wish.limit);
        let window = (c.period.to_ms - c.period.from_ms) / 1000;
        let unit = match self.wish.cost {
            1 => "",
            _ => ";qu=\"plimsoll-cost\"",
        };
        let remaining = c.entry.key().remaining(limit);
        let seconds = self.ends_in(c);
        (
            format!("\"{name}\";q={limit};w={window}{unit}"),
            format!("\"{name}\";r={remaining};t={seconds}"),
        )
    }
}

impl Gate for QuotaGate {
    fn name(&self) -> &'static str {
        "quota"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        if x.is_refresh {
            return Step::Go;
        }
        let unix_ms = self.quotas.unix_ms(now);
        let Some(period) = self.scope.period(unix_ms) else {
            return Step::Go;
        };
        let entry = self.entry(x);
        let counted = Counted {
            entry,
            period,
            unix_ms,
        };
        self.decide(x, slot, counted, now)
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Slot::Boxed(stage) = slot.take() else {
            return Step::Go;
        };
        let Ok(Stage::Asked(mut c, said)) = stage.downcast::<Stage>().map(|s| *s) else {
            return Step::Go;
        };
        let said = said.borrow_mut().take();
        match said {
            Some(Ok(Said::Go)) => self.pass(slot, c),
            Some(Ok(Said::Refuse)) => self.refused(x, &c),
            Some(Ok(Said::Crowded)) => {
                self.tally.note(x, Note::Crowded as usize);
                c.entry = self.scope.others.clone();
                self.decide(x, slot, c, now)
            }
            Some(Err(Error::Busy)) => self.without(x, slot, c),
            Some(Err(_)) | None => {
                self.quotas.doubt(now);
                self.without(x, slot, c)
            }
        }
    }

    fn reply(&self, _x: &mut Exchange<'_>, slot: &mut Slot, out: &mut Outgoing<'_>, _now: Nanos) {
        let Some(Stage::Passed(c)) = slot.get::<Stage>().filter(|_| self.rules.announce) else {
            return;
        };
        let (policy, limit) = self.fields(c);
        out.edits.append("RateLimit-Policy", policy.as_bytes());
        out.edits.append("RateLimit", limit.as_bytes());
    }

    /// What was refused further in, and came to no instance, was not used.
    fn leave(&self, facts: &mut Facts, slot: &mut Slot, _now: Nanos) {
        let is_refused = facts.attempt == 0 && (facts.status == 429 || facts.status == 503);
        if let (true, Some(Stage::Passed(c))) = (is_refused, slot.get::<Stage>()) {
            c.entry.key().refund(c.period.from_ms, self.wish.cost);
        }
    }
}
