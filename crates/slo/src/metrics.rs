//! Names of the counts that are exposed for each objective; rules are made of them.

/// Answers, and the bad ones among them, since the process began.
pub const ANSWERS: &str = "plimsoll_slo_answers_total";
pub const BAD: &str = "plimsoll_slo_bad_answers_total";
/// Label with the id of the objective.
pub const LABEL: &str = "objective";
