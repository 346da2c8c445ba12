//! Load generator, limit finder, verdicts: attacks over the wire only.
