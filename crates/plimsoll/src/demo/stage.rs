//! The stage of the demo and of the live tests: the shop's three processes, and the config in front of them.

use crate::exit::Failure;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that does not listen after this long does not start.
const LISTENING: Duration = Duration::from_secs(60);

/// Ports of one stage, all on loopback.
#[derive(Clone, Debug)]
pub struct Ports {
    pub listen: SocketAddr,
    pub console: SocketAddr,
    pub front: SocketAddr,
    pub catalogue: SocketAddr,
    pub pay: SocketAddr,
    /// Nobody else is given them meanwhile; who is started for one of them may listen there.
    _held: Arc<[Socket]>,
}

/// A port of loopback that is nobody's, taken.
fn hold() -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    Ok(socket)
}

impl Ports {
    /// Free ports, as the kernel gives them out.
    pub fn free() -> std::io::Result<Ports> {
        let held: Arc<[Socket]> = (0..5).map(|_| hold()).collect::<Result<_, _>>()?;
        let port = |i: usize| {
            let at = held[i].local_addr()?.as_socket();
            at.ok_or(std::io::Error::from(std::io::ErrorKind::AddrNotAvailable))
        };
        Ok(Ports {
            listen: port(0)?,
            console: port(1)?,
            front: port(2)?,
            catalogue: port(3)?,
            pay: port(4)?,
            _held: held.clone(),
        })
    }
}

/// What is planted where.
#[derive(Clone, Debug, Default)]
pub struct Plant {
    pub front: String,
    pub catalogue: String,
    pub pay: String,
    /// A route, and what the config says of it beside the rest.
    pub route: Option<(&'static str, &'static str)>,
}

impl Plant {
    /// The demo's: a stock lock that carries about 160 requests per second of the demo's mix.
    pub fn slow_lock() -> Plant {
        Plant {
            front: "lock_ms=9".into(),
            ..Plant::default()
        }
    }
}

/// Weights of home, product, search, category, checkout and report in the demo.
pub const SHOPPERS: [u32; 6] = [15, 60, 10, 5, 9, 1];

/// The config in front of the shop, with the weights of its load mix and the probes that are not run. Inner calls
/// are routes of their own, told apart by host.
pub fn config_text(ports: &Ports, data_dir: &Path, mix: [u32; 6], probes_off: &[&str]) -> String {
    let Ports {
        listen,
        console,
        front,
        catalogue,
        pay,
        ..
    } = ports;
    let data_dir = data_dir.display();
    let probes_off = probes_off.join(", ");
    let [home, product, search, category, checkout, report] = mix;
    format!(
        r#"listen: {listen}
console: {console}
data_dir: "{data_dir}"
probes_off: [{probes_off}]
services:
  front: {{ instances: ["{front}"], price: $0.05/h, health: {{ path: /health }} }}
  catalogue: {{ instances: ["{catalogue}"], price: $0.05/h, health: {{ path: /health }} }}
  pay: {{ instances: ["{pay}"], health: {{ path: /health }} }}
routes:
  # What customers ask.
  home: {{ match: GET /, to: front, slo: {{ latency: 150ms, target: 99% }} }}
  product: {{ match: "GET /products/{{id}}", to: front, slo: {{ latency: 150ms, target: 99% }} }}
  search: {{ match: GET /search, to: front, slo: {{ latency: 250ms, target: 99% }} }}
  category: {{ match: "GET /categories/{{id}}", to: front, slo: {{ latency: 400ms, target: 99% }} }}
  checkout: {{ match: POST /checkout, to: front, slo: {{ latency: 300ms, target: 99% }}, retry: {{ attempts: 1 }} }}
  report: {{ match: GET /report, to: front, slo: {{ latency: 500ms, target: 99% }} }}
  # What the shop's own processes ask each other.
  item: {{ match: {{ host: catalogue, path: "/items/{{id}}" }}, to: catalogue }}
  items: {{ match: {{ host: catalogue, path: /items }}, to: catalogue }}
  find: {{ match: {{ host: catalogue, path: /find }}, to: catalogue }}
  charge: {{ match: {{ host: pay, path: /charge }}, to: pay, retry: {{ attempts: 1 }} }}
loads:
  shop:
    - {{ request: GET /, weight: {home} }}
    - {{ request: "GET /products/{{1..200}}", weight: {product}, zipf: true }}
    - {{ request: "GET /search?tag={{1..2000}}", weight: {search} }}
    - {{ request: "GET /categories/{{1..50}}", weight: {category} }}
    - {{ request: POST /checkout, weight: {checkout} }}
    - {{ request: GET /report, weight: {report} }}
"#
    )
}

