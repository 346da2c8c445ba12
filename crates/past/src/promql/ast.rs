//! A question as a tree.

use super::Matcher;

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Number(f64),
    Select(Select),
    Negative(Box<Expr>),
    Call {
        function: &'static super::eval::Function,
        arguments: Vec<Expr>,
    },
    Aggregate {
        how: How,
        /// Of `topk`, `bottomk`.
        parameter: Option<Box<Expr>>,
        of: Box<Expr>,
        grouping: Grouping,
    },
    Binary {
        op: Op,
        /// Comparisons give 0 or 1 instead of choosing.
        bool: bool,
        matching: Grouping,
        left: Box<Expr>,
        right: Box<Expr>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub matchers: Vec<Matcher>,
    pub range_ms: Option<i64>,
    pub offset_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    TopK,
    BottomK,
}

impl How {
    pub fn named(word: &str) -> Option<How> {
        Some(match word {
            "sum" => How::Sum,
            "avg" => How::Avg,
            "min" => How::Min,
            "max" => How::Max,
            "count" => How::Count,
            "topk" => How::TopK,
            "bottomk" => How::BottomK,
            _ => return None,
        })
    }

    pub fn chooses(self) -> bool {
        matches!(self, How::TopK | How::BottomK)
    }
}

/// Labels that count: these, or all but these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    pub without: bool,
    pub labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
}

impl Op {
    pub fn named(word: &str) -> Option<Op> {
        Some(match word {
            "+" => Op::Add,
            "-" => Op::Subtract,
            "*" => Op::Multiply,
            "/" => Op::Divide,
            "%" => Op::Remainder,
            "^" => Op::Power,
            "==" => Op::Equal,
            "!=" => Op::Unequal,
            "<" => Op::Less,
            "<=" => Op::LessOrEqual,
            ">" => Op::Greater,
            ">=" => Op::GreaterOrEqual,
            "and" => Op::And,
            "or" => Op::Or,
            "unless" => Op::Unless,
            _ => return None,
        })
    }

    pub fn is_comparison(self) -> bool {
        use Op::*;
        matches!(
            self,
            Equal | Unequal | Less | LessOrEqual | Greater | GreaterOrEqual
        )
    }

    pub fn is_set(self) -> bool {
        matches!(self, Op::And | Op::Or | Op::Unless)
    }

    /// Higher binds closer.
    pub fn precedence(self) -> u8 {
        match self {
            Op::Or => 1,
            Op::And | Op::Unless => 2,
            op if op.is_comparison() => 3,
            Op::Add | Op::Subtract => 4,
            Op::Power => 6,
            _ => 5,
        }
    }
}
