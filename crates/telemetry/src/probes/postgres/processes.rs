//! What a database on this machine uses of its processors: the run time of its server's processes.
//!
//! The times of statements leave out parsing, planning and the protocol, which is most of what a short one costs.

use super::sql::Server;
use super::worker::Look;
use crate::probes::{Proc, cpu::parse_schedstat, procfs};
use base::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// Of a server with more processes nothing is said.
const PROCESSES: usize = 512;
/// What a process that has ended used is known in steps of 10 ms, of user and of system time.
const ROUNDING: f64 = 0.02;

/// Seconds of processors per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// By connections of applications.
    pub clients: f64,
    /// By the server's own work (checkpoints, vacuum), and by us.
    pub others: f64,
}

/// What the processes had used when they were read last, seconds.
#[derive(Clone, Debug)]
pub struct Processes {
    proc: Proc,
    /// The one that all others come from, as found by the last reading.
    pub root: Option<u32>,
    at: Option<Nanos>,
    ran: BTreeMap<u32, f64>,
    /// By those that have ended, as their parent counts it.
    ended: f64,
}

impl Processes {
    pub fn new(proc: Proc) -> Processes {
        Processes {
            proc,
            root: None,
            at: None,
            ran: BTreeMap::new(),
            ended: 0.0,
        }
    }

    /// Takes a reading. `None`: it is the first, or the server's processes are not seen here.
    pub fn read(&mut self, now: Nanos, server: &Server, looks: &[Look]) -> Option<Spent> {
        let last = self.at.take();
        self.root = self.parent(server);
        let root = self.root?;
        let children = self.proc.read(&format!("{root}/task/{root}/children"))?;
        let pids: Vec<u32> = children
            .split_whitespace()
            .filter_map(|p| p.parse().ok())
            .chain([root])
            .take(PROCESSES + 1)
            .collect();
        if pids.len() > PROCESSES {
            return None;
        }
        let run = |pid: u32| {
            let text = self.proc.read(&format!("{pid}/schedstat"))?;
            Some((pid, parse_schedstat(&text)?.0))
        };
        let ran: BTreeMap<u32, f64> = pids.into_iter().filter_map(run).collect();
        let ended = self.ended(root)?;
        let (before, ended_before) = (
            std::mem::replace(&mut self.ran, ran),
            std::mem::replace(&mut self.ended, ended),
        );
        self.at = Some(now);
        let elapsed = now.since(last?).as_secs_f64();
        if elapsed <= 0.0 || ended < ended_before || looks.is_empty() {
            return None;
        }
        let clients: BTreeSet<u32> = looks
            .iter()
            .flat_map(|l| &l.backends)
            .filter_map(|b| b.pid.try_into().ok())
            .collect();
        let mut spent = Spent::default();
        for (pid, s) in &self.ran {
            let more = (s - before.get(pid).unwrap_or(&0.0)).max(0.0);
            match clients.contains(pid) {
                true => spent.clients += more,
                false => spent.others += more,
            }
        }
        // Connections that came and went: of what ended, that which was not counted while it was there.
        let gone = || before.iter().filter(|b| !self.ran.contains_key(b.0));
        let counted: f64 = gone().map(|b| b.1 + ROUNDING).sum();
        spent.clients += (ended - ended_before - counted).max(0.0);
        spent.clients /= elapsed;
        spent.others /= elapsed;
        Some(spent)
    }

    /// The process that all others of the server come from. Ours is known by its number and by our port in its title: a number
    /// alone may be that of another process, where the server runs elsewhere.
    fn parent(&self, server: &Server) -> Option<u32> {
        let title = self.proc.read(&format!("{}/cmdline", server.pid))?;
        let at = match server.port {
            Some(port) => format!("({port})"),
            None => "[local]".into(),
        };
        if !title.starts_with("postgres") || !title.contains(&at) {
            return None;
        }
        let stat = self.proc.read(&format!("{}/stat", server.pid))?;
        procfs::stat_fields(&stat).get(1)?.parse().ok()
    }

