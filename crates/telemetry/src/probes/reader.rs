//! Reads something slow on a thread of its own: whatever it does, the collector waits for no more than a moment.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// How long the collector waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// The thread ends when this is dropped.
pub struct Reader<T> {
    ask: SyncSender<()>,
    answers: Receiver<Result<T, String>>,
    /// The answer of an earlier second has not come yet.
    owed: bool,
}

impl<T: Send + 'static> Reader<T> {
    /// `read` is called on the thread for each answer. Fails when the system gives no thread.
    pub fn start(
        name: &str,
        mut read: impl FnMut() -> Result<T, String> + Send + 'static,
    ) -> std::io::Result<Reader<T>> {
        let (ask, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || while asked.recv().is_ok() && answer.send(read()).is_ok() {})?;
        Ok(Reader {
            ask,
            answers,
            owed: false,
        })
    }

    /// How it is now; an error when that does not come in time. What comes late is thrown away: its numbers belong
    /// to another second.
    pub fn get(&mut self) -> Result<T, String> {
        let ended = || Err("its reader has ended".into());
        if self.owed {
            match self.answers.try_recv() {
                Ok(_) => self.owed = false,
                Err(TryRecvError::Empty) => return Err("it has not answered yet".into()),
                Err(TryRecvError::Disconnected) => return ended(),
            }
        }
        if self.ask.send(()).is_err() {
            return ended();
        }
        match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.owed = true;
                Err(format!("no answer within {} ms", PATIENCE.as_millis()))
            }
            Err(RecvTimeoutError::Disconnected) => ended(),
        }
    }
}
