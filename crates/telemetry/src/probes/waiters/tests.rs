//! Sampling of a made-up process: four threads at a lock when busy, four idle workers when not.

use super::threads::parse_syscall;
use super::*;
use crate::probes::procfs::fake::{Fake, shop};
use crate::probes::{Found, Targets};
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
    let (targets, names) = (shop(), Names::default());
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
    let (targets, names) = (shop(), Names::default());
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
    let (targets, names) = (shop(), Names::default());
    let mut probe = Waiters::new(f.proc(2.0));
    read(&mut probe, &targets, &names);
    for _ in 0..4 {
        probe.sample(Nanos::ZERO, &|_| 0);
    }
    let w = &probe.watches[&InstanceIx(0)];
    assert_eq!(w.groups[&0].iter().copied().collect::<Vec<_>>(), [200.0; 4]);
    assert_eq!(probe.threads.next, 4 * PER_TICK % 200);
}

/// Four threads at a real lock of this very process, seen through the real `/proc`.
#[test]
fn a_real_lock_is_found() {
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::{Duration, Instant};
    let contended = Arc::new(Mutex::new(0u32));
    let (done_tx, done_rx) = mpsc::channel();
    let (starts, workers): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (tx, rx) = mpsc::channel::<()>();
            let (lock, done) = (contended.clone(), done_tx.clone());
            let worker = std::thread::spawn(move || {
                while rx.recv().is_ok() {
                    *lock.lock().unwrap() += 1;
                    done.send(()).unwrap();
                }
            });
            (tx, worker)
        })
        .unzip();
    let mut targets = shop();
    targets.instances[0].pid = Some(std::process::id());
    let names = Names::default();
    let mut probe = Waiters::new(Proc::host());
    let mut highest = 0.0f64;
    let own = |probe: &mut Waiters, targets: &Targets| {
        let mut r = Reading::new(Nanos::ZERO, targets, &names);
        r.found.insert(
            InstanceIx(0),
            Found {
                pids: vec![std::process::id()],
                ..Found::default()
            },
        );
        probe.read(&mut r);
        r.cells.iter().filter_map(|c| c.waiting).fold(0.0, f64::max)
    };
    for _ in 0..12 {
        let held = contended.lock().unwrap();
        starts.iter().for_each(|s| s.send(()).unwrap());
        // All four have arrived at the lock: they wait at one address.
        let limit = Instant::now() + Duration::from_secs(5);
        loop {
            let mut at: BTreeMap<u64, u32> = BTreeMap::new();
            for tid in Proc::host().numbers("self/task", 4096) {
                if let Ok(Some(a)) = probe.threads.futex(std::process::id(), tid) {
                    *at.entry(a).or_default() += 1;
                }
            }
            if at.values().any(|n| *n >= 4) {
                break;
            }
            assert!(
                Instant::now() < limit,
                "the threads do not reach the lock: {at:?}"
            );
            std::thread::yield_now();
        }
        own(&mut probe, &targets);
        (0..10).for_each(|_| probe.sample(Nanos::ZERO, &|_| 4));
        highest = highest.max(own(&mut probe, &targets));
        drop(held);
        (0..4).for_each(|_| done_rx.recv().unwrap());
        (0..10).for_each(|_| probe.sample(Nanos::ZERO, &|_| 0));
    }
    drop(starts);
    workers.into_iter().for_each(|w| w.join().unwrap());
    assert!(highest >= 2.0, "{highest} waiters seen");
}

#[test]
fn a_thread_that_has_gone_is_let_go_of() {
    let f = Fake::new();
    for tid in [1, 2] {
        f.put(&format!("proc/9/task/{tid}/syscall"), "running");
    }
    let (targets, names) = (shop(), Names::default());
    let mut probe = Waiters::new(f.proc(2.0));
    read(&mut probe, &targets, &names);
    probe.sample(Nanos::ZERO, &|_| 0);
    assert_eq!(probe.threads.open.len(), 2);
    f.remove("proc/9/task/2");
    read(&mut probe, &targets, &names);
    read(&mut probe, &targets, &names);
    assert_eq!(probe.threads.open.len(), 1);
}
