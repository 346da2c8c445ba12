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
