//! A connection in memory: carries one delivery to a traffic thread, and its answer back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Most bytes of an answer that are kept: a result and its head.
const ANSWER: usize = (1 << 20) - (16 << 10);

/// What the path tells of the delivery beside its answer.
#[derive(Debug, Default)]
pub struct Told {
    tried: AtomicBool,
}

impl Told {
    /// Whether an instance was reached.
    pub fn tell(&self, tried: bool) {
        self.tried.store(tried, Relaxed);
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Back {
    pub answer: Vec<u8>,
    /// Not all of the answer was kept.
    pub cut: bool,
    pub tried: bool,
}

#[derive(Debug)]
pub struct Errand {
    request: Vec<u8>,
    at: usize,
    answer: Vec<u8>,
    cut: bool,
    /// The client spoke TLS.
    pub secure: bool,
    /// The lane of the subscription that it is for; `None`: its request says which route takes it.
    pub lane: Option<Arc<str>>,
    pub told: Arc<Told>,
    /// Gone, or told: nobody waits for it any more.
    stop: oneshot::Receiver<()>,
    stopped: bool,
    back: Option<oneshot::Sender<Back>>,
}

/// The other end. Dropping it ends the errand.
pub struct Waiting {
    pub back: oneshot::Receiver<Back>,
    _stop: oneshot::Sender<()>,
}

impl Errand {
    pub fn new(request: Vec<u8>, secure: bool) -> (Errand, Waiting) {
        let (back, receiver) = oneshot::channel();
        let (_stop, stop) = oneshot::channel();
        let errand = Errand {
            request,
            at: 0,
            answer: Vec::new(),
            cut: false,
            secure,
            lane: None,
            told: Arc::default(),
            stop,
            stopped: false,
            back: Some(back),
        };
        let waiting = Waiting {
            back: receiver,
            _stop,
        };
        (errand, waiting)
    }

    /// After the request there is nothing to read but the end.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at < self.request.len() || self.stopped {
            return Poll::Ready(());
        }
        Pin::new(&mut self.stop)
            .poll(cx)
            .map(|_| self.stopped = true)
    }

    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        self.poll_readable(cx).map(|()| {
            let rest = &self.request[self.at..];
            let n = rest.len().min(most);
            each(&rest[..n]);
            self.at += n;
            Ok(n)
        })
    }

    /// Takes everything; what is too much is thrown away.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let room = ANSWER.saturating_sub(self.answer.len());
        self.answer
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
        bytes.len()
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let back = Back {
            answer: std::mem::take(&mut self.answer),
            cut: self.cut,
            tried: self.told.tried.load(Relaxed),
        };
        if let Some(sender) = self.back.take() {
            // Whoever waited may be gone.
            let _ = sender.send(back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn it_reads_as_its_request_then_nothing_until_nobody_waits() {
        let (mut errand, mut waiting) = Errand::new(b"GET".to_vec(), false);
        let mut cx = Context::from_waker(Waker::noop());
        let mut got = Vec::new();
        let mut read = |e: &mut Errand| {
            e.poll_read(&mut cx, 2, |b| got.extend_from_slice(b))
                .map(Result::unwrap)
        };
        assert_eq!(
            [read(&mut errand), read(&mut errand)],
            [Poll::Ready(2), Poll::Ready(1)]
        );
        assert!(read(&mut errand).is_pending());
        assert!(waiting.back.try_recv().is_err());
        drop(waiting);
        assert_eq!(read(&mut errand), Poll::Ready(0));
        assert_eq!(got, b"GET");
    }

    #[test]
    fn the_answer_comes_back_within_a_bound() {
        let (mut errand, mut waiting) = Errand::new(Vec::new(), false);
        errand.told.tell(true);
        assert_eq!(errand.write(b"HTTP/1.1 "), 9);
        assert_eq!(errand.write(&vec![b'x'; 2 << 20]), 2 << 20);
        drop(errand);
        let back = waiting.back.try_recv().unwrap();
        assert!(back.cut && back.tried && back.answer.starts_with(b"HTTP/1.1 xx"));
        assert_eq!(back.answer.len(), ANSWER);
    }
}
