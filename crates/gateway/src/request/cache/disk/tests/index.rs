//! Whatever happens, the index that is read from the lines is the one that was kept while they were written, and what
//! was changed is never found.

use super::super::index::Index;
use super::super::line::{Line, Put, Read, number, path_of};
use proptest::prelude::*;

const KEYS: u8 = 12;

fn key(n: u8) -> Vec<u8> {
    // Three queries under each path.
    format!("\0shop\0/p{}?q={}", n / 3, n % 3).into_bytes()
}

fn path(n: u8) -> u64 {
    path_of(&key(n))
}

fn group(n: u8) -> u64 {
    number(&[&[n]])
}

/// What happens to the disk, by number of a key.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u8, bool),
    Drop(u8),
    Soft(u8),
    Path(u8),
    Doubt(u8),
    Group(u8),
    Evict,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..9, 0..KEYS, any::<bool>()).prop_map(|(kind, n, grouped)| match kind {
        0..=2 => Step::Put(n, grouped),
        3 => Step::Drop(n),
        4 => Step::Soft(n),
        5 => Step::Path(n),
        6 => Step::Doubt(n),
        7 => Step::Group(n % 2),
        _ => Step::Evict,
    });
    prop::collection::vec(step, 0..80)
}

fn line(step: Step, offset: u64) -> Option<Line> {
    Some(match step {
        Step::Put(n, grouped) => Line::Put(Put {
            offset,
            bytes: 1,
            soft: false,
            key: key(n).into(),
            groups: grouped.then(|| "g".into()).into_iter().collect(),
        }),
        Step::Drop(n) => Line::Drop {
            key: number(&[&key(n)]),
        },
        Step::Soft(n) => Line::Soft {
            key: number(&[&key(n)]),
        },
        Step::Path(n) => Line::Path { path: path(n) },
        Step::Doubt(n) => Line::Doubt { path: path(n) },
        Step::Group(n) => Line::Group { group: group(n) },
        Step::Evict => return None,
    })
}

/// Where each key's record is, and whether it was purged softly: the account in plain words.
#[derive(Clone, Debug, Default, PartialEq)]
struct Account(Vec<Option<(u32, u64, bool, bool)>>);

impl Account {
    /// `doubts`: they count as changes.
    fn of(steps: &[Step], doubts: bool) -> (Account, u32, u32) {
        let mut all = Account(vec![None; KEYS as usize]);
        let (mut oldest, mut newest) = (1u32, 1u32);
        for (i, step) in steps.iter().enumerate() {
            let drop_path = |all: &mut Account, n: u8| {
                (0..KEYS)
                    .filter(|m| m / 3 == n / 3)
                    .for_each(|m| all.0[m as usize] = None);
            };
            match *step {
                Step::Put(n, grouped) => {
                    all.0[n as usize] = Some((newest, i as u64, false, grouped));
                }
                Step::Drop(n) => all.0[n as usize] = None,
                Step::Soft(n) => all.0[n as usize].iter_mut().for_each(|r| r.2 = true),
                Step::Path(n) => drop_path(&mut all, n),
                Step::Doubt(n) if doubts => drop_path(&mut all, n),
                Step::Doubt(_) => {}
                // Every record that has a group has both that are changed here.
                Step::Group(_) => (all.0.iter_mut()).for_each(|r| *r = r.filter(|r| !r.3)),
                Step::Evict => {
                    newest += 1;
                    if newest - oldest >= 2 {
                        (all.0.iter_mut()).for_each(|r| *r = r.filter(|r| r.0 != oldest));
                        oldest += 1;
                    }
                }
            }
        }
        (all, oldest, newest)
    }
}

/// What the index says of every key.
fn said(index: &Index) -> Account {
    let one = |n| {
        let slot = index.find(number(&[&key(n)]))?;
        let groups = [group(0), group(1)].into_iter().filter(|_| slot.grouped);
        let good = index.vouches(number(&[&key(n)]), &slot, groups);
        good.then_some((slot.segment, slot.offset, slot.soft, slot.grouped))
    };
    Account((0..KEYS).map(one).collect())
}

