//! What the terminal is: colours only for people who look at them.

use std::io::IsTerminal;

/// Standard output is a terminal and NO_COLOR is not set.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
