//! Reading a section by its table: every key is looked up, every value converted, every mistake collected.

use crate::address::Address;
use crate::cidr::Cidr;
use crate::document::{Node, Value};
use crate::nearest::nearest;
use crate::secret::{Secret, has_password};
use crate::sections::HostName;
use base::{Finding, units};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Words of the design whose feature does not exist yet: refused with that reason rather than as unknown.
const PLANNED: &[&str] = &["flag", "flags", "shard", "teams"];

/// What kind of value a key takes: for the schema, and for the words of an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Text,
    Flag,
    Whole {
        min: u64,
        max: u64,
    },
    Number,
    /// A number, or bytes per second.
    Capacity,
    /// Text, or a reference to where it is.
    Secret,
    Duration,
    /// A point in time.
    Moment,
    Rate,
    Bytes,
    /// Bytes per second.
    Flow,
    Share,
    Price,
    Address,
    /// Addresses that begin with the same bits.
    Network,
    OneOf(&'static [&'static str]),
    ListOf(&'static Kind),
    /// A section with its own table.
    Section(&'static str),
    /// A map from names to sections.
    MapOf(&'static str),
    /// A map from names to lists of sections.
    MapOfLists(&'static str),
    /// A status, a class of statuses, or a list of them.
    Statuses,
    /// A map from names to texts.
    Texts,
    /// A map from names to secrets.
    Secrets,
    /// Text, or a section.
    TextOr(&'static str),
    /// A flag, or this section.
    FlagOr(&'static str),
    /// `off`, or this section.
    OffOr(&'static str),
}

/// Where instances are.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Address(SocketAddr),
    Socket(PathBuf),
    Name(HostName),
}

/// One key of a section that decodes into `T`.
pub struct Field<T: 'static> {
    pub key: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// What holds when the key is left out; empty: nothing, or it is required.
    pub default: &'static str,
    pub help: &'static str,
    pub example: &'static str,
    pub set: fn(&mut T, &Node, &mut Cx),
}

/// Collects findings while sections are read.
#[derive(Default)]
pub struct Cx {
    pub findings: Vec<Finding>,
}

impl Cx {
    pub fn error(&mut self, node: &Node, code: &str, what: impl Into<String>) -> &mut Finding {
        self.push(Finding::error(code, what), node)
    }
    pub fn warning(&mut self, node: &Node, code: &str, what: impl Into<String>) -> &mut Finding {
        self.push(Finding::warning(code, what), node)
    }
    fn push(&mut self, finding: Finding, node: &Node) -> &mut Finding {
        self.findings.push(Finding {
            spot: Some(node.at.spot()),
            ..finding
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Reads the keys of `node` into `out` by `fields`. `section` is its name in messages.
    pub fn section<T>(&mut self, section: &str, node: &Node, fields: &[Field<T>], out: &mut T) {
        // A key with nothing after it, perhaps because all below it is commented out.
        let nothing = node.text() == Some("");
        if !nothing && !matches!(node.value, Value::Map { .. }) {
            let keys: Vec<&str> = fields.iter().map(|f| f.key).take(4).collect();
            self.error(
                node,
                "config-not-a-section",
                format!("`{section}` takes keys, not a single value"),
            )
            .help = format!("its keys are {} …", keys.join(", "));
            return;
        }
        for entry in node.entries() {
            if let Some(field) = fields.iter().find(|f| f.key == entry.key) {
                (field.set)(out, &entry.value, self);
                continue;
            }
            let known = fields.iter().map(|f| f.key);
            if PLANNED.contains(&entry.key.as_str()) {
                let what = format!("`{}` is not built yet", entry.key);
                self.findings.push(
                    Finding::error("config-not-built", what)
                        .at(
                            entry.key_at.file.to_string(),
                            entry.key_at.line,
                            entry.key_at.column,
                        )
                        .why("it would have no effect")
                        .help("remove it"),
                );
                continue;
            }
            let help = match nearest(&entry.key, known.clone()) {
                Some(k) => format!("did you mean `{k}`?"),
                None => format!(
                    "the keys of `{section}` are {}",
                    known.collect::<Vec<_>>().join(", ")
                ),
            };
            self.findings.push(
                Finding::error(
                    "config-unknown-key",
                    format!("`{}` is not a key of `{section}`", entry.key),
                )
                .at(
                    entry.key_at.file.to_string(),
                    entry.key_at.line,
                    entry.key_at.column,
                )
                .why("a key that is not read would have no effect")
                .help(help),
            );
        }
        for f in fields
            .iter()
            .filter(|f| f.required && node.get(f.key).is_none())
        {
            self.error(
                node,
                "config-missing-key",
                format!("`{section}` needs `{}`", f.key),
            )
            .help = format!("add `{}: {}` — {}", f.key, f.example, f.help);
        }
    }

    /// A section that can be switched off as a whole: `None` for `off`. `out` is what holds for keys that are left out.
    pub fn section_or_off<T>(
        &mut self,
        section: &str,
        node: &Node,
        fields: &[Field<T>],
        mut out: T,
    ) -> Option<T> {
        match node.text() {
            Some("off") => return None,
            Some(text) if !text.is_empty() => {
                let what = format!("`{section}` is neither `off` nor a section of keys");
                let keys: Vec<&str> = fields.iter().map(|f| f.key).take(4).collect();
                self.error(node, "config-not-a-section", what).help =
                    format!("write `off`, or its keys, which are {} …", keys.join(", "));
                return None;
            }
            _ => {}
        }
        self.section(section, node, fields, &mut out);
        Some(out)
    }
    pub fn text(&mut self, node: &Node) -> Option<String> {
        match node.text() {
            Some(t) if !t.is_empty() => Some(t.to_owned()),
            _ => {
                self.error(node, "config-not-text", "a text is expected here")
                    .help = "if it is an address such as [::1]:80, put it in quotes".into();
                None
            }
        }
    }

    fn parse<V, E: std::fmt::Display>(
        &mut self,
        node: &Node,
        code: &str,
        f: impl Fn(&str) -> Result<V, E>,
    ) -> Option<V> {
        let text = self.text(node)?;
        match f(&text) {
            Ok(v) => Some(v),
            Err(e) => {
                self.error(node, code, e.to_string());
                None
            }
        }
    }

    pub fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.parse(node, "config-unit", units::duration)
    }
    /// A duration above 0.
    pub fn some_time(&mut self, node: &Node) -> Option<Duration> {
        let d = self.duration(node)?;
        if d.is_zero() {
            self.error(node, "config-value", "0 is too short here").help =
                "give a duration above 0, such as `1s`".into();
            return None;
        }
        Some(d)
    }
    /// Bytes from `min` to `max`.
    pub fn bytes_within(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        let b = self.bytes(node)?;
        if !(min..=max).contains(&b) {
            let what = format!("the size must lie between {min}B and {max}B");
            self.error(node, "config-value", what);
            return None;
        }
        Some(b)
    }
    /// A number, or bytes per second such as `100MiB/s`.
    pub fn capacity(&mut self, node: &Node) -> Option<f64> {
        match node.text().and_then(|t| t.trim().strip_suffix("/s")) {
            Some(bytes) => self
                .parse(node, "config-unit", |_| units::bytes(bytes))
                .map(|b| b as f64),
            None => self.number(node),
        }
    }
    pub fn secret(&mut self, node: &Node) -> Option<Secret> {
        let reference = |key: &str| node.get(key).and_then(Node::text).filter(|t| !t.is_empty());
        match (&node.value, reference("env"), reference("file")) {
            (Value::Scalar(t), ..) if has_password(t) => {
                let finding =
                    self.warning(node, "config-secret", "a password is written in the file");
                finding.why = "whoever can read the file, or its history, has it".into();
                finding.help = "write `{ env: NAME }` or `{ file: PATH }` instead".into();
                self.text(node).map(Secret::Text)
            }
            (Value::Scalar(_), ..) => self.text(node).map(Secret::Text),
            (Value::Map { entries, .. }, Some(env), None) if entries.len() == 1 => {
                Some(Secret::Env(env.into()))
            }
            (Value::Map { entries, .. }, None, Some(file)) if entries.len() == 1 => {
                Some(Secret::File(file.into()))
            }
            _ => {
                self.error(node, "config-secret", "a secret is a text or one reference")
                    .help = "write `{ env: NAME }` or `{ file: PATH }`".into();
                None
            }
        }
    }
    /// Seconds since the Unix epoch.
    pub fn moment(&mut self, node: &Node) -> Option<u64> {
        self.parse(node, "config-unit", |t| {
            let at = t.parse::<jiff::Timestamp>().ok();
            at.and_then(|at| u64::try_from(at.as_second()).ok())
                .ok_or(format!(
                    "`{t}` is not a point in time; write it like `2030-01-31T18:00:00Z`"
                ))
        })
    }
    /// Bytes per second, at least 1.
    pub fn flow(&mut self, node: &Node) -> Option<u64> {
        self.parse(node, "config-unit", |t| {
            let bytes = t
                .trim()
                .strip_suffix("/s")
                .and_then(|b| units::bytes(b).ok());
            bytes.filter(|b| *b > 0).ok_or(format!(
                "`{t}` is not bytes per second; write it like `10KiB/s`"
            ))
        })
    }
    pub fn rate(&mut self, node: &Node) -> Option<f64> {
        self.parse(node, "config-unit", units::rate)
    }
    pub fn bytes(&mut self, node: &Node) -> Option<u64> {
        self.parse(node, "config-unit", units::bytes)
    }
    pub fn share(&mut self, node: &Node) -> Option<f64> {
        self.parse(node, "config-unit", units::share)
    }
    pub fn price(&mut self, node: &Node) -> Option<f64> {
        self.parse(node, "config-unit", units::price)
    }
    pub fn flag(&mut self, node: &Node) -> Option<bool> {
        self.parse(node, "config-value", |t| {
            t.parse::<bool>()
                .map_err(|_| format!("`{t}` is neither `true` nor `false`"))
        })
    }
    pub fn number(&mut self, node: &Node) -> Option<f64> {
        self.parse(node, "config-value", |t| {
            t.parse::<f64>()
                .ok()
                .filter(|n| n.is_finite() && *n >= 0.0)
                .ok_or(format!("`{t}` is not a number of 0 or more"))
        })
    }
    pub fn whole(&mut self, node: &Node, min: u64, max: u64) -> Option<u64> {
        self.parse(node, "config-value", |t| {
            t.parse::<u64>()
                .ok()
                .filter(|n| (min..=max).contains(n))
                .ok_or(format!("`{t}` is not a whole number from {min} to {max}"))
        })
    }
    pub fn address(&mut self, node: &Node) -> Option<SocketAddr> {
        self.parse(node, "config-value", |t| {
            t.parse::<SocketAddr>()
                .map_err(|_| format!("`{t}` is not an address with a port; write it like `127.0.0.1:8080` or \"[::1]:8080\""))
        })
    }
    /// A network; `None`: who comes by a Unix socket.
    pub fn peer(&mut self, node: &Node) -> Option<Option<Cidr>> {
        match node.text() {
            Some("unix") => Some(None),
            _ => self.network(node).map(Some),
        }
    }
    fn network(&mut self, node: &Node) -> Option<Cidr> {
        let network = self.parse(node, "config-value", Cidr::parse)?;
        if network.is_all() {
            let finding = self.warning(node, "config-network", "that is every address");
            finding.why = "whoever reaches this port can say to be anybody".into();
            finding.help = "name the load balancers, such as `10.0.0.0/8`".into();
        }
        Some(network)
    }
    /// An address, or a Unix socket.
    pub fn listen(&mut self, node: &Node) -> Option<Address> {
        self.parse(node, "config-value", str::parse)
    }
    /// Permissions of a file, as `chmod` takes them.
    pub fn mode(&mut self, node: &Node) -> Option<u32> {
        self.parse(node, "config-value", |t| {
            let mode = u32::from_str_radix(t, 8).ok().filter(|m| *m <= 0o777);
            mode.ok_or(format!(
                "`{t}` are no permissions of a file; write them like `660`"
            ))
        })
    }
    /// An address, a Unix socket, or a name that DNS knows.
    pub fn place(&mut self, node: &Node) -> Option<Place> {
        self.parse(node, "config-value", |t| {
            if t.starts_with("unix:") {
                return t.parse().map(|a| match a {
                    Address::Ip(at) => Place::Address(at),
                    Address::Unix(path) => Place::Socket(path),
                });
            }
            let address = t.parse().map(Place::Address).ok();
            let place = address.or_else(|| t.parse().map(Place::Name).ok());
            place.ok_or(format!(
                "`{t}` is neither an address nor a name with a port; write it like `127.0.0.1:8080`, \"[::1]:8080\", `app.internal:8080` or `unix:/run/app.sock`"
            ))
        })
    }
    pub fn one_of<V: Copy>(&mut self, node: &Node, choices: &[(&str, V)]) -> Option<V> {
        let text = self.text(node)?;
        if let Some((_, v)) = choices.iter().find(|c| c.0 == text) {
            return Some(*v);
        }
        let words: Vec<&str> = choices.iter().map(|c| c.0).collect();
        let help = match nearest(&text, words.iter().copied()) {
            Some(k) => format!("did you mean `{k}`?"),
            None => format!("choose one of {}", words.join(", ")),
        };
        self.error(
            node,
            "config-value",
            format!("`{text}` is not one of the choices"),
        )
        .help = help;
        None
    }
    pub fn list<V>(&mut self, node: &Node, read: impl Fn(&mut Cx, &Node) -> Option<V>) -> Vec<V> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|i| read(self, i)).collect(),
            Value::Scalar(t) if !t.is_empty() => read(self, node).into_iter().collect(),
            _ => {
                self.error(node, "config-not-a-list", "a list is expected here")
                    .help = "write it like `[a, b]`".into();
                Vec::new()
            }
        }
    }
    /// Each item is a section, read by `read`.
    pub fn list_of_sections<V>(
        &mut self,
        node: &Node,
        read: impl Fn(&Node, &mut Cx) -> V,
    ) -> Vec<V> {
        self.list(node, |cx, n| Some(read(n, cx)))
    }
    /// Names and texts.
    pub fn texts(&mut self, node: &Node) -> Vec<(String, String)> {
        match &node.value {
            Value::Map { entries, .. } => entries
                .iter()
                .filter_map(|e| {
                    e.value
                        .text()
                        .map(|t| (e.key.clone(), t.to_owned()))
                        .or_else(|| self.text(&e.value).map(|t| (e.key.clone(), t)))
                })
                .collect(),
            _ => {
                self.error(
                    node,
                    "config-not-a-section",
                    "names and values are expected here",
                )
                .help = "write it like `{ name: value }`".into();
                Vec::new()
            }
        }
    }
    /// `name: section` pairs; names are checked, at most 1 000.
    pub fn named<'n>(&mut self, section: &str, node: &'n Node) -> Vec<(String, &'n Node)> {
        let entries = node.entries();
        if node.text() != Some("") && !matches!(node.value, Value::Map { .. }) {
            self.error(
                node,
                "config-not-a-section",
                format!("`{section}` takes names, each with its keys"),
            );
            return Vec::new();
        }
        if entries.len() > 1000 {
            self.error(
                node,
                "config-too-many",
                format!("`{section}` has more than 1000 entries"),
            );
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        // Some names become names of files.
        let dots = |name: &str| name.bytes().all(|b| b == b'.');
        let mut all = Vec::new();
        for e in entries.iter().take(1000) {
            if dots(&e.key) || e.key.len() > 64 || !e.key.bytes().all(good) {
                self.findings.push(
                    Finding::error("config-name", format!("`{}` cannot be a name", e.key))
                        .at(e.key_at.file.to_string(), e.key_at.line, e.key_at.column)
                        .help("use letters, digits, `-`, `_` and `.`, at most 64, not dots alone"),
                );
                continue;
            }
            all.push((e.key.clone(), &e.value));
        }
        all
    }
}
