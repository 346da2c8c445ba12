//! What a node does about what others say. Pure.

use super::{FORMAT, Gone, MOST, REMEMBER, Word, differ, key, unfit};
use crate::generations::{clash, expired};
use config::Overlay;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What another node says, by its name.
pub type Heard = (String, Word);

/// One thing to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Somebody took it back, or another one came before it.
    Remove {
        id: String,
        who: String,
        why: String,
    },
    /// It is in service at this node.
    Take { overlay: Overlay, node: String },
    /// A canary is for everyone now.
    Promote { id: String, node: String },
}

/// Overlays of a node that are not in service here, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    pub node: String,
    pub overlays: Vec<String>,
    pub why: String,
}

/// What this node has.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// What it says, for its version and its file.
    pub word: &'a Word,
    pub overlays: &'a [Overlay],
    pub gone: &'a [Gone],
}

/// What to do, and what is not done. `now_s` is seconds since the Unix epoch.
pub fn decide(own: Own<'_>, heard: &[Heard], now_s: u64) -> (Vec<Step>, Vec<Refused>) {
    let mut steps = Vec::new();
    let mut held = Vec::new();
    let gone = taken_back(heard);
    for o in own.overlays {
        let name = key(o);
        match gone.get(name.as_str()) {
            Some((node, g)) => steps.push(Step::Remove {
                id: o.id.clone(),
                who: at(&g.who, node),
                why: g.why.clone(),
            }),
            None => held.push((name, o.clone())),
        }
    }
    let dead: BTreeSet<&str> = (own.gone.iter().map(|g| g.key.as_str()))
        .chain(gone.keys().copied())
        .collect();
    let mut refused = Vec::new();
    for (node, word) in heard {
        let mut hearing = Hearing {
            node,
            held: &mut held,
            steps: &mut steps,
            refused: Vec::new(),
        };
        let other = stands_on_another(own.word, word);
        for value in word.overlays.iter().take(MOST) {
            hearing.overlay(value, other.as_deref(), &dead, now_s);
        }
        refused.extend(gathered(node, hearing.refused));
    }
    (steps, refused)
}

/// By key, with a node that says so.
fn taken_back(heard: &[Heard]) -> BTreeMap<&str, (&str, &Gone)> {
    let known = heard.iter().filter(|(_, w)| w.format == FORMAT);
    let all = known.flat_map(|(n, w)| w.gone.iter().take(REMEMBER).map(move |g| (n, g)));
    all.map(|(n, g)| (g.key.as_str(), (n.as_str(), g)))
        .collect()
}

/// Why nothing new of a node can be taken.
fn stands_on_another(own: &Word, other: &Word) -> Option<String> {
    if other.format != FORMAT || other.version != own.version {
        return Some(format!(
            "that node is of version {}, this one of {}: run the same at both",
            other.version, own.version
        ));
    }
    let parts = differ(&own.file, &other.file);
    (!parts.is_empty()).then(|| {
        format!(
            "its file differs in {}: give both the same",
            parts.join(", ")
        )
    })
}

struct Hearing<'a> {
    node: &'a str,
    /// By key.
    held: &'a mut Vec<(String, Overlay)>,
    steps: &'a mut Vec<Step>,
    /// Id and why.
    refused: Vec<(String, String)>,
}

impl Hearing<'_> {
    fn overlay(&mut self, value: &Value, other: Option<&str>, dead: &BTreeSet<&str>, now_s: u64) {
        let o = match known(value) {
            Ok(o) => o,
            Err(id) => {
                let why = other.unwrap_or("it says something that this version does not know");
                return self.refuse(&id, why);
            }
        };
        let name = key(&o);
        if let Some((_, here)) = self.held.iter_mut().find(|(k, _)| *k == name) {
            if here.share.is_some() && o.share.is_none() {
                (here.share, here.expires_at) = (None, None);
                self.steps.push(Step::Promote {
                    id: here.id.clone(),
                    node: self.node.into(),
                });
            }
            return;
        }
        if dead.contains(name.as_str()) || expired(&o, now_s) {
            return;
        }
        if let Some(why) = other.or_else(|| unfit(&o)) {
            return self.refuse(&o.id, why);
        }
        self.take(name, o);
    }

    /// Of two that cannot stand together, the one that was made first stands, at all nodes.
    fn take(&mut self, name: String, o: Overlay) {
        let (in_the_way, beside): (Vec<_>, Vec<_>) =
            self.held.drain(..).partition(|(_, h)| clash(h, &o));
        let is_first = |(k, h): &&(String, Overlay)| (h.created_at, k) < (o.created_at, &name);
        if let Some((_, first)) = in_the_way.iter().find(is_first) {
            let why = format!("`{}` was made before it and stands here", first.id);
            self.refuse(&o.id, &why);
            self.held.extend(beside);
            return self.held.extend(in_the_way);
        }
        for (_, later) in in_the_way {
            self.steps.push(Step::Remove {
                id: later.id,
                who: "plimsoll".into(),
                why: format!("`{}` of {} was made before it", o.id, self.node),
            });
        }
        self.steps.push(Step::Take {
            overlay: o.clone(),
            node: self.node.into(),
        });
        self.held.extend(beside);
        self.held.push((name, o));
    }

    fn refuse(&mut self, id: &str, why: &str) {
        self.refused.push((id.to_owned(), why.to_owned()));
    }
}

/// An overlay of which everything is known here; else its id.
fn known(value: &Value) -> Result<Overlay, String> {
    let read = serde_json::from_value::<Overlay>(value.clone());
    let whole = read.ok().filter(|o| {
        let again = serde_json::to_value(o);
        again.is_ok_and(|again| again == *value)
    });
    whole.ok_or_else(|| {
        value["id"]
            .as_str()
            .unwrap_or("?")
            .chars()
            .take(100)
            .collect()
    })
}

/// One line for each reason.
fn gathered(node: &str, refused: Vec<(String, String)>) -> Vec<Refused> {
    let mut by_why = BTreeMap::<String, Vec<String>>::new();
    for (id, why) in refused {
        by_why.entry(why).or_default().push(id);
    }
    let one = |(why, overlays)| Refused {
        node: node.into(),
        overlays,
        why,
    };
    by_why.into_iter().map(one).collect()
}

/// `ann at web1-12`; who was named with a node already stays.
pub fn at(who: &str, node: &str) -> String {
    match who.contains(" at ") {
        true => who.to_owned(),
        false => format!("{who} at {node}"),
    }
}

#[cfg(test)]
mod tests;
