//! A small shop in three processes, with switchable bottlenecks.
