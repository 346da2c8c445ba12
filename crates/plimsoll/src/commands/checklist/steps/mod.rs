//! The seven steps, in their order. A step is done on evidence alone; one whose feature is not built says so and stays open.

mod automation;
mod bottleneck;
mod cheap;
mod objectives;
mod owners;
mod rehearsal;
mod reviews;

use super::{Known, Look};

type Step = (&'static str, fn(&Known) -> Look);

pub const STEPS: &[Step] = &[
    ("metrics and objectives", objectives::look),
    ("bottlenecks are known", bottleneck::look),
    ("cache and database first", cheap::look),
    ("deploy, scale and recover by themselves", automation::look),
    ("owners and runbooks", owners::look),
    ("debt and architecture reviews", reviews::look),
    ("load and chaos before launches", rehearsal::look),
];