    fn ended(&self, root: u32) -> Option<f64> {
        let stat = self.proc.read(&format!("{root}/stat"))?;
        let fields = procfs::stat_fields(&stat);
        let (user, system): (f64, f64) =
            (fields.get(13)?.parse().ok()?, fields.get(14)?.parse().ok()?);
        Some((user + system) / TICKS_PER_S)
    }
}

const TICKS_PER_S: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::super::sql::Backend;
    use super::*;
    use crate::probes::procfs::fake::Fake;

    fn look(pids: &[i32]) -> Look {
        let backend = |pid: &i32| Backend {
            pid: *pid,
            ..Backend::default()
        };
        Look {
            backends: pids.iter().map(backend).collect(),
            ..Look::default()
        }
    }

    /// Process 5 is the parent, 7 ours, 8 an application's, 6 writes checkpoints.
    fn put(f: &Fake, s: u64, title: &str) {
        f.put("proc/7/cmdline", title);
        f.put("proc/7/stat", "7 (postgres) S 5 0 0");
        f.put("proc/5/stat", "5 (postgres) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0");
        f.put("proc/5/task/5/children", "6 7 8 ");
        let ran = [(5, 0), (6, 20), (7, 10), (8, 300)];
        for (pid, ms) in ran {
            f.put(
                &format!("proc/{pid}/schedstat"),
                &format!("{} 0 1", s * ms * 1_000_000),
            );
        }
    }

    #[test]
    fn what_connections_use_is_told_apart_from_the_servers_own_work() {
        let f = Fake::new();
        let mut all = Processes::new(f.proc(2.0));
        let server = Server {
            pid: 7,
            port: Some(4711),
            ..Server::default()
        };
        let looks = [look(&[8])];
        let mut read = |s: u64| all.read(Nanos::from_secs_f64(s as f64), &server, &looks);
        let title = "postgres: shop orders 127.0.0.1(4711) idle";
        put(&f, 1, title);
        assert_eq!(read(1), None, "one reading is no rate");
        put(&f, 2, title);
        let spent = read(2).unwrap();
        assert!((spent.clients - 0.3).abs() < 1e-9 && (spent.others - 0.03).abs() < 1e-9);
        // One that came and went used 200 ms.
        put(&f, 3, title);
        f.put(
            "proc/5/stat",
            "5 (postgres) S 1 1 1 0 -1 0 0 0 0 0 1 1 15 5",
        );
        assert!((read(3).unwrap().clients - 0.5).abs() < 1e-9);
        // The number is another process's here: the server runs elsewhere.
        for title in [
            "postgres: shop orders 127.0.0.1(4712) idle",
            "sh\0(4711)",
            "",
        ] {
            put(&f, 4, title);
            assert_eq!(read(4), None, "{title}");
        }
        put(&f, 5, "postgres: shop orders 127.0.0.1(4711) idle");
        assert_eq!(read(5), None, "it begins anew");
    }

    #[test]
    fn a_connection_that_ends_is_not_counted_twice() {
        let f = Fake::new();
        let mut all = Processes::new(f.proc(2.0));
        let server = Server {
            pid: 7,
            port: None,
            ..Server::default()
        };
        let looks = [look(&[8])];
        let title = "postgres: shop orders [local] idle";
        for s in 1..3u64 {
            put(&f, s, title);
            all.read(Nanos::from_secs_f64(s as f64), &server, &looks);
        }
        put(&f, 3, title);
        f.remove("proc/8");
        f.put("proc/5/task/5/children", "6 7");
        f.put(
            "proc/5/stat",
            "5 (postgres) S 1 1 1 0 -1 0 0 0 0 0 1 1 50 10",
        );
        let spent = all.read(Nanos::from_secs_f64(3.0), &server, &looks);
        assert!(spent.unwrap().clients < 1e-9, "{spent:?}");
    }
}
