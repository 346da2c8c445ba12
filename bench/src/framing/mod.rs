//! `cargo xtask bench framing`: messages that proxies and servers have read in two ways, sent through Plimsoll to nine
//! origin servers. What gets through must be one message, and the same one for all of them.

mod ask;
/// The messages of the codec's own tests, which use all of it.
#[allow(dead_code)]
#[path = "../../../crates/http1/tests/common/corpus.rs"]
mod corpus;
mod origins;
mod page;

use ask::{Came, ask};
use corpus::{Case, Expect};
use http1::Method;
use origins::Origins;
use std::path::Path;

/// Whose message it is, as the corpus says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Request,
    Response(Method),
}

/// One message, and what came of it with each origin, in their order.
pub struct Row {
    case: Case,
    came: Vec<Came>,
}

/// What is wrong with an origin and not with what it gets: its name, the message, and why.
const KNOWN: [(&str, &str, &str); 2] = [
    ("cheroot", "trailers", UNREAD),
    ("cheroot", "trailers over the limit", UNREAD),
];
const UNREAD: &str = "it leaves trailers on the connection, and refuses them as a request";

/// Good messages that are refused on purpose: this is no forward proxy.
const DECLINED: [&str; 1] = ["CONNECT"];

impl Row {
    /// Whether it was one message, and the same, for all that do not refuse it, and whether a good message got through; what
    /// is wrong if not.
    fn judge(&self) -> Result<(), String> {
        let known = |name| KNOWN.iter().any(|k| (k.0, k.1) == (name, self.case.name));
        let all = Origins::names().zip(&self.came);
        let all: Vec<_> = all.filter(|(name, _)| !known(*name)).collect();
        if let Some((name, _)) = all.iter().find(|(_, came)| !came.next_is_whole) {
            return Err(format!(
                "{name} does not read the next request as it was sent"
            ));
        }
        let mut takers = all.iter().filter(|(_, came)| !came.is_refused());
        let Some((_, first)) = takers.next() else {
            let good = matches!(self.case.expect, Expect::Body(..));
            return match good && !DECLINED.contains(&self.case.name) {
                true => Err("a good message is refused".to_owned()),
                false => Ok(()),
            };
        };
        if let Some((name, came)) = takers.find(|(_, came)| came != first) {
            return Err(format!("{name} reads {came:?}, the first one {first:?}"));
        }
        match (&self.case.expect, &first.read[..]) {
            (_, [_, _, ..]) => Err(format!("one message is read as {:?}", first.read)),
            (Expect::Body(body, _), [(_, _, read)]) if read != body => {
                Err(format!("the body is read as {read:?}"))
            }
            (Expect::Body(..), []) if first.status.is_none() => {
                Err("a good message is not answered".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Origins that did not want what others took.
    fn refusing(&self) -> Vec<&'static str> {
        let taken = self.came.iter().any(|c| !c.is_refused());
        let refused = Origins::names().zip(&self.came);
        (refused.filter(|(_, came)| taken && came.is_refused()))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Runs all and prints the page; a message in two readings is an error.
pub fn run(plimsoll: &Path) -> Result<String, String> {
    match rows(plimsoll)? {
        Err(why) => Ok(skipped(&why)),
        Ok(rows) => {
            println!("{}", page::page(&rows));
            judge(&rows)
        }
    }
}

/// As part of the tests: short when all is well, loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    match rows(plimsoll)? {
        Err(why) => eprintln!("{}", skipped(&why)),
        Ok(rows) => eprintln!("{}", judge(&rows)?),
    }
    Ok(())
}

fn skipped(why: &str) -> String {
    format!("SKIPPED, NOT PASSED: no message went to other origin servers: {why}")
}

fn judge(rows: &[Row]) -> Result<String, String> {
    let wrong = |r: &Row| Some(format!("{}: {}", r.case.name, r.judge().err()?));
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    match wrong.is_empty() {
        true => Ok(format!(
            "{} messages: one reading in {} origin servers",
            rows.len(),
            Origins::names().count()
        )),
        false => Err(format!("messages in two readings:\n{}", wrong.join("\n"))),
    }
}

fn rows(plimsoll: &Path) -> Result<Result<Vec<Row>, String>, String> {
    let origins = match Origins::install()? {
        Ok(origins) => origins,
        Err(why) => return Ok(Err(why)),
    };
    let cases = [corpus::vectors(), corpus::refused(), corpus::accepted()];
    let is_request = |c: &Case| c.side == Side::Request;
    let cases: Vec<Case> = cases.into_iter().flatten().filter(is_request).collect();
    // Most of the time is waiting for answers that do not come: all servers wait at once.
    let all: Vec<Vec<Came>> = std::thread::scope(|scope| {
        let one = |name| {
            let (origins, cases) = (&origins, &cases);
            scope.spawn(move || all_of(origins, name, plimsoll, cases))
        };
        let threads: Vec<_> = Origins::names().map(one).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, _>| {
            t.join()
                .unwrap_or_else(|_| Err("a thread ended badly".to_owned()))
        };
        threads.into_iter().map(join).collect::<Result<_, String>>()
    })?;
    let row = |(i, case): (usize, Case)| Row {
        case,
        came: all.iter().map(|came| came[i].clone()).collect(),
    };
    Ok(Ok(cases.into_iter().enumerate().map(row).collect()))
}

/// What comes of every message with one origin.
fn all_of(
    origins: &Origins,
    name: &'static str,
    plimsoll: &Path,
    cases: &[Case],
) -> Result<Vec<Came>, String> {
    let mut origin = origins.start(name)?;
    let mut front = origins.front(plimsoll, origin.address)?;
    let one = |case: &Case| {
        let came = ask(front.address, origin.address, &case.message);
        came.map_err(|e| format!("{name}, {}: {e}", case.name))
    };
    let came = cases.iter().map(one).collect();
    // What came of a message is known only of those who were there.
    origin.runs()?;
    front.runs()?;
    came
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a message of this name, for all origins the same.
    fn judged(name: &str, status: Option<u16>, read: &[(&str, &str, &str)]) -> Result<(), String> {
        let cases = [corpus::vectors(), corpus::accepted()];
        let case = cases.into_iter().flatten().find(|c| c.name == name);
        let read = read.iter();
        let came = Came {
            status,
            read: read
                .map(|(m, t, b)| (m.to_string(), t.to_string(), b.to_string()))
                .collect(),
            next_is_whole: true,
        };
        let row = Row {
            case: case.expect("a case of this name"),
            came: vec![came; Origins::names().count()],
        };
        row.judge()
    }

    #[test]
    fn a_good_message_must_get_through_and_a_bad_one_may_not() {
        assert!(judged("length", Some(200), &[("POST", "/p", "abc")]).is_ok());
        assert!(judged("length", Some(200), &[("POST", "/p", "ab")]).is_err());
        assert!(judged("length", Some(400), &[]).is_err());
        assert!(judged("length", None, &[]).is_err());
        assert!(judged("OPTIONS *", Some(400), &[]).is_err());
        assert!(judged("OPTIONS *", Some(204), &[]).is_ok());
        assert!(judged("CONNECT", Some(501), &[]).is_ok());
        assert!(judged("01 CL then TE", Some(400), &[]).is_ok());
    }
}
