use super::*;
use ::past::promql::{Steps, Value, answer};
use ::past::{Bounds, FINE_MS, metric};

const START: u64 = 1_800_000_000_000;

fn past() -> Past {
    Past::new(Bounds {
        counts_ms: 35 * 86_400_000,
        buckets_ms: 3 * 86_400_000,
        bytes: 64 << 20,
    })
}

fn disk(file: &Path) -> Disk {
    Disk::new(file.to_owned(), 64 << 20)
}

/// As at a start.
fn begun(file: &Path) -> Disk {
    let mut disk = disk(file);
    disk.read(&mut past(), START);
    disk
}

/// Ten requests in each of these slots.
fn count(past: &mut Past, disk: &mut Disk, slots: std::ops::RangeInclusive<u64>) {
    for slot in slots {
        let now_ms = START + slot * FINE_MS;
        let series = Series::new(&metric::REQUESTS, &["a", "base", "2xx"]);
        let rows = past.push(now_ms, vec![(series, 10)]);
        disk.add(&rows);
        disk.try_again();
        disk.write(past, now_ms);
    }
}

fn total(disk: &mut Disk, slot: u64) -> f64 {
    let at = START + slot * FINE_MS;
    let mut past = past();
    disk.read(&mut past, at);
    let asked = answer(&past, "plimsoll_requests_total", Steps::at(at as i64)).unwrap();
    let Value::Vector(lines) = asked.value else {
        panic!()
    };
    lines.first().map_or(0.0, |l| l.values[0])
}

#[test]
fn what_was_written_is_there_after_a_restart_and_old_rows_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let (mut past, mut first) = (past(), begun(&file));
    count(&mut past, &mut first, 1..=2000);
    assert_eq!(first.wrong(), None);
    drop(first);
    let mut again = disk(&file);
    assert_eq!(total(&mut again, 2000), 20_000.0);
    assert!(again.slots[2].len() < 1500, "{}", again.slots[2].len());
    assert_eq!(again.slots[0].len(), 66);
}

#[test]
fn a_damaged_slot_is_left_out_and_a_file_that_is_none_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let (mut past, mut first) = (past(), begun(&file));
    count(&mut past, &mut first, 1..=3);
    let put = Put {
        key: key("fine/", START / FINE_MS + 1),
        value: vec![1, 2, 3],
        precondition: Precondition::Any,
        expires_ms: None,
    };
    first.store.as_ref().unwrap().put(put, 0).wait().unwrap();
    assert_eq!(total(&mut first, 3), 20.0);
    drop(first);
    let whole = std::fs::read(&file).unwrap();
    for bytes in [&whole[..whole.len() / 2], &b"not a database at all"[..]] {
        std::fs::write(&file, bytes).unwrap();
        let mut begun = disk(&file);
        let mut read = self::past();
        begun.read(&mut read, START + 4 * FINE_MS);
        count(&mut past, &mut begun, 4..=4);
        assert_eq!(begun.wrong(), None);
        drop(begun);
        let mut again = disk(&file);
        assert!(total(&mut again, 4) >= 10.0);
        drop(again);
    }
    assert!(folder.path().join("history.db.damaged").exists());
}

#[test]
fn without_room_rows_wait_and_the_words_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gone").join("history.db");
    std::fs::write(folder.path().join("gone"), "a file, not a folder").unwrap();
    let (mut past, mut failing) = (past(), disk(&file));
    count(&mut past, &mut failing, 1..=500);
    let said = failing.wrong().unwrap();
    assert!(
        said.contains("in memory only") && said.contains("history: { path"),
        "{said}"
    );
    assert!(failing.waiting.len() <= MAX_WAITING);
    // There is room again.
    std::fs::remove_file(folder.path().join("gone")).unwrap();
    failing.failed = Some(Instant::now() - AGAIN);
    assert!(failing.try_again(), "what it holds is to be read");
    assert!(failing.take_waiting().len() > 350);
    failing.read(&mut self::past(), START);
    count(&mut past, &mut failing, 501..=501);
    assert_eq!(failing.wrong(), None);
    assert_eq!(total(&mut failing, 501), 10.0);
}
