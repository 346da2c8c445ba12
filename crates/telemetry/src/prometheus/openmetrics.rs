//! The same page in the format of OpenMetrics, version 1.0.0.

/// From Prometheus' text: families of counters are named without `_total`, and the page says where it ends.
pub fn from_text(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + 16);
    let mut help = "";
    for line in page.split_inclusive('\n') {
        if line.starts_with("# HELP ") {
            // The type, which follows, tells how the family is named.
            help = line;
            continue;
        }
        let Some(family) = line.strip_prefix("# TYPE ") else {
            out.push_str(line);
            continue;
        };
        let (name, kind) = family.trim_end().split_once(' ').unwrap_or((family, ""));
        let (short, kind) = match (kind, name.strip_suffix("_total")) {
            ("counter", Some(short)) => (short, kind),
            // Not by the rules: nothing is said of what it is.
            ("counter", None) => (name, "unknown"),
            _ => (name, kind),
        };
        let text = help.splitn(4, ' ').nth(3).unwrap_or("").trim_end();
        out.push_str(&format!("# HELP {short} {text}\n# TYPE {short} {kind}\n"));
    }
    out + "# EOF\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_lose_their_ending_and_the_page_ends() {
        let text = "# HELP a_total A thing.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n# HELP b B.\n# TYPE b gauge\nb 1\n\
                    # HELP c Odd.\n# TYPE c counter\nc 1\n";
        assert_eq!(
            from_text(text),
            "# HELP a A thing.\n# TYPE a counter\na_total{x=\"1\"} 2\n# HELP b B.\n# TYPE b gauge\nb 1\n\
             # HELP c Odd.\n# TYPE c unknown\nc 1\n# EOF\n"
        );
    }
}
