//! Any text is a configuration or a list of mistakes that point into it.

use base::Severity;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let checked = config::check_text("plimsoll.yaml", text);
    let wrong = checked
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error);
    assert_eq!(checked.config.is_none(), wrong, "{:?}", checked.findings);
    // A break at the end opens one line more.
    let lines = text
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .count();
    for spot in checked.findings.iter().filter_map(|f| f.spot.as_ref()) {
        assert!(spot.line as usize <= lines + 1, "{spot} of {lines} lines");
    }
}
