//! `plimsoll adopt`: writes overlays into the config file, so that the file says what runs.

use crate::cli::AdoptArgs;
use crate::exit::{Exit, Failure};
use crate::wire::system::failure;
use crate::{ask, show};
use base::Finding;
use config::{Document, Overlay, edit};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// A changed file is taken within a second.
const TAKEN: Duration = Duration::from_secs(10);

pub fn run(args: AdoptArgs) -> Result<Exit, Failure> {
    let at = &ask::console(&args.ask)?;
    let overlays: Vec<Overlay> = ask::get(at, "/api/v1/overlays")?;
    let chosen = choose(&overlays, &args.overlays)?;
    if chosen.is_empty() && !args.ask.json {
        println!("nothing to adopt: no overlay is there to stay");
        return Ok(Exit::Ok);
    }
    let file = fs::canonicalize(&args.ask.config).unwrap_or(args.ask.config.clone());
    let old = fs::read_to_string(&file).map_err(|e| {
        Failure::new(format!("{}: {e}", file.display()))
            .help("name the file that Plimsoll runs with --config")
    })?;
    let shown = args.ask.config.display().to_string();
    let new = written(&shown, &old, &chosen)?;
    let diff = show::lines::diff(&old, &new);
    if !args.ask.json {
        print!("{shown}\n{diff}");
    }
    let write = !args.dry_run && old != new;
    if write {
        replace(&file, &new).map_err(|e| Failure::new(format!("{shown} was not written: {e}")))?;
    }
    let ids: Vec<&str> = chosen.iter().map(|o| o.id.as_str()).collect();
    let in_service = write && taken(at, &ids)?;
    if args.ask.json {
        let said = json!({ "overlays": ids, "file": shown, "diff": diff, "written": write, "in_service": in_service });
        println!("{said}");
    } else if in_service {
        println!(
            "written; Plimsoll has taken the file and no longer needs {}",
            ids.join(", ")
        );
    }
    match write && !in_service {
        true => Err(Failure::new(format!("{shown} is written, but Plimsoll has not taken it"))
            .help("does it run with this file? `plimsoll status` shows what is wrong; SIGHUP makes it read the file")),
        false => Ok(Exit::Ok),
    }
}

/// Those that are named, else all that are there to stay.
fn choose<'a>(all: &'a [Overlay], named: &[String]) -> Result<Vec<&'a Overlay>, Failure> {
    if named.is_empty() {
        let stays = |o: &&Overlay| o.share.is_none() && o.expires_at.is_none();
        return Ok(all.iter().filter(stays).collect());
    }
    let find = |id: &String| {
        let found = all.iter().find(|o| o.id == *id).ok_or_else(|| {
            let ids: Vec<&str> = all.iter().map(|o| o.id.as_str()).collect();
            Failure::new(format!("no overlay is called `{id}`")).help(match ids.is_empty() {
                true => "no overlay is active".to_owned(),
                false => format!("active overlays: {}", ids.join(", ")),
            })
        })?;
        match found.share {
            Some(_) => Err(
                Failure::new(format!("`{id}` is being tried on a share of the users"))
                    .help("wait for its verdict: `plimsoll try --follow` shows it"),
            ),
            None => Ok(found),
        }
    };
    named.iter().map(find).collect()
}

/// The text with the overlays in it. Refuses where the file is not the one that they were made for.
fn written(file: &str, text: &str, overlays: &[&Overlay]) -> Result<String, Failure> {
    let mut text = text.to_owned();
    for overlay in overlays {
        fits(file, &text, overlay).map_err(|f| failure(&[f]))?;
        text = edit::adopt(file, &text, overlay).map_err(|f| failure(&[f]))?;
    }
    let checked = config::check_text(file, &text);
    match checked.config {
        Some(_) => Ok(text),
        None => Err(failure(&checked.findings)),
    }
}

fn fits(file: &str, text: &str, overlay: &Overlay) -> Result<(), Finding> {
    let (document, _) = Document::parse(file, text);
    let at = |path: &[String]| document.root.find(path).map(|n| n.to_json());
    match overlay.ops.iter().find(|op| at(&op.path) != op.base) {
        None => Ok(()),
        Some(op) => Err(Finding::error(
            "adopt-other-file",
            format!(
                "`{}` in {file} is not what overlay `{}` was made for",
                op.path.join("."),
                overlay.id
            ),
        )
        .help("name the file that Plimsoll runs with --config")),
    }
}

/// Puts a new text in the place of a file at once, so that nobody ever reads half of it.
pub fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.{}", std::process::id()));
    let written = File::create_new(&new).and_then(|mut f| {
        f.set_permissions(fs::metadata(file)?.permissions())?;
        f.write_all(text.as_bytes())?;
        f.sync_all()?;
        fs::rename(&new, file)
    });
    if written.is_err() {
        // Nothing of it may stay behind; that it was never made is fine.
        let _ = fs::remove_file(&new);
    }
    written
}

/// Whether Plimsoll reads the file again and drops the overlays, because the file has them.
fn taken(at: &ask::Console, ids: &[&str]) -> Result<bool, Failure> {
    let until = Instant::now() + TAKEN;
    loop {
        let active: Vec<Overlay> = ask::get(at, "/api/v1/overlays")?;
        if !active.iter().any(|o| ids.contains(&o.id.as_str())) {
            return Ok(true);
        }
        if Instant::now() > until {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
