//! A file system that is full, a real one: what cannot be kept is refused and says why, the rest goes on, what was accepted is done, and
//! then there is room again without a restart.

use crate::messages::{message, service};
use crate::stage::{Stage, signal};
use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Mutex;

/// What it holds, bytes; as `mount` takes it.
const SIZE: usize = 48 << 20;

/// Runs what follows with a file system of its own at the first place.
const IN_IT: &str = "mount -t tmpfs -o size=$0 none \"$1\" && shift && exec \"$@\"";

fn within(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-Urm", "--propagation", "private", "sh", "-c", IN_IT]);
    command.args([SIZE.to_string().as_str(), "data", program]);
    command
}

/// Writes down the first line of all that it gets.
fn serve(stream: TcpStream, got: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (_, body) = message(&mut stream)?;
        let name = body.lines().next().unwrap_or("").to_owned();
        got.lock().unwrap().push(name);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.get_mut().write_all(answer).ok()?;
    }
}

fn ask(at: SocketAddr, line: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    message(&mut BufReader::new(stream)).expect("an answer")
}

#[test]
fn what_a_full_disk_does_not_take_is_refused_and_what_was_accepted_is_done() {
    let (at, got) = service(serve);
    let mut stage = Stage::new("");
    stage.instance = at;
    let routes = "routes:\n  orders: { match: POST /orders, to: app, async: { when: always } }\n  \
                  rest: { match: '/{rest...}', to: app }";
    stage.write(&stage.config(routes));
    std::fs::create_dir(stage.path("data")).unwrap();
    let allowed = within("true").current_dir(stage.folder.path()).output();
    if !allowed.is_ok_and(|out| out.status.success()) {
        eprintln!("NOT TESTED: no file system can be mounted here (`unshare -Urm`)");
        return;
    }
    let mut command = within("./plimsoll");
    command
        .args(["run", "--config", "plimsoll.yaml"])
        .current_dir(stage.folder.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::fs::File::create(stage.path("log")).unwrap())
        .stderr(std::fs::File::create(stage.path("errors")).unwrap());
    let pid = stage.run(&mut command);
    stage.ask_console(&["jobs", "pause", "orders"]);

    // Some in files of their own, and some in rows, until none is taken however small it is.
    let mut accepted = BTreeSet::new();
    let body = |n: usize, size: usize| format!("{n}\n{}", "x".repeat(size));
    for size in [400_000, 40_000, 4_000, 100] {
        let refused = (0..SIZE / size.max(4_000)).find_map(|_| {
            let n = accepted.len();
            let (head, said) = ask(stage.listen, "POST /orders", &body(n, size));
            if head.starts_with("HTTP/1.1 202") {
                accepted.insert(n.to_string());
                return None;
            }
            Some((head, said))
        });
        let (head, said) = refused.expect("it is full at last");
        assert!(
            head.starts_with("HTTP/1.1 503") && said.contains("the disk is full; free some space"),
            "{head}{said}"
        );
    }
    assert!(accepted.len() > 20, "{}", accepted.len());
    // Who waits for an answer has one, and what was accepted can be asked for.
    let (head, _) = ask(stage.listen, "GET /page", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let status = stage.ask_console(&["jobs", "status"]);
    let waiting = format!("orders: {} waiting", accepted.len());
    assert!(status.contains(&waiting), "{status}");

    stage.ask_console(&["jobs", "resume", "orders"]);
    let done = || {
        let got = got.lock().unwrap();
        let got: BTreeSet<String> = got.iter().cloned().collect();
        accepted.is_subset(&got)
    };
    stage.wait("all that was accepted", |_| done().then_some(()));
    stage.wait("their ends", |s| {
        s.ask_console(&["jobs", "status"])
            .contains("orders: 0 waiting")
            .then_some(())
    });
    stage.wait("room", |s| {
        let (head, _) = ask(s.listen, "POST /orders", &body(0, 400_000));
        head.starts_with("HTTP/1.1 202").then_some(())
    });
    signal(pid, "TERM");
    stage.ended(pid);
}
