//! The new process's side.

use super::channel::{Channel, MANAGED, MARK, Message};
use super::try_out::try_out;
use crate::exit::Failure;
use crate::wire::start::first_generation;
use socket2::Socket;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How long the old process may take for what it does at each step.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is to take over.
pub struct Successor {
    channel: Channel,
}

/// What it takes over.
pub struct Taken {
    pub listening: Vec<Socket>,
    /// The service manager opened them.
    pub managed: bool,
    /// Processes that still have connections, the one before this one last.
    pub older: Vec<Channel>,
}

impl Successor {
    /// `None`: this process was started by people, not by an older one.
    pub fn from_environment() -> Result<Option<Successor>, Failure> {
        if std::env::var_os(MARK).is_none() {
            return Ok(None);
        }
        let channel = std::io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Some(Successor {
            channel: Channel::of(channel),
        }))
    }

    /// Takes the sockets, tries out what can be tried, and waits until the ledger is free. Whatever goes wrong is told.
    pub fn take(self, file: &str, text: &str) -> Result<(Successor, Taken), Failure> {
        let taken = self.prepare(file, text);
        match taken {
            Ok(taken) => Ok((self, taken)),
            Err(e) => Err(self.fail(e)),
        }
    }

    fn prepare(&self, file: &str, text: &str) -> Result<Taken, Failure> {
        let (mut listening, mut older): (Vec<OwnedFd>, Vec<OwnedFd>) = Default::default();
        loop {
            match self.channel.receive(PATIENCE)? {
                (Message::Listening, sockets) => listening.extend(sockets),
                (Message::Older, channels) => older.extend(channels),
                (Message::Begin, _) => break,
                (other, _) => return Err(surprised(&other)),
            }
        }
        let (_, generation) = first_generation(file, text)?;
        try_out(&generation)?;
        self.channel.send(&Message::Ready)?;
        match self.channel.receive(PATIENCE)? {
            (Message::Yours, _) => {}
            (other, _) => return Err(surprised(&other)),
        }
        Ok(Taken {
            listening: listening.into_iter().map(Socket::from).collect(),
            managed: std::env::var_os(MARK).is_some_and(|mark| mark == MANAGED),
            older: older.into_iter().map(Channel::of).collect(),
        })
    }

    /// Connections are taken. What is left is the channel, which tells when the old process has ended.
    pub fn serving(self) -> Result<Channel, Failure> {
        self.channel.send(&Message::Serving)?;
        Ok(self.channel)
    }

    /// Tells the old process why it has to go on.
    pub fn fail(&self, why: Failure) -> Failure {
        // It may have ended, which is why.
        let _ = self.channel.send(&Message::Failed(why.to_string()));
        why
    }
}

fn surprised(message: &Message) -> Failure {
    Failure::new(format!(
        "the old process says {message:?}, which comes too early"
    ))
}
