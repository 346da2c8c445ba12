//! A process that is killed with -9 at any moment: the next one serves nothing that is damaged, and nothing that an
//! acknowledged change has made old.

use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KEYS: usize = 24;
const DIR: &str = "PLIMSOLL_TEST_DIR";
const INSTANCE: &str = "PLIMSOLL_TEST_INSTANCE";

/// Not a test: the process that `kills` kills.
#[test]
fn gateway_process() {
    let (Ok(dir), Ok(instance)) = (std::env::var(DIR), std::env::var(INSTANCE)) else {
        return;
    };
    let running = start(instance.parse().unwrap(), Path::new(&dir));
    println!("listens {}", running.gateway.address());
    std::thread::sleep(Duration::from_secs(60));
}

struct Process {
    child: Child,
    address: SocketAddr,
}

fn spawn(instance: SocketAddr, dir: &Path) -> Process {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cache_disk::killed::gateway_process",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(INSTANCE, instance.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("listens ")?;
        address.parse().ok()
    });
    Process {
        child,
        address: address.expect("it says where it listens"),
    }
}

impl Process {
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `version:path:` and enough of the version's digit to see a wrong byte.
fn body(path: &str, version: usize) -> String {
    format!(
        "{version}:{path}:{}",
        format!("{}", version % 10).repeat(3000)
    )
}

fn version_of(path: &str, text: &str) -> usize {
    let version = text.split(':').next().unwrap().parse().expect("a version");
    assert!(text == body(path, version), "damaged: {:.60}", text);
    version
}

#[test]
fn kills() {
    let versions: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let now = versions.clone();
    let service = Service::new(move |head| {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let mut versions = now.lock().unwrap();
        let version = versions.entry(path.clone()).or_default();
        if head.starts_with("POST") {
            *version += 1;
            return message("200 OK", "", "");
        }
        message(
            "200 OK",
            "Cache-Control: max-age=600\r\n",
            &body(&path, *version),
        )
    });
    let dir = tempfile::tempdir().unwrap();
    let mut from_disk = 0;
    // Another number of requests before each kill, so that it comes at another moment.
    for requests in [150, 333, 517, 702, 411, 256] {
        let process = spawn(service.upstream.address, dir.path());
        let mut client = Client::to(process.address);
        // Nobody asks for these meanwhile: what comes must be at least as new as what was acknowledged.
        for key in 0..KEYS {
            let path = format!("/k{key}");
            let least = versions.lock().unwrap().get(&path).copied().unwrap_or(0);
            let a = client.get(&path);
            assert_eq!(version_of(&path, &a.text()), least, "{}", said(&a));
            from_disk += usize::from(said(&a).contains("detail=disk"));
        }
        for i in 0..requests {
            let path = format!("/k{}", i * 7 % KEYS);
            let a = match i % 11 {
                0 => ask(&mut client, "POST", &path, "Content-Length: 0\r\n"),
                _ => client.get(&path),
            };
            assert_eq!(a.status, 200);
        }
        process.kill();
    }
    assert!(
        from_disk > KEYS,
        "{from_disk} hits on disk: the test saw nothing"
    );
}
