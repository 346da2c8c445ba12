//! What the model makes of seconds that the simulator played. One executable, which is linked once.

mod advice;
mod common;
mod effects;
mod forecast;
mod learn;
mod loadline;
mod moves;
mod name;
mod protect;
mod twin;
mod verify;
mod worlds;
