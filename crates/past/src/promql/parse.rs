//! From words to a tree.

use super::ast::{Expr, Grouping, How, Op, Select};
use super::eval::{FUNCTIONS, Function};
use super::lex::{Word, words, wrong};
use super::{MAX_DEPTH, Matcher, Refused};

pub fn expression(text: &str) -> Result<Expr, Refused> {
    let mut parser = Parser::new(text)?;
    let expr = parser.binary(0)?;
    parser.end()?;
    if matches!(&expr, Expr::Select(s) if s.range_ms.is_some()) {
        return Err(wrong(
            "a range of samples is no answer here: put rate(…) or another function around it",
        ));
    }
    Ok(expr)
}

/// A selector alone, as `match[]` has them.
pub fn selector(text: &str) -> Result<Vec<Matcher>, Refused> {
    let mut parser = Parser::new(text)?;
    let name = parser.name();
    let select = parser.select(name)?;
    parser.end()?;
    match select.range_ms {
        None => Ok(select.matchers),
        Some(_) => Err(wrong("a selector without a range is expected")),
    }
}

struct Parser {
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Parser, Refused> {
        let words = words(text)?;
        if words.is_empty() {
            return Err(wrong("no expression found in input"));
        }
        Ok(Parser {
            words,
            at: 0,
            depth: 0,
        })
    }

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), Some(Word::Mark(m)) if *m == mark)
    }

    fn has(&mut self, mark: &str) -> bool {
        let is = self.is(mark);
        self.at += usize::from(is);
        is
    }

    fn must(&mut self, mark: &str) -> Result<(), Refused> {
        match self.has(mark) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("{mark:?}"))),
        }
    }

    fn name(&mut self) -> Option<String> {
        match self.peek() {
            Some(Word::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Some(name)
            }
            _ => None,
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Word::Name(n)) if n.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn unexpected(&self, expected: &str) -> Refused {
        let found = match self.peek() {
            None => "end of input".to_owned(),
            Some(Word::Name(w) | Word::Number(w)) => format!("{w:?}"),
            Some(Word::Text(t)) => format!("string {t:?}"),
            Some(Word::Mark(m)) => format!("{m:?}"),
        };
        wrong(&format!("unexpected {found}, expected {expected}"))
    }

    fn end(&self) -> Result<(), Refused> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    /// One level deeper.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Refused>) -> Result<T, Refused> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let why = format!("the query is nested more than {MAX_DEPTH} levels deep");
            return Err(wrong(&why));
        }
        let made = f(self);
        self.depth -= 1;
        made
    }

    /// Operators that bind at least as close as `least`.
    fn binary(&mut self, least: u8) -> Result<Expr, Refused> {
        self.deeper(|p| {
            let mut left = p.unary()?;
            let mut links = 0;
            while let Some(op) = p.operator().filter(|op| op.precedence() >= least) {
                p.at += 1;
                links += 1;
                if links > MAX_DEPTH {
                    let why = format!("more than {MAX_DEPTH} operators in a row");
                    return Err(wrong(&why));
                }
                let bool = p.keyword("bool");
                if bool && !op.is_comparison() {
                    return Err(wrong(
                        "bool modifier can only be used on comparison operators",
                    ));
                }
                let matching = p.matching()?;
                // Powers are read from the right.
                let next = op.precedence() + u8::from(op != Op::Power);
                let right = p.binary(next)?;
                left = Expr::Binary {
                    op,
                    bool,
                    matching,
                    left: Box::new(left),
                    right: Box::new(right),
                };
            }
            Ok(left)
        })
    }

    fn operator(&self) -> Option<Op> {
        match self.peek()? {
            Word::Mark(m) => Op::named(m),
            Word::Name(n) => Op::named(&n.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// All labels but none where nothing is said.
    fn matching(&mut self) -> Result<Grouping, Refused> {
        let matching = match (self.keyword("on"), self.keyword("ignoring")) {
            (true, _) => Grouping {
                without: false,
                labels: self.labels()?,
            },
            (_, true) => Grouping {
                without: true,
                labels: self.labels()?,
            },
            _ => Grouping {
                without: true,
                labels: Vec::new(),
            },
        };
        if self.keyword("group_left") || self.keyword("group_right") {
            return Err(not_here("group_left and group_right: many-to-one matching"));
        }
        Ok(matching)
    }

    fn labels(&mut self) -> Result<Vec<String>, Refused> {
        self.must("(")?;
        let mut labels = Vec::new();
        while !self.has(")") {
            let label = self.name();
            labels.push(label.ok_or_else(|| self.unexpected("a label"))?);
            if !self.is(")") {
                self.must(",")?;
            }
        }
        Ok(labels)
    }

    fn unary(&mut self) -> Result<Expr, Refused> {
        if self.has("+") {
            return self.deeper(Self::unary);
        }
        if self.has("-") {
            // Binds less than a power: -2^2 is -4.
            let of = self.deeper(|p| p.binary(Op::Power.precedence()))?;
            return Ok(Expr::Negative(Box::new(of)));
        }
        let at = self.at;
        match self.peek().cloned() {
            Some(Word::Number(n)) => {
                self.at += 1;
                Ok(Expr::Number(number(&n)?))
            }
            Some(Word::Mark("(")) => {
                self.at += 1;
                let inner = self.binary(0)?;
                self.must(")")?;
                match self.is("[") {
                    true => Err(not_here("subqueries")),
                    false => Ok(inner),
                }
            }
            Some(Word::Mark("{")) => self.select(None).map(Expr::Select),
            Some(Word::Name(name)) => {
                self.at += 1;
                self.named(&name)
            }
            Some(Word::Text(_)) => Err(not_here("strings as values")),
            _ => {
                self.at = at;
                Err(self.unexpected("an expression"))
            }
        }
    }

    fn named(&mut self, name: &str) -> Result<Expr, Refused> {
        let lower = name.to_ascii_lowercase();
        let grouped = self.is("(")
            || matches!(self.peek(), Some(Word::Name(n)) if n.eq_ignore_ascii_case("by") || n.eq_ignore_ascii_case("without"));
        if let (Some(how), true) = (How::named(&lower), grouped) {
            return self.aggregate(how);
        }
        match lower.as_str() {
            "inf" => return Ok(Expr::Number(f64::INFINITY)),
            "nan" => return Ok(Expr::Number(f64::NAN)),
            _ => {}
        }
        if !self.is("(") {
            return self.select(Some(name.to_owned())).map(Expr::Select);
        }
        let Some(function) = FUNCTIONS.iter().find(|f| f.name == name) else {
            let known: Vec<&str> = FUNCTIONS.iter().map(|f| f.name).collect();
            return Err(not_here(&format!(
                "the function {name:?} (there are {}, and sum, avg, min, max, count, topk, bottomk)",
                known.join(", ")
            )));
        };
        let arguments = self.arguments()?;
        fits(function, &arguments)?;
        Ok(Expr::Call {
            function,
            arguments,
        })
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Refused> {
        self.must("(")?;
        let mut all = Vec::new();
        while !self.has(")") {
            all.push(self.binary(0)?);
            if !self.is(")") {
                self.must(",")?;
            }
        }
        Ok(all)
    }

    fn aggregate(&mut self, how: How) -> Result<Expr, Refused> {
        let before = self.grouping()?;
        let mut arguments = self.arguments()?;
        let grouping = match before {
            Some(g) => g,
            None => self.grouping()?.unwrap_or_default(),
        };
        let wanted = 1 + usize::from(how.chooses());
        let of = arguments.pop().filter(|_| arguments.len() + 1 == wanted);
        let of =
            of.ok_or_else(|| wrong(&format!("wrong number of arguments: {wanted} expected")))?;
        no_range(&of)?;
        Ok(Expr::Aggregate {
            how,
            parameter: arguments.pop().map(Box::new),
            of: Box::new(of),
            grouping,
        })
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Refused> {
        let without = self.keyword("without");
        if !without && !self.keyword("by") {
            return Ok(None);
        }
        let labels = self.labels()?;
        Ok(Some(Grouping { without, labels }))
    }

    /// What follows the name: labels, range, offset.
    fn select(&mut self, name: Option<String>) -> Result<Select, Refused> {
        let mut matchers = Vec::new();
        if let Some(name) = &name {
            matchers.push(Matcher::new("__name__", "=", name)?);
        }
        if self.has("{") {
            while !self.has("}") {
                matchers.push(self.matcher()?);
                if !self.is("}") {
                    self.must(",")?;
                }
            }
        } else if name.is_none() {
            return Err(self.unexpected("a metric's name or \"{\""));
        }
        if !matchers.iter().any(|m| !m.takes("")) {
            return Err(wrong(
                "vector selector must contain at least one non-empty matcher",
            ));
        }
        let mut range_ms = None;
        if self.has("[") {
            range_ms = Some(self.duration()?);
            if self.is(":") {
                return Err(not_here("subqueries"));
            }
            self.must("]")?;
        }
        let mut offset_ms = 0;
        if self.keyword("offset") {
            let back = self.has("-");
            offset_ms = self.duration()? * if back { -1 } else { 1 };
        }
        match self.is("@") {
            true => Err(not_here("the @ modifier")),
            false => Ok(Select {
                matchers,
                range_ms,
                offset_ms,
            }),
        }
    }

    fn matcher(&mut self) -> Result<Matcher, Refused> {
        let label = self.name().ok_or_else(|| self.unexpected("a label"))?;
        let op = ["=~", "!~", "!=", "="].into_iter().find(|m| self.has(m));
        let op = op.ok_or_else(|| self.unexpected("one of =, !=, =~, !~"))?;
        match self.peek().cloned() {
            Some(Word::Text(value)) => {
                self.at += 1;
                Matcher::new(&label, op, &value)
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    fn duration(&mut self) -> Result<i64, Refused> {
        match self.peek().cloned() {
            Some(Word::Number(n)) => {
                self.at += 1;
                let ms = duration_ms(&n);
                ms.ok_or_else(|| wrong(&format!("{n:?} is no duration such as 5m")))
            }
            _ => Err(self.unexpected("a duration such as 5m")),
        }
    }
}

fn not_here(what: &str) -> Refused {
    wrong(&format!(
        "Plimsoll answers a part of PromQL, without {what}; Prometheus can scrape /metrics for the rest"
    ))
}

/// What each parameter of a function is: a range of samples, a vector, or a number.
fn fits(function: &Function, arguments: &[Expr]) -> Result<(), Refused> {
    let (least, most) = (function.least, function.takes.len());
    if arguments.len() < least || arguments.len() > most {
        let why = format!("expected {most} argument(s) in call to {:?}", function.name);
        return Err(wrong(&why));
    }
    for (kind, argument) in function.takes.chars().zip(arguments) {
        let is_range = matches!(argument, Expr::Select(s) if s.range_ms.is_some());
        match (kind, is_range) {
            ('r', false) => {
                let why = format!("{} wants a range of samples, such as x[5m]", function.name);
                return Err(wrong(&why));
            }
            ('r', true) => {}
            _ => no_range(argument)?,
        }
    }
    Ok(())
}

fn no_range(of: &Expr) -> Result<(), Refused> {
    match of {
        Expr::Select(s) if s.range_ms.is_some() => Err(wrong(
            "a range of samples cannot stand here: use rate(…) on it",
        )),
        _ => Ok(()),
    }
}

fn number(text: &str) -> Result<f64, Refused> {
    let plain = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
        None => text.parse().ok(),
    };
    let seconds = || Some(duration_ms(text)? as f64 / 1000.0);
    plain
        .or_else(seconds)
        .ok_or_else(|| wrong(&format!("bad number or duration syntax: {text:?}")))
}

/// `1h30m`, milliseconds; at least one and at most a century.
pub fn duration_ms(text: &str) -> Option<i64> {
    let (mut rest, mut all) = (text, 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let n: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        all = all.checked_add(n.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (1..=CENTURY_MS).contains(&all).then_some(all)
}

const CENTURY_MS: i64 = 100 * 365 * 86_400_000;
