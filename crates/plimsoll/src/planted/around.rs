//! What is wrong around the shop rather than in it: limits of its front, a neighbour on its machine, clients that read slowly.

use crate::demo::stage::Stage;
use crate::exit::Failure;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

const GROUPS: &str = "/sys/fs/cgroup";
/// The period of a quota, microseconds.
const PERIOD: u64 = 100_000;

#[derive(Clone, Copy, Debug)]
pub enum Around {
    /// Millicores that front's control group may use.
    Quota(u64),
    /// Megabytes that it may hold.
    Memory(u64),
    /// Processes that do nothing but compute.
    Neighbours(usize),
    /// Clients that ask for the report and take about 2 MB of it per second.
    SlowClients(usize),
}

/// Undone when dropped: after the processes have ended.
#[derive(Default)]
pub struct Standing {
    group: Option<Group>,
    clients: Option<SlowClients>,
}

pub fn place(
    what: Around,
    stage: &mut Stage,
    listen: SocketAddr,
    data: &Path,
) -> Result<Standing, Failure> {
    let mut standing = Standing::default();
    match what {
        Around::Quota(_) | Around::Memory(_) => {
            let front = stage
                .pid("front")
                .ok_or_else(|| Failure::new("front is not there"))?;
            standing.group = Some(Group::around(front, what)?);
        }
        Around::Neighbours(n) => {
            for i in 0..n {
                let mut busy = Command::new("sh");
                busy.args(["-c", "while :; do :; done"]);
                stage.run(&format!("neighbour-{i}"), &mut busy, data)?;
            }
        }
        Around::SlowClients(n) => standing.clients = Some(SlowClients::start(n, listen)),
    }
    Ok(standing)
}

/// A control group of our own, removed when dropped.
struct Group(PathBuf);

impl Group {
    fn around(pid: u32, what: Around) -> Result<Group, Failure> {
        let (controller, files) = match what {
            Around::Quota(m) => {
                let quota = m * PERIOD / 1000;
                let v1 = vec![
                    ("cpu.cfs_period_us", PERIOD.to_string()),
                    ("cpu.cfs_quota_us", quota.to_string()),
                ];
                ("cpu", (v1, vec![("cpu.max", format!("{quota} {PERIOD}"))]))
            }
            Around::Memory(mb) => {
                let bytes = (mb << 20).to_string();
                let v1 = vec![("memory.limit_in_bytes", bytes.clone())];
                ("memory", (v1, vec![("memory.max", bytes)]))
            }
            _ => return Err(Failure::new("no limit is asked for")),
        };
        let cannot = |e: std::io::Error| {
            Failure::new(format!("no control group can be made: {e}"))
                .help("this scenario needs a writable /sys/fs/cgroup: run it as root on a machine of its own")
        };
        let first = Path::new(GROUPS).join(controller);
        let is_v1 = first.is_dir();
        let (above, files) = if is_v1 {
            (first, files.0)
        } else {
            (PathBuf::from(GROUPS), files.1)
        };
        if !is_v1 {
            // Groups below have a controller only when it is handed down.
            let down = format!("+{controller}");
            std::fs::write(above.join("cgroup.subtree_control"), down).map_err(cannot)?;
        }
        let group = Group(above.join(format!("plimsoll-planted-{}", std::process::id())));
        std::fs::create_dir(&group.0).map_err(cannot)?;
        for (file, value) in files {
            std::fs::write(group.0.join(file), value).map_err(cannot)?;
        }
        std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).map_err(cannot)?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever was in it has ended; if not, it stays and harms nobody.
        let _ = std::fs::remove_dir(&self.0);
    }
}

struct SlowClients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SlowClients {
    fn start(n: usize, listen: SocketAddr) -> SlowClients {
        let stop = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    if read_slowly(listen, &stop).is_err() {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
            })
        };
        SlowClients {
            threads: (0..n).map(one).collect(),
            stop: stop.clone(),
        }
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for t in self.threads.drain(..) {
            let _ = t.join();
        }
    }
}

/// One answer: 64 KiB every 30 ms, through a small window.
fn read_slowly(listen: SocketAddr, stop: &AtomicBool) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None)?;
    socket.set_recv_buffer_size(64 << 10)?;
    socket.connect_timeout(&listen.into(), Duration::from_secs(1))?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /report HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")?;
    let mut buffer = vec![0u8; 64 << 10];
    while !stop.load(Relaxed) && stream.read(&mut buffer)? > 0 {
        std::thread::sleep(Duration::from_millis(30));
    }
    Ok(())
}
