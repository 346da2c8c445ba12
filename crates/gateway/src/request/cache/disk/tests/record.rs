//! A record gives back what was written, older by the time that has passed, or nothing.

use super::super::super::core::Keep;
use super::super::super::entry::{Entry, Started};
use super::super::super::lines::Lines;
use super::super::super::range::Part;
use super::super::record::{Bad, read, write};
use crate::gate::Moment;
use base::Nanos;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

fn moment(now_ms: u64, unix_ms: u64) -> Moment {
    Moment {
        now: Nanos(now_ms * 1_000_000),
        unix: Duration::from_millis(unix_ms),
    }
}

fn entry(part: bool) -> Entry {
    let keep = Keep {
        age: 3,
        lifetime: 60,
        stale: 5,
        stale_if_error: Some(9),
        never_stale: true,
        validate: false,
        guessed: true,
        vary: vec!["accept".into(), "x-none".into()],
        withheld: vec![b"set-cookie"[..].into()],
    };
    let lines =
        "ETag: \"1\"\r\nCache-Groups: \"a\", \"b\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let at = Started {
        at: Nanos(2_500_000_000),
        unix: 1_000,
    };
    let selects = vec![Some(b"text/html".to_vec()), None];
    let mut e = Entry::with(200, Lines(lines.into()), keep, selects, at);
    e.body = "hello".into();
    e.part = part.then(|| Part {
        first: 2,
        total: 100,
        asked: b"bytes=2-6"[..].into(),
    });
    e
}

const KEY: &[u8] = b"\0shop\0/p?q";

fn written(variants: &[Arc<Entry>]) -> Bytes {
    write(KEY, variants, moment(4_000, 1_001_500))
        .unwrap()
        .into()
}

#[test]
fn what_comes_back_is_what_went_and_older() {
    for variants in [
        vec![Arc::new(entry(false))],
        vec![Arc::new(entry(false)), Arc::new(entry(true))],
    ] {
        let record = written(&variants);
        // Another process, ten seconds later, whose clock has just begun.
        let later = moment(700, 1_011_500);
        let read = read(&record, KEY, false, later).unwrap();
        assert_eq!(read.len(), variants.len());
        for (was, is) in variants.iter().zip(&read) {
            // 1.5 s had passed, and 10 s more.
            assert_eq!(is.age(later.now), 3 + 11);
            assert_eq!(is.age(later.now + Duration::from_millis(500)), 3 + 12);
            let keep = Keep {
                age: was.keep.age,
                ..is.keep.clone()
            };
            assert_eq!(keep, was.keep);
            assert_eq!(
                (is.status, &is.lines, &is.body),
                (was.status, &was.lines, &was.body)
            );
            assert_eq!(
                (&is.part, &is.etag, &is.groups),
                (&was.part, &was.etag, &was.groups)
            );
            assert_eq!((&is.selects, is.date), (&was.selects, was.date));
            assert!(!is.purged.load(Relaxed) && is.unix == 1_011);
        }
    }
}

#[test]
fn what_was_purged_softly_stays_so() {
    let purged = entry(false);
    purged.purged.store(true, Relaxed);
    let record = written(&[Arc::new(purged)]);
    let now = moment(1, 1_001_500);
    assert!(
        read(&record, KEY, false, now).unwrap()[0]
            .purged
            .load(Relaxed)
    );
    let record = written(&[Arc::new(entry(false))]);
    assert!(
        read(&record, KEY, true, now).unwrap()[0]
            .purged
            .load(Relaxed)
    );
}

#[test]
fn another_keys_record_and_one_from_the_future_are_not_used() {
    let record = written(&[Arc::new(entry(false))]);
    let bad = |key: &[u8], unix| read(&record, key, false, moment(1, unix)).map(|_| ());
    assert_eq!(bad(b"\0shop\0/p?r", 1_002_000), Err(Bad::OtherKey));
    assert_eq!(bad(KEY, 1_001_000), Err(Bad::Future));
}

proptest! {
    #[test]
    fn no_damage_is_served(at: prop::sample::Index, bit in 0u8..8, cut: bool) {
        let record = written(&[Arc::new(entry(false)), Arc::new(entry(true))]);
        let mut bytes = record.to_vec();
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] ^= 1 << bit,
        }
        let read = read(&bytes.into(), KEY, false, moment(1, 2_000_000));
        prop_assert_eq!(read.map(|_| ()), Err(Bad::Damaged));
    }
}
