//! The words after a fence: ` ```sh {"name":"drain","interactive":"false"} ` or ` ```sh { name=drain } `.

use crate::markdown::Fence;
use base::Finding;
use serde_json::Value;

const KEYS: &[&str] = &["name", "cwd", "interactive", "excludeFromRunAll"];
/// Other keys of Runme, which say nothing to us.
const LEFT_OUT: &[&str] = &[
    "background",
    "category",
    "closeTerminalOnSuccess",
    "id",
    "interpreter",
    "mimeType",
    "promptEnv",
    "tag",
    "terminalRows",
    "timeout",
];
/// The word of a fence, and the shell that runs it.
const SHELLS: &[(&str, &str)] = &[
    ("sh", "sh"),
    ("shell", "sh"),
    ("bash", "bash"),
    ("zsh", "zsh"),
];

/// A step that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub name: String,
    /// The line of its fence.
    pub line: u32,
    pub shell: &'static str,
    pub script: String,
    /// Where it runs, seen from the runbook's folder.
    pub cwd: Option<String>,
    /// A person has to answer it, so `--yes` does not run it.
    pub interactive: bool,
    /// Run only when it is asked for by its name.
    pub only_by_name: bool,
}

/// `None` for a block that has no name, or is not for a shell.
pub fn parse(fence: &Fence, file: &str, findings: &mut Vec<Finding>) -> Option<Block> {
    let brace = fence.info.find('{')?;
    let language = fence.info[..brace].trim();
    let wrong =
        |what: String| Finding::error("runbook-block", what).at(file.to_owned(), fence.line, 1);
    let pairs = match pairs(&fence.info[brace..]) {
        Ok(pairs) => pairs,
        Err(why) => {
            let help = "write `{ name=drain }` or `{\"name\":\"drain\"}`";
            findings.push(wrong(why).help(help));
            return None;
        }
    };
    let get = |key: &str| pairs.iter().find(|p| p.0 == key).map(|p| p.1.as_str());
    for (key, _) in &pairs {
        if !KEYS.contains(&key.as_str()) && !LEFT_OUT.contains(&key.as_str()) {
            let help = crate::fields::did_you_mean(key, KEYS.iter().copied());
            let unknown = Finding::warning("runbook-block", format!("a block has no key `{key}`"));
            let unknown = unknown.at(file.to_owned(), fence.line, 1);
            findings.push(unknown.help(help.unwrap_or_default()));
        }
    }
    let name = get("name").filter(|n| !n.is_empty())?;
    let Some((_, shell)) = SHELLS.iter().find(|(word, _)| *word == language) else {
        let what = format!("block `{name}` is written in `{language}`: only shells are run");
        let help = "begin it with ```sh, ```bash or ```zsh, or take its name away";
        findings.push(wrong(what).help(help));
        return None;
    };
    if !fence.closed {
        findings.push(wrong(format!("block `{name}` does not end")).help("close it with ```"));
        return None;
    }
    Some(Block {
        name: name.to_owned(),
        line: fence.line,
        shell,
        script: fence.text.clone(),
        cwd: get("cwd").map(str::to_owned),
        interactive: get("interactive") == Some("true"),
        only_by_name: get("excludeFromRunAll") == Some("true"),
    })
}

/// JSON, or `key=value` separated by spaces or commas.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = text.trim();
    if let Ok(Value::Object(map)) = serde_json::from_str(text) {
        let word = |v: Value| match v {
            Value::String(s) => s,
            other => other.to_string(),
        };
        return Ok(map.into_iter().map(|(k, v)| (k, word(v))).collect());
    }
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let inner = inner.ok_or_else(|| format!("`{text}` is not closed by a brace"))?;
    inner
        .split([' ', ','])
        .filter(|p| !p.is_empty())
        .map(|p| match p.split_once('=') {
            Some((k, v)) if !k.is_empty() => {
                Ok((k.to_owned(), v.trim_matches(['"', '\'']).to_owned()))
            }
            _ => Err(format!("`{p}` is no key with a value")),
        })
        .collect()
}
