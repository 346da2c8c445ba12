//! Sampling of a made-up process: four threads at a lock when busy, four idle workers when not.

use super::*;
use crate::probes::procfs::fake::Fake;
use crate::probes::{Found, InstanceTarget, Targets};
use base::Names;

#[test]
fn a_line_tells_the_address_of_a_wait_only() {
    let nr = if cfg!(target_arch = "aarch64") {
        98
    } else {
        202
    };
    let line = |op: &str| format!("{nr} 0x7f00aa {op} 0x2 0x0 0x0 0xffffffff 0x7ff 0x7fb\n");
    assert_eq!(parse_syscall(&line("0x80")), Some(0x7f00aa));
    assert_eq!(parse_syscall(&line("0x189")), Some(0x7f00aa));
    assert_eq!(parse_syscall(&line("0x81")), None, "a wake is no wait");
    assert_eq!(parse_syscall("0 0x3 0x7f 0x2"), None);
    assert_eq!((parse_syscall("running"), parse_syscall("")), (None, None));
}

fn targets() -> Targets {
    Targets {
        instances: vec![InstanceTarget {
            service: "shop".into(),
            instance: InstanceIx(0),
            address: "127.0.0.1:1".parse().unwrap(),
            pid: None,
        }],
        ..Targets::default()
    }
}

fn read(probe: &mut Waiters, targets: &Targets, names: &Names) -> (Vec<f64>, Vec<bool>) {
    let mut r = Reading::new(Nanos::ZERO, targets, names);
    r.found.insert(
        InstanceIx(0),
        Found {
            pids: vec![9],
            ..Found::default()
        },
    );
    probe.read(&mut r);
    (
        r.cells.iter().filter_map(|c| c.waiting).collect(),
        r.notes.iter().map(|n| n.blind).collect(),
    )
}

#[test]
fn waiters_at_a_lock_are_counted_and_idle_workers_are_not() {
    let f = Fake::new();
    let nr = if cfg!(target_arch = "aarch64") {
        98
    } else {
        202
    };
    let put = |tid: u32, address: u32| {
        let line = format!("{nr} {address:#x} 0x80 0x2 0x0 0x0 0x0 0x7ff 0x7fb\n");
        f.put(&format!("proc/9/task/{tid}/syscall"), &line);
    };
    (1..=4).for_each(|tid| put(tid, 0x1dd1e));
    let (targets, names) = (targets(), Names::default());
    let mut probe = Waiters::new(f.proc(2.0));
    assert!(read(&mut probe, &targets, &names).0.is_empty());
    let mut seen = Vec::new();
    for tick in 0..200u32 {
        // Every other second all four are held up at one lock.
        let busy = tick / 10 % 2 == 1;
        (1..=4).for_each(|tid| put(tid, if busy { 0x10c4 } else { 0x1dd1e }));
        probe.sample(Nanos::ZERO, &|_| if busy { 5 } else { 0 });
        if tick % 10 == 9 {
            seen.extend(read(&mut probe, &targets, &names).0);
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
    assert!(seen.iter().all(|w| *w == 0.0 || *w == 4.0), "{seen:?}");
    assert!(seen.contains(&4.0) && seen.contains(&0.0));
    assert_eq!(names.resources.all()[0].as_ref(), "lock.shop.futex");
}

#[test]
fn an_unreadable_process_is_said_to_be_so() {
    let f = Fake::new();
    f.put("proc/9/task/1/stat", "");
    let (targets, names) = (targets(), Names::default());
    let mut probe = Waiters::new(f.proc(2.0));
    read(&mut probe, &targets, &names);
    probe.sample(Nanos::ZERO, &|_| 0);
    assert_eq!(read(&mut probe, &targets, &names), (vec![], vec![true]));
}

#[test]
fn many_threads_are_read_in_turns_and_scaled() {
    let f = Fake::new();
    for tid in 0..200 {
        f.put(&format!("proc/9/task/{tid}/wchan"), "futex_wait_queue");
    }
    let (targets, names) = (targets(), Names::default());
    let mut probe = Waiters::new(f.proc(2.0));
    read(&mut probe, &targets, &names);
    for _ in 0..4 {
        probe.sample(Nanos::ZERO, &|_| 0);
    }
    let w = &probe.watches[&InstanceIx(0)];
    assert_eq!(w.groups[&0].iter().copied().collect::<Vec<_>>(), [200.0; 4]);
    assert_eq!(probe.next, 4 * PER_TICK % 200);
}
