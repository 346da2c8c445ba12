//! A console over a real socket, in front of a control whose model says what the test tells it to.

mod answer;
mod past;
pub mod schema;
mod traces;
mod world;

pub use world::{Costs, Gate, Slos, World};

use arc_swap::ArcSwap;
use base::Finding;
use console::access::Access;
use console::{
    AskFlights, AskPurge, AskWhy, Caches, DataPath, Decision, Deed, EventList, Flights, Instance,
    JobList, Jobs, Listener, NewEvent, Recordings, StartRecording, State, StreamAsk, Streams,
    Upgrades,
};
use console::{TopicDeed, Topics};
use control::{Control, Parts};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use store::Embedded;
use tokio::sync::oneshot;

/// A running console; its end is the end of its runtime.
pub struct Console {
    pub at: SocketAddr,
    pub control: Arc<Control>,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
    folder: tempfile::TempDir,
}

struct Nothing;

fn unknown() -> Vec<Finding> {
    vec![Finding::error("it-unknown", "there is none")]
}

impl Recordings for Nothing {
    fn start(&self, _: &StartRecording) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn stop(&self) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn progress(&self) -> Option<Value> {
        None
    }
}

impl Flights for Nothing {
    fn start(&self, _: &AskFlights) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn stop(&self, _: u64) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn taken(&self) -> Option<Value> {
        None
    }
}

impl Caches for Nothing {
    fn purge(&self, _: &AskPurge) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn why(&self, _: &AskWhy) -> Result<Value, Vec<Finding>> {
        Err(unknown())
    }
    fn shared(&self) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn disks(&self) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
}

impl Jobs for Nothing {
    fn lanes(&self) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn list(&self, _: &JobList) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn show(&self, _: &str) -> Result<Value, Vec<Finding>> {
        Err(unknown())
    }
    fn request(&self, _: &str) -> Result<Value, Vec<Finding>> {
        Err(unknown())
    }
    fn act(&self, _: &Deed) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
}

impl Topics for Nothing {
    fn status(&self) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn list(&self, _: &EventList) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn act(&self, _: &TopicDeed) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
}

impl Streams for Nothing {
    fn standing(&self) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn list(&self, _: &str, _: u64) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn read(&self, _: &StreamAsk) -> Result<Value, Vec<Finding>> {
        Ok(json!([]))
    }
    fn append(&self, _: &NewEvent) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn replay(&self, _: &str, _: u64, _: Option<f64>) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
}

impl Upgrades for Nothing {
    fn start(&self) -> Result<Value, Vec<Finding>> {
        Ok(Value::Null)
    }
    fn progress(&self) -> Value {
        json!({ "pid": 1, "version": "0", "state": "none", "why": null })
    }
}

struct Path(Vec<Instance>, Vec<Decision>, Vec<::past::Worth>);

impl DataPath for Path {
    fn instances(&self) -> Vec<Instance> {
        self.0.clone()
    }
    fn decisions(&self) -> Vec<Decision> {
        self.1.clone()
    }
    fn business(&self) -> Vec<::past::Worth> {
        self.2.clone()
    }
}

impl Console {
    /// In front of this world, after each loop has had its turn; whoever reaches it may do everything.
    pub fn start(world: World) -> Console {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let open = || Listener::Tcp(tokio::net::TcpListener::from_std(listener).unwrap());
        Console::start_with(world, Access::default(), at, open)
    }

