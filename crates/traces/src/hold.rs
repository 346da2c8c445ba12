//! Spans and lines while their trace is undecided, and traces that are kept while more of them may come.
//!
//! Services send theirs seconds after the request has ended, in any order. What belongs to a request that is not kept is let go
//! at once where that is known, else when it has waited too long or takes too much room.

use crate::trace::{Head, Line, Span, Trace};
use base::Nanos;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Longest wait for the end of a request.
const UNDECIDED: Duration = Duration::from_secs(60);
/// Memory of all that is undecided, and of all that is kept and still open, bytes; the oldest go first.
const WAITING_BYTES: usize = 8 << 20;
const OPEN_BYTES: usize = 8 << 20;
/// A trace that is kept takes more until nothing has come for so long, and never longer than that.
const QUIET: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);
/// What has come since is written no more often: each time it is all of the trace.
const AGAIN: Duration = Duration::from_secs(3);
/// Traces that were let go, so that what comes of them is not held.
const GONE: usize = 65_536;

/// What became of spans and lines since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub spans: Fates,
    pub lines: Fates,
    /// Traces that are kept.
    pub traces: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    pub received: u64,
    /// In a trace that is kept.
    pub kept: u64,
    /// Of a request that is not kept.
    pub let_go: u64,
    /// Nobody knew of their request in time, or there was no room to wait.
    pub undecided: u64,
    /// Of a trace that has too many already.
    pub left_out: u64,
    /// Without a trace id: never held.
    pub alone: u64,
}

#[derive(Debug, Default)]
pub struct Hold {
    waiting: HashMap<u128, Waiting>,
    waiting_bytes: usize,
    /// Of `waiting`, the oldest first; some have been decided since.
    order: VecDeque<(u128, Nanos)>,
    open: HashMap<u128, Open>,
    open_bytes: usize,
    /// Of `open`, likewise.
    opened: VecDeque<(u128, Nanos)>,
    gone: HashSet<u128>,
    gone_order: VecDeque<u128>,
    pub counts: Counts,
}

#[derive(Debug)]
struct Waiting {
    trace: Trace,
    first: Nanos,
}

#[derive(Debug)]
struct Open {
    trace: Trace,
    first: Nanos,
    last: Nanos,
    /// More has come than is written.
    dirty: bool,
    /// `None`: nothing of it is.
    written: Option<Nanos>,
}

/// One that is to be written.
#[derive(Debug)]
pub struct Due {
    pub trace: Trace,
    /// For the first time: there may be an older part on the disk.
    pub first: bool,
}

enum Part {
    Span(Span),
    Line(Line),
}

impl Hold {
    /// A span of a service.
    pub fn span(&mut self, trace: u128, span: Span, now: Nanos) {
        self.counts.spans.received += 1;
        self.take(trace, Part::Span(span), now);
    }

    /// A log line of a service; trace 0: it has none.
    pub fn line(&mut self, trace: u128, line: Line, now: Nanos) {
        self.counts.lines.received += 1;
        match trace {
            0 => self.counts.lines.alone += 1,
            _ => self.take(trace, Part::Line(line), now),
        }
    }

    fn take(&mut self, id: u128, part: Part, now: Nanos) {
        let fates = match &part {
            Part::Span(_) => &mut self.counts.spans,
            Part::Line(_) => &mut self.counts.lines,
        };
        if let Some(open) = self.open.get_mut(&id) {
            let before = (open.trace.bytes(), open.trace.left_out);
            add(&mut open.trace, part);
            match open.trace.left_out == before.1 {
                true => fates.kept += 1,
                false => fates.left_out += 1,
            }
            open.last = now;
            open.dirty = true;
            self.open_bytes += open.trace.bytes() - before.0;
            return;
        }
        if self.gone.contains(&id) {
            fates.let_go += 1;
            return;
        }
        let (order, bytes) = (&mut self.order, &mut self.waiting_bytes);
        let waiting = self.waiting.entry(id).or_insert_with(|| {
            order.push_back((id, now));
            let trace = Trace::new(id);
            *bytes += trace.bytes();
            Waiting { trace, first: now }
        });
        let before = waiting.trace.bytes();
        add(&mut waiting.trace, part);
        self.waiting_bytes += waiting.trace.bytes() - before;
        self.make_room();
    }

