//! The console by a Unix socket and for its users only, asked by commands; a token that is made new holds from the next reload on.

use crate::stage::{Stage, signal};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

const ANN: &str = "ann-has-a-long-token";

/// Running, with its process.
fn stage() -> (Stage, u32) {
    let mut stage = Stage::new("");
    std::fs::write(stage.path("ann"), format!("{ANN}\n")).unwrap();
    std::fs::write(stage.path("carol"), "carol-may-do-everything").unwrap();
    let config = stage.config("").replace(
        &format!("console: {}", stage.console),
        &format!(
            "console:\n  listen: unix:{}\n  users:\n    ann: {{ role: operate, token: {{ file: {} }} }}\n    carol: {{ role: admin, token: {{ file: {} }} }}",
            stage.path("console.sock").display(),
            stage.path("ann").display(),
            stage.path("carol").display()
        ),
    );
    stage.write(&config);
    let mut command = stage.command();
    let pid = stage.spawn(&mut command);
    stage.wait("readiness", |s| ready(s).then_some(()));
    (stage, pid)
}

fn ready(stage: &Stage) -> bool {
    let Ok(mut stream) = UnixStream::connect(stage.path("console.sock")) else {
        return false;
    };
    let mut answer = String::new();
    let asked = write!(
        stream,
        "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("200 OK")
}

#[test]
fn commands_show_a_token_and_a_new_one_holds_from_the_reload_on() {
    let (stage, pid) = stage();
    let file = std::fs::metadata(stage.path("console.sock")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let said = |args: &[&str]| {
        let out = stage.ask(args);
        (
            out.status.success(),
            String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned(),
        )
    };
    let (ok, without) = said(&["status"]);
    assert!(
        !ok && without.contains("--token-file or PLIMSOLL_TOKEN"),
        "{without}"
    );
    let purge = ["purge", "--prefix", "/", "--token-file", "ann"];
    let (ok, purged) = said(&purge);
    assert!(ok, "{purged}");
    let (_, history) = said(&["history", "--token-file", "ann"]);
    assert!(
        history.contains("caches: prefix / made stale") && history.contains("ann"),
        "{history}"
    );
    let (ok, refused) = said(&["upgrade", "--token-file", "ann"]);
    assert!(!ok && refused.contains("this needs admin"), "{refused}");

    std::fs::write(stage.path("old"), ANN).unwrap();
    std::fs::write(stage.path("ann"), "a token that was made new").unwrap();
    signal(pid, "HUP");
    stage.wait("the new token", |s| {
        s.ask(&["status", "--token-file", "ann"])
            .status
            .success()
            .then_some(())
    });
    assert!(!said(&["status", "--token-file", "old"]).0);
}

#[test]
fn the_socket_stays_where_it_is_when_another_process_takes_over() {
    let (mut stage, _) = stage();
    let out = stage.ask(&["upgrade", "--json", "--token-file", "carol"]);
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    stage.watch(said["pid"].as_u64().unwrap() as u32);
    assert!(out.status.success(), "{said}");
    assert!(
        stage
            .ask(&["status", "--token-file", "ann"])
            .status
            .success()
    );
}

#[test]
fn a_console_that_is_open_to_all_does_not_start() {
    let stage = Stage::new("");
    let open = stage
        .config("")
        .replace(&format!("console: {}", stage.console), "console: 0.0.0.0:0");
    stage.write(&open);
    for command in ["check", "run"] {
        let out = stage.ask(&[command]);
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(!out.status.success());
        assert!(
            said.contains("may change what runs") && said.contains("users:"),
            "{said}"
        );
    }
}
