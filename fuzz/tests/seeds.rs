//! Every property over its seeds, and over some thousands of changed ones. The same in each run.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::Path;

/// Changed seeds per target: a second or two. libFuzzer tries more of them, and with aim.
const CASES: u32 = 10_000;
/// Those that write files are slower.
const FILES: [&str; 2] = ["access_log", "recording"];

/// One change of an input.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = || prop_oneof![any::<u8>(), select(&b"\r\n\t \0,;:=\"\\{}[]0129-"[..])];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, b)| Edit::Set(at, b)),
        (any::<Index>(), byte()).prop_map(|(at, b)| Edit::Insert(at, b)),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Cut(a, b)),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Repeat(a, b)),
    ]
}

/// At most 32 bytes are cut or repeated: most of a seed stays what it is.
fn changed(mut data: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let n = data.len();
        let span = |a: &Index, len: &Index| {
            let from = a.index(n + 1);
            from..(from + len.index(33)).min(n)
        };
        match edit {
            Edit::Set(at, b) if n > 0 => data[at.index(n)] = *b,
            Edit::Set(..) => {}
            Edit::Insert(at, b) => data.insert(at.index(n + 1), *b),
            Edit::Cut(a, len) => drop(data.drain(span(a, len))),
            Edit::Repeat(a, len) => {
                let span = span(a, len);
                let part = data[span.clone()].to_vec();
                data.splice(span.end..span.end, part);
            }
        }
    }
    data
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|f| f.expect("a file").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|p| std::fs::read(p).expect("a seed"))
        .collect()
}

#[test]
fn every_property_holds_of_seeds_and_of_changed_ones() {
    for (name, check) in fuzz::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        seeds.iter().for_each(|s| check(s));
        let config = Config {
            cases: if FILES.contains(name) {
                CASES / 10
            } else {
                CASES
            },
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let inputs = (select(seeds), vec(edit(), 1..8)).prop_map(|(s, edits)| changed(s, &edits));
        let done = TestRunner::new_with_rng(config, rng).run(&inputs, |data| {
            check(&data);
            Ok(())
        });
        if let Err(e) = done {
            panic!("{name}: {e}");
        }
    }
}
