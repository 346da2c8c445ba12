//! The index against a plain account of the same lines, cut off anywhere; records against damage; folders against what is
//! left in them.

mod folder;
mod index;
mod record;
