//! `plimsoll backup` and `plimsoll restore`: the ledger, the queue of jobs, keys and sessions, streams of events, while Plimsoll runs; back only where nothing is.

use crate::cli::backup::{BackupArgs, RestoreArgs};
use crate::exit::{Exit, Failure};
use crate::wire::{jobs, state, streams, topics};
use std::path::{Path, PathBuf};
use store::embedded::copy;

/// What is copied, where it is there.
pub const FILES: [&str; 5] = [
    "control.db",
    jobs::FILE,
    topics::FILE,
    state::FILE,
    streams::FILE,
];

pub fn backup(args: BackupArgs) -> Result<Exit, Failure> {
    let BackupArgs { to, config } = args;
    let from = data_dir(&config.path())?;
    if to.exists() {
        let what = format!("{} is there already", to.display());
        return Err(Failure::new(what).help("name a folder that is not, such as one with the date"));
    }
    copy_all(&from, &to)?;
    println!("restore it with: plimsoll restore --from {}", to.display());
    Ok(Exit::Ok)
}

pub fn restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let RestoreArgs { from, config } = args;
    let to = data_dir(&config.path())?;
    if let Some(there) = FILES.iter().map(|f| to.join(f)).find(|f| f.exists()) {
        let what = format!(
            "{} is there, and a restore overwrites nothing",
            there.display()
        );
        let help = "stop Plimsoll and move the folder away; it may hold what came after the backup";
        return Err(Failure::new(what).help(help));
    }
    copy_all(&from, &to)?;
    println!("start Plimsoll: what was in flight at the time of the backup is delivered again");
    Ok(Exit::Ok)
}

fn data_dir(file: &Path) -> Result<PathBuf, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    let checked = config::check_text(&file.display().to_string(), &text);
    match checked.config {
        Some(config) => Ok(config.data_dir),
        None => Err(Failure::new("the config is not good").help("`plimsoll check` shows why")),
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<(), Failure> {
    let there: Vec<&str> = (FILES.into_iter())
        .filter(|f| from.join(f).exists())
        .collect();
    if there.is_empty() {
        let what = format!("{} holds nothing of Plimsoll", from.display());
        return Err(Failure::new(what).help(format!("it would be {}", FILES.join(", "))));
    }
    std::fs::create_dir_all(to).map_err(|e| Failure::new(format!("{}: {e}", to.display())))?;
    for name in there {
        let target = to.join(name);
        copy(&from.join(name), &target).map_err(|e| Failure::new(e.to_string()))?;
        let size = std::fs::metadata(&target)?.len();
        println!("{} ({size} bytes, looked through)", target.display());
    }
    Ok(())
}
