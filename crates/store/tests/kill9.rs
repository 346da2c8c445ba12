//! kill -9 at any time: every acknowledged write is there, whole, and nothing is torn.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use store::{Embedded, Expect, Kv, Log, NewEvent, Precondition, Put};

const DIR: &str = "PLIMSOLL_STORE_TEST_DIR";
/// Events per append: all or none of them may be found afterwards.
const GROUP: u64 = 3;

fn payload(stream: &str, version: u64) -> Vec<u8> {
    format!("{stream}:{version}:").repeat(20).into_bytes()
}

/// Not a test: the process that is killed. Writes from four threads and prints each write once it is acknowledged.
#[test]
#[ignore = "run by the test below, as a child"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = Arc::new(Embedded::open(format!("{dir}/kill.db")).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let store = store.clone();
            std::thread::spawn(move || {
                let stream = format!("s{t}");
                loop {
                    let v = store.version(&stream).unwrap();
                    let events = (1..=GROUP)
                        .map(|i| NewEvent {
                            id: format!("{}", v + i),
                            kind: "k".into(),
                            at_ms: v,
                            data: payload(&stream, v + i),
                        })
                        .collect();
                    let done = store
                        .append(&stream, Expect::Version(v), events)
                        .wait()
                        .unwrap();
                    let put = Put {
                        key: stream.clone(),
                        value: done.version.to_string().into_bytes(),
                        precondition: Precondition::Any,
                        expires_ms: None,
                    };
                    store.put(put, 0).wait().unwrap();
                    let line = format!("ack {stream} {} {}\n", done.version, done.position);
                    if std::io::stdout().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn what_was_acknowledged_survives() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked: Vec<(String, u64, u64)> = Vec::new();
    let mut seed: u64 = 42;
    for round in 0..8 {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let stop_after = 1 + (seed >> 33) % 120;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line that the kill cut off says nothing.
            if let Some(text) = line
                .strip_suffix('\n')
                .and_then(|l| l.find("ack ").map(|at| l[at + 4..].to_owned()))
            {
                let mut words = text.split(' ');
                acked.push((
                    words.next().unwrap().to_owned(),
                    words.next().unwrap().parse().unwrap(),
                    words.next().unwrap().parse().unwrap(),
                ));
                heard += 1;
                if heard == stop_after {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(
            heard >= stop_after,
            "round {round}: the child ended by itself"
        );

        let store = Embedded::open(dir.path().join("kill.db")).unwrap();
        assert_eq!(
            store.check().unwrap(),
            Vec::<String>::new(),
            "round {round}"
        );
        for t in 0..4 {
            let stream = format!("s{t}");
            let version = store.version(&stream).unwrap();
            assert_eq!(version % GROUP, 0, "round {round}: half an append is there");
            let mine = acked.iter().filter(|a| a.0 == stream);
            let last = mine.clone().map(|a| a.1).max().unwrap_or(0);
            assert!(
                version >= last,
                "round {round}: acknowledged up to {last}, found {version}"
            );
            let kept = store
                .get(&stream, 0)
                .unwrap()
                .map_or(0, |e| String::from_utf8(e.value).unwrap().parse().unwrap());
            assert!(
                last <= kept && kept <= version,
                "round {round}: {last} {kept} {version}"
            );
            let mut found = Vec::new();
            while let page @ [_, ..] =
                &store.read(&stream, found.len() as u64 + 1, 1000).unwrap()[..]
            {
                found.extend_from_slice(page);
            }
            assert_eq!(found.len() as u64, version);
            for r in &found {
                assert_eq!(r.data, payload(&stream, r.version));
            }
            for a in mine {
                assert_eq!(found[a.1 as usize - 1].position, a.2);
            }
        }
    }
    assert!(acked.len() > 100);
}
