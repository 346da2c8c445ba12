//! Collectors that take, hesitate, refuse, hang and talk rubbish, over sockets; and our own receiver as one of them.

use super::*;
use crate::wire::tap::Tap;
use base::trace::SpanIds;
use base::{Nanos, RouteIx, Sample, SampleKind};
use config::Secret;
use config::sections::OtlpProtocol;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::Instant;
use telemetry::Heard;
use tokio::runtime::Runtime;

/// Path and body.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Gives these answers, one connection each, and then none: it only keeps what comes.
fn collector(answers: &'static [&'static str]) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let seen = Seen::default();
    let all = seen.clone();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let length = head.to_lowercase();
            let length = length.split("content-length:").nth(1);
            let length = length.and_then(|l| l.lines().next()?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).unwrap();
            let path = head.split(' ').nth(1).unwrap_or("").to_owned();
            all.lock().unwrap().push((path, body));
            match answers.next() {
                Some(answer) => stream.get_mut().write_all(answer.as_bytes()).unwrap(),
                None => held.push(stream),
            }
        }
    });
    (at, seen)
}

struct Stage {
    export: Export,
    heard: Heard,
    names: Names,
    _runtime: Runtime,
}

fn stage(otlp: &ExportOtlp) -> Stage {
    let runtime = Runtime::new().unwrap();
    let names = Names::default();
    let mut config = Config::empty();
    config.traces.share = 1.0;
    let (clock, config) = (Clock::start(), Arc::new(ArcSwap::from_pointee(config)));
    let parts = Parts {
        names: names.clone(),
        clock,
        config: config.clone(),
        runtime: runtime.handle().clone(),
    };
    let (export, sink) = Export::start(otlp, parts).unwrap();
    let heard = Tap::new(names.clone(), clock, config, Some(sink), None).heard();
    Stage {
        export,
        heard,
        names,
        _runtime: runtime,
    }
}

fn otlp(at: SocketAddr, protocol: OtlpProtocol) -> ExportOtlp {
    ExportOtlp {
        endpoint: format!("http://{at}"),
        protocol,
        timeout: Duration::from_secs(1),
        interval: Duration::from_secs(600),
        ..ExportOtlp::default()
    }
}

/// A request and its attempt.
fn pair(names: &Names, trace: u128, status: u16) -> [Sample; 2] {
    let route = names.routes.intern("home");
    let make = |kind, route: RouteIx| {
        let mut s = Sample::new(kind, route, Nanos(1_000_000));
        (s.trace, s.span, s.status, s.method) = (trace, trace as u64, status, 0);
        (s.attempt, s.end) = (1, Nanos(3_000_000));
        s
    };
    let mut attempt = make(SampleKind::Attempt, route);
    attempt.instance = names.instances.intern("app/127.0.0.1:3000");
    [attempt, make(SampleKind::Request, route)]
}

fn wait(export: &Export, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let now = export.shown().standing();
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < until, "waited in vain for {what}: {now}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const BUSY: &str =
    "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const PARTLY: &str = "HTTP/1.1 200 x\r\nContent-Type: application/json\r\nContent-Length: 68\r\nConnection: close\r\n\r\n\
    {\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"not this\"} } ";
const REFUSED: &str = "HTTP/1.1 400 x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nodd";
const RUBBISH: &str = "HTTP/1.1 200 x\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";

#[test]
fn whoever_is_busy_is_asked_again_when_it_said_and_what_it_leaves_out_is_counted() {
    let (at, seen) = collector(&[BUSY, PARTLY]);
    let mut otlp = otlp(at, OtlpProtocol::Json);
    otlp.gzip = false;
    let mut s = stage(&otlp);
    let began = Instant::now();
    (s.heard)(&pair(&s.names, 7, 200));
    let busy = wait(&s.export, "a failed try", |n| {
        n["traces"]["wrong"] == "it answered 503"
    });
    assert_eq!(busy["traces"]["counts"]["failed_tries"], 1, "{busy}");
    let told = wait(&s.export, "a yes", |n| n["traces"]["counts"]["sent"] == 1);
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "Retry-After is obeyed"
    );
    let counts = &told["traces"]["counts"];
    assert_eq!(
        (&counts["rejected"], &told["traces"]["wrong"]),
        (&1.into(), &Value::Null)
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, "/v1/traces");
    assert_eq!(seen[0].1, seen[1].1, "the very same once more");
    let body: Value = serde_json::from_slice(&seen[1].1).unwrap();
    let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().unwrap().len(), 2);
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    assert_eq!(spans[1]["spanId"], "0000000000000007");
    let page = s.export.shown().metrics();
    assert!(
        page.contains("plimsoll_export_total{signal=\"traces\",fate=\"rejected\"} 1"),
        "{page}"
    );
}

