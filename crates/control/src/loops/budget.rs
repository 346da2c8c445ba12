//! The share of the host that learning may take.

use std::time::Duration;

/// At most this share of all cores, on average.
pub const SHARE: f64 = 0.1;

/// How long to rest after a turn that took `cpu_s` seconds of processor time and `wall_s` seconds in all,
/// so that turns come each `period` where that is cheap enough.
pub fn rest(period: Duration, cpu_s: f64, wall_s: f64, cores: usize) -> Duration {
    let least = cpu_s / (SHARE * cores.max(1) as f64);
    Duration::from_secs_f64((period.as_secs_f64().max(least) - wall_s).clamp(0.0, 3600.0))
}

/// How long an answer stands while nothing has moved, milliseconds: until simulating it, which took `cpu_s` seconds of processor
/// time, is a hundredth of it.
pub fn stands_ms(cpu_s: f64) -> u64 {
    (100.0 * cpu_s.clamp(0.6, 6.0) * 1e3) as u64
}

/// Processor time of the calling thread, seconds.
pub fn thread_cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cheap_turn_keeps_the_period_and_a_dear_one_stretches_it() {
        let p = Duration::from_secs(10);
        assert_eq!(rest(p, 0.1, 0.5, 2).as_secs_f64(), 9.5);
        // 4 s of 2 cores may come only every 20 s.
        assert_eq!(rest(p, 4.0, 5.0, 2).as_secs_f64(), 15.0);
        assert_eq!(rest(p, 0.0, 60.0, 0), Duration::ZERO);
    }

    #[test]
    fn a_dear_answer_stands_for_longer() {
        assert_eq!(stands_ms(0.01), 60_000);
        assert_eq!(stands_ms(1.5), 150_000);
        assert_eq!(stands_ms(100.0), 600_000);
        assert_eq!(stands_ms(f64::NAN), 0, "simulated anew");
    }
}
