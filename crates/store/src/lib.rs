//! Durable state: the Log and Kv traits and the embedded engine.