    /// For these users, behind a listener that is opened inside the runtime.
    pub fn start_with(
        world: World,
        access: Access,
        at: SocketAddr,
        open: impl FnOnce() -> Listener,
    ) -> Console {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("plimsoll.yaml");
        std::fs::write(&config, world.document()).unwrap();
        let store = Arc::new(Embedded::open(folder.path().join("control.db")).unwrap());
        let world = Arc::new(world);
        let control = Control::open(Parts {
            document: world.document(),
            data_dir: folder.path().to_owned(),
            log: store.clone(),
            kv: store,
            compose: world.clone(),
            publish: world.clone(),
            windows: world.clone(),
            mind: world.clone(),
            budgets: world.clone(),
            lead: Arc::new(control::ports::Alone),
            wall: world.clone(),
            cores: 1,
        })
        .unwrap();
        let shared = control.shared();
        control::loops::list::observe(shared).unwrap();
        control::loops::list::advise(shared).unwrap();
        control::loops::list::lately(shared).unwrap();
        let control = Arc::new(control);
        let state = State {
            control: control.clone(),
            file: config.as_path().into(),
            access: Arc::new(ArcSwap::from_pointee(access)),
            recordings: Arc::new(Nothing),
            flights: Arc::new(Nothing),
            caches: Arc::new(Nothing),
            jobs: Arc::new(Nothing),
            topics: Arc::new(Nothing),
            streams: Arc::new(Nothing),
            path: Arc::new(Path(
                world.instances.clone(),
                world.decisions.clone(),
                world.business.clone(),
            )),
            metrics: Arc::new(|_| "up 1\n".into()),
            probes: Arc::new(|| json!([])),
            mirrors: Arc::new(|| json!([])),
            stateful: Arc::new(|| json!([])),
            agents: Arc::new(|| json!([])),
            engines: Arc::new(|| json!({ "shared": null, "durable": null })),
            quotas: Arc::new(|| json!([])),
            replicas: Arc::new(|| json!({ "replications": [], "routes": [] })),
            alive: Arc::new(|| Ok(())),
            ready: Arc::new(|| Ok(())),
            upgrades: Arc::new(Nothing),
            slos: Arc::new(world.slos.clone()),
            costs: Arc::new(world.costs.clone()),
            past: Arc::new(world.past.clone()),
            traces: Arc::new(world.traces.clone()),
            certificate: Arc::new(|| Value::Null),
            export: Arc::new(|| Value::Null),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let listener = open();
        drop(inside);
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(console::serve(listener, state, async move {
            let _ = stopped.await;
        }));
        Console {
            at,
            control,
            stop: Some(stop),
            runtime: Some(runtime),
            folder,
        }
    }

    /// A file beside the config.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What the API answers is what its document says.
    pub fn get(&self, target: &str) -> Said {
        let said = self.ask("GET", target, &[], "");
        let api = target.starts_with("/api/v1/") || target.starts_with("/allocation/");
        if api && ![404, 405].contains(&said.status) && said.head.contains("json") {
            let document = self.ask("GET", "/api/v1/openapi.json", &[], "");
            // Who is not known gets no document either.
            if document.status == 200 {
                let texts = [&document.body, &said.body];
                let [document, body] = texts.map(|t| serde_json::from_str::<Value>(t).unwrap());
                schema::check(&document, "get", target, said.status, &body).unwrap();
            }
        }
        said
    }

    /// As a browser sends a form of this console's own page.
    pub fn post(&self, target: &str, form: &str) -> Said {
        let origin = format!("http://{}", self.at);
        self.post_from(target, form, &[("origin", &origin)])
    }

    pub fn post_from(&self, target: &str, form: &str, headers: &[(&str, &str)]) -> Said {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.ask("POST", target, &[headers, &[kind]].concat(), form)
    }

    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Said {
        let mut stream = self.connect();
        let host = self.at.to_string();
        let own = headers.iter().any(|h| h.0 == "host");
        let mut all = headers.to_vec();
        if !own {
            all.push(("host", &host));
        }
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in all {
            request += &format!("{name}: {value}\r\n");
        }
        stream
            .write_all(format!("{request}\r\n{body}").as_bytes())
            .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Said::of(&String::from_utf8(bytes).unwrap())
    }

    /// The sign-in form's answer.
    pub fn sign_in(&self, token: &str) -> Said {
        self.post("/signin", &format!("token={token}&to=/advice"))
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Asks the console to end; true when it has, with all that it had open.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(r) = self.runtime.take() {
            r.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

/// An answer.
pub struct Said {
    pub status: u16,
    /// In small letters.
    pub head: String,
    /// As it was sent.
    pub set_cookie: Option<String>,
    pub body: String,
}

impl Said {
    fn of(text: &str) -> Said {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let set = head.lines().find_map(|l| l.strip_prefix("set-cookie: "));
        Said {
            status,
            set_cookie: set.map(str::to_owned),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn has(&self, text: &str) -> &Said {
        assert!(
            self.body.contains(text),
            "`{text}` is not in:\n{}",
            self.body
        );
        self
    }

    pub fn has_not(&self, text: &str) -> &Said {
        assert!(!self.body.contains(text), "`{text}` is in:\n{}", self.body);
        self
    }
}
