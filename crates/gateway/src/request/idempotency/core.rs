//! Keys, fingerprints, and what a request with a known key gets. Pure.

use super::record::{Record, Stage, Wanted};
use crate::head::Head;
use crate::jobs::carry::Kept;
use crate::retry::Failure;
use config::sections::Replay;
use http1::{Kind, Method};
use sfv::{BareItem, Item, Parser};
use sha2::{Digest, Sha256};

/// Longest key, characters.
pub const LONGEST: usize = 255;

/// SHA-256 of method, path with query, and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub fn of(method: &[u8], target: &[u8], body: &[u8]) -> Fingerprint {
        let mut hash = Sha256::new();
        // Neither holds a space, so that no two requests are the same text.
        hash.update(method);
        hash.update(b" ");
        hash.update(target);
        hash.update(b" ");
        hash.update(body);
        Fingerprint(hash.finalize().into())
    }
}

/// Whether the gate looks at the request at all: what is safe may be done as often as anybody likes.
pub fn applies(method: Method) -> bool {
    !method.is_safe()
}

/// Whether a route that requires a key does so here: what is idempotent by its method needs none.
pub fn needs_key(method: &[u8]) -> bool {
    matches!(method, b"POST" | b"PATCH")
}

/// The key that a request has, if any.
///
/// # Errors
/// What is wrong with it.
pub fn sent(head: &Head<'_>) -> Result<Option<String>, String> {
    if head.kind(Kind::IdempotencyKey).is_none() {
        return Ok(None);
    }
    let several = || Err("there are several Idempotency-Key headers; send one".into());
    let line = head.only(Kind::IdempotencyKey);
    line.map_or_else(several, key).map(Some)
}

/// The key of a header: one String of structured fields (RFC 9651 3.3.3).
///
/// # Errors
/// What is wrong with it.
pub fn key(line: &[u8]) -> Result<String, String> {
    let wrong = |what: &str| {
        format!("{what}; write a text of your own in quotes, such as Idempotency-Key: \"8e03978e\"")
    };
    let item: Item = Parser::new(line)
        .parse()
        .map_err(|_| wrong("Idempotency-Key is no structured field"))?;
    let BareItem::String(key) = item.bare_item else {
        return Err(wrong("Idempotency-Key is not a text"));
    };
    match key.as_str() {
        "" => Err(wrong("Idempotency-Key is empty")),
        long if long.len() > LONGEST => Err(wrong("Idempotency-Key is longer than 255 characters")),
        good => Ok(good.to_owned()),
    }
}

/// What a request gets whose key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer of the first.
    Replay(Kept),
    /// Another payload came with this key before.
    Mismatch,
    /// Somebody is at work on it.
    InProgress,
    /// It was done, and this status was its answer, which is not here.
    NotKept(u16),
    /// It may have been done.
    Unknown,
    /// It has become this job, or none.
    Find(Wanted),
    /// It is done (again), in place of what is stored.
    Again,
}

/// `alone`: nobody else uses the store, and nobody here is at work on this key.
pub fn judge(
    record: &Record,
    fingerprint: Fingerprint,
    alone: bool,
    now_ms: u64,
    replay: Replay,
) -> Verdict {
    if record.fingerprint != fingerprint {
        return Verdict::Mismatch;
    }
    match &record.stage {
        Stage::Answered(kept) => Verdict::Replay(kept.clone()),
        Stage::NotKept { status } => Verdict::NotKept(*status),
        Stage::Claimed { until_ms } | Stage::Queueing { until_ms, .. }
            if !alone && now_ms < *until_ms =>
        {
            Verdict::InProgress
        }
        Stage::Queueing { job, .. } => Verdict::Find(*job),
        Stage::Claimed { .. } | Stage::Unknown if replay == Replay::Safe => Verdict::Again,
        Stage::Claimed { .. } | Stage::Unknown => Verdict::Unknown,
    }
}

/// There is no such job. Where nobody else could have made it, and it would still be known, there never was one.
pub fn not_found(job: Wanted, alone: bool, now_ms: u64, replay: Replay) -> Verdict {
    match replay == Replay::Safe || (alone && now_ms < job.kept_ms) {
        true => Verdict::Again,
        false => Verdict::Unknown,
    }
}

/// How a request ended whose answer did not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It was not done, or did fail: the key is free again.
    Free,
    NotKept(u16),
    Unknown,
}

