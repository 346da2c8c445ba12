//! For how long a store's one thread is held: what it computes, and what a command waits for meanwhile. Pure.
//!
//! A command that looks at memory which the system has taken back waits for the disk, and on a full machine for a processor. That
//! is no processor time, and nobody else is served.

use super::evict::FADE;

/// They count what is run inside them, which counts for itself.
const AROUND: [&str; 3] = ["EVAL", "FCALL", "EXEC"];

/// Sums that fade, seconds: of the processor, and of all commands from their beginning to their end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    cpu: f64,
    commands: f64,
}

/// Whether a command's time is its own.
pub fn is_own(command: &str) -> bool {
    !AROUND.iter().any(|a| command.starts_with(a))
}

impl Thread {
    /// Seconds of this second for which it was held, from both. Commands are counted when they end, so that single seconds
    /// cannot be compared.
    pub fn second(&mut self, cpu: f64, commands: f64) -> f64 {
        self.cpu = self.cpu * FADE + cpu;
        self.commands = self.commands * FADE + commands;
        let longer = (self.commands / self.cpu.max(1e-9)).max(1.0);
        (cpu * longer).min(cpu.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(seconds: impl Iterator<Item = (f64, f64)>) -> f64 {
        let mut thread = Thread::default();
        let held: Vec<f64> = seconds.map(|(cpu, c)| thread.second(cpu, c)).collect();
        held.iter().skip(20).sum::<f64>() / (held.len() - 20) as f64
    }

    #[test]
    fn a_command_that_waits_holds_the_thread() {
        // 60 ms of a processor in 90 ms, told when they end: in every other second.
        let waits = mean((0..120).map(|t| (0.06, if t % 2 == 0 { 0.18 } else { 0.0 })));
        assert!((waits - 0.09).abs() < 0.003, "{waits}");
        // Reading and answering are no command's.
        let quick = mean((0..120).map(|_| (0.2, 0.05)));
        assert!((quick - 0.2).abs() < 1e-9);
        assert!(mean((0..120).map(|_| (0.9, 2.0))) <= 1.0);
    }

    #[test]
    fn what_runs_others_is_not_counted_twice() {
        for around in ["EVALSHA", "FCALL_RO", "EXEC"] {
            assert!(!is_own(around));
        }
        assert!(is_own("KEYS") && is_own("GET"));
    }
}
