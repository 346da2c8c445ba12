//! Walks the tree. Every part has a value for each step.

use super::ast::{Expr, Select};
use super::{
    ABSENT, Labels, Line, MAX_LOOKS, MAX_VALUES, Refused, Steps, Value, aggregate, binary,
    is_there, matcher, math, over, quantile,
};
use crate::read::Group;
use crate::{COARSE_MS, FINE_MS, Found, LOOKBACK_MS, Past, Times};

pub enum Does {
    /// Looks back over the samples of a range: at the outer ones, or at each of them.
    Ends(over::Over),
    Each(over::Over),
    /// Changes each value; the numbers after it are passed on.
    Map(math::Map),
    Quantile,
    Vector,
    Scalar,
    Time,
}

pub struct Function {
    pub name: &'static str,
    /// What it takes, a letter each: `r`ange, `v`ector, `s`calar.
    pub takes: &'static str,
    /// How many of them must be there.
    pub least: usize,
    pub does: Does,
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn ranged(name: &'static str, does: Does) -> Function {
    Function {
        name,
        takes: "r",
        least: 1,
        does,
    }
}

const fn map(name: &'static str, takes: &'static str, least: usize, map: math::Map) -> Function {
    Function {
        name,
        takes,
        least,
        does: Does::Map(map),
    }
}

const fn other(name: &'static str, takes: &'static str, does: Does) -> Function {
    Function {
        name,
        takes,
        least: takes.len(),
        does,
    }
}

/// Every function, one line per member.
pub static FUNCTIONS: &[Function] = &[
    ranged("rate", Does::Ends(over::rate)),
    ranged("irate", Does::Ends(over::irate)),
    ranged("increase", Does::Ends(over::increase)),
    ranged("delta", Does::Ends(over::delta)),
    ranged("sum_over_time", Does::Each(over::sum)),
    ranged("avg_over_time", Does::Each(over::avg)),
    ranged("min_over_time", Does::Each(over::min)),
    ranged("max_over_time", Does::Each(over::max)),
    ranged("count_over_time", Does::Each(over::count)),
    ranged("last_over_time", Does::Each(over::last)),
    map("abs", "v", 1, math::abs),
    map("ceil", "v", 1, math::ceil),
    map("floor", "v", 1, math::floor),
    map("round", "vs", 1, math::round),
    map("sqrt", "v", 1, math::sqrt),
    map("ln", "v", 1, math::ln),
    map("clamp", "vss", 3, math::clamp),
    map("clamp_min", "vs", 2, math::clamp_min),
    map("clamp_max", "vs", 2, math::clamp_max),
    other("histogram_quantile", "sv", Does::Quantile),
    other("vector", "s", Does::Vector),
    other("scalar", "v", Does::Scalar),
    other("time", "", Does::Time),
];

pub struct Eval<'a> {
    past: &'a Past,
    groups: Vec<Group>,
    steps: Steps,
    pub warnings: Vec<String>,
}

impl<'a> Eval<'a> {
    pub fn new(past: &'a Past, steps: Steps) -> Eval<'a> {
        Eval {
            past,
            groups: past.groups(),
            steps,
            warnings: Vec::new(),
        }
    }

    pub fn value(&mut self, expr: &Expr) -> Result<Value, Refused> {
        Ok(match expr {
            Expr::Number(n) => Value::Scalar(vec![*n; self.steps.len()]),
            Expr::Select(s) => Value::Vector(self.select(s, &Look::NEWEST)?),
            Expr::Negative(of) => {
                let minus = vec![-1.0; self.steps.len()];
                match self.value(of)? {
                    Value::Scalar(v) => Value::Scalar(v.into_iter().map(|x| -x).collect()),
                    Value::Vector(lines) => Value::Vector(math::each(lines, |x, _| -x, &[minus])?),
                }
            }
            Expr::Call {
                function,
                arguments,
            } => self.call(function, arguments)?,
            Expr::Aggregate {
                how,
                parameter,
                of,
                grouping,
            } => {
                let k = match parameter {
                    Some(p) => Some(self.scalar(p)?),
                    None => None,
                };
                let lines = self.vector(of)?;
                Value::Vector(aggregate::aggregate(*how, k.as_deref(), lines, grouping))
            }
            Expr::Binary {
                op,
                bool,
                matching,
                left,
                right,
            } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                binary::binary(*op, *bool, matching, left, right)?
            }
        })
    }

    fn vector(&mut self, expr: &Expr) -> Result<Vec<Line>, Refused> {
        match self.value(expr)? {
            Value::Vector(lines) => Ok(lines),
            Value::Scalar(_) => Err(super::lex::wrong(
                "expected type instant vector, got scalar",
            )),
        }
    }