/// The config with more keys of a route.
pub fn with_route(text: &str, route: &str, keys: &str) -> String {
    let line = format!("  {route}: {{ ");
    text.replacen(&line, &format!("{line}{keys}, "), 1)
}

/// The running processes; ended by id when dropped.
#[derive(Default)]
pub struct Stage {
    children: Vec<(String, Child)>,
}

impl Stage {
    /// Starts the shop's three roles and waits until each accepts connections.
    pub fn start(
        binary: &Path,
        ports: &Ports,
        plant: &Plant,
        data: &Path,
    ) -> Result<Stage, Failure> {
        Stage::start_with(ports, plant, data, &|_| Command::new(binary))
    }

    /// The same, with a command for each role to which the arguments are added.
    pub fn start_with(
        ports: &Ports,
        plant: &Plant,
        data: &Path,
        command: &dyn Fn(&str) -> Command,
    ) -> Result<Stage, Failure> {
        let mut stage = Stage::default();
        for (role, listen, switches) in [
            ("catalogue", ports.catalogue, &plant.catalogue),
            ("pay", ports.pay, &plant.pay),
            ("front", ports.front, &plant.front),
        ] {
            let mut command = command(role);
            command
                .args(["example", "shop", role])
                .args(["--listen", &listen.to_string()])
                .args(["--via", &ports.listen.to_string()])
                .args(["--switches", switches])
                .arg("--data")
                .arg(data);
            stage.run(role, &mut command, data)?;
        }
        stage.await_listening(&[ports.catalogue, ports.pay, ports.front], data)?;
        Ok(stage)
    }

    /// Starts one more process, whose errors go to a file in the folder.
    pub fn run(&mut self, role: &str, command: &mut Command, data: &Path) -> Result<(), Failure> {
        let log = std::fs::File::create(data.join(format!("{role}.log")))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|e| Failure::new(format!("{role} does not start: {e}")))?;
        self.children.push((role.to_owned(), child));
        Ok(())
    }

    /// The process of a role.
    pub fn pid(&self, role: &str) -> Option<u32> {
        let mut all = self.children.iter();
        all.find(|(r, _)| r == role).map(|(_, child)| child.id())
    }

    /// Waits until each accepts connections; some fill a database first.
    pub fn await_listening(&mut self, all: &[SocketAddr], data: &Path) -> Result<(), Failure> {
        let deadline = Instant::now() + LISTENING;
        all.iter()
            .try_for_each(|at| self.await_one(*at, deadline, data))
    }

    fn await_one(&mut self, at: SocketAddr, deadline: Instant, data: &Path) -> Result<(), Failure> {
        while TcpStream::connect_timeout(&at, Duration::from_millis(200)).is_err() {
            for (role, child) in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    let log = std::fs::read_to_string(data.join(format!("{role}.log")))
                        .unwrap_or_default();
                    return Err(Failure::new(format!(
                        "{role} ended with {status}: {}",
                        log.trim()
                    )));
                }
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "nothing listens on {at} after {} s",
                    LISTENING.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // Already gone is as good as ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder of its own for one stage, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> std::io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("plimsoll-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_in_front_of_the_shop_has_no_finding() {
        let checked = config::check_text(
            "shop.yaml",
            &config_text(
                &Ports::free().unwrap(),
                Path::new("/tmp/x"),
                SHOPPERS,
                &["waiters"],
            ),
        );
        assert_eq!(checked.findings, []);
        assert_eq!(checked.config.unwrap().routes.len(), 10);
        let text = config_text(&Ports::free().unwrap(), Path::new("/tmp/x"), SHOPPERS, &[]);
        let text = with_route(&text, "checkout", "async: { when: always }");
        let checked = config::check_text("shop.yaml", &text);
        assert_eq!(checked.findings, []);
        let all = checked.config.unwrap().routes;
        assert!(
            all.iter()
                .any(|r| r.name == "checkout" && r.asynchronous.is_some())
        );
    }
}
