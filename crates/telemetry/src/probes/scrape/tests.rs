//! A small exporter over a real socket.

use super::*;
use crate::probes::{ProbeNote, Targets};
use base::{Names, ResourceCell};
use config::selector::Selector;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

/// Answers each request with the next page; hangs after the last.
fn exporter(pages: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut pages = pages.into_iter();
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if !line.is_empty() {
                    continue;
                }
                let Some(page) = pages.next() else {
                    open.push(stream);
                    break;
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", page.len());
                (&stream).write_all((head + &page).as_bytes()).unwrap();
            }
        }
    });
    address
}

fn read(
    probe: &mut Scrape,
    targets: &Targets,
    names: &Names,
    s: f64,
) -> (Vec<ResourceCell>, Vec<ProbeNote>) {
    let mut r = Reading::new(Nanos::from_secs_f64(s), targets, names);
    probe.read(&mut r);
    (r.cells, r.notes)
}

#[test]
fn counters_become_busy_time_and_a_silent_exporter_is_told() {
    let page = |ms: u32| {
        format!(
            "cpu_ms_total{{cpu=\"0\"}} {ms}\ncpu_ms_total{{cpu=\"1\"}} 500\nactive 3\nqueue 2\nslots 8\n"
        )
    };
    let url = format!("http://{}/metrics", exporter(vec![page(1000), page(1250)]));
    let selector = |s: &str| Selector::parse(s);
    let cpu = ScrapeTarget {
        resource: "cpu.db".into(),
        rules: Rules {
            url: url.clone(),
            busy: selector("cpu_ms_total"),
            scale: Some(0.001),
            ..Rules::default()
        },
        capacity: Some(2.0),
    };
    let slots = ScrapeTarget {
        resource: "pool.db".into(),
        rules: Rules {
            url,
            level: selector("active"),
            waiting: selector("queue"),
            capacity: selector("slots"),
            ..Rules::default()
        },
        capacity: None,
    };
    let missing = ScrapeTarget {
        resource: "lock.db".into(),
        rules: Rules {
            level: selector("nothing"),
            ..slots.rules.clone()
        },
        capacity: None,
    };
    let targets = Targets {
        scrapes: vec![cpu, slots, missing],
        ..Targets::default()
    };
    let (names, mut probe) = (Names::default(), Scrape::default());
    let (cells, notes) = read(&mut probe, &targets, &names, 1.0);
    assert_eq!(cells.len(), 1, "a counter needs a second reading");
    assert!(
        notes[0].blind && notes[0].text.contains("no series nothing"),
        "{notes:?}"
    );
    let (cells, _) = read(&mut probe, &targets, &names, 2.0);
    assert!((cells[0].busy - 0.25).abs() < 1e-9);
    assert_eq!((cells[0].capacity, cells[0].level), (Some(2.0), None));
    let pool = cells[1];
    assert_eq!(
        (pool.busy, pool.level, pool.waiting, pool.capacity),
        (3.0, Some(3.0), Some(2.0), Some(8.0))
    );
    for second in [3.0, 4.0] {
        let (cells, notes) = read(&mut probe, &targets, &names, second);
        assert!(cells.is_empty());
        assert!(
            notes.len() == 3 && notes[0].blind && notes[0].text.contains("not answered for"),
            "{notes:?}"
        );
    }
    read(&mut probe, &Targets::default(), &names, 5.0);
    assert!(probe.readers.is_empty(), "no longer in the config");
}

#[test]
fn a_password_in_the_url_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let targets = Targets {
        scrapes: vec![ScrapeTarget {
            resource: "cpu.db".into(),
            rules: Rules {
                url: format!("http://reader:hunter2@{at}/metrics"),
                level: Selector::parse("up"),
                ..Rules::default()
            },
            capacity: None,
        }],
        ..Targets::default()
    };
    let (_, notes) = read(&mut Scrape::default(), &targets, &Names::default(), 1.0);
    let text = &notes[0].text;
    assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
}

#[test]
fn an_exporter_that_begins_anew_is_no_negative_work_and_no_flood() {
    let pages = [5000.0, 5250.0, 10.0, 210.0].map(|ms| format!("cpu_ms_total {ms}\n"));
    let targets = Targets {
        scrapes: vec![ScrapeTarget {
            resource: "cpu.db".into(),
            rules: Rules {
                url: format!("http://{}/metrics", exporter(pages.to_vec())),
                busy: Selector::parse("cpu_ms_total"),
                scale: Some(0.001),
                ..Rules::default()
            },
            capacity: Some(2.0),
        }],
        ..Targets::default()
    };
    let (names, mut probe) = (Names::default(), Scrape::default());
    let busy: Vec<Vec<f64>> = (1..=4)
        .map(|s| {
            let (cells, notes) = read(&mut probe, &targets, &names, f64::from(s));
            assert!(notes.is_empty(), "{notes:?}");
            cells.iter().map(|c| (c.busy * 1e3).round() / 1e3).collect()
        })
        .collect();
    assert_eq!(
        busy,
        [vec![], vec![0.25], vec![], vec![0.2]],
        "a missing number is never a zero"
    );
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let targets = Targets {
        scrapes: vec![ScrapeTarget {
            resource: "cpu.db".into(),
            rules: Rules {
                url: format!("http://{free}/metrics"),
                level: Selector::parse("x"),
                ..Rules::default()
            },
            capacity: None,
        }],
        ..Targets::default()
    };
    let (cells, notes) = read(&mut Scrape::default(), &targets, &Names::default(), 1.0);
    assert!(
        cells.is_empty()
            && notes[0]
                .text
                .starts_with(&format!("http://{free}/metrics: ")),
        "{notes:?}"
    );
}
