//! What is wrong around the shop rather than in it: limits of its front, a neighbour on its machine, clients that read slowly.

use super::group::{Group, Limit};
use crate::demo::stage::Stage;
use crate::exit::Failure;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub enum Around {
    /// Of front.
    Limited(Limit),
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
        Around::Limited(limit) => {
            let front = stage
                .pid("front")
                .ok_or_else(|| Failure::new("front is not there"))?;
            standing.group.insert(Group::around(front)).limit(limit)?;
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
