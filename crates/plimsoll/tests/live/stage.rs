//! The stage of the live test: the shop's processes and Plimsoll, on free ports, ended by their ids.

use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Ends the process when dropped.
pub struct Ended(pub Child);

impl Ended {
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }

    /// Waits for its own end.
    pub fn wait(&mut self, longest: Duration) -> std::process::ExitStatus {
        let until = Instant::now() + longest;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Stage {
    pub folder: tempfile::TempDir,
    pub listen: SocketAddr,
    pub console: SocketAddr,
    shop: [(&'static str, SocketAddr, &'static str); 3],
}

impl Stage {
    /// Everybody on a port that is ours.
    pub fn new() -> Stage {
        let at: Vec<SocketAddr> = (0..5).map(|_| peers::free_port().unwrap()).collect();
        let stage = Stage {
            folder: tempfile::tempdir().unwrap(),
            listen: at[0],
            console: at[1],
            shop: [
                ("catalogue", at[2], ""),
                ("pay", at[3], ""),
                ("front", at[4], "lock_ms=9"),
            ],
        };
        std::fs::write(stage.file(), stage.config()).unwrap();
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self) -> PathBuf {
        self.path("plimsoll.yaml")
    }

    fn config(&self) -> String {
        let [catalogue, pay, front] = self.shop.map(|s| s.1);
        let (listen, console, data) = (self.listen, self.console, self.path("data"));
        format!(
            r#"listen: {listen}
console: {console}
data_dir: "{}"
services:
  front: {{ instances: ["{front}"], price: $0.05/h }}  # the lock is here
  catalogue: {{ instances: ["{catalogue}"] }}
  pay: {{ instances: ["{pay}"] }}
routes:
  product: {{ match: "GET /products/{{id}}", to: front, slo: {{ latency: 150ms, target: 99% }} }}
  checkout: {{ match: POST /checkout, to: front, slo: {{ latency: 300ms, target: 99% }} }}
  # What the shop's own processes ask each other.
  item: {{ match: {{ host: catalogue, path: "/items/{{id}}" }}, to: catalogue }}
  charge: {{ match: {{ host: pay, path: /charge }}, to: pay }}
loads:
  shop:
    - {{ request: "GET /products/{{1..200}}", weight: 80, zipf: true }}
    - {{ request: POST /checkout, weight: 20 }}
"#,
            data.display()
        )
    }

    /// The shop's three processes, once each accepts connections.
    pub fn shop(&self) -> Vec<Ended> {
        let via = self.listen.to_string();
        let start = |(role, at, switches): &(&str, SocketAddr, &str)| {
            let (at, data) = (at.to_string(), self.folder.path().display().to_string());
            self.spawn(&[
                "example",
                "shop",
                role,
                "--listen",
                &at,
                "--via",
                &via,
                "--data",
                &data,
                "--switches",
                switches,
            ])
        };
        let all = self.shop.iter().map(start).collect();
        self.shop.iter().for_each(|s| listening(s.1));
        all
    }

    /// `plimsoll run`, once it accepts connections and its console answers.
    pub fn plimsoll(&self) -> Ended {
        let run = self.spawn(&["run", "--config", &self.file().display().to_string()]);
        listening(self.listen);
        listening(self.console);
        run
    }

    pub fn spawn(&self, args: &[&str]) -> Ended {
        let file = |kind: &str| {
            let path = self.path(&format!("{}.{kind}", args[0]));
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let mut command = command(self.folder.path());
        command.args(args).stdout(file("out")).stderr(file("err"));
        Ended(command.spawn().unwrap())
    }

    /// A command about the running Plimsoll, to its end.
    pub fn ask(&self, args: &[&str]) -> Output {
        command(self.folder.path()).args(args).output().unwrap()
    }

    /// The same with `--json`; it must give JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let out = self.ask(&[args, &["--json"]].concat());
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}\n{}", said(&out)))
    }

    /// What the processes of a command have written to standard output.
    pub fn out(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.out"))).unwrap_or_default()
    }

    /// The same for both outputs.
    pub fn log(&self, name: &str) -> String {
        let err = std::fs::read_to_string(self.path(&format!("{name}.err")));
        self.out(name) + &err.unwrap_or_default()
    }
}

/// In the stage's folder, where its `plimsoll.yaml` is.
fn command(folder: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    c.current_dir(folder)
        .stdin(Stdio::null())
        .env_remove("PLIMSOLL_CONSOLE");
    c
}

pub fn said(out: &Output) -> String {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    format!("{}{}", text(&out.stdout), text(&out.stderr))
}

pub fn listening(at: SocketAddr) {
    wait(
        Duration::from_secs(20),
        &format!("somebody on {at}"),
        || TcpStream::connect_timeout(&at, Duration::from_millis(200)).ok(),
    );
}

/// Asks ten times a second until there is an answer.
pub fn wait<T>(longest: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + longest;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