/// Applies the steps as they happen, and gives the bytes of the segments that are left.
fn live(steps: &[Step]) -> (Index, Vec<(u32, Vec<u8>)>) {
    let mut index = Index::default();
    let mut files: Vec<(u32, Vec<u8>, Vec<u64>)> = vec![(1, Vec::new(), Vec::new())];
    for (i, step) in steps.iter().enumerate() {
        let (segment, bytes, keys) = files.last_mut().unwrap();
        match line(*step, i as u64) {
            Some(line) => {
                if let Step::Put(n, _) = step {
                    keys.push(number(&[&key(*n)]));
                }
                index.apply(&line, *segment, false);
                line.write(bytes);
            }
            None => {
                let next = *segment + 1;
                files.push((next, Vec::new(), Vec::new()));
                if files.len() > 2 {
                    let (segment, _, keys) = files.remove(0);
                    index.evict(segment, &keys);
                }
            }
        }
    }
    let files = files.into_iter().map(|(n, bytes, _)| (n, bytes));
    (index, files.collect())
}

fn read(files: &[(u32, Vec<u8>)]) -> Index {
    let mut index = Index::default();
    for (segment, bytes) in files {
        let mut at = 0;
        while let Some(Read::Line(line, n)) = Line::read(&bytes[at..]) {
            index.apply(&line, *segment, true);
            at += n;
        }
    }
    index
}

proptest! {
    #[test]
    fn the_index_is_what_its_lines_say(steps in steps()) {
        let (index, files) = live(&steps);
        prop_assert_eq!(said(&index), Account::of(&steps, false).0);
        // After a restart a change that was only feared has happened.
        prop_assert_eq!(said(&read(&files)), Account::of(&steps, true).0);
    }

    #[test]
    fn a_process_that_is_killed_leaves_what_it_had_written(steps in steps(), cut: prop::sample::Index) {
        let (_, mut files) = live(&steps);
        let (_, last) = files.last_mut().unwrap();
        let whole = last.len();
        last.truncate(cut.index(whole + 1));
        // The steps whose lines are whole, which all steps in older segments are.
        let mut lines = 0;
        let mut at = 0;
        while let Some(Read::Line(_, n)) = Line::read(&last[at..]) {
            at += n;
            lines += 1;
        }
        let is_evict = |s: &Step| matches!(s, Step::Evict);
        let segment = steps.iter().rposition(is_evict).map_or(0, |i| i + 1);
        prop_assert_eq!(said(&read(&files)), Account::of(&steps[..segment + lines], true).0);
    }

    #[test]
    fn bytes_that_are_not_lines_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(Read::Line(line, n)) = Line::read(&bytes) {
            let mut again = Vec::new();
            line.write(&mut again);
            prop_assert_eq!(&again[..], &bytes[..n]);
        }
    }

    #[test]
    fn a_line_with_one_wrong_byte_is_not_read(n in 0..KEYS, at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = Vec::new();
        line(Step::Put(n, true), 7).unwrap().write(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(!matches!(Line::read(&bytes), Some(Read::Line(..))), "byte {at}");
    }
}

#[test]
fn a_change_is_worth_a_line_only_where_something_may_be_used() {
    let mut index = Index::default();
    let put = |index: &mut Index, n| index.apply(&line(Step::Put(n, false), 0).unwrap(), 1, false);
    assert!(!index.concerns(path(0)) && !index.trusts(path(0)));
    put(&mut index, 0);
    assert!(index.concerns(path(0)) && index.trusts(path(0)));
    index.apply(&Line::Doubt { path: path(0) }, 1, false);
    assert!(
        index.concerns(path(0)) && !index.trusts(path(0)),
        "once is enough"
    );
    put(&mut index, 1);
    assert!(index.trusts(path(0)), "what came later is not doubted");
    index.apply(&Line::Path { path: path(0) }, 1, false);
    assert!(!index.concerns(path(0)) && !index.trusts(path(0)));
    assert!(!index.concerns_group(group(0)), "nothing has a group");
    index.apply(&line(Step::Put(5, true), 0).unwrap(), 1, false);
    assert!(index.concerns_group(group(0)));
    index.apply(&Line::Group { group: group(0) }, 1, false);
    assert!(!index.concerns_group(group(0)) && index.concerns_group(group(1)));
}
