//! Real servers for tests and planted bottlenecks: each on a port and in a folder of its own, ended when dropped.

mod alertmanager;
mod certificate;
mod nats;
mod postgres;
mod prometheus;
mod promtool;
mod redis;
mod wire;

pub use alertmanager::Alertmanager;
pub use certificate::Certificate;
pub use nats::{NATS_FOLDER, Nats, NatsOptions};
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use promtool::promtool;
pub use redis::Redis;
pub use wire::Wire;

use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// For a test that cannot run without it: says so loudly, and lets the others go on.
pub fn there<T>(started: Result<T, String>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(why) if why.contains(MISSING) => {
            eprintln!("NOT TESTED: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// What errors say when a server is not installed.
const MISSING: &str = "is missing: install it";
/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A free port that nobody else is given while this process lives: it stays bound. Who is told to may listen there all the same, if it says
/// that an address may be reused, as nobody listens here.
///
/// # Errors
/// Why none can be had.
pub fn free_port() -> Result<SocketAddr, String> {
    use socket2::{Domain, Socket, Type};
    static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
    let hold = || -> std::io::Result<(Socket, SocketAddr)> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        let at = socket.local_addr()?.as_socket();
        let at = at.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        Ok((socket, at))
    };
    let (socket, at) = hold().map_err(|e| e.to_string())?;
    HELD.lock().unwrap_or_else(|e| e.into_inner()).push(socket);
    Ok(at)
}

/// Runs to its end; what it says on an error is the error.
fn done(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().map_err(|e| format!("{name}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match status.success() {
        true => Ok(text(&stdout)),
        false => Err(format!("{name} ended with {status}: {}", text(&stderr))),
    }
}

/// Asks again and again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > end {
            return Err(format!("{what}: not within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A process that is ended by its id.
struct Server {
    child: Child,
    /// What ends it at once.
    end: Signal,
}

impl Server {
    /// Runs it with nothing to read and nobody who reads.
    fn start(command: &mut Command, missing: &str) -> Result<Server, String> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = quiet.stderr(Stdio::null()).spawn();
        Ok(Server {
            child: child.map_err(|e| format!("{missing} ({e})"))?,
            end: Signal::KILL,
        })
    }
    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // Already gone is as good.
            let _ = kill_process(pid, signal);
        }
    }
    fn stop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(self.end);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
