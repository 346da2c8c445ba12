//! Two values at each step become one.

use super::aggregate::grouped;
use super::ast::{Grouping, Op};
use super::{ABSENT, Labels, Line, Refused, Value, is_there, once};
use std::collections::HashMap;

pub fn binary(
    op: Op,
    bool: bool,
    matching: &Grouping,
    left: Value,
    right: Value,
) -> Result<Value, Refused> {
    let compares = op.is_comparison();
    Ok(match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => {
            if op.is_set() || (compares && !bool) {
                return Err(super::lex::wrong(
                    "comparisons between scalars must use BOOL modifier, and sets take vectors",
                ));
            }
            Value::Scalar(a.iter().zip(&b).map(|(a, b)| of(op, *a, *b)).collect())
        }
        (Value::Vector(lines), Value::Scalar(b)) => {
            Value::Vector(with_number(op, bool, lines, |i, v| (v, b[i]))?)
        }
        (Value::Scalar(a), Value::Vector(lines)) => {
            Value::Vector(with_number(op, bool, lines, |i, v| (a[i], v))?)
        }
        (Value::Vector(a), Value::Vector(b)) if op.is_set() => {
            Value::Vector(set(op, matching, a, b))
        }
        (Value::Vector(a), Value::Vector(b)) => {
            Value::Vector(one_to_one(op, bool, matching, a, b)?)
        }
    })
}

/// Comparisons are 1 or 0 here.
fn of(op: Op, a: f64, b: f64) -> f64 {
    let is = |so: bool| f64::from(u8::from(so));
    match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Remainder => a % b,
        Op::Power => a.powf(b),
        Op::Equal => is(a == b),
        Op::Unequal => is(a != b),
        Op::Less => is(a < b),
        Op::LessOrEqual => is(a <= b),
        Op::Greater => is(a > b),
        Op::GreaterOrEqual => is(a >= b),
        Op::And | Op::Or | Op::Unless => ABSENT,
    }
}

/// What stays of `kept`, which is one of the two.
fn chosen(op: Op, bool: bool, a: f64, b: f64, kept: f64) -> f64 {
    match (op.is_comparison() && !bool, of(op, a, b)) {
        (true, 0.0) => ABSENT,
        (true, _) => kept,
        (false, value) => value,
    }
}

fn with_number(
    op: Op,
    bool: bool,
    mut lines: Vec<Line>,
    pair: impl Fn(usize, f64) -> (f64, f64),
) -> Result<Vec<Line>, Refused> {
    if op.is_set() {
        return Err(super::lex::wrong(
            "set operator not allowed in binary scalar expression",
        ));
    }
    for line in &mut lines {
        if !op.is_comparison() || bool {
            line.name = None;
        }
        for (i, v) in line.values.iter_mut().enumerate() {
            if is_there(*v) {
                let (a, b) = pair(i, *v);
                *v = chosen(op, bool, a, b, *v);
            }
        }
    }
    once(&lines).map(|()| lines)
}

fn one_to_one(
    op: Op,
    bool: bool,
    matching: &Grouping,
    left: Vec<Line>,
    right: Vec<Line>,
) -> Result<Vec<Line>, Refused> {
    let many = || {
        let why = "found duplicate series for the match group: many-to-many matching not allowed: matching labels must be unique on one side";
        Refused::execution(why)
    };
    let mut others: HashMap<Labels, Vec<Line>> = HashMap::new();
    for line in right {
        let key = grouped(&line.labels, matching);
        others.entry(key).or_default().push(line);
    }
    let mut taken: HashMap<Labels, Vec<bool>> = HashMap::new();
    let mut lines = Vec::new();
    for mut line in left {
        let key = grouped(&line.labels, matching);
        let Some(partners) = others.get(&key) else {
            continue;
        };
        let used = taken
            .entry(key.clone())
            .or_insert_with(|| vec![false; line.values.len()]);
        for (i, v) in line.values.iter_mut().enumerate() {
            let mut there = partners
                .iter()
                .map(|p| p.values[i])
                .filter(|p| is_there(*p));
            let (partner, more) = (there.next(), there.next());
            let (true, Some(b)) = (is_there(*v), partner) else {
                *v = ABSENT;
                continue;
            };
            // One on each side at any one step.
            if more.is_some() || std::mem::replace(&mut used[i], true) {
                return Err(many());
            }
            *v = chosen(op, bool, *v, b, *v);
        }
        if !op.is_comparison() || bool {
            line.name = None;
        }
        if !op.is_comparison() || bool || !matching.without {
            line.labels = key;
        }
        if line.values.iter().any(|v| is_there(*v)) {
            lines.push(line);
        }
    }
    once(&lines).map(|()| lines)
}

fn set(op: Op, matching: &Grouping, left: Vec<Line>, right: Vec<Line>) -> Vec<Line> {
    let there = |lines: &[Line]| {
        let mut at: HashMap<Labels, Vec<bool>> = HashMap::new();
        for line in lines {
            let key = grouped(&line.labels, matching);
            let seen = at
                .entry(key)
                .or_insert_with(|| vec![false; line.values.len()]);
            (seen.iter_mut().zip(&line.values)).for_each(|(s, v)| *s |= is_there(*v));
        }
        at
    };
    let keep = |lines: Vec<Line>, others: &HashMap<Labels, Vec<bool>>, wanted: bool| {
        let mut lines = lines;
        for line in &mut lines {
            let other = others.get(&grouped(&line.labels, matching));
            for (i, v) in line.values.iter_mut().enumerate() {
                if other.is_some_and(|o| o[i]) != wanted {
                    *v = ABSENT;
                }
            }
        }
        lines.retain(|l| l.values.iter().any(|v| is_there(*v)));
        lines
    };
    match op {
        Op::And => keep(left, &there(&right), true),
        Op::Unless => keep(left, &there(&right), false),
        _ => {
            let more = keep(right, &there(&left), false);
            merged(left, more)
        }
    }
}

/// Lines of the same labels are one line: each has values where the other has none.
fn merged(mut left: Vec<Line>, right: Vec<Line>) -> Vec<Line> {
    for line in right {
        let same = |l: &&mut Line| l.name == line.name && l.labels == line.labels;
        match left.iter_mut().find(same) {
            Some(l) => {
                let holes = l.values.iter_mut().zip(&line.values);
                holes
                    .filter(|(v, _)| !is_there(**v))
                    .for_each(|(v, more)| *v = *more);
            }
            None => left.push(line),
        }
    }
    left
}