    fn scalar(&mut self, expr: &Expr) -> Result<Vec<f64>, Refused> {
        match self.value(expr)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) => Err(super::lex::wrong(
                "expected type scalar, got instant vector",
            )),
        }
    }

    fn call(&mut self, function: &Function, arguments: &[Expr]) -> Result<Value, Refused> {
        Ok(match (&function.does, arguments) {
            (does @ (Does::Ends(over) | Does::Each(over)), [Expr::Select(s)]) => {
                let back = s.range_ms.unwrap_or(LOOKBACK_MS);
                let how = Look {
                    over: *over,
                    back,
                    each: matches!(does, Does::Each(_)),
                    named: function.name == "last_over_time",
                };
                Value::Vector(self.select(s, &how)?)
            }
            (Does::Map(map), [of, numbers @ ..]) => {
                let numbers = numbers.iter().map(|n| self.scalar(n));
                let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                Value::Vector(math::each(self.vector(of)?, map, &numbers)?)
            }
            (Does::Quantile, [q, of]) => {
                let q = self.scalar(q)?;
                Value::Vector(quantile::quantile(&q, self.vector(of)?))
            }
            (Does::Vector, [of]) => Value::Vector(vec![Line {
                name: None,
                labels: Vec::new(),
                values: self.scalar(of)?,
            }]),
            (Does::Scalar, [of]) => {
                let lines = self.vector(of)?;
                let at = |i: usize| {
                    let mut there = lines.iter().map(|l| l.values[i]).filter(|v| is_there(*v));
                    match (there.next(), there.next()) {
                        (Some(only), None) => only,
                        _ => f64::NAN,
                    }
                };
                Value::Scalar((0..self.steps.len()).map(at).collect())
            }
            (Does::Time, _) => {
                Value::Scalar(self.steps.all().map(|ms| ms as f64 / 1000.0).collect())
            }
            _ => return Err(super::lex::wrong("wrong arguments")),
        })
    }

    /// For every series and step: what comes of looking back.
    fn select(&mut self, s: &Select, how: &Look) -> Result<Vec<Line>, Refused> {
        let steps = self.steps;
        let furthest = s
            .offset_ms
            .saturating_add(how.back.max(WIDEST))
            .saturating_add(1);
        let from = steps.start_ms.saturating_sub(furthest);
        let to = steps.end_ms.saturating_sub(s.offset_ms);
        let times = self.past.times(from, to);
        let windows = self.windows(&times, s, how.back);
        let each: usize = windows.iter().map(|w| w.end - w.first).sum();
        let each = if how.each { each } else { 0 };
        let mut lines = Vec::new();
        for group in self
            .groups
            .iter()
            .filter(|g| matcher::may_fit(&s.matchers, g))
        {
            for found in self.past.read(group, &times) {
                if !matcher::fits(&s.matchers, &found) {
                    continue;
                }
                let n = lines.len() + 1;
                if n * steps.len() > MAX_VALUES || n * each > MAX_LOOKS {
                    return Err(Refused::execution(
                        "query processing would load too many samples into memory in query execution: choose fewer series, \
                         a shorter range, or a longer step",
                    ));
                }
                lines.push(line(&found, &times, &windows, how));
            }
        }
        Ok(lines)
    }

    /// Which times each step looks at. A range that is too short for the slots that are kept becomes two of them.
    fn windows(&mut self, times: &Times, s: &Select, back: i64) -> Vec<Window> {
        let mut widened = false;
        let at = &times.at_ms;
        let (mut first, mut end) = (0, 0);
        let mut windows = Vec::with_capacity(self.steps.len());
        for step in self.steps.all() {
            let to_ms = step - s.offset_ms;
            while at.get(end).is_some_and(|t| *t <= to_ms) {
                end += 1;
            }
            let grain = match end > times.coarse {
                true => FINE_MS as i64,
                false => COARSE_MS as i64,
            };
            let wanted = back.max(2 * grain);
            let back = match s.range_ms {
                Some(_) if end > 0 && wanted > back => {
                    widened = true;
                    wanted
                }
                _ => back,
            };
            // A range has its edge, and a look for the newest sample has not.
            let from_ms = to_ms - back + i64::from(s.range_ms.is_none());
            // Widened windows may begin earlier than the one before.
            while first > 0 && at[first - 1] >= from_ms {
                first -= 1;
            }
            while first < end && at[first] < from_ms {
                first += 1;
            }
            windows.push(Window {
                first,
                end,
                from_ms,
                to_ms,
            });
        }
        if widened {
            self.warn(
                "where only slots of 5 min are kept (10 s for the last three hours), ranges shorter than two of them were widened to that",
            );
        }
        windows
    }

    fn warn(&mut self, what: &str) {
        if !self.warnings.iter().any(|w| w == what) {
            self.warnings.push(what.to_owned());
        }
    }
}

/// The widest window that a short range may become.
const WIDEST: i64 = 2 * COARSE_MS as i64;

struct Window {
    first: usize,
    end: usize,
    from_ms: i64,
    to_ms: i64,
}

/// How samples are looked at.
struct Look {
    over: over::Over,
    /// How far back, milliseconds.
    back: i64,
    /// At each sample, not only at the outer ones.
    each: bool,
    /// The name stays.
    named: bool,
}

impl Look {
    const NEWEST: Look = Look {
        over: over::newest,
        back: LOOKBACK_MS,
        each: false,
        named: true,
    };
}

fn line(found: &Found, times: &Times, windows: &[Window], how: &Look) -> Line {
    let value = |w: &Window| {
        let first = w.first.max(found.first);
        if first >= w.end {
            return ABSENT;
        }
        let samples = over::Samples {
            at_ms: &times.at_ms[first..w.end],
            values: &found.values[first - found.first..w.end - found.first],
            from_ms: w.from_ms,
            to_ms: w.to_ms,
        };
        (how.over)(&samples).unwrap_or(ABSENT)
    };
    Line {
        name: how.named.then(|| found.name.to_owned()),
        labels: labels(found),
        values: windows.iter().map(value).collect(),
    }
}

fn labels(found: &Found) -> Labels {
    let owned = |l: &(&str, String)| (l.0.to_owned(), l.1.clone());
    let mut labels: Labels = found.labels.iter().map(owned).collect();
    labels.sort();
    labels
}
