//! The file: within its bytes, read again by the next process, and put aside when it is damaged.

use super::*;
use crate::wire::traces::disk::Disk;
use ::traces::{Ask, Due, Trace};
use console::Traces as _;

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
    let mut disk = Disk::new(file.clone(), SIZE, kept.clone());
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
    assert!((100..1000).contains(&traces), "{traces}");
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

    let mut disk = Disk::new(file, SIZE, kept.clone());
    disk.write(vec![], 1);
    assert_eq!(number(&kept).0, traces, "as it was");
    // Smaller from now on.
    disk.bound(SIZE / 4);
    disk.write(vec![], 1);
    assert!(number(&kept).1 <= SIZE / 4);
}

#[test]
fn a_trace_that_goes_on_is_one_row_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let (_sink, kept) = kept();
    let mut disk = Disk::new(folder.path().join("traces.db"), 1 << 20, kept.clone());
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
    let mut disk = Disk::new(file.clone(), 1 << 20, kept.clone());
    disk.write(vec![due(7, 1, true)], 1);
    assert_eq!(number(&kept).0, 1);
    assert!(folder.path().join("traces.db.damaged").exists());

    let (_sink, kept) = super::queue(Clock::start(), true, &Traces::default());
    let mut disk = Disk::new(file.join("below-a-file/traces.db"), 1 << 20, kept.clone());
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
