//! `plimsoll agent`: gateway and agent as two processes. The gateway's own probes are off, so what it knows of the
//! instance comes from the agent.

use crate::stage::{Stage, port};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

const OFF: &str = "probes_off: [listeners, cgroup, cpu, host, disk, network, memory, waiters]";

/// A gateway that takes agents, and those.
struct Scene {
    stage: Stage,
    at: SocketAddr,
    scheme: &'static str,
    agents: Vec<Child>,
}

impl Scene {
    fn new() -> Scene {
        Scene::over("http", "")
    }

    /// `tls`: more keys of the section.
    fn over(scheme: &'static str, tls: &str) -> Scene {
        let at = port();
        let token = "token: { file: token }";
        let mut stage = Stage::new(&format!(
            "{OFF}\nagents: {{ listen: \"{at}\", {token}{tls} }}"
        ));
        std::fs::write(stage.path("token"), "right\n").unwrap();
        std::fs::write(stage.path("wrong"), "wrong\n").unwrap();
        peers::Certificate::make(stage.folder.path()).unwrap();
        stage.start();
        Scene {
            stage,
            at,
            scheme,
            agents: Vec::new(),
        }
    }

    fn agent(&mut self, name: &str, token: &str) -> u32 {
        // The certificate is for this name.
        let gateway = format!("{}://localhost:{}", self.scheme, self.at.port());
        self.agent_of(&gateway, name, token)
    }

    fn agent_of(&mut self, gateway: &str, name: &str, token: &str) -> u32 {
        let log = format!("agent-{}.log", self.agents.len());
        let log = std::fs::File::create(self.stage.path(&log)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(["agent", "--gateway", gateway, "--ca", "ca.pem"])
            .args(["--name", name, "--token-file", token])
            // The instance is a thread of this test, on loopback.
            .args(["--address", "127.0.0.1"])
            .current_dir(self.stage.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.agents.push(child);
        pid
    }

    fn kill(&mut self, pid: u32) {
        let i = self.agents.iter().position(|c| c.id() == pid).unwrap();
        let mut child = self.agents.remove(i);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn get(&self, target: &str) -> Option<Value> {
        let told = self.stage.console_get(target)?;
        serde_json::from_str(told.split("\r\n\r\n").nth(1)?).ok()
    }

    /// Waits until an agent is as it should be.
    fn wait_agent(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.stage.wait(what, |_| {
            let all = self.get("/api/v1/agents")?;
            all.as_array()?.iter().find(|a| is(a)).cloned()
        })
    }

    /// Waits until a probe says so.
    fn wait_note(&self, text: &str) -> Value {
        self.stage.wait(text, |_| {
            let all = self.get("/api/v1/probes")?;
            let says = |n: &&Value| n["text"].as_str().is_some_and(|t| t.contains(text));
            all.as_array()?.iter().find(says).cloned()
        })
    }

    /// What the nth agent says.
    fn log(&self, n: usize) -> String {
        std::fs::read_to_string(self.stage.path(&format!("agent-{n}.log"))).unwrap_or_default()
    }

    /// A number of the metrics page.
    fn metric(&self, line: &str) -> Option<f64> {
        let page = self.stage.console_get("/metrics")?;
        let found = page.lines().find(|l| l.starts_with(line))?;
        found.rsplit(' ').next()?.parse().ok()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in &mut self.agents {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn what_an_agent_sees_is_in_the_windows_until_it_is_silent() {
    let mut scene = Scene::new();
    // The instance listens in this very process: what this thread burns is the service's.
    let burning = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let burns = burning.clone();
    let burner = std::thread::spawn(move || {
        while burns.load(std::sync::atomic::Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    let first = scene.agent("web-2", "token");
    let heard = scene.wait_agent("the agent", |a| a["used"].as_u64() > Some(3));
    assert_eq!(heard["name"], "web-2");
    assert_eq!(heard["instances"][0], scene.stage.instance.to_string());
    assert!(heard["off_by_ms"].as_f64().unwrap() < 5.0, "{heard}");
    let busy = scene.stage.wait("the use of the processor", |_| {
        let name = "plimsoll_resource_busy{resource=\"cpu.app\"";
        scene.metric(name).filter(|b| *b > 0.1)
    });
    assert!(busy < 64.0, "{busy}");
    burning.store(false, std::sync::atomic::Ordering::Relaxed);
    burner.join().unwrap();

    scene.kill(first);
    let silent = scene.wait_note("no word for");
    assert_eq!(
        (&silent["blind"], &silent["about"]),
        (&true.into(), &"web-2".into())
    );
    let shown = scene.stage.ask(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("agent       web-2 at 127.0.0.1: SILENT"),
        "{shown}"
    );
    assert!(
        shown.contains("blind       probe agent of web-2: no word"),
        "{shown}"
    );
    let diagnosed = scene.stage.ask(&["diagnose"]);
    let diagnosed = String::from_utf8_lossy(&diagnosed.stdout).into_owned();
    assert!(
        diagnosed.contains("Not seen: probe agent of web-2"),
        "{diagnosed}"
    );

    scene.agent("web-2", "token");
    scene.wait_agent("the agent again", |a| {
        a["silent"] == false && a["used"].as_u64() > Some(1)
    });
}

#[test]
fn a_wrong_token_and_a_name_that_is_taken_are_refused_on_both_sides() {
    let mut scene = Scene::new();
    scene.agent("stranger", "wrong");
    scene.wait_note("its token is wrong");
    scene.stage.wait("what the agent says", |_| {
        let said = scene.log(0);
        said.contains("refuses our token").then_some(())
    });
    assert_eq!(scene.get("/api/v1/agents").unwrap(), Value::Array(vec![]));
    scene.agent("web-2", "token");
    scene.wait_agent("the agent", |a| a["used"].as_u64() > Some(1));
    scene.agent("web-2", "token");
    scene.stage.wait("what the other says", |_| {
        let said = scene.log(2);
        said.contains("an agent of this name is connected from 127.0.0.1")
            .then_some(())
    });
}

#[test]
fn over_tls_agents_know_the_gateway_by_its_certificate() {
    let mut scene = Scene::over("https", ", tls: { cert: server.pem, key: server.key }");
    scene.agent("web-2", "token");
    scene.wait_agent("the agent", |a| a["used"].as_u64() > Some(1));
    // By an address that is not in the certificate, and without TLS.
    let (by_address, plain) = (
        format!("https://{}", scene.at),
        format!("http://{}", scene.at),
    );
    scene.agent_of(&by_address, "web-3", "token");
    scene.stage.wait("what the agent says", |_| {
        let said = scene.log(1);
        said.contains("the gateway does not answer").then_some(())
    });
    scene.wait_note("no TLS with it");
    scene.agent_of(&plain, "web-4", "token");
    scene.stage.wait("what the other says", |_| {
        let said = scene.log(2);
        said.contains("the gateway does not answer").then_some(())
    });
    assert_eq!(
        scene
            .get("/api/v1/agents")
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
