//! An instance that answers and opens tunnels, Plimsoll in front of it as a process of its own, and clients that know
//! exactly what was lost.

use crate::schema;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A free port that nobody else is given while these tests run.
pub fn port() -> SocketAddr {
    peers::free_port().unwrap()
}

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Answers every request with `ok`, and upgrades: then what comes goes back.
pub fn instance() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    at
}

fn answer(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Some(head) = head(&mut stream) {
        let tunnel = head.to_lowercase().contains("upgrade: websocket");
        let answer: &[u8] = match tunnel {
            true => b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        if stream.get_mut().write_all(answer).is_err() {
            return;
        }
        if tunnel {
            return echo(&mut stream);
        }
    }
}

fn echo(stream: &mut BufReader<TcpStream>) {
    let mut chunk = [0; 1024];
    while let Ok(n) = stream.read(&mut chunk)
        && n > 0
        && stream.get_mut().write_all(&chunk[..n]).is_ok()
    {}
}

/// Up to the empty line, and no byte more.
fn head(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

pub struct Stage {
    pub folder: tempfile::TempDir,
    pub instance: SocketAddr,
    pub listen: SocketAddr,
    pub console: SocketAddr,
    /// Processes that may be left at the end.
    pids: BTreeSet<u32>,
    first: Option<Child>,
}

impl Stage {
    /// `extra` is added to the config.
    pub fn new(extra: &str) -> Stage {
        let stage = Stage {
            folder: tempfile::tempdir().unwrap(),
            instance: instance(),
            listen: port(),
            console: port(),
            pids: BTreeSet::new(),
            first: None,
        };
        // A file that was written a moment ago may still be open in a process that another test begins, and cannot be executed then.
        let built = env!("CARGO_BIN_EXE_plimsoll");
        if std::fs::hard_link(built, stage.binary()).is_err() {
            std::fs::copy(built, stage.binary()).unwrap();
        }
        stage.write(&stage.config(extra));
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy, which a test may replace.
    pub fn binary(&self) -> PathBuf {
        self.path("plimsoll")
    }

    pub fn config(&self, extra: &str) -> String {
        let (listen, console, instance) = (self.listen, self.console, self.instance);
        let data = self.path("data");
        format!(
            "listen: {listen}\nconsole: {console}\ndata_dir: {}\nthreads: 2\n\
             services: {{ app: {{ instances: [\"{instance}\"] }} }}\n{extra}\n",
            data.display()
        )
    }

    pub fn write(&self, config: &str) {
        std::fs::write(self.path("next.yaml"), config).unwrap();
        std::fs::rename(self.path("next.yaml"), self.path("plimsoll.yaml")).unwrap();
    }

    /// Replaces the binary as an installer does: another file of the same name.
    pub fn install(&self, content: &[u8]) {
        use std::os::unix::fs::PermissionsExt;
        let next = self.path("plimsoll.next");
        std::fs::write(&next, content).unwrap();
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(next, self.binary()).unwrap();
    }

    fn log(&self) -> Stdio {
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(self.path("log"));
        file.unwrap().into()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.binary());
        command
            .args(["run", "--config", "plimsoll.yaml"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(self.log())
            .stderr(self.log());
        command
    }

    pub fn spawn(&mut self, command: &mut Command) -> u32 {
        let child = command.spawn().unwrap();
        let pid = child.id();
        self.watch(pid);
        self.first = Some(child);
        pid
    }

    /// It must not outlive the test.
    pub fn watch(&mut self, pid: u32) {
        self.pids.insert(pid);
    }

    /// Once it is ready.
    pub fn run(&mut self, command: &mut Command) -> u32 {
        let pid = self.spawn(command);
        self.wait("readiness", |s| {
            s.console_get("/readyz").filter(|a| a.contains("200 OK"))
        });
        pid
    }

    pub fn start(&mut self) -> u32 {
        let mut command = self.command();
        self.run(&mut command)
    }

    /// `plimsoll upgrade`, to its end.
    pub fn upgrade(&mut self) -> (Output, u32) {
        (self.ask(&["upgrade"]), self.pid())
    }

    /// Another command, to its end.
    pub fn ask(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(args)
            .args(["--config", "plimsoll.yaml"])
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// What a command says that asks the console.
    pub fn ask_console(&self, args: &[&str]) -> String {
        let out = self.ask(args);
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    }

    /// The process that answers at the console.
    pub fn pid(&mut self) -> u32 {
        let told = self.wait("the console", |s| s.console_get("/api/v1/upgrade"));
        let body = told.split("\r\n\r\n").nth(1).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let pid = body["pid"].as_u64().unwrap() as u32;
        self.pids.insert(pid);
        pid
    }

    pub fn console_get(&self, target: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.console).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let (at, mut answer) = (self.console, String::new());
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        stream.read_to_string(&mut answer).ok()?;
        self.conforms(target, &answer);
        (!answer.is_empty()).then_some(answer)
    }

    /// What the API answers, which is what its document says.
    pub fn console_json(&self, target: &str) -> Option<Value> {
        let told = self.console_get(target)?;
        serde_json::from_str(told.split_once("\r\n\r\n")?.1).ok()
    }

    /// Holds an answer of the API against the document that is served beside it.
    fn conforms(&self, target: &str, answer: &str) {
        static DOCUMENT: OnceLock<Value> = OnceLock::new();
        let path = target.split('?').next().unwrap_or(target);
        if !path.starts_with("/api/v1/") || path.ends_with("openapi.json") {
            return;
        }
        if DOCUMENT.get().is_none()
            && let Some(document) = self.console_json("/api/v1/openapi.json")
        {
            let _ = DOCUMENT.set(document);
        }
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return;
        };
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        // Half an answer, of a process that was killed, is none.
        let body = serde_json::from_str(body).ok();
        if let (Some(document), Some(status), Some(body)) = (DOCUMENT.get(), status, body) {
            schema::check(document, "get", target, status, &body).unwrap();
        }
    }

    /// The generation in service.
    fn generation(&self) -> Option<u64> {
        let told = self.console_get("/api/v1/status")?;
        let body: Value = serde_json::from_str(told.split("\r\n\r\n").nth(1)?).ok()?;
        body["generation"].as_u64()
    }

    /// Has this config read, and waits until it is in service.
    pub fn reload(&mut self, pid: u32, config: &str) {
        // The file is watched: once it is written it may be in service at any time.
        let before = self.wait("the generation", Stage::generation);
        self.write(config);
        signal(pid, "HUP");
        self.wait("another generation", |s| {
            s.generation().filter(|g| *g > before)
        });
    }

    pub fn wait<T>(&self, what: &str, mut ask: impl FnMut(&Stage) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask(self) {
                return found;
            }
            if Instant::now() > until {
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("waited in vain for {what}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Until the process has ended.
    pub fn ended(&mut self, pid: u32) {
        let mut first = self.first.take();
        self.wait("the end of a process", |_| {
            // A process of many threads has its sockets until the last of them is gone: then it can be reaped.
            let gone = match first.as_mut().filter(|c| c.id() == pid) {
                Some(child) => matches!(child.try_wait(), Ok(Some(_))),
                None => !alive(pid),
            };
            gone.then_some(())
        });
        self.first = first;
        self.pids.remove(&pid);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for pid in &self.pids {
            signal(*pid, "KILL");
        }
        if let Some(mut child) = self.first.take() {
            let _ = child.wait();
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Neither gone nor waiting to be reaped, with all its threads: each of them keeps its sockets open.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or("");
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads > 1 || !state.is_empty() && !state.starts_with(['Z', 'X'])
}

const PAUSE: Duration = Duration::from_millis(1);

/// Asks on kept connections, and opens another one where the server says that it closes. The pause leaves the cores to
/// the processes that come and go.
pub struct Clients {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Clients {
    pub fn start(at: SocketAddr, n: usize) -> Clients {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let one = |_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            std::thread::spawn(move || ask(at, &stop, &answered))
        };
        let threads = (0..n).map(one).collect();
        Clients {
            stop,
            answered,
            threads,
        }
    }

    /// Until `n` more were answered.
    pub fn more(&self, n: u64) {
        let (wanted, until) = (self.answered.load(SeqCst) + n, Instant::now() + PATIENCE);
        while self.answered.load(SeqCst) < wanted {
            if Instant::now() > until || self.threads.iter().all(JoinHandle::is_finished) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What was lost.
    pub fn end(self) -> Vec<String> {
        self.stop.store(true, SeqCst);
        let ended = self.threads.into_iter().map(|t| t.join().unwrap());
        ended.filter_map(Result::err).collect()
    }
}

fn ask(at: SocketAddr, stop: &AtomicBool, answered: &AtomicU64) -> Result<(), String> {
    let mut kept: Option<BufReader<TcpStream>> = None;
    while !stop.load(SeqCst) {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => BufReader::new(connect(at)?),
        };
        let asked = stream
            .get_mut()
            .write_all(b"GET /p HTTP/1.1\r\nHost: app\r\n\r\n");
        asked.map_err(|e| format!("cannot ask: {e}"))?;
        let head = head(&mut stream).ok_or("no answer")?;
        let mut body = [0; 2];
        stream
            .read_exact(&mut body)
            .map_err(|e| format!("half an answer: {e}"))?;
        if !head.starts_with("HTTP/1.1 200") || &body != b"ok" {
            return Err(head);
        }
        answered.fetch_add(1, SeqCst);
        std::thread::sleep(PAUSE);
        if !head.to_lowercase().contains("connection: close") {
            kept = Some(stream);
        }
    }
    Ok(())
}

fn connect(at: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(at).map_err(|e| format!("cannot connect: {e}"))?;
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    Ok(stream)
}

/// Open tunnels, each of which must give back what is sent.
pub struct Tunnels(Vec<TcpStream>);

impl Tunnels {
    pub fn open(at: SocketAddr, n: usize) -> Tunnels {
        let one = |_| {
            let mut stream = connect(at).unwrap();
            stream
                .write_all(b"GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .unwrap();
            let head = head(&mut stream).unwrap();
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            stream
        };
        Tunnels((0..n).map(one).collect())
    }

    /// How many of them live.
    pub fn alive(&mut self) -> usize {
        let lives = |s: &mut TcpStream| {
            let mut back = [0; 4];
            s.write_all(b"ping").is_ok() && s.read_exact(&mut back).is_ok() && &back == b"ping"
        };
        self.0
            .iter_mut()
            .filter_map(|s| lives(s).then_some(()))
            .count()
    }
}