    /// A request of the gateway that is kept, with its own spans.
    pub fn keep(&mut self, id: u128, head: Head, spans: Vec<Span>, now: Nanos) {
        let mut begun = false;
        if !self.open.contains_key(&id) {
            let waited = self.unwait(id);
            let trace = waited.unwrap_or_else(|| Trace::new(id));
            count(&mut self.counts, &trace, |f| &mut f.kept);
            self.counts.spans.left_out += trace.left_out.spans;
            self.counts.lines.left_out += trace.left_out.lines;
            self.counts.traces += 1;
            self.open_bytes += trace.bytes();
            self.opened.push_back((id, now));
            let open = Open {
                trace,
                first: now,
                last: now,
                dirty: true,
                written: None,
            };
            self.open.insert(id, open);
            begun = true;
        }
        if let Some(open) = self.open.get_mut(&id) {
            let before = open.trace.bytes();
            open.trace.add_request(head, spans);
            open.last = now;
            open.dirty = true;
            self.open_bytes = (self.open_bytes + open.trace.bytes()).saturating_sub(before);
        }
        if begun {
            self.gone.remove(&id);
        }
    }

    /// What was kept of the same trace before.
    pub fn join(&mut self, id: u128, old: &Trace) {
        if let Some(open) = self.open.get_mut(&id) {
            let before = open.trace.bytes();
            open.trace.join(old.clone());
            self.open_bytes += open.trace.bytes() - before;
        }
    }

    /// No request of this trace is kept.
    pub fn let_go(&mut self, id: u128) {
        if self.open.contains_key(&id) || !self.gone.insert(id) {
            return;
        }
        self.gone_order.push_back(id);
        if self.gone_order.len() > GONE
            && let Some(old) = self.gone_order.pop_front()
        {
            self.gone.remove(&old);
        }
        if let Some(trace) = self.unwait(id) {
            count(&mut self.counts, &trace, |f| &mut f.let_go);
        }
    }

    /// Forgets what has waited too long; what is to be written now, and is open no more when it is quiet.
    pub fn turn(&mut self, now: Nanos) -> Vec<Due> {
        while let Some(&(id, first)) = self.order.front()
            && (now.since(first) >= UNDECIDED || !self.waits(id, first))
        {
            self.order.pop_front();
            self.forget(id, first);
        }
        let mut due = Vec::new();
        let full = self.open_bytes > OPEN_BYTES;
        for (id, open) in &mut self.open {
            if open.dirty && (full || open.written.is_none_or(|at| now.since(at) >= AGAIN)) {
                due.push(Due {
                    trace: open.trace.clone(),
                    first: open.written.is_none(),
                });
                debug_assert_eq!(*id, open.trace.id);
                open.dirty = false;
                open.written = Some(now);
            }
        }
        self.close(now);
        due
    }

    /// The earliest first, while there is too much; all that are quiet.
    fn close(&mut self, now: Nanos) {
        let mut still = VecDeque::with_capacity(self.opened.len());
        while let Some((id, first)) = self.opened.pop_front() {
            let Some(open) = self.open.get(&id) else {
                continue;
            };
            let done = now.since(open.last) >= QUIET || now.since(open.first) >= LONGEST;
            if !open.dirty && (done || self.open_bytes > OPEN_BYTES) {
                self.open_bytes = self.open_bytes.saturating_sub(open.trace.bytes());
                self.open.remove(&id);
            } else {
                still.push_back((id, first));
            }
        }
        self.opened = still;
    }

    /// All that is not written yet: the end has come.
    pub fn rest(&mut self) -> Vec<Due> {
        let open = self.open.drain().map(|(_, open)| open);
        let due = open.filter(|o| o.dirty).map(|o| Due {
            first: o.written.is_none(),
            trace: o.trace,
        });
        let due = due.collect();
        self.opened.clear();
        self.open_bytes = 0;
        due
    }

    fn waits(&self, id: u128, first: Nanos) -> bool {
        self.waiting.get(&id).is_some_and(|w| w.first == first)
    }

    fn make_room(&mut self) {
        while self.waiting_bytes > WAITING_BYTES {
            let Some((id, first)) = self.order.pop_front() else {
                return;
            };
            self.forget(id, first);
        }
    }

    fn forget(&mut self, id: u128, first: Nanos) {
        if self.waits(id, first)
            && let Some(trace) = self.unwait(id)
        {
            count(&mut self.counts, &trace, |f| &mut f.undecided);
        }
    }

    fn unwait(&mut self, id: u128) -> Option<Trace> {
        let trace = self.waiting.remove(&id)?.trace;
        self.waiting_bytes -= trace.bytes();
        Some(trace)
    }

    #[cfg(test)]
    fn memory(&self) -> usize {
        self.waiting_bytes + self.open_bytes
    }
}

fn add(trace: &mut Trace, part: Part) {
    match part {
        Part::Span(span) => trace.add_span(span),
        Part::Line(line) => trace.add_line(line),
    }
}

fn count(counts: &mut Counts, trace: &Trace, fate: fn(&mut Fates) -> &mut u64) {
    *fate(&mut counts.spans) += trace.spans.len() as u64;
    *fate(&mut counts.lines) += trace.lines.len() as u64;
}

#[cfg(test)]
mod tests;
