//! What Plimsoll sends to a collector, read by OpenTelemetry's own messages: by each protocol, and through a collector
//! that others have written.

use super::{FOLDER, PYPI, npm, peers, pypi, write};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A collector (Apache-2.0) that comes as a program within a wheel.
const COLLECTOR: &[&str] = &["rotel==0.0.1a15"];
/// Protocols, and whether a collector stands between.
const WAYS: [(&str, bool); 5] = [
    ("http/protobuf", false),
    ("http/json", false),
    ("grpc", false),
    ("http/protobuf", true),
    ("grpc", true),
];
/// Longer than the script's own patience.
const PATIENCE: Duration = Duration::from_secs(60);

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    let plimsoll = npm::absolute(plimsoll)?;
    if let Err(why) = pypi::install(&folder, PYPI) {
        eprintln!("SKIPPED, NOT PASSED: nothing was sent to a collector: {why}");
        return Ok(());
    }
    let other = collector(&folder.join("collector"));
    if let Err(why) = &other {
        eprintln!("SKIPPED, NOT PASSED: nothing was sent through a collector of others: {why}");
    }
    write(&folder.join("service.py"), include_str!("service.py"))?;
    write(&folder.join("collector.py"), include_str!("collector.py"))?;
    for (protocol, between) in WAYS {
        let program = match (between, &other) {
            (false, _) => None,
            (true, Ok(program)) => Some(program.as_path()),
            (true, Err(_)) => continue,
        };
        one(&plimsoll, &folder, protocol, program).map_err(|why| {
            let through = if between { " through a collector" } else { "" };
            format!("what is sent by {protocol}{through}: {why}")
        })?;
    }
    eprintln!(
        "OpenTelemetry's messages read what is sent by HTTP with protobuf and JSON, and by gRPC"
    );
    Ok(())
}

/// The program of the collector.
fn collector(folder: &Path) -> Result<PathBuf, String> {
    let programs = pypi::install(folder, COLLECTOR)?;
    let mut find = Command::new(programs.join("python"));
    let find = find.args([
        "-c",
        "import rotel, os; print(os.path.dirname(rotel.__file__))",
    ]);
    let found = find.output().map_err(|e| e.to_string())?;
    let program = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()).join("rotel-agent");
    let tried = Command::new(&program).arg("--version").output();
    match tried {
        Ok(out) if out.status.success() => Ok(program),
        Ok(out) => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
        Err(e) => Err(format!("{}: {e}", program.display())),
    }
}

/// Ended with its owner.
struct Judge(Child);

impl Drop for Judge {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn one(plimsoll: &Path, folder: &Path, protocol: &str, other: Option<&Path>) -> Result<(), String> {
    let [http, grpc, listen, console, app, gone, http2, grpc2] = peers::free()?;
    let python = folder.join("venv/bin/python");
    let judge = Command::new(&python)
        .arg(folder.join("collector.py"))
        .args([http.port().to_string(), grpc.port().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut judge = Judge(judge.map_err(|e| format!("no collector: {e}"))?);
    listens(http)?;
    let mut _between = None;
    let (by_http, by_grpc) = match other {
        None => (http, grpc),
        Some(program) => {
            let mut command = Command::new(program);
            command.args(["start", "--exporter", "otlp"]);
            command.args(["--otlp-http-endpoint", &http2.to_string()]);
            command.args(["--otlp-grpc-endpoint", &grpc2.to_string()]);
            command.args(["--otlp-exporter-endpoint", &format!("http://{http}")]);
            command.args(["--otlp-exporter-protocol", "http"]);
            command.current_dir(folder);
            _between = Some(peers::launch("the collector", http2, &mut command)?);
            (http2, grpc2)
        }
    };
    let to = if protocol == "grpc" { by_grpc } else { by_http };
    let mut service = Command::new(&python);
    service.arg(folder.join("service.py"));
    service.args(["ok", &app.port().to_string(), "http", &http.to_string()]);
    // Its spans shall not be what is waited for.
    service.env("OTEL_BSP_SCHEDULE_DELAY", "300");
    let _service = peers::launch("the service", app, &mut service)?;
    let data = folder.join(format!("data-{}", listen.port()));
    let text = format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n\
         export: {{ otlp: {{ endpoint: 'http://{to}', protocol: {protocol}, interval: 1s }} }}\ntraces: {{ share: 100%, slow: 30s }}\n\
         services:\n  ok: {{ instances: [\"{app}\"] }}\n  gone: {{ instances: [\"{gone}\"] }}\n\
         routes:\n  ok: {{ match: 'GET /ok/{{page}}', to: ok }}\n  gone: {{ match: GET /gone, to: gone, retry: {{ attempts: 1 }} }}\n",
        data.display()
    );
    let file = folder.join("export.yaml");
    write(&file, &text)?;
    let mut run = Command::new(plimsoll);
    let front = run.args(["run", "--config"]).arg(&file);
    let _front = peers::launch("Plimsoll", listen, front)?;
    for path in ["/ok/one", "/ok/one", "/gone"] {
        ask(listen, path)?;
    }
    told(&mut judge)
}

fn listens(at: SocketAddr) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(at).is_err() {
        if Instant::now() > until {
            return Err(format!("nobody listens on {at} after 20 s"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn ask(at: SocketAddr, path: &str) -> Result<(), String> {
    let asked = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(at)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\
             traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n\r\n"
        )?;
        stream.read_to_end(&mut Vec::new())
    };
    asked().map(drop).map_err(|e| format!("{path}: {e}"))
}

/// What the script says in the end.
fn told(judge: &mut Judge) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let ended = judge.0.try_wait().map_err(|e| e.to_string())?;
        if ended.is_some_and(|e| e.success()) {
            return Ok(());
        }
        if ended.is_some() || Instant::now() > until {
            let _ = judge.0.kill();
            let mut said = String::new();
            if let Some(stderr) = &mut judge.0.stderr {
                let _ = stderr.read_to_string(&mut said);
            }
            return Err(said);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
