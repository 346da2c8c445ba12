//! Whether the process is alive: every traffic thread is seen at work, and control answers. `/livez` says so, and the
//! pings to systemd's watchdog end when it is not. Instances and their health have no part in it: a restart of
//! Plimsoll would not help them.

use crate::host::notify;
use base::Nanos;
use base::clock::Clock;
use control::Control;
use gateway::Gateway;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// A traffic thread that was not at work for so long hangs: it has a timer that rings many times a second.
const TRAFFIC: Duration = Duration::from_secs(10);
/// Control waits for disks, and for processors that traffic leaves over.
const CONTROL: Duration = Duration::from_secs(30);
/// How often control is asked.
const ASK: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Pulse {
    gateway: Arc<Mutex<Option<Gateway>>>,
    clock: Clock,
    /// Another process pings.
    silent: Arc<AtomicBool>,
    /// When control last answered; `None`: there is none, which is as it should be.
    control: Arc<Mutex<Option<Nanos>>>,
}

impl Pulse {
    pub fn new(gateway: Arc<Mutex<Option<Gateway>>>, clock: Clock) -> Pulse {
        Pulse {
            gateway,
            clock,
            silent: Arc::default(),
            control: Arc::default(),
        }
    }

    /// Listens to control until it is dropped or `forget` is called.
    pub fn listen_to(&self, control: &Arc<Control>, runtime: &Handle) {
        let (pulse, control) = (self.clone(), Arc::downgrade(control));
        self.set(Some(self.clock.now()));
        runtime.spawn(async move {
            let mut ask = tokio::time::interval(ASK);
            loop {
                ask.tick().await;
                let asked = control.clone();
                let answered = tokio::task::spawn_blocking(move || answers(&asked)).await;
                if !answered.unwrap_or(false) || !pulse.beat() {
                    return;
                }
            }
        });
    }

    /// Control is about to be stopped.
    pub fn forget(&self) {
        self.set(None);
    }

    /// Ends the pings.
    pub fn silence(&self) {
        self.silent.store(true, Relaxed);
    }

    fn set(&self, at: Option<Nanos>) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// False when control was given up meanwhile.
    fn beat(&self) -> bool {
        let mut last = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let listening = last.is_some();
        if listening {
            *last = Some(self.clock.now());
        }
        listening
    }

    /// # Errors
    /// What hangs.
    pub fn check(&self) -> Result<(), String> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = gateway.as_ref().map_or(Vec::new(), |g| g.stalled(TRAFFIC));
        drop(gateway);
        let last = *self.control.lock().unwrap_or_else(PoisonError::into_inner);
        verdict(&stalled, last, self.clock.now())
    }
}

/// Locks what people's questions lock: whoever cannot do that hangs.
fn answers(control: &Weak<Control>) -> bool {
    control.upgrade().map(|c| c.status()).is_some()
}

fn verdict(stalled: &[usize], control: Option<Nanos>, now: Nanos) -> Result<(), String> {
    if let Some(thread) = stalled.first() {
        let long = TRAFFIC.as_secs();
        return Err(format!(
            "traffic thread {thread} has not moved for {long} s"
        ));
    }
    match control {
        Some(last) if now.since(last) > CONTROL => {
            let long = now.since(last).as_secs();
            Err(format!("control has not answered for {long} s"))
        }
        _ => Ok(()),
    }
}

/// Pings the watchdog for as long as the process is alive, if systemd asks for it.
pub fn keep_watchdog(pulse: &Pulse) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let pulse = pulse.clone();
    let ping = move || {
        while !pulse.silent.load(Relaxed) {
            match pulse.check() {
                Ok(()) => notify::alive(),
                Err(why) => tracing::error!("the watchdog is not pinged: {why}"),
            }
            std::thread::sleep(interval / 3);
        }
    };
    let thread = std::thread::Builder::new().name("watchdog".into());
    if let Err(e) = thread.spawn(ping) {
        tracing::error!("the watchdog is not pinged: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_or_control_that_hangs_is_named_and_control_may_be_absent() {
        let at = |s: u64| Nanos(s * 1_000_000_000);
        assert_eq!(verdict(&[], None, at(1000)), Ok(()));
        assert_eq!(verdict(&[], Some(at(971)), at(1000)), Ok(()));
        let late = verdict(&[], Some(at(960)), at(1000)).unwrap_err();
        assert!(late.contains("control") && late.contains("40 s"), "{late}");
        let stuck = verdict(&[2], Some(at(1000)), at(1000)).unwrap_err();
        assert!(stuck.contains("thread 2"), "{stuck}");
    }
}
