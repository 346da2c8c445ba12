//! The smallest front: `front LISTEN THREADS INSTANCE…` passes everything to one service and counts the samples.

use base::Names;
use base::clock::Clock;
use config::sections::{PathTemplate, Segment};
use config::{Config, Generation, Route, Service};
use gateway::{Gateway, Options};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    let address = |a: String| {
        a.parse::<SocketAddr>()
            .expect("an address like 127.0.0.1:8080")
    };
    let usage = "front LISTEN THREADS INSTANCE…";
    let mut config = Config::empty();
    config.listen = address(args.next().expect(usage)).into();
    config.threads = args.next().expect(usage).parse().ok();
    let mut service = Service::named("s");
    service.instances = args.map(address).collect();
    let mut route = Route::named("all");
    route.to = "s".to_owned();
    route.matcher.path = PathTemplate {
        segments: vec![Segment::Rest("rest".to_owned())],
    };
    config.services.push(service);
    config.routes.push(route);
    let generation = Generation {
        number: 1,
        hash: String::new(),
        base: Arc::new(config),
        canary: None,
        expiry: None,
    };
    let (gateway, mut rings) = Gateway::start(
        Arc::new(generation),
        Names::default(),
        Clock::start(),
        Options::default(),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    println!("listening on {}", gateway.address());
    let mut samples = 0u64;
    loop {
        std::thread::sleep(Duration::from_millis(20));
        for ring in &mut rings {
            while ring.pop().is_ok() {
                samples += 1;
            }
        }
        if samples > 0 && samples.is_multiple_of(1_000_000) {
            println!("{samples} samples");
        }
    }
}
