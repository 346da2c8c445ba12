//! The console in a real browser (Chromium by npm `playwright-core`, with `axe-core`), in front of the shop under load.

pub mod contract;
pub mod measure;
pub mod stage;

use super::npm;
use stage::Stage;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "target/console";
const PACKAGES: &[&str] = &["playwright-core@1.65.1", "axe-core@4.14.1"];
const PAGES: &str = include_str!("pages.js");

/// A shop under load that is being learned, and the browser to look at it.
pub struct Watched {
    stage: Stage,
    browser: Browser,
}

/// As part of the tests, which go on while it learns: loud when nothing will be tested.
pub fn begin(plimsoll: &Path) -> Result<Option<Watched>, String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    let browser = match Browser::get(&folder) {
        Ok(browser) => browser,
        Err(why) => {
            eprintln!("SKIPPED, NOT PASSED: the console was looked at in no browser: {why}");
            return Ok(None);
        }
    };
    let stage = Stage::start(npm::absolute(plimsoll)?, &folder)?;
    browser.run("learning", &stage)?;
    Ok(Some(Watched { stage, browser }))
}

/// The pages as people use them, once the constraint is known.
pub fn check(watched: Option<Watched>) -> Result<(), String> {
    match watched {
        Some(w) => w.browser.run("pages", &w.stage),
        None => Ok(()),
    }
}

/// Of those that the script leaves, what docs show.
const PICTURES: &[&str] = &[
    "advice-light",
    "catalog-dark",
    "cost-light",
    "heat-light",
    "history-dark",
    "incident-light",
    "line-dark",
    "line-phone",
    "route-light",
    "routes-dark",
    "slos-light",
    "trace-dark",
    "trial-dark",
    "whatif-dark",
];

/// Takes the pictures of the last check into docs.
pub fn pictures() -> Result<(), String> {
    for name in PICTURES.iter().map(|n| format!("{n}.png")) {
        let (from, to) = (
            Path::new(FOLDER).join(&name),
            Path::new("docs/images").join(&name),
        );
        std::fs::copy(&from, to).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    Ok(())
}

/// Chromium, driven by a script.
struct Browser {
    folder: PathBuf,
    chromium: &'static str,
}

impl Browser {
    /// # Errors
    /// What is missing.
    fn get(folder: &Path) -> Result<Browser, String> {
        let chromium = chromium().ok_or("`chromium` is not installed and cannot be")?;
        npm::install(folder, PACKAGES)?;
        stage::write(&folder.join("pages.js"), PAGES)?;
        Ok(Browser {
            folder: folder.to_owned(),
            chromium,
        })
    }

    fn run(&self, part: &str, stage: &Stage) -> Result<(), String> {
        let out = Command::new("node")
            .arg(self.folder.join("pages.js"))
            .arg(part)
            .arg(format!("http://{}", stage.console))
            .arg(self.chromium)
            .arg(&self.folder)
            .output()
            .map_err(|e| format!("node does not start: {e}"))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(format!("the console in a browser ({part}): {said}"));
        }
        eprint!("{}", String::from_utf8_lossy(&out.stdout));
        Ok(())
    }
}

/// Debian's, by whichever name it has.
fn chromium() -> Option<&'static str> {
    [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ]
    .into_iter()
    .find(|p| Path::new(p).exists())
}
