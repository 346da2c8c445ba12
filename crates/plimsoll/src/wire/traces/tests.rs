//! The file: within its bytes, read again by the next process, and put aside when it is damaged.

use super::*;
use crate::wire::traces::disk::Disk;
use ::traces::{Ask, Due, Trace};
use console::Traces as _;

/// Nothing gives way to it.
const FAST: u64 = 1 << 40;

fn kept() -> (Sink, Arc<Kept>) {
    queue(Clock::start(), true, &Traces::default())
}

fn due(id: u128, start: u64, first: bool) -> Due {
    let mut trace = Trace::new(id);
    let head = Head {
        route: "home".into(),
        status: 500,
        start,
        end: start + 5,
        why: "error".into(),
        ..Head::default()
    };
    // Not to be packed well.
    let name = |i: u64| format!("{:x}", (id as u64 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let spans = (1..40).map(|i| Span {
        id: i,
        name: name(i).into(),
        ..Span::default()
    });
    trace.add_request(head, spans.collect());
    Due { trace, first }
}

fn number(kept: &Kept) -> (u64, u64) {
    let told = kept.standing();
    let of = |key: &str| told[key].as_u64().unwrap();
    (of("traces"), of("bytes"))
}

#[test]
fn the_oldest_go_and_the_file_stays_within_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.db");
    const SIZE: u64 = 1 << 20;
    let (_sink, kept) = kept();
    let mut disk = Disk::new(file.clone(), SIZE, FAST, kept.clone());
    for round in 0..40u64 {
        let all = (0..50).map(|i| {
            due(
                u128::from(round * 50 + i + 1),
                (round * 50 + i + 1) * 1_000_000,
                true,
            )
        });
        disk.write(all.collect(), 1);
        assert!(number(&kept).1 <= SIZE);
    }
    let (traces, _) = number(&kept);
    assert!((500..1500).contains(&traces), "{traces}");
    let found = kept.list(&Ask::default()).unwrap();
    assert_eq!(found.traces[0].id, 2000, "the newest first");
    let next = Ask {
        before: found.next.unwrap(),
        ..Ask::default()
    };
    assert_eq!(kept.list(&next).unwrap().traces[0].id, 1950);
    assert!(
        kept.one(&format!("{:032x}", 1)).is_err(),
        "the oldest is gone"
    );
    assert_eq!(kept.one(&format!("{:032x}", 2000)).unwrap().rows.len(), 39);
    disk.close();
    drop(disk);
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!(bytes < 2 * SIZE, "{bytes}");

    let mut disk = Disk::new(file, SIZE, FAST, kept.clone());
    disk.write(vec![], 1);
    assert_eq!(number(&kept).0, traces, "as it was");
    // Smaller from now on.
    disk.bound(SIZE / 4, FAST);
    disk.write(vec![], 1);
    assert!(number(&kept).1 <= SIZE / 4);
}

/// A request that failed, with its try, as the gateway tells them.
fn failed(n: u64) -> Due {
    let random = |m: u64| (n + 1).wrapping_mul(m).rotate_left(23);
    let id =
        u128::from(random(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(random(0xbf58_476d_1ce4_e5b9));
    let start = 1_796_000_000_000_000_000 + n * 1_037_911;
    let route = format!("things-{}", n % 20);
    let told = |pairs: &[(&str, String)]| -> Vec<(Box<str>, Box<str>)> {
        let pair = |(k, v): &(&str, String)| (Box::from(*k), Box::from(v.as_str()));
        pairs.iter().map(pair).collect()
    };
    let status = |error: &str| ("http.response.status_code", error.to_owned());
    let asked = told(&[
        ("url.path", format!("/api/v1/{route}/{n}")),
        ("client.address", format!("192.0.2.{}", n % 50)),
        ("plimsoll.gates", "retry: not-retryable (try 1)".into()),
        status("500"),
        ("error.type", "500".into()),
        ("plimsoll.arm", "base".into()),
        ("plimsoll.outcome", "done".into()),
        ("plimsoll.attempts", "1".into()),
        ("plimsoll.wait_us", "0".into()),
    ]);
    let tried = told(&[
        ("server.address", "10.1.2.3".into()),
        ("server.port", "7001".into()),
        status("500"),
        ("error.type", "500".into()),
        ("plimsoll.service", "shop".into()),
        ("plimsoll.outcome", "done".into()),
        ("plimsoll.wait_us", (n % 7).to_string()),
        ("plimsoll.first_byte_us", (400 + n % 331).to_string()),
    ]);
    let (root, tried_id) = (random(0x94d0_49bb_1331_11eb), random(0xd6e8_feb8_6659_fd93));
    let span = |id, parent, name: &str, kind, attributes| Span {
        id,
        parent,
        service: OWN.into(),
        name: name.into(),
        kind,
        start,
        end: start + 900_000 + random(3) % 90_000,
        error: true,
        attributes,
    };
    let spans = vec![
        span(root, 0, "GET /api/v1/things/{id}", 2, asked),
        span(tried_id, root, "GET", 3, tried),
    ];
    let head = Head {
        route: route.into(),
        method: "GET".into(),
        status: 500,
        start,
        end: start + 950_000,
        why: "error".into(),
    };
    let mut trace = Trace::new(id);
    trace.add_request(head, spans);
    Due { trace, first: true }
}

/// What this process has given to the system to write, bytes; other tests at the same time among it.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let told = io.lines().find_map(|l| l.strip_prefix("wchar: "));
    told.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn a_trace_of_a_storm_takes_little_and_no_more_is_written_than_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.db");
    let (_sink, kept) = kept();
    let mut disk = Disk::new(file.clone(), 64 << 20, FAST, kept.clone());
    const TURNS: u64 = 12;
    const EACH: u64 = 500;
    let before = written();
    for turn in 0..TURNS {
        let all = (turn * EACH..(turn + 1) * EACH).map(failed);
        disk.write(all.collect(), 1 + turn * 1000);
    }
    let given = (written() - before) / (TURNS * EACH);
    let (traces, counted) = number(&kept);
    assert_eq!(traces, TURNS * EACH);
    // Slower from now on: a burst of 4 s, then what a second brings; of each route the first ones.
    disk.bound(64 << 20, 64 << 10);
    let mut last = traces;
    for turn in TURNS..TURNS + 20 {
        let all = (turn * EACH..(turn + 1) * EACH).map(failed);
        disk.write(all.collect(), 1 + turn * 1000);
        let (now, bytes) = number(&kept);
        let each = counted / traces;
        assert!(
            (now - last) * each <= (256 << 10) + 10 * each,
            "{turn}: {bytes}"
        );
        last = now;
    }
    let slowly = (number(&kept).1 - counted) / 20;
    assert!(
        (64 << 10..80 << 10).contains(&slowly),
        "{slowly} bytes a second"
    );
    let dropped = 20 * EACH - (number(&kept).0 - traces);
    assert_eq!(kept.standing()["dropped"], dropped);
    let page = kept.metrics();
    let row = format!("plimsoll_traces_dropped_total{{why=\"error\"}} {dropped}");
    assert!(page.contains(&row), "{page}");
    disk.close();
    drop(disk);
    let stored = std::fs::metadata(&file).unwrap().len() / number(&kept).0;
    println!(
        "{stored} bytes of the file for each trace, {} by our count, {given} given to the system",
        counted / traces
    );
    assert!(stored < 1200, "{stored} bytes of the file for each trace");
    let each = counted / traces;
    assert!(
        (stored..1400).contains(&each),
        "what is counted is what the file takes: {each}"
    );
}

/// Rows of so many traces of a storm, 500 a turn; bytes given to the system and bytes of the file, for each trace.
fn rows_cost(mut rows: impl FnMut(&Trace) -> [(String, Vec<u8>); 2]) -> (u64, u64) {
    const TRACES: u64 = 6000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.db");
    let store = store::Embedded::open(&file).unwrap();
    let before = written();
    for turn in 0..TRACES / 500 {
        let all = (turn * 500..(turn + 1) * 500).flat_map(|n| rows(&failed(n).trace));
        let put = |(key, value)| store::Kv::put(&store, store::Put::new(key, value), 1);
        let acks: Vec<_> = all.map(put).collect();
        for ack in acks {
            ack.wait().unwrap();
        }
    }
    drop(store);
    let given = written() - before;
    (
        given / TRACES,
        std::fs::metadata(&file).unwrap().len() / TRACES,
    )
}

#[test]
fn rows_in_the_order_of_time_cost_less_than_rows_in_the_order_of_ids() {
    use std::io::Write;
    let before = rows_cost(|t| {
        let mut packed =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&serde_json::to_vec(t).unwrap()).unwrap();
        let list = serde_json::to_vec(&t.summary()).unwrap();
        let [key, _] = ::traces::row::keys(::traces::row::place(t));
        [
            (key, list),
            (format!("d/{:032x}", t.id), packed.finish().unwrap()),
        ]
    });
    let mut packer = ::traces::Packer::new().unwrap();
    let now = rows_cost(|t| {
        let rows = packer.rows(t).unwrap();
        let [list, all] = ::traces::row::keys(::traces::row::place(t));
        [(list, rows.list), (all, rows.all)]
    });
    println!(
        "for each trace, bytes given to the system and bytes of the file: {before:?} by ids, {now:?} by time"
    );
    assert!(10 * now.1 < 9 * before.1, "{now:?} {before:?}");
}

#[test]
fn what_was_kept_before_is_found_at_once_and_a_file_in_another_order_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.db");
    let (_sink, kept) = kept();
    let mut disk = Disk::new(file.clone(), 1 << 20, FAST, kept.clone());
    disk.write((0..100).map(failed).collect(), 1);
    disk.close();
    drop(disk);
    let (_sink, again) = super::queue(Clock::start(), true, &Traces::default());
    let mut disk = Disk::new(file.clone(), 1 << 20, FAST, again.clone());
    let id = format!("{:032x}", failed(42).trace.id);
    let steps = |kept: &Kept| kept.one(&id).map(|v| v.rows.len()).ok();
    assert_eq!(
        steps(&again),
        Some(2),
        "before the file has been looked through"
    );
    assert!(again.one(&format!("{:032x}", 1)).is_err());
    disk.write(Vec::new(), 1);
    assert_eq!(steps(&again), Some(2));
    disk.close();
    drop(disk);
    let old = store::Embedded::open(&file).unwrap();
    let put = store::Put::new("i/00-7", b"x".to_vec());
    store::Kv::put(&old, put, 1).wait().unwrap();
    drop(old);
    let mut disk = Disk::new(file, 1 << 20, FAST, again.clone());
    disk.write(vec![failed(1)], 1);
    assert_eq!((number(&again).0, steps(&again)), (1, None));
    assert!(folder.path().join("traces.db.damaged").exists());
}

