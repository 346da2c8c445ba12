//! The second level of caches: a hash for each key with a field each for a variant's record and for what is known of it, the last
//! changes and purges as lists, and the cells as a hash. Links of their own, so that large answers hold up nobody's limit,
//! and answers on their way in nobody who waits for one.

use super::link::{Link, Target};
use super::script::Script;
use super::{Answer, Options, odd};
use crate::second::{
    About, CHANGES, Change, HEARD, Heard, PURGES, Position, SecondLevel, Stored, Storing, VARIANTS,
};
use crate::{Ack, Error};
use std::sync::OnceLock;
use std::time::Duration;

/// Connects when it is first asked.
pub struct Second {
    target: Target,
    prefix: String,
    links: OnceLock<Result<Links, Error>>,
}

struct Links {
    /// Of those who wait: for answers, and for news.
    quick: Link,
    /// Of what is stored behind an answer.
    bulk: Link,
}

fn word(n: impl ToString) -> Vec<u8> {
    n.to_string().into_bytes()
}

impl Second {
    /// # Errors
    /// When the URL or the CA's file cannot be used.
    pub fn open(options: &Options) -> Result<Second, Error> {
        Ok(Second {
            target: Target::new(options)?,
            prefix: options.prefix.clone(),
            links: OnceLock::new(),
        })
    }

    fn links(&self) -> Result<&Links, Error> {
        let start = || {
            Ok(Links {
                quick: Link::start("redis-cache", self.target.clone())?,
                bulk: Link::start("redis-fill", self.target.clone())?,
            })
        };
        self.links.get_or_init(start).as_ref().map_err(Clone::clone)
    }

    /// Where the order is, the last changes, the last purges, and the cells.
    fn places(&self) -> [String; 4] {
        ["order", "changes", "purges", "cells"].map(|p| format!("{}:cache:{p}", self.prefix))
    }

    fn key(&self, epoch: u64, key: &str) -> String {
        format!("{}:cached:{epoch}:{key}", self.prefix)
    }
}

impl SecondLevel for Second {
    fn fetch(&self, epoch: u64, key: &str) -> Ack<Vec<Stored>> {
        let [_, _, _, cells] = self.places();
        let keys = [self.key(epoch, key), cells];
        match self.links() {
            Ok(links) => links.quick.run(Script::Fetch, &keys, Vec::new(), |answer| {
                variants(answer).ok_or_else(|| odd(Script::Fetch.name()))
            }),
            Err(e) => Ack::ready(Err(e)),
        }
    }

    fn store(&self, storing: Storing) -> Ack<bool> {
        let [order, ..] = self.places();
        let keys = [self.key(storing.epoch, &storing.key), order];
        let cells: Vec<String> = storing.cells.iter().map(u64::to_string).collect();
        let ttl_ms = storing.ttl.as_millis().max(1);
        let arguments = vec![
            storing.variant.into_bytes(),
            word(storing.number),
            cells.join(" ").into_bytes(),
            storing.record,
            word(ttl_ms),
            word(storing.epoch),
            word(VARIANTS),
        ];
        match self.links() {
            Ok(links) => links.bulk.run(Script::Store, &keys, arguments, |answer| {
                let done = answer.number().ok_or_else(|| odd(Script::Store.name()))?;
                Ok(done == 1)
            }),
            Err(e) => Ack::ready(Err(e)),
        }
    }

    fn tell(&self, about: About, body: Vec<u8>) -> Ack<()> {
        let cell = match about {
            About::Cell(cell) => word(cell),
            About::Purge => Vec::new(),
        };
        let arguments = vec![body, cell, word(CHANGES), word(PURGES)];
        match self.links() {
            Ok(links) => (links.quick).run(Script::Tell, &self.places(), arguments, |_| Ok(())),
            Err(e) => Ack::ready(Err(e)),
        }
    }

    fn hear(&self, from: Option<&Position>) -> Ack<Heard> {
        let from = from.cloned().unwrap_or_default();
        let arguments = vec![
            word(from.epoch),
            word(from.number),
            from.tag.clone().into_bytes(),
            word(HEARD),
        ];
        let links = match self.links() {
            Ok(links) => links,
            Err(e) => return Ack::ready(Err(e)),
        };
        (links.quick).run(Script::Hear, &self.places(), arguments, move |answer| {
            heard(answer, from).ok_or_else(|| odd(Script::Hear.name()))
        })
    }
}

fn variants(answer: Answer) -> Option<Vec<Stored>> {
    let mut fields = answer.list()?.into_iter();
    let mut all = Vec::new();
    while let (Some(number), Some(since), Some(record)) =
        (fields.next(), fields.next(), fields.next())
    {
        all.push(Stored {
            number: number.number()?,
            since: Duration::from_millis(since.number()?),
            record: record.bytes()?,
        });
    }
    // What came last is preferred where several fit.
    all.sort_by_key(|s| std::cmp::Reverse(s.since));
    Some(all)
}

fn heard(answer: Answer, from: Position) -> Option<Heard> {
    let [epoch, gap, number, last, items] = answer.fields()?;
    let items = items.list()?.into_iter();
    let changes = items.map(|i| change(&i.bytes()?));
    let changes: Vec<(Change, String)> = changes.collect::<Option<_>>()?;
    let is_gap = gap.number()? == 1;
    let mut position = Position {
        epoch: epoch.number()?,
        ..from
    };
    if is_gap {
        position.number = number.number()?;
        position.tag = match last.bytes()? {
            last if last.is_empty() => String::new(),
            last => change(&last)?.1,
        };
    } else if let Some((change, tag)) = changes.last() {
        position.number = change.number;
        position.tag = tag.clone();
    }
    Some(Heard {
        position,
        is_gap,
        changes: changes.into_iter().map(|(c, _)| c).collect(),
    })
}

/// `number time body`: the first two are its tag.
fn change(item: &[u8]) -> Option<(Change, String)> {
    let first = item.iter().position(|b| *b == b' ')?;
    let second = first + 1 + item[first + 1..].iter().position(|b| *b == b' ')?;
    let text = |range: &[u8]| std::str::from_utf8(range).ok().map(str::to_owned);
    let change = Change {
        number: text(&item[..first])?.parse().ok()?,
        body: item[second + 1..].to_vec(),
    };
    Some((change, text(&item[..second])?))
}
