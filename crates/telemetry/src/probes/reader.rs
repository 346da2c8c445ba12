//! Reads something slow on a thread of its own: whatever it does, the collector waits for no more than a moment.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the collector waits for the answers of a kind of readers, all together.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// When it was said, and what.
type Said<T> = (Instant, Result<T, String>);

/// The thread ends when this is dropped.
pub struct Reader<T> {
    thread: JoinHandle<()>,
    ask: SyncSender<()>,
    answers: Receiver<Said<T>>,
    /// Since when an answer is waited for.
    asked: Option<Instant>,
    /// The answer to an earlier question.
    late: Option<Said<T>>,
}

impl<T: Send + 'static> Reader<T> {
    /// `read` is called on the thread for each answer. Fails when the system gives no thread.
    pub fn start(
        name: &str,
        mut read: impl FnMut() -> Result<T, String> + Send + 'static,
    ) -> std::io::Result<Reader<T>> {
        let (ask, asked) = sync_channel::<()>(1);
        let (answer, answers) = sync_channel(1);
        let mut say = move || {
            let told = read();
            answer.send((Instant::now(), told)).is_ok()
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || while asked.recv().is_ok() && say() {})?;
        Ok(Reader {
            thread,
            ask,
            answers,
            asked: None,
            late: None,
        })
    }

    /// It reads no more, which it should not: start another.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks how it is now, unless an earlier question has not been answered yet; `get` takes the answer.
    pub fn ask(&mut self) {
        if let Ok(said) = self.answers.try_recv() {
            (self.late, self.asked) = (Some(said), None);
        }
        if self.asked.is_none() && self.ask.try_send(()).is_ok() {
            self.asked = Some(Instant::now());
        }
    }

    /// What it says, and how long ago that was. If nothing new comes before `until`, the answer that came too late for the
    /// last time is taken, which is about a second old.
    pub fn get(&mut self, until: Instant) -> Result<(T, Duration), String> {
        let late = self.late.take();
        let left = until.saturating_duration_since(Instant::now());
        match (self.answers.recv_timeout(left), late) {
            (Ok((_, told)), _) => {
                self.asked = None;
                told.map(|told| (told, Duration::ZERO))
            }
            (Err(RecvTimeoutError::Timeout), Some((at, told))) => {
                told.map(|told| (told, at.elapsed()))
            }
            (Err(RecvTimeoutError::Timeout), None) => {
                let waited = self.asked.map_or(0.0, |a| a.elapsed().as_secs_f64());
                Err(format!("it has not answered for {waited:.1} s"))
            }
            (Err(RecvTimeoutError::Disconnected), _) => Err("its reader has ended".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// One that answers with what is sent.
    fn reader() -> (Sender<Result<u32, String>>, Reader<u32>) {
        let (say, said) = channel();
        let read = move || said.recv().map_err(|_| "over".to_owned())?;
        (say, Reader::start("test", read).unwrap())
    }

    #[test]
    fn what_comes_too_late_is_taken_the_next_time() {
        let (say, mut r) = reader();
        r.ask();
        let why = r.get(Instant::now()).unwrap_err();
        assert!(why.contains("not answered"), "{why}");
        say.send(Ok(1)).unwrap();
        // The question is still open, so that it is not asked twice.
        while r.late.is_none() {
            r.ask();
            std::thread::yield_now();
        }
        assert_eq!(r.get(Instant::now()).map(|a| a.0), Ok(1));
        let long = Instant::now() + Duration::from_secs(30);
        say.send(Ok(2)).unwrap();
        assert_eq!(r.get(long), Ok((2, Duration::ZERO)), "asked meanwhile");
        say.send(Err("no such page".into())).unwrap();
        r.ask();
        assert_eq!(r.get(long), Err("no such page".into()));
    }

    #[test]
    fn one_that_dies_is_seen_to_have() {
        let mut r: Reader<()> = Reader::start("test", || panic!("of a test")).unwrap();
        assert!(!r.has_ended());
        r.ask();
        let long = Instant::now() + Duration::from_secs(30);
        assert_eq!(r.get(long), Err("its reader has ended".into()));
        while !r.has_ended() {
            std::thread::yield_now();
        }
    }
}
