//! Clients and upstream in one thread. Busy, it never sleeps, so that a proxy is billed for its own work and not for
//! waking its peers; patient, it sleeps until something comes, as real peers do.

use super::delays::Delays;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// About what a browser behind a tracing proxy sends.
pub const REQUEST: &[u8] = b"GET /api/v1/products/1234?view=full HTTP/1.1\r\nHost: shop.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html,application/json;q=0.9\r\n\
Accept-Language: en-GB,en;q=0.7\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\
traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";

/// The same for one of many pages.
pub fn page(n: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(REQUEST);
    text.replacen("products/1234", &format!("products/{n}"), 1)
        .into_bytes()
}

/// Bytes of an answer's body.
const BODY: usize = 1024;

/// Eight headers and the body.
pub fn response() -> Vec<u8> {
    let mut r = b"HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\n\
Cache-Control: no-store\r\nETag: \"abcdef0123456789\"\r\nX-Request-Id: 0123456789abcdef\r\nVary: Accept\r\nContent-Length: 1024\r\n\r\n"
        .to_vec();
    r.resize(r.len() + BODY, b'x');
    r
}

const LISTENER: u64 = u64::MAX;

struct Conn {
    stream: TcpStream,
    upstream: bool,
    /// Bytes of the message that is being read.
    seen: Vec<u8>,
}

/// One thread's worth of traffic.
pub struct Drive {
    poll: OwnedFd,
    listener: TcpListener,
    conns: Vec<Option<Conn>>,
    /// Clients without a request under way.
    ready: Vec<usize>,
    response: Vec<u8>,
    /// Sent in turn.
    requests: Vec<Vec<u8>>,
    next: usize,
    /// `None`: the upstream answers at once.
    delays: Option<Delays>,
    /// What one read gives.
    chunk: Vec<u8>,
    /// Longest sleep for something to come; zero: busy.
    pub patience: Duration,
    pub done: u64,
    /// Requests that came to the upstream.
    pub answered: u64,
    pub errors: u64,
}

