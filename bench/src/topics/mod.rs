//! Topics against what others have built: the SDK of CloudEvents publishes and reads in every mode, and the verifier of Standard
//! Webhooks verifies what a webhook gets.

use super::npm;
use super::peers;
use super::pypi;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "target/topics";
const PYPI: &[&str] = &["cloudevents==1.12.0", "standardwebhooks==1.0.0"];
const TOKEN: &str = "token-of-the-test";
/// Keys of 32 bytes in Base64: the present one and the one before.
const SECRET: &str = "whsec_bmV3LXNlY3JldC1vZi10aGUtdGVzdC0wMTIzNDU2Nzg=";
const SECRET_OLD: &str = "whsec_b2xkLXNlY3JldC1vZi10aGUtdGVzdC0wMTIzNDU2Nzg=";

/// As part of the tests: loud when nothing was tested.
pub fn check(plimsoll: &Path) -> Result<(), String> {
    let folder = npm::absolute(Path::new(FOLDER))?;
    let plimsoll = npm::absolute(plimsoll)?;
    let programs = match pypi::install(&folder, PYPI) {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("SKIPPED, NOT PASSED: no event of CloudEvents' SDK was published: {why}");
            return Ok(());
        }
    };
    let [listen, console, api, service, hooks] = peers::free()?;
    let data = folder.join(format!("data-{}", listen.port()));
    let secrets = "secrets: [{ env: SECRET }, { env: SECRET_OLD }], allow: [127.0.0.1]";
    let text = format!(
        "listen: {listen}\nconsole: {console}\ndata_dir: \"{}\"\nthreads: 1\n\
         state: {{ listen: {api}, token: {{ env: TOKEN }} }}\n\
         services: {{ app: {{ instances: [\"{service}\"] }} }}\n\
         topics:\n  orders:\n    subscriptions:\n\
         \x20     service: {{ to: app, path: /events }}\n\
         \x20     binary: {{ webhook: {{ url: 'http://{hooks}/binary', {secrets}, handshake: test.example }} }}\n\
         \x20     structured: {{ mode: structured, webhook: {{ url: 'http://{hooks}/structured', {secrets} }} }}\n\
         \x20     pulled: {{ pull: true }}\n      live: {{ sse: true }}\n",
        data.display()
    );
    let file = folder.join("plimsoll.yaml");
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    write(&file, &text)?;
    write(&folder.join("client.py"), include_str!("client.py"))?;
    let with_secrets = |command: &mut Command| {
        command.envs([
            ("TOKEN", TOKEN),
            ("SECRET", SECRET),
            ("SECRET_OLD", SECRET_OLD),
        ]);
    };
    let mut run = Command::new(&plimsoll);
    with_secrets(run.args(["run", "--config"]).arg(&file));
    let _running = peers::launch("Plimsoll", api, &mut run)?;
    let mut client = Command::new(programs.join("python"));
    let client = client.arg(folder.join("client.py")).args([
        format!("http://{api}/v1/topics/"),
        service.port().to_string(),
        hooks.port().to_string(),
    ]);
    with_secrets(client);
    let out = client.output().map_err(|e| format!("no client: {e}"))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("topics with CloudEvents' SDK: {said}"));
    }
    let said = String::from_utf8_lossy(&out.stdout);
    eprintln!(
        "CloudEvents' SDK and the verifier of Standard Webhooks: {}",
        said.trim()
    );
    // What is left of it is of no use.
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}
