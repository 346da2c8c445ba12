//! The answer to `diagnose`: the diagnosis, the load line and the bill, the same in JSON everywhere.

use crate::cost::{Costs, costs};
use crate::diagnose::{Diagnosis, Options, diagnose};
use crate::fit::Fit;
use crate::loadline::LoadLine;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub diagnosis: Diagnosis,
    /// Missing when too little was seen to fit anything.
    pub line: Option<LoadLine>,
    /// Missing when nothing has a price.
    #[serde(default)]
    pub costs: Option<Costs>,
}

impl Answer {
    /// The answer with a line that was searched elsewhere, such as in slices.
    pub fn with(fit: &Fit, line: LoadLine) -> Answer {
        Answer {
            diagnosis: diagnose(fit, &Options::default()),
            line: Some(line),
            costs: costs(fit).ok(),
        }
    }
}
