//! A request that says which event it must see (`Plimsoll-Position`) waits, for a time, until the projection that answers it has
//! been pushed that far.

mod gate;
mod positions;

pub use self::gate::make;
pub use self::positions::Positions;
