//! One step: a shell in a process group of its own, with a time limit; what it says is shown and kept up to a bound.

use catalog::runbook::Block;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Most that is kept of what a step says, bytes; the rest is shown only.
const KEEP: usize = 64 * 1024;
const CHUNK: usize = 4096;
/// How long the rest of the output is waited for when what the shell left in the background holds it.
const REST: Duration = Duration::from_millis(200);

/// Where a step runs, and what it is told.
pub struct Place {
    pub folder: PathBuf,
    pub variables: Vec<(&'static str, String)>,
}

/// Ctrl-C, the order to end, or the end of the terminal.
pub struct Interrupts([Signal; 3]);

impl Interrupts {
    pub fn new() -> std::io::Result<Interrupts> {
        let [int, term, hup] = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        Ok(Interrupts([signal(int)?, signal(term)?, signal(hup)?]))
    }

    pub async fn next(&mut self) {
        let [int, term, hup] = &mut self.0;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Status(i32),
    /// A signal ended it.
    Signal,
    /// Its time was over.
    Late,
    Interrupted,
    /// It did not start, and why.
    Never(String),
}

pub struct Ended {
    pub end: End,
    pub took: Duration,
    pub output: String,
}

impl Ended {
    pub fn status(&self) -> Option<i32> {
        match self.end {
            End::Status(n) => Some(n),
            _ => None,
        }
    }

    pub fn how(&self) -> String {
        let took = self.took.as_secs_f64();
        match &self.end {
            End::Status(0) => format!("done in {took:.1} s"),
            End::Status(n) => format!("FAILED with {n} after {took:.1} s"),
            End::Signal => format!("ENDED by a signal after {took:.1} s"),
            End::Late => format!("STOPPED: its time ({took:.0} s) was over; --limit gives it more"),
            End::Interrupted => format!("STOPPED by Ctrl-C after {took:.1} s"),
            End::Never(why) => format!("DID NOT START: {why}"),
        }
    }
}

/// Errors stop the script at the first command that fails.
pub async fn run(
    block: &Block,
    place: &Place,
    limit: Duration,
    interrupts: &mut Interrupts,
) -> Ended {
    let started = Instant::now();
    let mut kept = Vec::new();
    let end = match start(block, place) {
        Ok((mut child, out)) => {
            let end = follow(&mut child, out, limit, interrupts, &mut kept).await;
            if matches!(end, End::Late | End::Interrupted) {
                stop(&mut child, !block.interactive).await;
            }
            end
        }
        Err(why) => End::Never(why),
    };
    Ended {
        end,
        took: started.elapsed(),
        output: String::from_utf8_lossy(&kept).into_owned(),
    }
}

fn start(block: &Block, place: &Place) -> Result<(Child, ChildStdout), String> {
    if !place.folder.is_dir() {
        return Err(format!("{} is no folder", place.folder.display()));
    }
    let mut command = Command::new(block.shell);
    command
        .args(["-e", "-c", &format!("exec 2>&1\n{}", block.script)])
        .current_dir(&place.folder)
        .envs(place.variables.iter().map(|(k, v)| (k, v)))
        .stdin(match block.interactive {
            true => Stdio::inherit(),
            false => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    // A group of its own would lose the terminal that an interactive step needs.
    if !block.interactive {
        command.process_group(0);
    }
    let failed = |e: std::io::Error| format!("`{}`: {e}", block.shell);
    let mut child = command.spawn().map_err(failed)?;
    let out = child.stdout.take().ok_or("it has no output")?;
    Ok((child, out))
}

/// Shows what comes until the shell has ended; what it left in the background is not waited for.
async fn follow(
    child: &mut Child,
    mut out: ChildStdout,
    limit: Duration,
    interrupts: &mut Interrupts,
    kept: &mut Vec<u8>,
) -> End {
    let late = tokio::time::sleep(limit);
    tokio::pin!(late);
    let mut chunk = [0; CHUNK];
    let mut open = true;
    let status = loop {
        tokio::select! {
            read = out.read(&mut chunk), if open => match read {
                Ok(n) if n > 0 => show(&chunk[..n], kept),
                _ => open = false,
            },
            status = child.wait() => break status,
            () = &mut late => return End::Late,
            () = interrupts.next() => return End::Interrupted,
        }
    };
    let rest = async {
        while let Ok(n) = out.read(&mut chunk).await
            && n > 0
        {
            show(&chunk[..n], kept);
        }
    };
    // What still holds the output keeps it.
    let _ = tokio::time::timeout(REST, rest).await;
    match status.map(|s| s.code()) {
        Ok(Some(code)) => End::Status(code),
        _ => End::Signal,
    }
}

fn show(chunk: &[u8], kept: &mut Vec<u8>) {
    let mut screen = std::io::stdout();
    // A screen that is gone is no reason to leave a step half done.
    let _ = screen.write_all(chunk).and_then(|()| screen.flush());
    let room = KEEP.saturating_sub(kept.len());
    kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
}

/// Ends the shell and, where it leads a group, what it started.
async fn stop(child: &mut Child, group: bool) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid.filter(|_| group) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill().await;
}

#[cfg(test)]
mod tests;
