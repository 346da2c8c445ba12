//! A new binary takes over under load, or does not.

use crate::stage::{Clients, Stage, Tunnels, signal};

fn text(output: &std::process::Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn two_upgrades_under_load_lose_no_request_and_tunnels_live_on() {
    let mut stage = Stage::new("");
    let first = stage.start();
    let clients = Clients::start(stage.listen, 8);
    let mut tunnels = Tunnels::open(stage.listen, 20);
    clients.more(200);

    let (done, second) = stage.upgrade();
    assert!(done.status.success(), "{}", text(&done));
    assert_ne!(first, second);
    clients.more(200);
    assert_eq!(tunnels.alive(), 20, "the old process carries them on");
    let mut newer = Tunnels::open(stage.listen, 5);

    let (done, third) = stage.upgrade();
    assert!(done.status.success(), "{}", text(&done));
    assert_ne!(second, third);
    clients.more(200);
    assert_eq!((tunnels.alive(), newer.alive()), (20, 5));

    // Two old ones have connections; a third one would be too many.
    let (refused, same) = stage.upgrade();
    let said = text(&refused);
    assert_eq!((refused.status.code(), same), (Some(3), third), "{said}");
    assert!(said.contains("2 older processes"), "{said}");
    clients.more(50);

    drop(tunnels);
    stage.ended(first);
    assert_eq!(newer.alive(), 5);
    drop(newer);
    stage.ended(second);
    assert_eq!(clients.end(), [] as [String; 0]);
    signal(third, "TERM");
    stage.ended(third);
}

#[test]
fn an_old_process_cuts_its_tunnels_when_its_time_is_over_or_when_told() {
    let mut stage = Stage::new("upgrade: { drain: 1s }");
    let first = stage.start();
    let mut tunnels = Tunnels::open(stage.listen, 3);
    let (done, second) = stage.upgrade();
    assert!(done.status.success(), "{}", text(&done));
    stage.ended(first);
    assert_eq!(tunnels.alive(), 0);
    stage.write(&stage.config("upgrade: { drain: 1h }"));
    stage.wait("the reload", |s| {
        let log = std::fs::read_to_string(s.path("log")).unwrap();
        log.contains("is in service").then_some(())
    });
    let _tunnels = Tunnels::open(stage.listen, 3);
    signal(second, "USR2");
    stage.wait("the third process", |s| {
        let told = s.console_get("/api/v1/upgrade")?;
        (!told.contains(&format!("\"pid\":{second},"))).then_some(())
    });
    let third = stage.pid();
    signal(second, "TERM");
    stage.ended(second);
    signal(third, "TERM");
    stage.ended(third);
}

#[test]
fn a_new_binary_that_fails_leaves_everything_as_it_was() {
    let mut stage = Stage::new("upgrade: { ready: 2s }");
    let good = std::fs::read(stage.binary()).unwrap();
    let pid = stage.start();
    let clients = Clients::start(stage.listen, 4);
    let mut tunnels = Tunnels::open(stage.listen, 4);
    let refused = |stage: &mut Stage, why: &str| {
        let (done, same) = stage.upgrade();
        assert_eq!(
            (done.status.code(), same),
            (Some(3), pid),
            "{}",
            text(&done)
        );
        assert!(text(&done).contains(why), "{why}: {}", text(&done));
        clients.more(50);
    };

    stage.install(b"#!/bin/sh\nexit 7\n");
    refused(&mut stage, "it has ended");
    stage.install(b"#!/bin/sh\nexec sleep 60\n");
    refused(&mut stage, "said nothing for 2 s");
    stage.install(b"no program at all");
    refused(&mut stage, "cannot be started");
    // How long a real one may take is not what is tested.
    let patient = stage.config("upgrade: { ready: 20s }");
    stage.reload(pid, &patient);
    stage.install(&good);
    let config = stage.config("upgrade: { ready: 20s }");
    stage.write(&config.replace("instances", "instanzes"));
    refused(&mut stage, "did you mean `instances`");

    // It fails when the ledger is closed already here: that is opened again.
    std::fs::write(stage.path("occupied"), "").unwrap();
    let data = format!("data_dir: {}", stage.path("data").display());
    stage.write(&config.replace(&data, "data_dir: ./occupied"));
    refused(&mut stage, "data_dir ./occupied");
    let status = stage.console_get("/api/v1/status").unwrap();
    assert!(status.contains("200 OK"), "{status}");

    stage.write(&config);
    let (done, next) = stage.upgrade();
    assert!(done.status.success(), "{}", text(&done));
    assert_ne!(next, pid);
    clients.more(100);
    assert_eq!(tunnels.alive(), 4);
    assert_eq!(clients.end(), [] as [String; 0]);
}
