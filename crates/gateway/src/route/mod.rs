//! Finds the route of a request: host, method, path template and headers, most specific first.
//!
//! The head is forwarded as it came, so the path is never rewritten. What keeps a route from being bypassed
//! is that every way in which an upstream may read the path leads to the same route, or the request is refused:
//!
//! - percent-encoded bytes are compared decoded; a malformed one, or an encoded NUL, is refused (400);
//! - empty segments do not count: `//admin/` is `/admin`, in templates too;
//! - `.` and `..`, also encoded, are refused (400): clients remove them, only attackers send them;
//! - `%2F`, `\`, `%5C` and `;parameters` are data to some servers and structure to others, so such a path is
//!   matched both ways; when the two lead to different routes it is refused (400).

mod core;
mod path;
#[cfg(test)]
mod tests;

pub use self::core::{Matcher, Question};
pub use self::path::BadPath;
