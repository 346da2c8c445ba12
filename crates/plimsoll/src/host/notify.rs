//! What systemd is told (`Type=notify`). Without a service manager nothing is sent.

use sd_notify::NotifyState;

/// Requests are served; also after `reloading`.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    send(&states);
}

pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Another process, which took over from this one, is the service from now on.
pub fn main_process(pid: u32) {
    send(&[NotifyState::MainPid(pid)]);
}

pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told: {e}");
    }
}
