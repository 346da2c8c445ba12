//! Reads one exporter on a thread of its own: whatever it does, the collector waits for no more than a moment.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// How long the collector waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);
/// After this long the exporter is not waited for at all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest page taken, bytes.
const MAX_PAGE: u64 = 8 << 20;

/// A page, or why there is none.
pub type Page = Result<String, String>;

/// The thread ends when this is dropped.
pub struct Fetch {
    ask: SyncSender<()>,
    answers: Receiver<Page>,
    /// The answer of an earlier second has not come yet.
    owed: bool,
}

impl Fetch {
    /// Fails when the system gives no thread.
    pub fn start(url: &str) -> std::io::Result<Fetch> {
        let (ask, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let url = url.to_owned();
        std::thread::Builder::new()
            .name("scrape".into())
            .spawn(move || {
                let agent = ureq::Agent::config_builder()
                    .timeout_global(Some(TIMEOUT))
                    .build()
                    .new_agent();
                while asked.recv().is_ok() && answer.send(page(&agent, &url)).is_ok() {}
            })?;
        Ok(Fetch {
            ask,
            answers,
            owed: false,
        })
    }

    /// The page as it is now; an error when it does not come in time. What comes late is thrown away: its numbers
    /// belong to another second.
    pub fn get(&mut self) -> Page {
        if self.owed {
            match self.answers.try_recv() {
                Ok(_) => self.owed = false,
                Err(TryRecvError::Empty) => return Err("it has not answered yet".into()),
                Err(TryRecvError::Disconnected) => return Err("its reader has ended".into()),
            }
        }
        if self.ask.send(()).is_err() {
            return Err("its reader has ended".into());
        }
        match self.answers.recv_timeout(PATIENCE) {
            Ok(page) => page,
            Err(RecvTimeoutError::Timeout) => {
                self.owed = true;
                Err(format!("no answer within {} ms", PATIENCE.as_millis()))
            }
            Err(RecvTimeoutError::Disconnected) => Err("its reader has ended".into()),
        }
    }
}

fn page(agent: &ureq::Agent, url: &str) -> Page {
    let answer = agent.get(url).call().map_err(|e| e.to_string())?;
    let mut text = String::new();
    let mut body = answer.into_body().into_reader().take(MAX_PAGE + 1);
    body.read_to_string(&mut text).map_err(|e| e.to_string())?;
    match text.len() as u64 > MAX_PAGE {
        true => Err(format!("its page is larger than {MAX_PAGE} bytes")),
        false => Ok(text),
    }
}
