//! A real client of gRPC-Web (npm `grpc-web`) through Plimsoll to a real server of gRPC (npm `@grpc/grpc-js`).

use super::npm;
use super::peers;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "target/grpc-web";
const PACKAGES: &[&str] = &[
    "grpc-web@2.1.1",
    "@grpc/grpc-js@1.14.7",
    "google-protobuf@4.0.3",
    // What the client needs of a browser.
    "xhr2@0.2.1",
];
const PEERS: &str = include_str!("peers.js");

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    if let Err(why) = npm::install(&folder, PACKAGES) {
        eprintln!("SKIPPED, NOT PASSED: no client of gRPC-Web was tried: {why}");
        return Ok(());
    }
    let script = folder.join("peers.js");
    write(&script, PEERS)?;
    let [at] = peers::free()?;
    let node = |what: &str, at: SocketAddr| {
        let mut node = Command::new("node");
        node.arg(&script).args([what, &at.to_string()]);
        node
    };
    let server = peers::launch("the gRPC server", at, &mut node("serve", at))?;
    let [listen, console] = peers::free()?;
    let text = format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nservices:\n  shop:\n    instances: [\"{at}\"]\n    \
         protocol: h2\nroutes:\n  all: {{ match: \"/{{rest...}}\", to: shop, grpc_web: true }}\n",
        folder.join(format!("data-{}", listen.port())).display()
    );
    let file = folder.join("plimsoll.yaml");
    write(&file, &text)?;
    let mut run = Command::new(npm::absolute(plimsoll)?);
    let plimsoll = peers::launch("Plimsoll", listen, run.args(["run", "--config"]).arg(&file))?;
    let out = node("call", listen).output();
    let out = out.map_err(|e| format!("node does not start: {e}"))?;
    drop((plimsoll, server));
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("the client of gRPC-Web: {said}"));
    }
    eprintln!("a client of gRPC-Web was answered, in text and in binary");
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
