//! Who is reloaded and upgraded, and how.

use super::super::Stage;
use super::super::contenders::{Ours, plimsoll, write};
use super::PATIENCE;
use crate::console::measure::text;
use crate::peers::{Proxy, free, launch};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// One change; whether it took place.
type Change = Box<dyn FnMut(u32) -> Result<bool, String>>;

pub struct Subject {
    pub proxy: Proxy,
    pub reload: Change,
    /// `None`: it cannot, or a reload is one.
    pub upgrade: Option<Change>,
    /// Ends what has taken the place of the first process.
    pub _last: Option<Newest>,
}

pub struct Entry {
    pub name: &'static str,
    pub how: &'static str,
    pub start: fn(&Stage<'_>, SocketAddr) -> Result<Subject, String>,
}

pub const SUBJECTS: &[Entry] = &[
    Entry {
        name: "Plimsoll",
        how: "another file and SIGHUP; `plimsoll upgrade`",
        start: ours,
    },
    Entry {
        name: "HAProxy",
        how: "master and worker; SIGUSR2, which starts the binary anew, so a reload is an upgrade",
        start: haproxy,
    },
    Entry {
        name: "nginx",
        how: "SIGHUP; no upgrade tried",
        start: nginx,
    },
];

fn ours(stage: &Stage<'_>, origin: SocketAddr) -> Result<Subject, String> {
    let Ours { proxy, console } = plimsoll(stage, &[origin], "", "")?;
    let file = stage.dir.join(format!("{}.yaml", proxy.address.port()));
    let (config, binary) = (file.clone(), stage.plimsoll.to_owned());
    let first = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let reload = move |n: u32| {
        let before = number(console, "/api/v1/status", "generation")?;
        let more = format!("{first}limits: {{ headers: {} }}\n", 50 + n % 50);
        std::fs::write(&file, more).map_err(|e| e.to_string())?;
        signal(number(console, "/api/v1/upgrade", "pid")?, Signal::HUP)?;
        let until = Instant::now() + PATIENCE;
        while number(console, "/api/v1/status", "generation")? == before {
            if Instant::now() > until {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    };
    let upgrade = move |_| {
        let until = Instant::now() + PATIENCE;
        // While two older processes still have connections it is refused, and asked for again.
        loop {
            let done = Command::new(&binary)
                .args(["upgrade", "--config"])
                .arg(&config)
                .output()
                .map_err(|e| e.to_string())?;
            if done.status.success() {
                return Ok(true);
            }
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            if Instant::now() > until || !said.contains("older processes") {
                eprintln!("  an upgrade failed: {}", said.trim());
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    Ok(Subject {
        proxy,
        reload: Box::new(reload),
        upgrade: Some(Box::new(upgrade)),
        _last: Some(Newest { console }),
    })
}

/// A number that the console tells.
fn number(console: SocketAddr, page: &str, key: &str) -> Result<u64, String> {
    let answer = text(console, page)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |a| a.1);
    let told: Value = serde_json::from_str(body).map_err(|e| format!("{page}: {e}"))?;
    told[key]
        .as_u64()
        .ok_or_else(|| format!("{page} tells no {key}"))
}

/// A Plimsoll that has taken the place of the one that was started; ended by id.
pub struct Newest {
    console: SocketAddr,
}

impl Drop for Newest {
    fn drop(&mut self) {
        let Ok(pid) = number(self.console, "/api/v1/upgrade", "pid") else {
            return;
        };
        let _ = signal(pid, Signal::TERM);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && process(pid).is_ok_and(|p| test_kill_process(p).is_ok()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn process(pid: u64) -> Result<Pid, String> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| "no process id".to_owned())
}

fn signal(pid: u64, which: Signal) -> Result<(), String> {
    kill_process(process(pid)?, which).map_err(|e| format!("process {pid}: {e}"))
}

/// A change that a signal asks for; nobody tells when it is in force.
fn signalled(proxy: &Proxy, which: Signal) -> Change {
    let pid = proxy.pid();
    Box::new(move |_| signal(pid.into(), which).map(|()| true))
}

fn haproxy(stage: &Stage<'_>, origin: SocketAddr) -> Result<Subject, String> {
    let [at] = free()?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n  \
         timeout tunnel 1h\n  timeout http-keep-alive 60s\n  option idle-close-on-response\n  http-reuse safe\nfrontend f\n  bind {at}\n  default_backend app\n\
         backend app\n  server s {origin}\n"
    );
    let file = write(stage, at, "cfg", &text)?;
    let mut command = Command::new("haproxy");
    let proxy = launch("HAProxy", at, command.args(["-W", "-db", "-f"]).arg(file))?;
    Ok(Subject {
        reload: signalled(&proxy, Signal::USR2),
        upgrade: Some(signalled(&proxy, Signal::USR2)),
        proxy,
        _last: None,
    })
}

fn nginx(stage: &Stage<'_>, origin: SocketAddr) -> Result<Subject, String> {
    let [at] = free()?;
    let text = format!(
        "worker_processes 1; daemon off; worker_rlimit_nofile 20000; pid {}/nginx-{}.pid; error_log stderr crit;\n\
         events {{ worker_connections 8000; }}\nhttp {{ access_log off; keepalive_requests 1000000000;\n \
         map $http_upgrade $how {{ default upgrade; '' ''; }}\n upstream u {{ server {origin}; keepalive 256; }}\n \
         server {{ listen {at}; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_read_timeout 1h;\n \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $how; }} }} }}\n",
        stage.dir.display(),
        at.port()
    );
    let file = write(stage, at, "conf", &text)?;
    let mut command = Command::new("nginx");
    let proxy = launch("nginx", at, command.arg("-c").arg(file))?;
    Ok(Subject {
        reload: signalled(&proxy, Signal::HUP),
        upgrade: None,
        proxy,
        _last: None,
    })
}
