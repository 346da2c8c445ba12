//! The HTTP API and metrics at the console address.
