//! `plimsoll routes` tells what a gate did with a route, and why.

use crate::stage::Stage;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

const ROUTES: &str =
    "routes:\n  home: { match: 'GET /{rest...}', to: app, rate: { limit: 1/h, burst: 1 } }";

fn status(stage: &Stage) -> String {
    let mut stream = TcpStream::connect(stage.listen).unwrap();
    let request = "GET /p HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let mut stage = Stage::new(ROUTES);
    stage.start();
    assert_eq!([status(&stage), status(&stage)], ["200", "429"]);
    let said = |args: &[&str]| {
        let out = stage.ask(args);
        let text = [out.stdout, out.stderr].concat();
        (out.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, page) = said(&["routes", "home"]);
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.contains("home, to app") && page.contains("not known yet"),
        "{page}"
    );
    assert!(
        page.contains("the client sent more than its limit allows"),
        "{page}"
    );
    let (_, list) = said(&["routes"]);
    assert!(
        list.contains("home") && list.contains("rate refused 1"),
        "{list}"
    );
    let (_, json) = said(&["routes", "home", "--json"]);
    let one: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(one["route"], "home", "{json}");
    assert_eq!(one["decisions"][0]["what"], "refused", "{json}");
    let (code, unknown) = said(&["routes", "house"]);
    assert_eq!(code, Some(1), "{unknown}");
    assert!(
        unknown.contains("no route `house`") && unknown.contains("there are: home"),
        "{unknown}"
    );
}
