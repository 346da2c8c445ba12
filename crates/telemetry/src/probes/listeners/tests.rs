//! The search for listening processes in a made-up `/proc`.

use super::*;
use crate::probes::procfs::fake::Fake;
use crate::probes::{InstanceTarget, Targets};
use base::Names;

const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1B59 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1161 1 0000000051fb53ce 100 0 0 10 0
   1: 0100007F:1B59 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0
";
const TCP6: &str = "  sl  local_address                         remote_address                        st tx rx tr when retr uid timeout inode
   0: 00000000000000000000000000000000:1B5A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1162 1 0 100 0 0 10 0
";

fn targets() -> Targets {
    let instance = |n: u16| InstanceTarget {
        service: "shop".into(),
        instance: InstanceIx(n),
        address: format!("127.0.0.1:{}", 7001 + n).parse().unwrap(),
        pid: None,
    };
    Targets {
        instances: (0..3).map(instance).collect(),
        ..Targets::default()
    }
}

#[test]
fn tables_are_read_for_both_families() {
    let at = |s: &str| s.parse().unwrap();
    assert_eq!(tables::listening(TCP, at("127.0.0.1:7001")), [1161]);
    assert_eq!(tables::listening(TCP6, at("127.0.0.1:7002")), [1162]);
    assert!(tables::listening(TCP, at("127.0.0.2:7001")).is_empty());
    assert!(tables::listening("garbage\nx y z\n", at("127.0.0.1:1")).is_empty());
}

#[test]
fn a_unix_socket_is_found_by_its_path() {
    const UNIX: &str = "Num       RefCount Protocol Flags    Type St Inode Path
00000000feb9c1c7: 00000003 00000000 00000000 0001 03 2256243 /run/app.sock
00000000bdee3829: 00000002 00000000 00010000 0001 01 1163 /run/app.sock
00000000bdee3830: 00000002 00000000 00010000 0001 01 1164 /run/my app.sock
";
    let at = |path: &str| tables::bound(UNIX, std::path::Path::new(path));
    assert_eq!(at("/run/app.sock"), [1163], "the one that listens");
    assert_eq!(at("/run/my app.sock"), [1164]);
    assert!(at("app.sock").is_empty() && at("/run/my").is_empty());
}

#[test]
fn finds_owners_and_their_children_and_notices_when_they_are_gone() {
    let f = Fake::new();
    f.put("proc/net/tcp", TCP);
    f.put("proc/net/tcp6", TCP6);
    for (pid, parent, inode) in [
        (100, 1, 1161),
        (101, 100, 0),
        (102, 101, 0),
        (103, 100, 1162),
    ] {
        f.put(
            &format!("proc/{pid}/stat"),
            &format!("{pid} (a b) S {parent} 1 1"),
        );
        f.link(&format!("proc/{pid}/fd/3"), &format!("socket:[{inode}]"));
    }
    let (targets, names) = (targets(), Names::default());
    let mut probe = Listeners::new(f.proc(2.0));
    let mut read = |s: f64| {
        let mut r = Reading::new(Nanos::from_secs_f64(s), &targets, &names);
        probe.read(&mut r);
        (r.found, r.notes)
    };
    let (found, notes) = read(1.0);
    assert_eq!(
        found[&InstanceIx(0)].pids,
        [100, 101, 102],
        "without the other instance"
    );
    assert_eq!(found[&InstanceIx(1)].pids, [103]);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].blind && notes[0].about == "127.0.0.1:7003");

    f.remove("proc/100");
    let (found, _) = read(2.0);
    assert!(!found.contains_key(&InstanceIx(0)));
    f.put("proc/200/stat", "200 (new) S 1 1 1");
    f.link("proc/200/fd/3", "socket:[1161]");
    assert!(
        !read(3.0).0.contains_key(&InstanceIx(0)),
        "not searched every second"
    );
    assert_eq!(read(8.0).0[&InstanceIx(0)].pids, [200]);
}

/// One process with a socket of all addresses and port 7002.
fn held_by(f: &Fake, pid: u32, name: &str) {
    f.put("proc/net/tcp6", TCP6);
    f.put(&format!("proc/{pid}/stat"), &format!("{pid} (x) S 1 1 1"));
    f.put(&format!("proc/{pid}/comm"), &format!("{name}\n"));
    f.link(&format!("proc/{pid}/fd/3"), "socket:[1162]");
}

#[test]
fn who_has_the_port_at_every_address_is_not_at_an_address_of_another_host() {
    let f = Fake::new();
    held_by(&f, 100, "gateway");
    let (mut targets, names) = (targets(), Names::default());
    targets.instances.truncate(1);
    // Of RFC 5737: nobody has it.
    targets.instances[0].address = "192.0.2.7:7002".parse().unwrap();
    let find = |targets: &Targets| {
        let mut r = Reading::new(Nanos::ZERO, targets, &names);
        Listeners::new(f.proc(2.0)).read(&mut r);
        r.found.into_values().map(|f| f.pids).collect::<Vec<_>>()
    };
    assert!(find(&targets).is_empty());
    targets.also.push("192.0.2.7".parse().unwrap());
    assert_eq!(find(&targets), [[100]], "said to lead here");
}

#[test]
fn whoever_holds_it_for_another_process_is_not_the_service() {
    let f = Fake::new();
    held_by(&f, 1, "systemd");
    let (targets, names) = (targets(), Names::default());
    let mut probe = Listeners::new(f.proc(2.0));
    let mut read = |s: f64| {
        let mut r = Reading::new(Nanos::from_secs_f64(s), &targets, &names);
        probe.read(&mut r);
        let at = r.notes.iter().find(|n| n.about == "127.0.0.1:7002");
        let told = at.map(|n| n.text.clone()).unwrap_or_default();
        (r.found.get(&InstanceIx(1)).map(|f| f.pids.clone()), told)
    };
    let (found, told) = read(1.0);
    assert!(found.is_none() && told.contains("systemd"), "{told}");
    held_by(&f, 70, "shop");
    assert!(read(7.0).0.is_none(), "not searched as often");
    assert_eq!(read(61.0), (Some(vec![70]), String::new()));
    // The next one takes the socket over; this one lives on.
    f.remove("proc/70/fd");
    held_by(&f, 90, "shop");
    assert_eq!(read(62.0).0, Some(vec![90]));
}

#[test]
fn each_with_a_socket_of_its_own_at_the_address_counts() {
    let f = Fake::new();
    held_by(&f, 100, "shop");
    held_by(&f, 101, "shop");
    let again = TCP6.replace("1162", "1163");
    let second = again.lines().nth(1).unwrap();
    f.put("proc/net/tcp6", &format!("{TCP6}{second}\n"));
    f.remove("proc/101/fd");
    f.link("proc/101/fd/3", "socket:[1163]");
    let (targets, names) = (targets(), Names::default());
    let mut r = Reading::new(Nanos::ZERO, &targets, &names);
    Listeners::new(f.proc(2.0)).read(&mut r);
    assert_eq!(r.found[&InstanceIx(1)].pids, [100, 101]);
}

#[test]
fn our_own_listening_port_is_found_on_this_machine() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let targets = Targets {
        instances: vec![InstanceTarget {
            service: "self".into(),
            instance: InstanceIx(0),
            address: socket.local_addr().unwrap().into(),
            pid: None,
        }],
        ..Targets::default()
    };
    let names = Names::default();
    let mut r = Reading::new(Nanos::ZERO, &targets, &names);
    Listeners::new(Proc::host()).read(&mut r);
    assert_eq!(
        r.found[&InstanceIx(0)].pids.first(),
        Some(&std::process::id())
    );
}