#[test]
fn a_trace_that_goes_on_is_one_row_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let (_sink, kept) = kept();
    let mut disk = Disk::new(folder.path().join("traces.db"), 1 << 20, FAST, kept.clone());
    disk.write(vec![due(7, 2_000_000, true)], 1);
    let mut more = due(7, 1_000_000, true);
    more.trace.add_span(Span {
        id: 99,
        ..Span::default()
    });
    disk.write(vec![more], 1);
    let all = kept.list(&Ask::default()).unwrap().traces;
    assert_eq!((all.len(), all[0].spans, all[0].at_ms), (1, 40, 1));
    disk.write(vec![due(7, 3_000_000, true)], 1);
    let all = kept.list(&Ask::default()).unwrap().traces;
    assert_eq!((all.len(), all[0].spans, all[0].at_ms), (1, 40, 1));
}

#[test]
fn a_damaged_file_is_put_aside_and_a_folder_that_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traces.db");
    std::fs::write(&file, vec![b'x'; 9000]).unwrap();
    let (_sink, kept) = kept();
    let mut disk = Disk::new(file.clone(), 1 << 20, FAST, kept.clone());
    disk.write(vec![due(7, 1, true)], 1);
    assert_eq!(number(&kept).0, 1);
    assert!(folder.path().join("traces.db.damaged").exists());

    let (_sink, kept) = super::queue(Clock::start(), true, &Traces::default());
    let mut disk = Disk::new(
        file.join("below-a-file/traces.db"),
        1 << 20,
        FAST,
        kept.clone(),
    );
    disk.write(vec![due(7, 1, true)], 1);
    let told = kept.standing();
    assert_eq!(told["lost"], 1, "{told}");
    assert!(
        told["wrong"]
            .as_str()
            .unwrap()
            .contains("traces: { size: 0 }"),
        "{told}"
    );
    assert!(kept.list(&Ask::default()).unwrap().traces.is_empty());
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (sink, kept) = kept();
    let request = Sample::new(SampleKind::Request, base::RouteIx(0), Nanos(1));
    let x = Exchange {
        request,
        attempts: vec![],
        why: otlp::export::Why::Error,
        details: None,
    };
    for _ in 0..QUEUE + 5 {
        sink.hear(&request, Some(&x));
    }
    assert_eq!(kept.standing()["lost"], 5);
    let page = kept.metrics();
    let bare = format!("plimsoll_traces_bare_total {}", QUEUE + 5);
    assert!(page.contains(&bare), "{page}");
}
