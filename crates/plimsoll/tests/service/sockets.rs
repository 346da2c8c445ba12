//! Listening at a Unix socket: its file from start to end, across a crash, an upgrade and a service manager.

use crate::stage::{PATIENCE, Stage, signal};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

fn stage() -> (Stage, PathBuf) {
    let stage = Stage::new("");
    let path = stage.path("front.sock");
    let ip = format!("listen: {}", stage.listen);
    let unix = format!("listen: unix:{}", path.display());
    stage.write(&stage.config("").replace(&ip, &unix));
    (stage, path)
}

fn answers(path: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(path) else {
        return false;
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.ends_with("ok")
}

#[test]
fn the_file_outlives_crashes_and_upgrades_and_goes_with_the_last_process() {
    let (mut stage, path) = stage();
    let first = stage.start();
    assert!(answers(&path));
    signal(first, "KILL");
    stage.ended(first);
    assert!(path.exists() && !answers(&path));

    let second = stage.start();
    assert!(answers(&path), "what was left is cleared away");
    let mut kept = UnixStream::connect(&path).unwrap();
    let (done, third) = stage.upgrade();
    assert!(done.status.success(), "{done:?}");
    assert_ne!(second, third);
    assert!(answers(&path));
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n";
    kept.write_all(request).unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("200 OK") && answer.ends_with("ok"),
        "{answer}"
    );
    stage.ended(second);
    assert!(answers(&path), "the old process leaves the file");
    signal(third, "TERM");
    stage.ended(third);
    assert!(!path.exists());
}

#[test]
fn a_socket_of_the_manager_stays_the_manager_s() {
    let (mut stage, path) = stage();
    let socket = UnixListener::bind(&path).unwrap();
    let mut command = Command::new("sh");
    let script = "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec ./plimsoll run --config plimsoll.yaml";
    command
        .args(["-c", script])
        .current_dir(stage.folder.path())
        .stdin(std::os::fd::OwnedFd::from(socket));
    let first = stage.run(&mut command);
    drop(command);
    assert!(answers(&path));
    let (done, second) = stage.upgrade();
    assert!(done.status.success(), "{done:?}");
    stage.ended(first);
    assert!(answers(&path));
    signal(second, "TERM");
    stage.ended(second);
    assert!(path.exists());
}
