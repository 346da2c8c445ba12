//! Requests that became jobs: where they wait, how they are delivered, and what their clients can ask.
//!
//! The gate `respond_async` accepts them. A lane is a route, or a subscription of a topic (`crate::topics`); `deliver` leases what is due and sends each job as an [`Errand`],
//! a connection in memory on a traffic thread, so that limits, breakers and balancing hold for it as for anybody.
//! Pure: `outcome` (what an answer means), `pace` (how many at once, and why), `eta` (when), `carry` (how a request is kept).

pub mod carry;
mod deliver;
mod depth;
pub mod errand;
pub mod eta;
pub(crate) mod forget;
pub(crate) mod known;
pub mod outcome;
pub mod pace;
mod place;
pub mod resource;
pub mod still;

pub use crate::request::respond_async::secret;
pub use deliver::{bound_of, start};
pub use errand::Errand;
pub use pace::Bound;
pub use place::{Jobs, Lane};
pub use resource::{PREFIX, gate};
