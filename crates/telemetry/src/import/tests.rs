//! Lines as the three products write them.

use super::*;
use crate::recording;

const NGINX: &str = r#"10.0.0.1 - - [29/Feb/2024:12:00:01 +0000] "GET /products/42?x=\"1 HTTP/1.1" 200 612 "-" "curl/8 [x]" 0.250 0.200, 0.040 127.0.0.1:7001, 127.0.0.1:7002
10.0.0.1 - bob [29/Feb/2024:12:00:02 +0000] "POST /checkout HTTP/1.1" 502 0 "-" "agent" rt=1.500 uct="0.0" urt="-" ua="127.0.0.1:7001"
not a line
10.0.0.1 - - [29/Feb/2024:12:00:03 +0000] "GET / HTTP/1.1" 304 0 "-" "agent"
10.0.0.1 - - [29/Feb/2024:12:00:04 +0000] "\x16\x03\x01" 400 157 "-" "-" 0.001
"#;

#[test]
fn nginx_lines() {
    let mut out = Vec::new();
    let done = convert(NGINX.as_bytes(), Format::Nginx, "shop", &mut out).unwrap();
    assert_eq!(
        (done.lines, done.rows, done.bad, done.without_duration),
        (5, 3, 2, 1)
    );
    assert_eq!(done.shown[0], (3, "not a line".to_owned()));
    assert_eq!(done.shown[1].0, 5);
    assert_eq!(
        (done.routes, done.from_s, done.to_s),
        (3, 1_709_208_000.5, 1_709_208_003.0)
    );
    let e = lines::parse(Format::Nginx, NGINX.lines().next().unwrap()).unwrap();
    assert_eq!(
        (e.duration, e.instance.as_str()),
        (Some(0.25), "127.0.0.1:7002")
    );
    assert_eq!(e.path, "/products/42?x=\\\"1");
    let e = lines::parse(Format::Nginx, NGINX.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (e.duration, e.instance.as_str(), e.status),
        (Some(1.5), "127.0.0.1:7001", 502)
    );
}

#[test]
fn nginx_json_lines() {
    let line = r#"{"time_iso8601":"2024-02-29T12:00:01+00:00","request_method":"GET","request_uri":"/a/7","status":200,"request_time":"0.100","bytes_sent":"5","upstream_addr":"h:1","host":"x"}"#;
    let e = lines::parse(Format::NginxJson, line).unwrap();
    assert_eq!(
        (e.arrival, e.duration, e.bytes_out),
        (1_709_208_000.9, Some(0.1), 5)
    );
    assert_eq!((e.host.as_str(), e.instance.as_str()), ("x", "h:1"));
    let line =
        r#"{"msec":"1709208001.5","request":"GET /b HTTP/1.1","status":"200","request_time":0.5}"#;
    assert_eq!(
        lines::parse(Format::NginxJson, line).unwrap().arrival,
        1_709_208_001.0
    );
    assert!(lines::parse(Format::NginxJson, "{}").is_none());
    // Milliseconds, and a duration of years: no recording could be read with them.
    for (msec, took) in [("1709208001500", "0.5"), ("1709208001.5", "1e8")] {
        let line = format!(
            r#"{{"msec":"{msec}","request":"GET /b HTTP/1.1","status":"200","request_time":{took}}}"#
        );
        assert!(lines::parse(Format::NginxJson, &line).is_none(), "{line}");
    }
}

#[test]
fn envoy_lines() {
    let old = r#"[2024-02-29T12:00:00.250Z] "GET /items/9 HTTP/1.1" 200 - 10 154 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "shop.local" "127.0.0.1:8000""#;
    let new = r#"[2024-02-29T12:00:00.250Z] "GET /items/9 HTTP/1.1" 503 UF upstream_reset "-" 10 154 226 - "-" "a" "b" "shop.local" "-""#;
    let e = lines::parse(Format::Envoy, old).unwrap();
    assert_eq!(
        (e.arrival, e.duration, e.bytes_in),
        (1_709_208_000.25, Some(0.226), 10)
    );
    assert_eq!(
        (e.host.as_str(), e.instance.as_str()),
        ("shop.local", "127.0.0.1:8000")
    );
    let e = lines::parse(Format::Envoy, new).unwrap();
    assert_eq!((e.status, e.bytes_out, e.instance.as_str()), (503, 154, ""));
}

#[test]
fn alb_lines() {
    let line = r#"https 2024-02-29T12:00:01.000000Z app/lb/50dc 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/p/1 HTTP/1.1" "curl" ECDHE TLSv1.2"#;
    let e = lines::parse(Format::Alb, line).unwrap();
    assert!(
        (e.duration.unwrap() - 0.171).abs() < 1e-9 && (e.arrival - 1_709_208_000.829).abs() < 1e-6
    );
    assert_eq!(
        (e.host.as_str(), e.path.as_str(), e.instance.as_str()),
        ("www.example.com:443", "/p/1", "10.0.0.1:80")
    );
    let failed = line
        .replace("0.086 0.048 0.037", "-1 -1 -1")
        .replace("10.0.0.1:80", "-");
    let e = lines::parse(Format::Alb, &failed).unwrap();
    assert_eq!((e.duration, e.instance.as_str()), (None, ""));
}

#[test]
fn an_import_can_be_read_as_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("rec");
    let done = import(NGINX.as_bytes(), Format::Nginx, "shop", &folder).unwrap();
    assert_eq!(done.rows, 3);
    let r = recording::read(&folder);
    assert!(!r.has_errors(), "{:?}", r.findings);
    let names: Vec<&str> = r.history.routes.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["GET /products/{id}", "POST /checkout", "GET /"]);
    assert_eq!(r.history.instances, [("shop".to_owned(), 2)]);
    assert!(r.history.routes[0].safe && !r.history.routes[1].safe);
    assert!(import(NGINX.as_bytes(), Format::Nginx, "shop", &folder).is_err());
    let nothing = import(
        NGINX.as_bytes(),
        Format::Alb,
        "shop",
        &dir.path().join("other"),
    );
    assert!(nothing.is_err_and(|f| f.code == "import-nothing"));
}

#[test]
fn a_very_long_line_is_one_bad_line() {
    let mut log = vec![b'x'; 3 * LINE];
    log.push(b'\n');
    log.extend_from_slice(NGINX.as_bytes());
    let done = convert(log.as_slice(), Format::Nginx, "s", &mut Vec::new()).unwrap();
    assert_eq!((done.lines, done.rows, done.bad), (6, 3, 3));
    assert!(done.shown[0].1.len() <= 120);
}
