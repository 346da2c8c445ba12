//! What the contributor commands and the measurements share: running other programs.

pub mod run;
