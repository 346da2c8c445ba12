//! Tiny upstreams and clients on loopback, and a gateway in front of them.
#![allow(dead_code)]

use base::clock::Clock;
use base::{Names, Sample};
use config::sections::{Match, PathTemplate, Segment};
use config::{Config, Generation, Route, Service};
use gateway::{Gateway, Options};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Nothing here takes longer, or it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server whose every connection is handled by a function on its own thread.
pub struct Upstream {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Upstream {
    pub fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Upstream {
        Upstream::on(TcpListener::bind("127.0.0.1:0").unwrap(), handle)
    }

    pub fn on(
        listener: TcpListener,
        handle: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Upstream {
        let address = listener.local_addr().unwrap();
        let (connections, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, stopped, handle) = (connections.clone(), stop.clone(), Arc::new(handle));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                count.fetch_add(1, SeqCst);
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                let handle = handle.clone();
                std::thread::spawn(move || handle(stream));
            }
        });
        Upstream {
            address,
            connections,
            stop,
        }
    }

    /// Answers every request with what `answer` makes of its head and body.
    pub fn http(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
        Upstream::start(move |mut stream| {
            let mut buffer = Vec::new();
            while let Some((head, body)) = read_request(&mut stream, &mut buffer) {
                if stream.write_all(&answer(&head, &body)).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers with the head and body that it got.
    pub fn echo() -> Upstream {
        Upstream::http(|head, body| ok(&[head.as_bytes(), body].concat()))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

pub fn ok(body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk) {
        Ok(n) if n > 0 => {
            buffer.extend_from_slice(&chunk[..n]);
            true
        }
        _ => false,
    }
}

fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = buffer.drain(..end + 4).collect::<Vec<u8>>();
            return Some(String::from_utf8_lossy(&head).into_owned());
        }
        if !fill(stream, buffer) {
            return None;
        }
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|l| {
        let (n, v) = l.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| v.trim())
    })
}

/// The body that a head announces, with chunks joined.
fn read_body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    head: &str,
    to_end: bool,
) -> Option<Vec<u8>> {
    if header(head, "transfer-encoding").is_some() {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
                    break buffer.drain(..end + 2).collect::<Vec<u8>>();
                }
                if !fill(stream, buffer) {
                    return None;
                }
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            let size = line.trim().split(';').next().unwrap_or("");
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                // Trailers, if any, are part of the answer.
                let rest = read_head_lines(stream, buffer)?;
                body.extend_from_slice(&rest);
                return Some(body);
            }
            while buffer.len() < size + 2 {
                if !fill(stream, buffer) {
                    return None;
                }
            }
            body.extend(buffer.drain(..size));
            buffer.drain(..2);
        }
    }
    let length = header(head, "content-length").and_then(|l| l.parse().ok());
    match length {
        Some(n) => {
            while buffer.len() < n {
                if !fill(stream, buffer) {
                    return None;
                }
            }
            Some(buffer.drain(..n).collect())
        }
        None if to_end => {
            while fill(stream, buffer) {}
            Some(std::mem::take(buffer))
        }
        None => Some(Vec::new()),
    }
}

/// Lines up to an empty one.
fn read_head_lines(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        if let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
            let line: Vec<u8> = buffer.drain(..end + 2).collect();
            if line == b"\r\n" {
                return Some(all);
            }
            all.extend_from_slice(&line);
        } else if !fill(stream, buffer) {
            return None;
        }
    }
}

pub fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let head = read_head(stream, buffer)?;
    let body = read_body(stream, buffer, &head, false)?;
    Some((head, body))
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
    pub fn reason(&self) -> &str {
        self.header("plimsoll-reason").unwrap_or("")
    }
}

pub struct Client {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            buffer: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer(true).expect("an answer")
    }

    /// `None` when the connection ends first.
    pub fn try_answer(&mut self, body: bool) -> Option<Answer> {
        let head = read_head(&mut self.stream, &mut self.buffer)?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let bodiless = !body || matches!(status, 100..=199 | 204 | 304);
        let body = match bodiless {
            true => Vec::new(),
            false => read_body(&mut self.stream, &mut self.buffer, &head, true)?,
        };
        Some(Answer { status, head, body })
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .answer()
    }

    pub fn try_get(&mut self, path: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
        self.stream.write_all(request.as_bytes()).ok()?;
        self.try_answer(true)
    }

    /// Nothing more comes.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }

    pub fn hang_up(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A configuration with one service behind a route `all` that takes everything.
pub fn config(instances: &[SocketAddr]) -> Config {
    let mut config = Config::empty();
    config.listen = ([127, 0, 0, 1], 0).into();
    config.limits.drain = Duration::from_secs(5);
    config.services.push(service("s", instances));
    config.routes.push(route("all", "s", &[]));
    config
}

pub fn service(name: &str, instances: &[SocketAddr]) -> Service {
    let mut service = Service::named(name);
    service.instances = instances.to_vec();
    service
}

/// `path` are literal segments; whatever follows matches too.
pub fn route(name: &str, to: &str, path: &[&str]) -> Route {
    let literals = path.iter().map(|s| Segment::Literal((*s).to_owned()));
    let segments = literals.chain([Segment::Rest("rest".to_owned())]).collect();
    let mut route = Route::named(name);
    route.to = to.to_owned();
    route.matcher = Match {
        path: PathTemplate { segments },
        ..Match::default()
    };
    route
}

pub fn generation(number: u64, config: Config) -> Arc<Generation> {
    Arc::new(Generation {
        number,
        hash: String::new(),
        base: Arc::new(config),
        canary: None,
        expiry: None,
    })
}

/// A running gateway with its samples.
pub struct Running {
    pub gateway: Gateway,
    pub names: Names,
    pub rings: Vec<rtrb::Consumer<Sample>>,
    /// Outlives the gateway.
    _beside: Option<Runtime>,
}

impl Running {
    pub fn with(config: Config) -> Running {
        Running::of(generation(1, config), 2)
    }

    pub fn of(generation: Arc<Generation>, threads: usize) -> Running {
        Running::options(
            generation,
            Options {
                threads: Some(threads),
                ..Options::default()
            },
        )
    }

    /// With what looks beside the path: checks, names, certificates.
    pub fn looking(config: Config, threads: usize) -> Running {
        let beside = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            threads: Some(threads),
            control: Some(beside.handle().clone()),
            ..Options::default()
        };
        Running {
            _beside: Some(beside),
            ..Running::options(generation(1, config), options)
        }
    }

    pub fn options(generation: Arc<Generation>, options: Options) -> Running {
        let names = Names::default();
        let (gateway, rings) =
            Gateway::start(generation, names.clone(), Clock::start(), options).unwrap();
        Running {
            gateway,
            names,
            rings,
            _beside: None,
        }
    }

    pub fn client(&self) -> Client {
        Client::to(self.gateway.address())
    }

    /// Samples until there are `n`.
    pub fn samples(&mut self, n: usize) -> Vec<Sample> {
        let mut all = Vec::new();
        until("the samples", || {
            for ring in &mut self.rings {
                while let Ok(sample) = ring.pop() {
                    all.push(sample);
                }
            }
            all.len() >= n
        });
        all
    }
}

/// Looks again until it holds; fails when it does not within `PATIENCE`.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
