//! What an agent costs its host, with 200 threads to look at:
//! `cargo build --release -p plimsoll && cargo run --release -p agent --example cost -- target/release/plimsoll 60 200`.

use agent::gateway::{Options, Receiver};
use base::clock::Clock;
use base::{InstanceIx, Names};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use telemetry::InstanceTarget;
use telemetry::probes::{Probe, Reading, Targets};

const THREADS: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Ended with this process.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let binary = args.next().ok_or("name the plimsoll binary")?;
    if binary == "threads" {
        return threads(args.next().and_then(|s| s.parse().ok()).unwrap_or(THREADS));
    }
    let seconds: u64 = args.next().and_then(|s| s.parse().ok()).unwrap_or(60);
    let threads: usize = args.next().and_then(|s| s.parse().ok()).unwrap_or(THREADS);
    let mut busy = Command::new(std::env::current_exe()?);
    busy.args(["threads", &threads.to_string()]);
    let mut busy = Process(busy.stdout(Stdio::piped()).spawn()?);
    let mut address = String::new();
    let out = busy.0.stdout.take().ok_or("no output")?;
    BufReader::new(out).read_line(&mut address)?;

    let runtime = tokio::runtime::Runtime::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let clock = Clock::start();
    let options = Options {
        listener,
        tls: None,
        token: "token".into(),
        clock,
        run: 1,
    };
    let receiver = Receiver::start(runtime.handle(), options)?;
    let names = Names::default();
    let targets = Targets {
        instances: vec![InstanceTarget {
            service: "app".into(),
            instance: InstanceIx(0),
            address: address.trim().parse()?,
            pid: None,
        }],
        ..Targets::default()
    };
    receiver
        .probe(names.clone())
        .read(&mut Reading::new(clock.now(), &targets, &names));
    let agent = Command::new(binary)
        .args(["agent", "--gateway", &format!("http://{at}")])
        .args(["--name", "cost", "--address", "127.0.0.1"])
        .env("PLIMSOLL_AGENT_TOKEN", "token")
        .stdout(Stdio::null())
        .spawn()?;
    let agent = Process(agent);
    std::thread::sleep(Duration::from_secs(5));
    let (began, before) = (Instant::now(), run_time(agent.0.id())?);
    std::thread::sleep(Duration::from_secs(seconds));
    let used = run_time(agent.0.id())? - before;
    let share = used / began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.0.id()))?;
    let mib = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        let number = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        number.map_or("?".to_owned(), |kb| format!("{:.1} MiB", kb / 1024.0))
    };
    let (now, most) = (mib("VmRSS:"), mib("VmHWM:"));
    println!(
        "| {threads} | {seconds} | {:.2} % | {now} | {most} |",
        100.0 * share
    );
    println!("{}", receiver.status()());
    Ok(())
}

/// Seconds that all threads of a process have run.
fn run_time(pid: u32) -> Result<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().unwrap_or("0");
        sum += first.parse::<f64>()? / 1e9;
    }
    Ok(sum)
}

/// Many threads that mostly wait, and a port.
fn threads(n: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    for _ in 1..n {
        std::thread::spawn(|| {
            loop {
                std::thread::park_timeout(Duration::from_secs(1));
            }
        });
    }
    println!("{}", listener.local_addr()?);
    loop {
        std::thread::park();
    }
}
