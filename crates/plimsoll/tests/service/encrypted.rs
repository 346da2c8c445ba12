//! An upgrade under TLS: the ports stay open, handshakes go on, and connections that stand live on.

use crate::stage::{PATIENCE, Stage, port, signal};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `app`, as files of the stage, and what trusts it.
fn certificate(stage: &Stage) -> Arc<ClientConfig> {
    let made = rcgen::generate_simple_self_signed(["app".to_owned()]).unwrap();
    std::fs::write(stage.path("app.pem"), made.cert.pem()).unwrap();
    std::fs::write(stage.path("app.key"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn connect(config: &Arc<ClientConfig>, at: SocketAddr) -> Result<Encrypted, String> {
    let stream = TcpStream::connect(at).map_err(|e| format!("cannot connect: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = "app".try_into().unwrap();
    let session = ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    while stream.conn.is_handshaking() {
        let done = stream.conn.complete_io(&mut stream.sock);
        done.map_err(|e| format!("no handshake: {e}"))?;
    }
    Ok(stream)
}

/// The head of the answer; a body of two bytes is read behind it unless it is a tunnel.
fn ask(stream: &mut Encrypted, request: &str) -> Result<String, String> {
    let wrong = |e: std::io::Error| format!("no answer: {e}");
    stream.write_all(request.as_bytes()).map_err(wrong)?;
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).map_err(wrong)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    if head.starts_with("HTTP/1.1 200") {
        stream.read_exact(&mut [0; 2]).map_err(wrong)?;
    }
    Ok(head)
}

const GET: &str = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";
const TUNNEL: &str =
    "GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Asks until it is told to stop, on a kept connection, and with a handshake where the server says that it closes.
struct Client {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), String>>,
}

impl Client {
    fn start(config: Arc<ClientConfig>, at: SocketAddr) -> Client {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (stop.clone(), answered.clone());
        let thread = std::thread::spawn(move || {
            let mut kept = None;
            while !stopped.load(SeqCst) {
                let mut stream = match kept.take() {
                    Some(stream) => stream,
                    None => connect(&config, at)?,
                };
                let head = ask(&mut stream, GET)?;
                if !head.starts_with("HTTP/1.1 200") {
                    return Err(head);
                }
                count.fetch_add(1, SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                if !head.to_lowercase().contains("connection: close") {
                    kept = Some(stream);
                }
            }
            Ok(())
        });
        Client {
            stop,
            answered,
            thread,
        }
    }

    /// Until `n` more were answered, or something was lost.
    fn more(&self, n: u64) {
        let (wanted, until) = (self.answered.load(SeqCst) + n, Instant::now() + PATIENCE);
        while self.answered.load(SeqCst) < wanted && !self.thread.is_finished() {
            assert!(Instant::now() < until, "too slow");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        assert_eq!(self.thread.join().unwrap(), Ok(()));
    }
}

fn upgrades_without_a_loss(stage: &mut Stage, config: &Arc<ClientConfig>, at: SocketAddr) {
    let first = stage.start();
    let client = Client::start(config.clone(), at);
    let mut tunnel = connect(config, at).unwrap();
    let head = ask(&mut tunnel, TUNNEL).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let mut idle = connect(config, at).unwrap();
    ask(&mut idle, GET).unwrap();
    client.more(50);

    let (done, second) = stage.upgrade();
    assert!(done.status.success(), "{done:?}");
    assert_ne!(first, second);
    client.more(50);
    let mut back = [0; 4];
    tunnel.write_all(b"ping").unwrap();
    tunnel.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"ping", "the old process carries it on");
    let last = ask(&mut idle, GET).unwrap().to_lowercase();
    assert!(last.contains("connection: close"), "{last}");
    let mut fresh = connect(config, at).unwrap();
    let head = ask(&mut fresh, GET).unwrap().to_lowercase();
    assert!(
        !head.contains("connection: close"),
        "of the new process: {head}"
    );

    client.end();
    drop((tunnel, idle));
    stage.ended(first);
    ask(&mut fresh, GET).unwrap();
    signal(second, "TERM");
    stage.ended(second);
}

#[test]
fn a_port_of_its_own_for_tls_outlives_an_upgrade() {
    let at = port();
    let mut stage = Stage::new(&format!(
        "tls: {{ listen: {at}, certificates: [{{ cert: app.pem, key: app.key }}] }}"
    ));
    let config = certificate(&stage);
    upgrades_without_a_loss(&mut stage, &config, at);
}

#[test]
fn the_port_itself_that_speaks_tls_outlives_an_upgrade() {
    let mut stage = Stage::new("tls: { certificates: [{ cert: app.pem, key: app.key }] }");
    let (config, at) = (certificate(&stage), stage.listen);
    upgrades_without_a_loss(&mut stage, &config, at);
}