/// `tried`: an instance was chosen. `failure` of the last attempt. `status` of the instance's answer, when its head came.
pub fn left(tried: bool, failure: Option<Failure>, status: Option<u16>, replay: Replay) -> Left {
    match (status, failure) {
        (Some(500..), _) => Left::Free,
        (None, _) if !tried => Left::Free,
        (None, Some(Failure::Connect | Failure::Refused | Failure::Unread)) => Left::Free,
        (None, Some(Failure::Status(_))) => Left::Free,
        _ if replay == Replay::Safe => Left::Free,
        (Some(status), _) => Left::NotKept(status),
        (None, _) => Left::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_text_in_quotes() {
        assert_eq!(key(b"\"8e03978e-40d5\"").as_deref(), Ok("8e03978e-40d5"));
        assert_eq!(key(b" \"a\\\"b\";x=1 ").as_deref(), Ok("a\"b"));
        for bad in [
            &b"8e03978e-40d5"[..],
            b"",
            b"\"\"",
            b"\"a",
            b"\"a\", \"b\"",
            b"token",
            b":YQ==:",
            b"\"\xc3\xa9\"",
            b"1",
        ] {
            let why = key(bad).unwrap_err();
            assert!(why.contains("in quotes"), "{bad:?}: {why}");
        }
        let long = |n: usize| key(format!("\"{}\"", "x".repeat(n)).as_bytes());
        assert!(long(255).is_ok() && long(256).unwrap_err().contains("longer"));
    }

    #[test]
    fn no_two_requests_have_one_fingerprint() {
        let of =
            |m: &str, t: &str, b: &str| Fingerprint::of(m.as_bytes(), t.as_bytes(), b.as_bytes());
        assert_eq!(of("POST", "/a", "b"), of("POST", "/a", "b"));
        let first = of("POST", "/a", "b");
        for other in [
            of("PUT", "/a", "b"),
            of("POST", "/a?x", "b"),
            of("POST", "/a", "b "),
            of("POST", "/ab", ""),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_known_key_gets_what_its_record_allows() {
        let mine = Fingerprint([1; 32]);
        let of = |stage, alone, replay| {
            let record = Record {
                fingerprint: mine,
                stage,
            };
            judge(&record, mine, alone, 50, replay)
        };
        let claimed = |until_ms| Stage::Claimed { until_ms };
        use Replay::{Safe, Unsafe};
        let job = Wanted {
            secret: 7,
            kept_ms: 90,
        };
        let queueing = |until_ms| Stage::Queueing { until_ms, job };
        assert_eq!(of(queueing(60), false, Safe), Verdict::InProgress);
        for (until, alone) in [(50, false), (60, true)] {
            assert_eq!(of(queueing(until), alone, Safe), Verdict::Find(job));
        }
        assert_eq!(not_found(job, true, 89, Unsafe), Verdict::Again);
        assert_eq!(not_found(job, true, 90, Unsafe), Verdict::Unknown);
        assert_eq!(not_found(job, false, 89, Unsafe), Verdict::Unknown);
        assert_eq!(not_found(job, false, 91, Safe), Verdict::Again);
        assert_eq!(of(claimed(60), false, Safe), Verdict::InProgress);
        assert_eq!(of(claimed(50), false, Unsafe), Verdict::Unknown);
        assert_eq!(
            of(claimed(60), true, Unsafe),
            Verdict::Unknown,
            "whoever claimed it is gone"
        );
        assert_eq!(of(claimed(60), true, Safe), Verdict::Again);
        assert_eq!(of(Stage::Unknown, false, Safe), Verdict::Again);
        assert_eq!(
            of(Stage::NotKept { status: 201 }, true, Safe),
            Verdict::NotKept(201)
        );
        let kept = Kept {
            status: 201,
            ..Kept::default()
        };
        let answered = Stage::Answered(kept.clone());
        assert_eq!(of(answered.clone(), true, Unsafe), Verdict::Replay(kept));
        let record = Record {
            fingerprint: mine,
            stage: answered,
        };
        let other = judge(&record, Fingerprint([2; 32]), true, 50, Safe);
        assert_eq!(other, Verdict::Mismatch);
    }

    #[test]
    fn only_what_surely_did_nothing_frees_its_key() {
        let free = |tried, failure, status| left(tried, failure, status, Replay::Unsafe);
        assert_eq!(free(true, None, Some(503)), Left::Free);
        assert_eq!(free(false, None, None), Left::Free);
        assert_eq!(free(true, Some(Failure::Connect), None), Left::Free);
        assert_eq!(free(true, Some(Failure::Deadline), None), Left::Unknown);
        assert_eq!(free(true, Some(Failure::Reset), None), Left::Unknown);
        assert_eq!(
            free(true, None, None),
            Left::Unknown,
            "cut while it was under way"
        );
        assert_eq!(free(true, None, Some(201)), Left::NotKept(201));
        let safe = left(true, Some(Failure::Deadline), None, Replay::Safe);
        assert_eq!(safe, Left::Free);
    }
}
