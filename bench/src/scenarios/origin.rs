//! A service that can be told how to behave: instances with servers and a queue, service times by path, slowness,
//! failure, silence; and a record of every request that came.

use super::http;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A request to such a path gets events without end, as fast as they are taken.
pub const ENDLESS: &str = "/events";

/// What a request to a path takes and gets.
#[derive(Clone, Copy)]
pub struct Work {
    /// The path begins so; the first that fits counts.
    pub path: &'static str,
    pub time: Duration,
    /// Header lines of the answer, each with its line end.
    pub headers: &'static str,
}

impl Work {
    /// Without header lines of its own.
    pub fn of(path: &'static str, time: Duration) -> Work {
        Work {
            path,
            time,
            headers: "",
        }
    }
}

#[derive(Clone)]
pub struct Plan {
    pub instances: usize,
    /// Requests that one instance serves at once; the others stand in its queue.
    pub slots: usize,
    pub works: Vec<Work>,
    /// Work ends when its client leaves; most services do not notice.
    pub notices: bool,
    /// Tells in `Server-Timing` how long a slot was awaited and held.
    pub tells: bool,
}

impl Plan {
    /// As most services are: they finish what they have begun, and tell nothing.
    pub fn new(instances: usize, slots: usize, works: Vec<Work>) -> Plan {
        Plan {
            instances,
            slots,
            works,
            notices: false,
            tells: false,
        }
    }
}

/// One request as the service saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub came: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// When its client was seen to have left before.
    pub left: Option<Instant>,
}

pub struct Instance {
    pub address: SocketAddr,
    slots: Semaphore,
    /// Service times are this many times longer: of every `each`-th answer.
    slow: AtomicU32,
    each: AtomicU32,
    worked: AtomicU32,
    /// Sent at once instead of working; 0: works.
    status: AtomicU32,
    seen: Mutex<Vec<Seen>>,
}

impl Instance {
    pub fn slow_down(&self, factor: u32) {
        self.slow.store(factor, Relaxed);
    }

    /// Only every `each`-th answer takes `factor` times longer.
    pub fn slow_down_each(&self, each: u32, factor: u32) {
        self.each.store(each, Relaxed);
        self.slow_down(factor);
    }

    fn factor(&self) -> u32 {
        match self.worked.fetch_add(1, Relaxed) % self.each.load(Relaxed) {
            0 => self.slow.load(Relaxed),
            _ => 1,
        }
    }

    /// Answers this status (with `Retry-After: 1`) to everything from now on; 0: works again.
    pub fn answer(&self, status: u32) {
        self.status.store(status, Relaxed);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Ends with its value.
pub struct Origin {
    pub instances: Vec<Arc<Instance>>,
    _runtime: tokio::runtime::Runtime,
}

impl Origin {
    pub fn start(plan: Plan) -> Result<Origin, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("origin")
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let plan = Arc::new(plan);
        let mut instances = Vec::new();
        for _ in 0..plan.instances {
            let bound = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
            let listener = bound.map_err(|e| e.to_string())?;
            let instance = Arc::new(Instance {
                address: listener.local_addr().map_err(|e| e.to_string())?,
                slots: Semaphore::new(plan.slots),
                slow: AtomicU32::new(1),
                each: AtomicU32::new(1),
                worked: AtomicU32::new(0),
                status: AtomicU32::new(0),
                seen: Mutex::default(),
            });
            runtime.spawn(listen(listener, plan.clone(), instance.clone()));
            instances.push(instance);
        }
        Ok(Origin {
            instances,
            _runtime: runtime,
        })
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.instances.iter().map(|i| i.address).collect()
    }

    /// Requests that came to any instance.
    pub fn seen(&self) -> Vec<Seen> {
        self.instances.iter().flat_map(|i| i.seen()).collect()
    }

    pub fn forget(&self) {
        self.instances.iter().for_each(|i| i.lock().clear());
    }
}

async fn listen(listener: TcpListener, plan: Arc<Plan>, instance: Arc<Instance>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream, plan.clone(), instance.clone()));
    }
}

async fn serve(mut stream: TcpStream, plan: Arc<Plan>, instance: Arc<Instance>) {
    let mut bytes = Vec::new();
    while let Ok(Some(head)) = http::head(&mut stream, &mut bytes).await {
        if http::skip(&mut stream, &mut bytes, head.length)
            .await
            .is_err()
        {
            return;
        }
        let path = head.word(1);
        let at = {
            let mut seen = instance.lock();
            seen.push(Seen {
                path: path.to_owned(),
                came: Instant::now(),
                answered: None,
                left: None,
            });
            seen.len() - 1
        };
        let note = |f: &dyn Fn(&mut Seen)| {
            // The record may have been cleared meanwhile.
            if let Some(seen) = instance.lock().get_mut(at) {
                f(seen);
            }
        };
        if path.starts_with(ENDLESS) {
            events(&mut stream).await;
            note(&|s| s.left = Some(Instant::now()));
            return;
        }
        let mut work = std::pin::pin!(work(&plan, &instance, path));
        let mut more = [0; 1024];
        let mut gone = false;
        let answer = loop {
            tokio::select! {
                answer = &mut work => break answer,
                read = stream.read(&mut more), if !gone => match read {
                    Ok(n) if n > 0 => bytes.extend_from_slice(&more[..n]),
                    _ => {
                        note(&|s| s.left = Some(Instant::now()));
                        gone = true;
                        if plan.notices {
                            return;
                        }
                    }
                }
            }
        };
        if gone || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        note(&|s| s.answered = Some(Instant::now()));
    }
}

/// Sends until the other side is gone.
async fn events(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let event = format!("data: {:1024}\n\n", "x");
    let mut sent = stream.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        sent = stream.write_all(event.as_bytes()).await;
    }
}

/// Waits for a slot, holds it for the time of the work, and tells.
async fn work(plan: &Plan, instance: &Instance, path: &str) -> String {
    let status = instance.status.load(Relaxed);
    if status != 0 {
        return format!("HTTP/1.1 {status} As Told\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    }
    let Some(work) = plan.works.iter().find(|w| path.starts_with(w.path)) else {
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into();
    };
    let came = Instant::now();
    let slot = instance.slots.acquire().await;
    let (waited, began) = (came.elapsed(), Instant::now());
    tokio::time::sleep(work.time * instance.factor()).await;
    drop(slot);
    let timing = match plan.tells {
        true => format!(
            "Server-Timing: slots;dur={:.2};wait={:.2};size={}\r\n",
            began.elapsed().as_secs_f64() * 1e3,
            waited.as_secs_f64() * 1e3,
            plan.slots
        ),
        false => String::new(),
    };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{timing}{}Content-Length: 256\r\n\r\n{:256}",
        work.headers, "x"
    )
}
