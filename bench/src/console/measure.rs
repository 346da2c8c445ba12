//! `cargo xtask bench console`: how long pages take with 200 routes, and what a hundred open consoles cost.

use super::stage::{Load, write};
use crate::machine::{self, First};
use crate::npm;
use crate::peers::{self, Proxy};
use crate::stats::{cpu_by_thread, cpu_of, spread, used};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUTES: usize = 200;
const RATE: usize = 1000;
/// Until there is an answer, and a while longer.
const LEARN: Duration = Duration::from_secs(90);
const LOADS: usize = 100;
const CONSOLES: usize = 100;
const PAIRS: usize = 4;
const TURN: Duration = Duration::from_secs(10);
const PAGES: &[&str] = &[
    "/",
    "/?last=3600",
    "/routes",
    "/routes/things-7",
    "/advice",
    "/history",
    "/metrics",
];

const METHOD: &str = "# What the console costs

```sh
cargo xtask bench console > bench/console.md   # about three minutes, after a build
```

Plimsoll with 200 routes and 1000 requests per second to all of them, everything on that is on by default, a service and a load
generator on the same machine. A page is a request on a fresh connection, to the last byte, after one and a half
minutes of traffic; what it then fetches is kept by browsers. Open consoles are streams of `/live`, as each page that can be
seen has one; turns of 10 s with and without them follow each other.

";

pub fn run(plimsoll: &Path) -> Result<String, String> {
    let folder = &npm::absolute(Path::new(super::FOLDER))?;
    let plimsoll = &npm::absolute(plimsoll)?;
    let mut out = METHOD.to_owned() + &machine::describe(plimsoll);
    machine::open_many_files();
    let _first = First::now();
    let stage = Stage::start(plimsoll, folder)?;
    std::thread::sleep(LEARN);
    let _ = writeln!(
        out,
        "\n| page | bytes | median | slowest of {LOADS} | target |\n|---|---|---|---|---|"
    );
    for page in PAGES {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..LOADS {
            let begun = Instant::now();
            bytes = fetch(stage.console, page)?;
            took.push(1e3 * begun.elapsed().as_secs_f64());
        }
        let s = spread(&took).ok_or("nothing was measured")?;
        let _ = writeln!(
            out,
            "| `{page}` | {bytes} | {:.1} ms | {:.1} ms | 100 ms |",
            s.median, s.high
        );
    }
    open_consoles(&stage, &mut out)?;
    Ok(out)
}

/// Cores that are used with and without open consoles, in turns.
fn open_consoles(stage: &Stage, out: &mut String) -> Result<(), String> {
    let mut turns = Vec::new();
    for _ in 0..PAIRS {
        let without = turn(stage.pid(), &[]);
        let open: Vec<TcpStream> = (0..CONSOLES)
            .map(|_| listen(stage.console))
            .collect::<Result<_, _>>()?;
        turns.push((without, turn(stage.pid(), &open)));
    }
    let _ = writeln!(
        out,
        "\n| cores used by | no console | {CONSOLES} consoles | more |\n|---|---|---|---|"
    );
    for (name, prefix) in [
        ("traffic threads", "traffic"),
        ("control and console", "control"),
        ("all of Plimsoll", ""),
    ] {
        let of = |threads: &Vec<(String, f64)>| cpu_of(threads, prefix) / TURN.as_secs_f64();
        let told = |values: Vec<f64>| {
            let s = spread(&values)?;
            Some(format!("{:.4} ({:.4} to {:.4})", s.median, s.low, s.high))
        };
        let columns = [
            told(turns.iter().map(|t| of(&t.0)).collect()),
            told(turns.iter().map(|t| of(&t.1)).collect()),
            told(turns.iter().map(|t| of(&t.1) - of(&t.0)).collect()),
        ];
        let columns = columns.map(Option::unwrap_or_default).join(" | ");
        let _ = writeln!(out, "| {name} | {columns} |");
    }
    Ok(())
}

