//! The page of the framing suite.

use super::origins::Origins;
use super::{KNOWN, Row};
use std::fmt::Write;

const HEAD: &str = "# What origin servers read of messages with two readings

```sh
cargo xtask bench framing > bench/framing.md   # Python with venv, and Node; a quarter of a minute
```

Every message goes through Plimsoll to each server on a connection of its own, then a plain request, so that bytes
left over would be read before it. *one reading*: all servers that did not refuse it have read the same, at most one request,
with the body that the message means, and the plain request after it as it was sent. A good message must get through, but CONNECT: this
is no forward proxy. It is part of the tests.

";

pub fn page(rows: &[Row]) -> String {
    let mut out = HEAD.to_owned();
    let names: Vec<_> = Origins::names().collect();
    let _ = writeln!(out, "Servers: {}.\n", names.join(" · "));
    out += "| message | Plimsoll answers | the servers read | |\n|---|---|---|---|\n";
    for row in rows {
        let taker = row.came.iter().find(|c| !c.is_refused());
        let first = taker.unwrap_or(&row.came[0]);
        let status = first.status.map_or("nothing".into(), |s| s.to_string());
        let read = match first.read.first() {
            None => "nothing".to_owned(),
            Some((method, target, body)) => format!("`{method} {target}` {} bytes", body.len()),
        };
        let verdict = match row.judge() {
            Ok(()) if row.refusing().is_empty() => "one reading".to_owned(),
            Ok(()) => format!("one reading; refused by {}", row.refusing().join(", ")),
            Err(why) => format!("**{why}**"),
        };
        let _ = writeln!(out, "| {} | {status} | {read} | {verdict} |", row.case.name);
    }
    let _ = writeln!(
        out,
        "\nNot counted, because it is the server's own fault:\n"
    );
    for (name, message, why) in KNOWN {
        let _ = writeln!(out, "- {name}, {message}: {why}");
    }
    out
}
