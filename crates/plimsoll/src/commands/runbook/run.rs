//! Runs the steps: all are printed first, each waits for a yes, and that it was run is written down.

use super::step::{self, End, Ended, Interrupts};
use super::{find, plan};
use crate::cli::catalog::RunRunbookArgs;
use crate::commands::catalog::load;
use crate::commands::incident;
use crate::exit::{Exit, Failure};
use crate::{ask, terminal};
use catalog::Loaded;
use catalog::incident::{Happened, second};
use catalog::runbook::run::{FILE, Run};
use catalog::runbook::{Block, Runbook};
use jiff::Timestamp;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

enum Choice {
    Run,
    Skip,
    Stop,
}

pub fn run(args: &RunRunbookArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.place)?;
    let book = find(&loaded, &args.name)?;
    let steps = steps(book, &args.step)?;
    print!("{}", plan(book, &steps));
    if args.dry_run {
        println!("\nnothing was run (--dry-run)");
        return Ok(Exit::Ok);
    }
    if !args.yes && !std::io::stdin().is_terminal() {
        return Err(
            Failure::new("nobody can be asked: standard input is no terminal")
                .help("give --yes to run every step, or --dry-run to see them"),
        );
    }
    // An incident that is not there is told before anything is run.
    let id = args
        .incident
        .as_deref()
        .map(|i| incident::find(&loaded.catalog, Some(i)));
    let id = id.transpose()?.map(|i| i.id.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(follow(args, &loaded, book, &steps, id.as_deref()));
    // A question that nobody has answered does not hold up the end.
    runtime.shutdown_background();
    let done = done?;
    if done.is_empty() {
        println!("no step was run");
        return Ok(Exit::Not);
    }
    let ok = done.iter().all(|d| d.1 == Some(0));
    record(
        &loaded,
        &Run {
            runbook: book.name.clone(),
            at: Timestamp::now(),
            who: terminal::who(),
            ok,
            steps: done,
            incident: id,
        },
    )?;
    Ok(if ok { Exit::Ok } else { Exit::Not })
}

/// Names of the steps that were run, and how each ended. What one says is in the timeline before the next begins.
async fn follow(
    args: &RunRunbookArgs,
    loaded: &Loaded,
    book: &Runbook,
    steps: &[&Block],
    incident: Option<&str>,
) -> Result<Vec<(String, Option<i32>)>, Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut done = Vec::new();
    for (i, block) in steps.iter().enumerate() {
        println!("\n── {}", block.name);
        match choice(args.yes, block, &mut interrupts).await? {
            Choice::Stop => break,
            Choice::Skip => continue,
            Choice::Run => {}
        }
        let at = Timestamp::now();
        let place = environment(args, loaded, book, block, incident);
        let ended = step::run(block, &place, args.limit, &mut interrupts).await;
        println!("   {}", ended.how());
        done.push((block.name.clone(), ended.status()));
        if let Some(id) = incident {
            incident::append(&loaded.catalog, id, &[told(at, book, block, &ended)])?;
            println!("   written into the timeline of {id}");
        }
        if ended.end != End::Status(0) {
            let rest: Vec<&str> = steps[i + 1..].iter().map(|b| b.name.as_str()).collect();
            if !rest.is_empty() {
                println!("   not run: {}", rest.join(", "));
            }
            break;
        }
    }
    Ok(done)
}

/// Those that were asked for, else all that may be run with the others.
fn steps<'a>(book: &'a Runbook, names: &[String]) -> Result<Vec<&'a Block>, Failure> {
    if names.is_empty() {
        return Ok(book.blocks.iter().filter(|b| !b.only_by_name).collect());
    }
    let find = |name: &String| {
        book.blocks.iter().find(|b| b.name == *name).ok_or_else(|| {
            let all: Vec<&str> = book.blocks.iter().map(|b| b.name.as_str()).collect();
            Failure::new(format!("`{}` has no step `{name}`", book.name))
                .help(format!("its steps are {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

async fn choice(yes: bool, block: &Block, interrupts: &mut Interrupts) -> Result<Choice, Failure> {
    if yes {
        return Ok(match block.interactive {
            true => {
                println!("   skipped: it asks somebody, and --yes answers nothing");
                Choice::Skip
            }
            false => Choice::Run,
        });
    }
    loop {
        print!("   run it? [y = yes, s = skip, q = quit] ");
        std::io::stdout().flush()?;
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        });
        let answer = tokio::select! {
            answer = answer => answer.map_err(|e| Failure::new(e.to_string()))??,
            () = interrupts.next() => String::new(),
        };
        match answer.trim() {
            "y" | "yes" => return Ok(Choice::Run),
            "s" | "skip" => return Ok(Choice::Skip),
            "q" | "quit" => return Ok(Choice::Stop),
            // Ctrl-C, or the end of the input.
            _ if answer.is_empty() => {
                println!();
                return Ok(Choice::Stop);
            }
            _ => {}
        }
    }
}

fn environment(
    args: &RunRunbookArgs,
    loaded: &Loaded,
    book: &Runbook,
    block: &Block,
    incident: Option<&str>,
) -> step::Place {
    let folder = loaded.catalog.folder.join("runbooks");
    let console = ask::place(&args.place.ask);
    // A step that calls `plimsoll` finds this one where no other is installed.
    let own = std::env::current_exe().ok();
    let own = own
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let path = std::env::var("PATH").unwrap_or_default();
    step::Place {
        folder: folder.join(block.cwd.as_deref().unwrap_or(".")),
        variables: vec![
            ("PLIMSOLL_RUNBOOK", book.name.clone()),
            ("PLIMSOLL_STEP", block.name.clone()),
            ("PLIMSOLL_CONSOLE", console.to_string()),
            ("PATH", format!("{path}:{}", own.display())),
            ("PLIMSOLL_INCIDENT", incident.unwrap_or("").to_owned()),
        ],
    }
}

/// Most of what a step says that goes into a timeline.
const QUOTED: usize = 400;

fn told(at: Timestamp, book: &Runbook, block: &Block, ended: &Ended) -> Happened {
    let output: String = ended.output.chars().take(QUOTED).collect();
    let more = if ended.output.chars().count() > QUOTED {
        " …"
    } else {
        ""
    };
    Happened {
        at: second(at),
        text: format!(
            "runbook {}, step {}: {}: {output}{more}",
            book.name,
            block.name,
            ended.how()
        ),
    }
}

/// One line more, in one write, so that two at once do not mix.
fn record(loaded: &Loaded, run: &Run) -> Result<(), Failure> {
    let path = loaded.catalog.folder.join(FILE);
    let line = serde_json::to_string(run).map_err(|e| Failure::new(e.to_string()))? + "\n";
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(&path);
    file.and_then(|mut f| f.write_all(line.as_bytes()))
        .map_err(|e| {
            Failure::new(format!(
                "that it was run cannot be written to {}: {e}",
                path.display()
            ))
        })
}
