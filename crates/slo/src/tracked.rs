//! One objective as it goes: its counts, its rules, and how its two alerts stand.

use crate::alert::{Context, Seen, budget};
use crate::burn::{Reading, Rule, read, rules};
use crate::counts::{Count, Counts, Sum};
use crate::machine::{Machine, Standing, Turn};
use crate::objective::limit;
use crate::outage::{Outage, threshold};
use crate::status::{SloStatus, WINDOWS, budget_left};
use crate::{Alert, Kind, Objective, Severity, Tick};
use std::time::Duration;

/// Without any answer for so long, an outage is over: nobody asks any more.
const NOBODY_MS: u64 = 900_000;
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) struct Tracked {
    pub objective: Objective,
    pub counts: Counts,
    rules: Vec<Rule>,
    outage: Outage,
    /// Whether the outage rule speaks here: an objective of latency on the same route or service speaks for both.
    speaks: bool,
    readings: Vec<Reading>,
    page: Machine,
    ticket: Machine,
    /// When the last answer came.
    heard_ms: u64,
    /// Since the start of this process.
    ever: Sum,
}

impl Tracked {
    /// `firing`: whether its page and its ticket fire already.
    pub fn new(objective: Objective, firing: [bool; 2]) -> Tracked {
        let [page, ticket] = firing.map(|fires| match fires {
            true => Machine::firing(),
            false => Machine::default(),
        });
        Tracked {
            rules: rules(&objective),
            objective,
            counts: Counts::default(),
            outage: Outage::default(),
            speaks: true,
            readings: Vec::new(),
            page,
            ticket,
            heard_ms: 0,
            ever: Sum::default(),
        }
    }

    /// The same objective as it is promised now. `alone`: no objective of latency stands beside it.
    pub fn promise(&mut self, objective: Objective, alone: bool) {
        self.speaks = alone || matches!(objective.kind, Kind::Latency { .. });
        self.rules = rules(&objective);
        self.objective = objective;
        self.readings.clear();
    }

    pub fn push(&mut self, now_ms: u64, tick: Tick) {
        if tick.total + tick.stuck > 0 {
            self.heard_ms = now_ms;
        }
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let count = Count {
            total: small(tick.total),
            bad: small(tick.bad),
        };
        self.ever.add(count);
        self.counts.add(now_ms, count);
        let (total, bad) = (tick.total + tick.stuck, tick.bad + tick.stuck);
        self.outage.push(&self.objective, total, bad);
    }

    pub fn judge(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.heard_ms) > NOBODY_MS {
            self.outage.reset();
        }
        let recent = |severity| {
            self.rules
                .iter()
                .find(|r| r.severity == severity)
                .map(|r| r.short)
        };
        let of = |r: &Rule| {
            read(
                &self.objective,
                r,
                recent(r.severity).unwrap_or(r.short),
                &self.counts,
            )
        };
        self.readings = self.rules.iter().map(of).collect();
    }

    fn outage(&self) -> bool {
        self.speaks && self.outage.proven(&self.objective)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = (&Rule, &Reading)> {
        let both = self.rules.iter().zip(&self.readings);
        both.filter(move |(r, _)| r.severity == severity)
    }

    pub fn step(&mut self, severity: Severity, now_ms: u64) -> Option<Turn> {
        let outage = severity == Severity::Page && self.outage();
        let proven = outage || self.of(severity).any(|(_, r)| r.proven);
        // Whoever is awake needs no ticket beside.
        let paged = severity == Severity::Ticket && self.page.standing == Standing::Firing;
        let proven = proven && !(paged && self.ticket.standing != Standing::Firing);
        let suspected = outage || self.of(severity).any(|(_, r)| r.suspected);
        let machine = match severity {
            Severity::Page => &mut self.page,
            Severity::Ticket => &mut self.ticket,
        };
        let turn = machine.step(severity, proven, suspected, now_ms);
        if turn == Some(Turn::Ends) && severity == Severity::Page {
            self.outage.reset();
        }
        turn
    }

    pub fn alert(&self, severity: Severity, now_ms: u64, context: &Context) -> Alert {
        let (o, outage) = (&self.objective, severity == Severity::Page && self.outage());
        let proven = || self.of(severity).filter(|(_, r)| r.proven);
        let mut names: Vec<String> = proven().map(|(rule, _)| rule.name.to_owned()).collect();
        let left = budget_left(o, self.counts.over(o.reach(now_ms)));
        let what = format!("{} {}", o.scope.word(), o.name);
        let bad = match o.kind {
            Kind::Latency { within } => format!("failed or took longer than {}", limit(within)),
            Kind::Availability => "failed".to_owned(),
        };
        let (summary, burn) = match proven().next() {
            Some((rule, reading)) if !outage => (
                format!(
                    "{what}: {} of the answers of the last {} {bad}, {} are allowed; error budget: {}",
                    percent(reading.long * o.allowed()),
                    base::units::Secs(rule.long.as_secs_f64()),
                    percent(o.allowed()),
                    budget(left),
                ),
                reading.long,
            ),
            _ => {
                let last = self.counts.over(MINUTE);
                names.insert(
                    0,
                    format!("outage: surely more than {}", percent(threshold(o))),
                );
                let summary = format!(
                    "OUTAGE of {what}: {} of {} answers of the last minute {bad}",
                    last.bad, last.total
                );
                (summary, last.share() / o.allowed())
            }
        };
        Alert::new(
            o,
            severity,
            now_ms,
            Seen {
                rules: names,
                summary,
                burn,
                budget_left: left,
                began_ms: self.counts.turned(o.allowed()),
                context,
            },
        )
    }

    pub fn status(&self, now_ms: u64) -> SloStatus {
        let o = &self.objective;
        let answers = self.counts.over(o.reach(now_ms));
        let bad: Vec<f64> = WINDOWS
            .iter()
            .map(|(_, w)| self.counts.over(*w).share())
            .collect();
        let pending = [self.page.standing, self.ticket.standing].contains(&Standing::Pending);
        SloStatus {
            objective: o.clone(),
            promise: o.text(),
            answers,
            ever: self.ever,
            good: (answers.total > 0).then(|| 1.0 - answers.share()),
            budget_left: budget_left(o, answers),
            burn_5m: bad[0] / o.allowed(),
            burn_1h: bad[2] / o.allowed(),
            bad,
            page: self.page.standing,
            ticket: self.ticket.standing,
            needs: pending
                .then(|| self.readings.iter().filter_map(|r| r.needs).min())
                .flatten(),
        }
    }
}

/// `2.3 %`, with as many digits as a small share needs.
fn percent(share: f64) -> String {
    let p = share * 100.0;
    match p {
        p if p >= 10.0 => format!("{p:.0} %"),
        p if p >= 0.1 => format!("{p:.1} %"),
        p => format!("{p:.3} %"),
    }
}
