//! The servers behind Plimsoll: well-known ones with parsers of their own, each with the same small application.

use crate::peers::{self, Proxy};
use crate::{npm, pypi};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::run::quietly;

const FOLDER: &str = "target/framing";
/// With their versions, so that a page can be made again.
const PACKAGES: [&str; 9] = [
    "aiohttp==3.14.5",
    "cheroot==11.1.2",
    "gunicorn==27.0.1",
    "h11==0.16.0",
    "httptools==0.9.0",
    "hypercorn==0.18.0",
    "tornado==6.6.1",
    "uvicorn==0.54.0",
    "waitress==3.0.2",
];
/// Name, and how it is started; `{port}` is replaced. The first word is a program of the environment, or `node`.
const ORIGINS: [(&str, &str); 9] = [
    (
        "gunicorn",
        "gunicorn -k gthread --threads 4 --keep-alive 30 --log-level critical -b 127.0.0.1:{port} app:wsgi",
    ),
    (
        "waitress",
        "waitress-serve --listen=127.0.0.1:{port} app:wsgi",
    ),
    ("cheroot", "cheroot --bind 127.0.0.1:{port} app:wsgi"),
    (
        "uvicorn, h11",
        "uvicorn --http h11 --log-level critical --port {port} app:asgi",
    ),
    (
        "uvicorn, httptools",
        "uvicorn --http httptools --log-level critical --port {port} app:asgi",
    ),
    (
        "hypercorn",
        "hypercorn --log-level critical -b 127.0.0.1:{port} app:asgi",
    ),
    ("aiohttp", "python app.py aiohttp {port}"),
    ("tornado", "python app.py tornado {port}"),
    ("node", "node app.mjs {port}"),
];

/// Where the servers are installed.
pub struct Origins {
    folder: PathBuf,
}

impl Origins {
    /// Installs them, or says what is missing.
    pub fn install() -> Result<Result<Origins, String>, String> {
        let folder = npm::absolute(Path::new(FOLDER))?;
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for (name, text) in [
            ("app.py", include_str!("app.py")),
            ("app.mjs", include_str!("app.mjs")),
        ] {
            std::fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
        }
        if let Err(why) = quietly(Command::new("node").arg("--version")) {
            return Ok(Err(why));
        }
        Ok(pypi::install(&folder, &PACKAGES).map(|_| Origins { folder }))
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        ORIGINS.iter().map(|(name, _)| *name)
    }

    /// Starts the one of this name, and waits until it answers.
    pub fn start(&self, name: &'static str) -> Result<Proxy, String> {
        let (_, line) = ORIGINS
            .iter()
            .find(|(n, _)| *n == name)
            .ok_or_else(|| format!("no origin `{name}`"))?;
        let [at] = peers::free()?;
        let line = line.replace("{port}", &at.port().to_string());
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let program = match program {
            "node" => PathBuf::from(program),
            _ => self.folder.join("venv/bin").join(program),
        };
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&self.folder)
            .env("PYTHONPATH", &self.folder);
        peers::launch(name, at, &mut command)
    }

    /// Plimsoll with its defaults in front of it.
    pub fn front(&self, plimsoll: &Path, origin: SocketAddr) -> Result<Proxy, String> {
        let [at, console] = peers::free()?;
        let file = self.folder.join(format!("plimsoll-{}.yaml", at.port()));
        let text = format!(
            "listen: {at}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\nservices:\n  origin: {{ instances: [\"{origin}\"] }}\n\
             routes:\n  all: {{ match: {{ path: \"/{{rest...}}\" }}, to: origin }}\n",
            self.folder.join(format!("data-{}", at.port())).display()
        );
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new(npm::absolute(plimsoll)?);
        peers::launch("Plimsoll", at, command.args(["run", "--config"]).arg(file))
    }
}