/// What each thread uses in one turn; streams are read as browsers do.
fn turn(pid: u32, open: &[TcpStream]) -> Vec<(String, f64)> {
    let (before, until) = (cpu_by_thread(pid), Instant::now() + TURN);
    let mut bytes = vec![0; 64 * 1024];
    while Instant::now() < until {
        for mut stream in open {
            let _ = stream.read(&mut bytes);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    used(&before, &cpu_by_thread(pid))
}

/// A stream of live values.
fn listen(at: SocketAddr) -> Result<TcpStream, String> {
    let mut stream = ask(at, "/live?page=/&last=300", "keep-alive")?;
    let mut head = [0; 1024];
    let n = stream.read(&mut head).map_err(|e| e.to_string())?;
    if !head[..n].starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&head[..n]).into_owned());
    }
    stream.set_nonblocking(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Bytes of a page.
pub fn fetch(at: SocketAddr, page: &str) -> Result<usize, String> {
    text(at, page).map(|t| t.len())
}

/// A page, with its head.
pub fn text(at: SocketAddr, page: &str) -> Result<String, String> {
    let mut answer = Vec::new();
    let mut stream = ask(at, page, "close")?;
    stream.read_to_end(&mut answer).map_err(|e| e.to_string())?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.starts_with("HTTP/1.1 200") {
        true => Ok(answer),
        false => Err(format!("{page}: {answer}")),
    }
}

fn ask(at: SocketAddr, target: &str, connection: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(at).map_err(|e| e.to_string())?;
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: {connection}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|e| e.to_string())?;
    Ok(stream)
}

/// A service, Plimsoll in front of it, and traffic.
struct Stage {
    console: SocketAddr,
    plimsoll: Proxy,
    _load: Load,
}

impl Stage {
    fn start(plimsoll: &Path, folder: &Path) -> Result<Stage, String> {
        let service = serve().map_err(|e| e.to_string())?;
        let [listen, console] = peers::free()?;
        let data = folder.join(format!("data-{}", listen.port()));
        let mut text = format!(
            "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\nservices: {{ app: {{ instances: [\"{service}\"] }} }}\nroutes:\n",
            data.display()
        );
        let mut load = String::from("loads:\n  all:\n");
        for i in 0..ROUTES {
            let _ = writeln!(
                text,
                "  things-{i}: {{ match: \"GET /api/v1/things-{i}/{{id}}\", to: app, slo: {{ latency: 100ms, target: 99% }} }}"
            );
            let _ = writeln!(
                load,
                "    - {{ request: \"GET /api/v1/things-{i}/{{1..50}}\" }}"
            );
        }
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = folder.join("bench.yaml");
        write(&file, &(text + &load))?;
        let mut run = Command::new(plimsoll);
        let running = peers::launch(
            "Plimsoll",
            console,
            run.args(["run", "--config"]).arg(&file),
        )?;
        let load = Load::start(plimsoll, &file, "all", RATE)?;
        Ok(Stage {
            console,
            plimsoll: running,
            _load: load,
        })
    }

    fn pid(&self) -> u32 {
        self.plimsoll.pid()
    }
}

/// Answers everything at once with a kibibyte, and what is below `/fail` with a 500; ends with the process.
pub fn serve() -> std::io::Result<SocketAddr> {
    let response = |status| {
        let body = "x".repeat(1024);
        format!("HTTP/1.1 {status}\r\nContent-Length: 1024\r\n\r\n{body}")
    };
    let both = [response("200 OK"), response("500 Failed")];
    serve_one_of(both, |head| head.starts_with(b"GET /fail"))
}

/// Answers at once with the first, and requests whose head is one of the others' with the second; ends with the process.
pub fn serve_one_of(
    answers: [String; 2],
    is_other: fn(&[u8]) -> bool,
) -> std::io::Result<SocketAddr> {
    let answers = Arc::new(answers);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            std::thread::spawn(move || answer(stream, &answers, is_other));
        }
    });
    Ok(at)
}

fn answer(
    mut stream: TcpStream,
    [usual, other]: &[String; 2],
    is_other: fn(&[u8]) -> bool,
) -> Option<()> {
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    stream.set_nodelay(true).ok()?;
    loop {
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            n => seen.extend_from_slice(&chunk[..n]),
        }
        while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let response = match is_other(&seen[..end]) {
                true => other,
                false => usual,
            };
            seen.drain(..end + 4);
            stream.write_all(response.as_bytes()).ok()?;
        }
    }
}