impl Drive {
    /// Listens as the upstream on an ephemeral port.
    pub fn new() -> std::io::Result<Drive> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &poll,
            &listener,
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )?;
        Ok(Drive {
            poll,
            listener,
            conns: Vec::new(),
            ready: Vec::new(),
            response: response(),
            requests: vec![REQUEST.to_vec()],
            next: 0,
            delays: None,
            chunk: vec![0; 16 * 1024],
            patience: Duration::ZERO,
            done: 0,
            answered: 0,
            errors: 0,
        })
    }

    /// The upstream takes its time from now on.
    pub fn delayed(self, delays: Delays) -> Drive {
        Drive {
            delays: Some(delays),
            ..self
        }
    }

    /// The upstream's answers may be kept for an hour from now on.
    pub fn cacheable(mut self) -> Drive {
        let text = String::from_utf8_lossy(&self.response).into_owned();
        let (old, kept) = ("Cache-Control: no-store", "Cache-Control: max-age=3600");
        let text = text.replace(old, kept).replace("Vary: Accept\r\n", "");
        self.response = text
            .replace("Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n", "")
            .into_bytes();
        self
    }

    /// Asks for so many pages in turn from now on, each `again` times.
    pub fn pages(&mut self, pages: usize, again: usize) {
        let numbers = (0..pages).flat_map(|n| std::iter::repeat_n(n, again));
        self.requests = numbers.map(page).collect();
        self.next = 0;
    }

    pub fn upstream(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Opens `n` client connections to a proxy.
    pub fn connect(&mut self, proxy: SocketAddr, n: usize) -> std::io::Result<()> {
        for _ in 0..n {
            let stream = TcpStream::connect_timeout(&proxy, Duration::from_secs(2))?;
            let i = self.add(stream, false)?;
            self.ready.push(i);
        }
        Ok(())
    }

    /// Closes all client connections (and lets the proxy close its own).
    pub fn disconnect(&mut self) {
        self.ready.clear();
        for c in &mut self.conns {
            if c.as_ref().is_some_and(|c| !c.upstream) {
                *c = None;
            }
        }
    }

    /// Drives for `time`: as fast as answers come, or at `rate` requests per second. Returns requests answered.
    pub fn run(&mut self, time: Duration, rate: Option<f64>) -> std::io::Result<u64> {
        let (start, before) = (Instant::now(), self.done);
        let mut sent = 0u64;
        let mut events = Vec::with_capacity(256);
        loop {
            let elapsed = start.elapsed();
            if elapsed >= time {
                break;
            }
            while !self.ready.is_empty()
                && rate.is_none_or(|r| (sent as f64) < r * elapsed.as_secs_f64())
            {
                if let Some(i) = self.ready.pop() {
                    self.send(i);
                    sent += 1;
                }
            }
            self.turn(&mut events)?;
        }
        // What is under way is answered before the next run counts.
        let settle = Instant::now();
        let open = self.conns.iter().flatten().filter(|c| !c.upstream).count();
        while self.ready.len() < open && settle.elapsed() < Duration::from_millis(500) {
            self.turn(&mut events)?;
        }
        Ok(self.done - before)
    }

    /// One request on every connection, a few at a time: proxies need few connections of their own for that.
    pub fn once(&mut self, at_once: usize) -> std::io::Result<()> {
        let mut waiting = std::mem::take(&mut self.ready);
        let (all, mut events) = (waiting.len(), Vec::with_capacity(256));
        let began = Instant::now();
        while self.ready.len() < all && began.elapsed() < Duration::from_secs(20) {
            while all - waiting.len() - self.ready.len() < at_once
                && let Some(i) = waiting.pop()
            {
                self.send(i);
            }
            self.turn(&mut events)?;
        }
        match self.ready.len() == all {
            true => Ok(()),
            false => Err(ErrorKind::TimedOut.into()),
        }
    }

    /// One request, and how long its answer took; `None`: it came to the upstream.
    pub fn one(&mut self) -> std::io::Result<Option<Duration>> {
        let (came, done, errors) = (self.answered, self.done, self.errors);
        let mut events = Vec::with_capacity(16);
        let i = self.ready.pop().ok_or(ErrorKind::NotConnected)?;
        let began = Instant::now();
        self.send(i);
        while self.done == done {
            if self.errors > errors || began.elapsed() > Duration::from_secs(2) {
                return Err(ErrorKind::TimedOut.into());
            }
            self.turn(&mut events)?;
        }
        Ok((self.answered == came).then(|| began.elapsed()))
    }

    /// Serves what is ready.
    fn turn(&mut self, events: &mut Vec<epoll::Event>) -> std::io::Result<()> {
        if let Some(delays) = &mut self.delays {
            let now = Instant::now();
            if delays.stalled(now) {
                return Ok(());
            }
            while let Some(i) = delays.due(now) {
                answer(&mut self.conns[i], &self.response);
            }
        }
        let longest = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: self.patience.subsec_nanos().into(),
        };
        events.clear();
        epoll::wait(
            &self.poll,
            rustix::buffer::spare_capacity(events),
            Some(&longest),
        )?;
        for e in events.iter() {
            let data = e.data.u64();
            if data == LISTENER {
                self.accept()?
            } else {
                self.readable(data as usize)
            }
        }
        Ok(())
    }

    fn add(&mut self, stream: TcpStream, upstream: bool) -> std::io::Result<usize> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let i = self
            .conns
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.conns.len());
        epoll::add(
            &self.poll,
            &stream,
            epoll::EventData::new_u64(i as u64),
            epoll::EventFlags::IN,
        )?;
        let conn = Some(Conn {
            stream,
            upstream,
            seen: Vec::with_capacity(4096),
        });
        match self.conns.get_mut(i) {
            Some(place) => *place = conn,
            None => self.conns.push(conn),
        }
        Ok(i)
    }

    fn accept(&mut self) -> std::io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.add(stream, true)?;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    fn send(&mut self, i: usize) {
        let request = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        let ok = self.conns[i]
            .as_mut()
            .is_some_and(|c| c.stream.write_all(request).is_ok());
        if !ok {
            self.errors += 1;
            self.conns[i] = None;
        }
    }

    fn readable(&mut self, i: usize) {
        let Some(Some(c)) = self.conns.get_mut(i) else {
            return;
        };
        let n = match c.stream.read(&mut self.chunk) {
            Ok(0) => 0,
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(_) => 0,
        };
        if n == 0 {
            if !c.upstream {
                self.errors += 1;
            }
            self.conns[i] = None;
            return;
        }
        c.seen.extend_from_slice(&self.chunk[..n]);
        if c.upstream {
            if c.seen.ends_with(b"\r\n\r\n") {
                c.seen.clear();
                self.answered += 1;
                match &mut self.delays {
                    Some(delays) => delays.request(i, Instant::now()),
                    None => answer(&mut self.conns[i], &self.response),
                }
            }
        } else if let Some(head) = c.seen.windows(4).position(|w| w == b"\r\n\r\n")
            && c.seen.len() >= head + 4 + length(&c.seen[..head])
        {
            if !good(&c.seen) {
                self.errors += 1;
            }
            c.seen.clear();
            self.done += 1;
            self.ready.push(i);
        }
    }
}

fn good(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200")
}

/// Bytes of the body: those of what is refused are in its head.
fn length(head: &[u8]) -> usize {
    if good(head) {
        return BODY;
    }
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = text.lines().filter_map(|l| l.split_once(':'));
    let told = lines.find(|(name, _)| *name == "content-length");
    told.and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0)
}

/// A client that has gone loses its place.
fn answer(place: &mut Option<Conn>, response: &[u8]) {
    if let Some(c) = place
        && c.stream.write_all(response).is_err()
    {
        *place = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_proxy_between_every_request_is_answered() {
        let mut drive = Drive::new().unwrap();
        let upstream = drive.upstream().unwrap();
        drive.connect(upstream, 4).unwrap();
        let fast = drive.run(Duration::from_millis(100), None).unwrap();
        let paced = drive.run(Duration::from_millis(200), Some(500.0)).unwrap();
        assert!(fast > 100, "{fast}");
        assert!((1..=100).contains(&paced), "{paced} of 100 that were due");
        assert_eq!(drive.errors, 0);
    }
}
