//! Clients in an open loop: they come whether they are answered or not, give up, and try again.

use super::http;
use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Requests that are alike.
#[derive(Clone)]
pub struct Class {
    /// `{}` is the number of the request.
    pub path: &'static str,
    /// Header lines, each with its line end; `{}` is the number of the request modulo 1000.
    pub headers: &'static str,
}

/// So long, with so many requests per second of each class.
#[derive(Clone)]
pub struct Phase {
    pub time: Duration,
    pub rates: Vec<f64>,
}

/// How patient a client is.
#[derive(Clone, Copy)]
pub struct Patience {
    /// For one try.
    pub timeout: Duration,
    /// Further tries after a time-out, a broken connection or a status of 500 and above.
    pub retries: u32,
    /// Before the next try, on average.
    pub pause: Duration,
}

impl Patience {
    pub fn once(timeout: Duration) -> Patience {
        Patience {
            timeout,
            retries: 0,
            pause: Duration::ZERO,
        }
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub class: usize,
    /// When it should have been sent, since the start.
    pub at: Duration,
    /// From then to its last answer, or until it was given up.
    pub took: Duration,
    /// 0: no answer.
    pub status: u16,
}

impl Done {
    pub fn good(&self, objective: Duration) -> bool {
        (1..500).contains(&self.status) && self.took <= objective
    }
}

/// A number between 0 and 1 for each `n`: the same in each run (SplitMix64).
pub fn random(n: u64) -> f64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
}

/// Runs what clients do to its end, on a thread of its own.
pub fn run<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    Ok(LocalSet::new().block_on(&runtime, work))
}

/// Poisson arrivals of all classes over the phases; the answers in the order of arrival.
pub fn drive(
    proxy: SocketAddr,
    classes: &[Class],
    phases: &[Phase],
    patience: Patience,
) -> Result<Vec<Done>, String> {
    let plan = arrivals(phases);
    run(async {
        let start = Instant::now();
        let clients = Rc::new(Clients::to(proxy));
        let mut tasks = Vec::with_capacity(plan.len());
        for (n, (at, class)) in plan.into_iter().enumerate() {
            tokio::time::sleep_until((start + at).into()).await;
            let (clients, request) = (clients.clone(), bytes(&classes[class], n));
            tasks.push(tokio::task::spawn_local(async move {
                let status = clients.ask(&request, patience, n as u64).await;
                Done {
                    class,
                    at,
                    took: start.elapsed().saturating_sub(at),
                    status,
                }
            }));
        }
        let mut done = Vec::with_capacity(tasks.len());
        for t in tasks {
            done.extend(t.await);
        }
        done
    })
}

fn arrivals(phases: &[Phase]) -> Vec<(Duration, usize)> {
    let (mut all, mut from, mut n) = (Vec::new(), 0.0, 0);
    for phase in phases {
        let to = from + phase.time.as_secs_f64();
        for (class, rate) in phase.rates.iter().enumerate().filter(|r| *r.1 > 0.0) {
            let mut at = from;
            loop {
                n += 1;
                at -= (1.0 - random(n)).ln() / rate;
                if at >= to {
                    break;
                }
                all.push((Duration::from_secs_f64(at), class));
            }
        }
        from = to;
    }
    all.sort();
    all
}

fn bytes(class: &Class, n: usize) -> Vec<u8> {
    let path = class.path.replace("{}", &n.to_string());
    let headers = class.headers.replace("{}", &(n % 1000).to_string());
    format!("GET {path} HTTP/1.1\r\nHost: scenario.test\r\n{headers}\r\n").into_bytes()
}

/// Connections to one proxy, kept while they can be.
pub struct Clients {
    proxy: SocketAddr,
    idle: RefCell<Vec<TcpStream>>,
}

impl Clients {
    pub fn to(proxy: SocketAddr) -> Clients {
        Clients {
            proxy,
            idle: RefCell::default(),
        }
    }

    /// Connects so often ahead of the requests.
    pub async fn open(&self, n: usize) -> std::io::Result<()> {
        for _ in 0..n {
            let stream = TcpStream::connect(self.proxy).await?;
            stream.set_nodelay(true)?;
            self.idle.borrow_mut().push(stream);
        }
        Ok(())
    }

    /// Tries until there is an answer below 500 or no patience left; the last status.
    pub async fn ask(&self, request: &[u8], patience: Patience, seed: u64) -> u16 {
        for attempt in 0.. {
            let tried = tokio::time::timeout(patience.timeout, self.attempt(request)).await;
            let status = tried.unwrap_or(Ok(0)).unwrap_or(0);
            if attempt >= patience.retries || (1..500).contains(&status) {
                return status;
            }
            let jitter = 0.5 + random(seed << 8 | u64::from(attempt));
            tokio::time::sleep(patience.pause.mul_f64(jitter)).await;
        }
        0
    }

    async fn attempt(&self, request: &[u8]) -> std::io::Result<u16> {
        let kept = self.idle.borrow_mut().pop();
        if let Some(stream) = kept
            && let Ok(status) = self.exchange(stream, request).await
        {
            return Ok(status);
        }
        let stream = TcpStream::connect(self.proxy).await?;
        stream.set_nodelay(true)?;
        self.exchange(stream, request).await
    }

    async fn exchange(&self, mut stream: TcpStream, request: &[u8]) -> std::io::Result<u16> {
        stream.write_all(request).await?;
        let mut bytes = Vec::with_capacity(1024);
        let head = http::head(&mut stream, &mut bytes).await?;
        let head = head.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        http::skip(&mut stream, &mut bytes, head.length).await?;
        let closes = head
            .get("connection")
            .is_some_and(|c| c.eq_ignore_ascii_case("close"));
        if !closes {
            self.idle.borrow_mut().push(stream);
        }
        Ok(head.word(1).parse().unwrap_or(0))
    }
}

/// The value below which a share of the latencies lies, in milliseconds; those without an answer count with what they took.
pub fn quantile_ms(done: &[Done], q: f64) -> f64 {
    let mut all: Vec<f64> = done.iter().map(|d| d.took.as_secs_f64() * 1e3).collect();
    all.sort_by(f64::total_cmp);
    let at = (all.len() as f64 * q).ceil() as usize;
    all.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_the_rates_of_their_phase() {
        let phase = |rates: &[f64]| Phase {
            time: Duration::from_secs(10),
            rates: rates.to_vec(),
        };
        let all = arrivals(&[phase(&[100.0, 0.0]), phase(&[0.0, 300.0])]);
        let count = |class| all.iter().filter(|a| a.1 == class).count();
        assert!((900..1100).contains(&count(0)) && (2800..3200).contains(&count(1)));
        assert!(
            all.iter()
                .all(|(at, class)| (at.as_secs() >= 10) == (*class == 1))
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let done = |ms| Done {
            class: 0,
            at: Duration::ZERO,
            took: Duration::from_millis(ms),
            status: 200,
        };
        let all: Vec<Done> = (1..=100).map(done).collect();
        assert_eq!(
            (quantile_ms(&all, 0.99), quantile_ms(&all, 0.5)),
            (99.0, 50.0)
        );
        assert!(quantile_ms(&[], 0.5).is_nan());
    }
}
