//! What is left in a folder, and who may go on with it.

use super::super::folder::{Folder, Replayed, give_up};
use super::super::line::{Line, Put, number};
use std::fs;
use std::path::{Path, PathBuf};

const SIZE: u64 = 16 << 20;

fn open(path: &Path) -> (Folder, &'static str) {
    Folder::open(path, SIZE)
        .unwrap()
        .expect("nobody else has it")
}

fn put(folder: &mut Folder, key: &str, bytes: usize) {
    let record = vec![7; bytes];
    let (_, offset) = folder.append(&record, number(&[key.as_bytes()])).unwrap();
    let mut line = Vec::new();
    Line::Put(Put {
        offset,
        bytes: bytes as u32,
        key: key.as_bytes().into(),
        ..Put::default()
    })
    .write(&mut line);
    folder.note(&line).unwrap();
}

/// Keys in order, and what else there was to say.
fn replay(folder: &mut Folder) -> (Vec<String>, Replayed) {
    let mut keys = Vec::new();
    let replayed = folder.replay(|_, line| match line {
        Line::Put(put) => keys.push(String::from_utf8(put.key.to_vec()).unwrap()),
        other => keys.push(format!("{other:?}")),
    });
    (keys, replayed.unwrap())
}

#[test]
fn one_process_at_a_time_has_it_and_the_next_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let (mut folder, anew) = open(&path);
    assert_eq!(anew, "");
    put(&mut folder, "k", 10);
    assert!(Folder::open(&path, SIZE).unwrap().is_none());
    // Killed.
    drop(folder);
    let (mut folder, anew) = open(&path);
    assert_eq!(
        (anew, replay(&mut folder)),
        ("", (vec!["k".into()], Replayed::default()))
    );
    put(&mut folder, "l", 10);
    folder.close().unwrap();
    drop(folder);
    let (mut folder, anew) = open(&path);
    assert_eq!(
        (anew, replay(&mut folder).0),
        ("", vec!["k".to_owned(), "l".into()])
    );
}

#[test]
fn what_nobody_vouches_for_is_thrown_away_with_a_reason() {
    for (state, reason) in [
        (None, "it was given up before"),
        (
            Some("plimsoll cache 1 in use since boot another"),
            "the machine went down without a clean end",
        ),
        (
            Some("plimsoll cache 0 closed\n"),
            "another version of Plimsoll wrote it",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut folder, _) = open(dir.path());
        put(&mut folder, "k", 10);
        folder.close().unwrap();
        drop(folder);
        fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
        match state {
            Some(state) => fs::write(dir.path().join("state"), state).unwrap(),
            None => give_up(dir.path()),
        }
        let (mut folder, anew) = open(dir.path());
        assert_eq!((anew, replay(&mut folder).0.len()), (reason, 0));
        assert!(dir.path().join("notes.txt").exists(), "only what is ours");
    }
}

/// What a killed process leaves; the file with its lines.
fn two_keys(path: &Path) -> PathBuf {
    let (mut folder, _) = open(path);
    put(&mut folder, "k", 10);
    put(&mut folder, "l", 10);
    path.join("00000001.index")
}

#[test]
fn half_of_a_line_or_of_a_record_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let index = two_keys(dir.path());
    let whole = fs::read(&index).unwrap();
    fs::write(&index, &whole[..whole.len() - 1]).unwrap();
    let (mut folder, _) = open(dir.path());
    assert_eq!(replay(&mut folder), (vec!["k".into()], Replayed::default()));
    put(&mut folder, "m", 5);
    drop(folder);
    assert_eq!(
        fs::metadata(dir.path().join("00000001.data"))
            .unwrap()
            .len(),
        15
    );
    fs::write(dir.path().join("00000001.data"), [7; 12]).unwrap();
    let (mut folder, _) = open(dir.path());
    let (keys, replayed) = replay(&mut folder);
    assert_eq!((keys[0].as_str(), replayed.short), ("k", 1));
    assert!(keys[1].starts_with("Drop"), "{keys:?}");
}

#[test]
fn after_a_damaged_line_nothing_before_it_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let index = two_keys(dir.path());
    let mut bytes = fs::read(&index).unwrap();
    bytes[20] ^= 1;
    fs::write(&index, bytes).unwrap();
    let (mut folder, _) = open(dir.path());
    assert!(replay(&mut folder).1.damaged);
}

#[test]
fn it_stays_within_its_size_by_giving_up_what_is_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let (mut folder, _) = open(dir.path());
    let mut gone = Vec::new();
    for i in 0..400 {
        while !folder.has_room(100_000 + 100) {
            gone.push(folder.evict().unwrap().expect("something to give up").0);
        }
        put(&mut folder, &format!("{i}"), 100_000);
        assert!(folder.bytes() <= SIZE);
    }
    assert!(gone.is_sorted() && gone.len() > 10, "{gone:?}");
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert!(files <= 2 * 17 + 2, "{files} files");
}
