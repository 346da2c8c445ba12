//! A service manager as systemd is one: it is told what happens, pinged, and may open the sockets.

use crate::stage::{Clients, PATIENCE, Stage, Tunnels, signal};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

/// What is told at a notify socket, until `wanted` was.
fn told(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut packet = [0; 4096];
    loop {
        let n = manager
            .recv(&mut packet)
            .unwrap_or_else(|e| panic!("{wanted}: {e}: {all:?}"));
        let text = String::from_utf8_lossy(&packet[..n]).into_owned();
        let end = text.contains(wanted);
        all.push(text);
        if end {
            return all;
        }
    }
}

#[test]
fn it_is_told_of_readiness_reloads_upgrades_and_the_end_and_is_pinged() {
    let mut stage = Stage::new("");
    let at = stage.path("notify");
    let manager = UnixDatagram::bind(&at).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = stage.command();
    command
        .env("NOTIFY_SOCKET", &at)
        .env("WATCHDOG_USEC", "300000");
    let first = stage.run(&mut command);
    told(&manager, "READY=1");
    told(&manager, "WATCHDOG=1");
    signal(first, "HUP");
    told(&manager, "RELOADING=1");
    told(&manager, "READY=1");
    let (done, second) = stage.upgrade();
    assert!(done.status.success());
    told(&manager, &format!("MAINPID={second}"));
    stage.ended(first);
    told(&manager, "WATCHDOG=1");
    assert!(stage.console_get("/livez").unwrap().contains("alive"));
    signal(second, "TERM");
    told(&manager, "STOPPING=1");
    stage.ended(second);
}

#[test]
fn a_stop_is_noticed_before_connections_are_refused() {
    let mut stage = Stage::new("limits: { notice: 5s }");
    let pid = stage.start();
    let clients = Clients::start(stage.listen, 2);
    clients.more(20);
    signal(pid, "TERM");
    stage.wait("readiness to end", |s| {
        s.console_get("/readyz")
            .filter(|a| a.contains("503") && a.contains("it is stopping"))
    });
    clients.more(20);
    drop(Tunnels::open(stage.listen, 1));
    assert!(stage.console_get("/livez").unwrap().contains("200 OK"));
    assert_eq!(clients.end(), [] as [String; 0]);
    stage.ended(pid);
}

/// One socket for all threads, whose connections outlive a restart.
#[test]
fn sockets_of_the_manager_are_used_and_their_queue_outlives_a_restart() {
    let mut stage = Stage::new("");
    // The port of the stage was free, and is taken here.
    let socket = TcpListener::bind(stage.listen).unwrap();
    let command = |stage: &Stage| {
        // A shell makes the socket the third file, as a service manager does.
        let mut command = Command::new("sh");
        let script =
            "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec ./plimsoll run --config plimsoll.yaml";
        let log = std::fs::File::create(stage.path("log")).unwrap();
        command
            .args(["-c", script])
            .current_dir(stage.folder.path())
            .stdin(std::os::fd::OwnedFd::from(socket.try_clone().unwrap()))
            .stderr(log);
        command
    };
    let mut first = command(&stage);
    let pid = stage.run(&mut first);
    drop(first);
    let clients = Clients::start(stage.listen, 4);
    clients.more(100);
    assert_eq!(clients.end(), [] as [String; 0]);
    signal(pid, "TERM");
    stage.ended(pid);

    // Nobody accepts now, and nothing is refused.
    let clients = Clients::start(stage.listen, 4);
    let mut second = command(&stage);
    let pid = stage.run(&mut second);
    drop(second);
    clients.more(100);
    assert_eq!(clients.end(), [] as [String; 0]);
    signal(pid, "TERM");
    stage.ended(pid);
}

/// Exposure that `systemd-analyze security` may find, in tenths: as docs/operate.md says it.
const UNITS: [(&str, u32); 2] = [("plimsoll.service", 17), ("plimsoll-agent.service", 21)];

/// What systemd itself says of the units: that it knows every word of them, and how much they leave open.
#[test]
fn the_units_are_understood_and_leave_no_more_open_than_is_told() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("NOT TESTED: systemd-analyze is not installed (Debian: apt-get install systemd)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let analyze = |args: &[&str], unit: &str| {
        let mut command = Command::new("systemd-analyze");
        let done = command.args(args).arg(folder.path().join(unit)).output();
        let done = done.unwrap();
        let said = [&done.stdout[..], &done.stderr[..]].concat();
        (
            done.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
    for unit in [
        "plimsoll.service",
        "plimsoll-agent.service",
        "plimsoll.socket",
    ] {
        let text = std::fs::read_to_string(format!("{deploy}/{unit}")).unwrap();
        let here = text.replace("/usr/bin/plimsoll", env!("CARGO_BIN_EXE_plimsoll"));
        std::fs::write(folder.path().join(unit), here).unwrap();
    }
    for unit in [
        "plimsoll.service",
        "plimsoll-agent.service",
        "plimsoll.socket",
    ] {
        let (good, said) = analyze(&["verify", "--man=no"], unit);
        // It ends well with words that it does not know, and says which.
        assert!(good && !said.contains(unit), "{unit}: {said}");
    }
    for (unit, most) in UNITS {
        let threshold = format!("--threshold={most}");
        let args = ["security", "--no-pager", "--offline=true", &threshold];
        let (good, said) = analyze(&args, unit);
        assert!(good, "{unit} leaves more open than {most} tenths: {said}");
    }
}
