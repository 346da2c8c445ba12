//! Reloads of the real binary under load, with tunnels open. That a thousand lose nothing either is tested in the gateway,
//! where none of them waits for an editor to be done.

use crate::stage::{Clients, Stage, Tunnels};

const RELOADS: usize = 20;
const TUNNELS: usize = 200;

#[test]
fn reloads_lose_no_request_and_no_tunnel() {
    let mut stage = Stage::new("");
    let pid = stage.start();
    let clients = Clients::start(stage.listen, 4);
    let mut tunnels = Tunnels::open(stage.listen, TUNNELS);
    for i in 0..RELOADS {
        let next = stage.config(&format!("limits: {{ headers: {} }}", 50 + i));
        stage.reload(pid, &next);
    }
    assert_eq!(tunnels.alive(), TUNNELS);
    clients.more(100);
    assert_eq!(clients.end(), [] as [String; 0]);
}