#[test]
fn what_is_refused_or_answered_with_rubbish_is_given_up_at_once_and_counted() {
    let (at, _) = collector(&[REFUSED, RUBBISH]);
    let mut s = stage(&otlp(at, OtlpProtocol::Protobuf));
    (s.heard)(&pair(&s.names, 7, 200));
    wait(&s.export, "a refusal", |n| {
        n["traces"]["counts"]["refused"] == 2 && n["traces"]["wrong"] == "it answered 400: odd"
    });
    (s.heard)(&pair(&s.names, 8, 200));
    let told = wait(&s.export, "rubbish", |n| {
        n["traces"]["counts"]["refused"] == 4
    });
    let why = told["traces"]["wrong"].as_str().unwrap();
    assert!(why.contains("is there a collector?"), "{why}");
}

#[test]
fn a_collector_that_hangs_costs_a_queue_and_no_more() {
    let (at, _) = collector(&[]);
    let mut s = stage(&otlp(at, OtlpProtocol::Protobuf));
    let all = 3 * QUEUE as u64;
    for trace in 1..=u128::from(all) {
        (s.heard)(&pair(&s.names, trace, 500));
    }
    let told = wait(&s.export, "a time-out", |n| !n["traces"]["wrong"].is_null());
    let number = |key: &str| told[key].as_u64().unwrap();
    assert!(number("waiting") <= QUEUE as u64, "{told}");
    assert!(number("dropped") >= all - QUEUE as u64 - 512, "{told}");
    assert_eq!(told["traces"]["counts"]["failed_tries"], 1);
    let began = Instant::now();
    drop(s.export);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the process can stop"
    );
}

#[test]
fn our_own_receiver_takes_it_by_every_protocol() {
    for protocol in [
        OtlpProtocol::Protobuf,
        OtlpProtocol::Json,
        OtlpProtocol::Grpc,
    ] {
        let runtime = Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let options = otlp::Options {
            listeners: vec![listener],
            token: Some("t0ken".into()),
            ids: Arc::new(SpanIds::new(1)),
            clock: Clock::start(),
            keeper: None,
        };
        let receiver = otlp::Receiver::start(runtime.handle(), options).unwrap();
        let mut otlp = otlp(at, protocol);
        otlp.headers = vec![("authorization".into(), Secret::Text("Bearer wrong".into()))];
        let mut refused = stage(&otlp);
        (refused.heard)(&pair(&refused.names, 7, 200));
        wait(&refused.export, "a refusal", |n| {
            n["traces"]["counts"]["refused"] == 2
        });
        otlp.headers = vec![("authorization".into(), Secret::Text("Bearer t0ken".into()))];
        otlp.interval = Duration::from_secs(1);
        let mut s = stage(&otlp);
        (s.heard)(&pair(&s.names, 7, 200));
        (s.heard)(&pair(&s.names, 8, 503));
        wait(&s.export, "spans", |n| n["traces"]["counts"]["sent"] == 4);
        let spans = receiver.evidence().lock().unwrap().counts.spans;
        assert_eq!(spans, 4, "{protocol:?}");
        // It takes no metrics, and says how many it has dropped: two of the conventions with two series each.
        let told = wait(&s.export, "metrics", |n| {
            n["metrics"]["counts"]["rejected"] != 0
        });
        assert_eq!(
            told["metrics"]["counts"]["rejected"], 4,
            "{protocol:?}: {told}"
        );
    }
}
