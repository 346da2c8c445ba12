//! What a new process tries before it takes anything over: a data path of its own, made from the config, on a port of
//! its own, asked one thing that it answers by itself. No instance is asked: a CONNECT is refused with 501.

use crate::exit::Failure;
use base::Names;
use base::clock::Clock;
use config::Generation;
use gateway::{Gateway, Options};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(5);

pub fn try_out(generation: &Generation) -> Result<(), Failure> {
    let mut config = (*generation.base).clone();
    let anywhere = ([127, 0, 0, 1], 0);
    config.listen = anywhere.into();
    // Certificates are loaded, and neither is their port taken twice nor the question asked in cipher.
    if let Some(tls) = &mut config.tls {
        tls.listen = Some(anywhere.into());
    }
    config.access_log = None;
    let generation = Generation {
        base: Arc::new(config),
        ..generation.clone()
    };
    let options = Options {
        threads: Some(1),
        ..Options::default()
    };
    let (gateway, _samples) = Gateway::start(
        Arc::new(generation),
        Names::default(),
        Clock::start(),
        options,
    )?;
    let answer = ask(gateway.address());
    drop(gateway);
    match answer?.as_str() {
        "HTTP/1.1 501" => Ok(()),
        other => Err(Failure::new(format!(
            "the data path answers its first request with `{other}` instead of 501"
        ))),
    }
}

/// The beginning of the status line.
fn ask(at: SocketAddr) -> Result<String, Failure> {
    let mut stream = TcpStream::connect_timeout(&at, LONGEST)?;
    stream.set_read_timeout(Some(LONGEST))?;
    stream.write_all(b"CONNECT self.test:1 HTTP/1.1\r\nHost: self.test:1\r\n\r\n")?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_config_passes_without_its_instance() {
        let text = "listen: 127.0.0.1:1\nservices: { app: { instances: [127.0.0.1:2] } }\n";
        let (document, _) = config::Document::parse("p", text);
        let composed = config::compose(&document, &[], 0, 0).unwrap();
        try_out(&composed.generation).unwrap();
    }
}
