//! The old process's side: starts the new one, waits for it, gives it the work or ends it.

use super::channel::{Channel, MANAGED, MARK, Message, OWN};
use crate::exit::Failure;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How this process was started: the new one is started the same way, from whatever lies there then.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// By the name that was used: a link may point to the new version by now, which what it pointed to does not.
    pub fn this() -> Result<Program, Failure> {
        let mut arguments = std::env::args_os();
        let name = PathBuf::from(arguments.next().unwrap_or_default());
        let path = match name.components().count() {
            0 | 1 => std::env::current_exe()?,
            _ => std::path::absolute(name)?,
        };
        Ok(Program {
            path,
            arguments: arguments.collect(),
        })
    }

    /// A new process with all sockets. `older` are the channels to processes that still have connections.
    pub fn start(
        &self,
        listening: &[impl AsFd],
        managed: bool,
        older: &[impl AsFd],
    ) -> Result<Candidate, Failure> {
        let (channel, theirs) = Channel::pair()?;
        let child = Command::new(&self.path)
            .args(&self.arguments)
            .env(MARK, if managed { MANAGED } else { OWN })
            // They name this process.
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .stdin(Stdio::from(theirs))
            .spawn()
            .map_err(|e| Failure::new(format!("{} cannot be started: {e}", self.path.display())))?;
        let candidate = Candidate { child, channel };
        let listening: Vec<_> = listening.iter().map(AsFd::as_fd).collect();
        let older: Vec<_> = older.iter().map(AsFd::as_fd).collect();
        let sent = (candidate.channel)
            .send_all(&Message::Listening, &listening)
            .and_then(|()| candidate.channel.send_all(&Message::Older, &older))
            .and_then(|()| candidate.channel.send(&Message::Begin));
        match sent {
            Ok(()) => Ok(candidate),
            Err(e) => Err(candidate.end(e)),
        }
    }
}

/// A new process that has yet to prove itself.
pub struct Candidate {
    child: Child,
    channel: Channel,
}

impl Candidate {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has tried itself out. One that fails is ended.
    pub fn ready(self, longest: Duration) -> Result<Candidate, Failure> {
        self.expect(Message::Ready, longest)
    }

    /// Gives it the work, and waits until it serves. One that fails is ended.
    pub fn take_over(self, longest: Duration) -> Result<Candidate, Failure> {
        match self.channel.send(&Message::Yours) {
            Ok(()) => self.expect(Message::Serving, longest),
            Err(e) => Err(self.end(e)),
        }
    }

    fn expect(self, wanted: Message, longest: Duration) -> Result<Candidate, Failure> {
        let why = match self.channel.receive(longest) {
            Ok((message, _)) if message == wanted => return Ok(self),
            Ok((Message::Failed(why), _)) => Failure::new(why),
            Ok((other, _)) => Failure::new(format!("it says {other:?} instead of {wanted:?}")),
            Err(why) => why,
        };
        Err(self.end(why))
    }

    /// Ends it, and says what became of it. Nothing but this kills a process, and only one that this one started.
    pub fn end(mut self, why: Failure) -> Failure {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!(" ({status})"),
            _ => {
                let _ = self.child.kill();
                let _ = self.child.wait();
                String::new()
            }
        };
        Failure {
            what: format!("the new process {}{ended}: {}", self.child.id(), why.what),
            ..why
        }
    }
}
