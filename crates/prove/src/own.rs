//! Is it the server or the generator? Its own delay and CPU decide whether a tail may be reported.

use std::time::Duration;

/// Highest share of one CPU that a generator thread may use.
pub const MAX_CPU: f64 = 0.90;
/// Longest own delay at p99, whatever the latencies.
pub const MAX_LAG: Duration = Duration::from_millis(1);
/// A delay that the kernel's timers and wake-ups cause on any machine: below it nothing is refused.
pub const FLOOR_LAG: Duration = Duration::from_micros(250);
/// Otherwise the own delay may be this share of the median latency.
pub const LAG_SHARE: f64 = 0.05;

/// What the generator knows of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    /// p99 of the time between intended and actual send that no lack of connections explains.
    pub lag_p99: Duration,
    /// Share of a CPU that the busiest thread used, or waited for, over the run.
    pub cpu: f64,
    /// Median latency measured.
    pub p50: Duration,
}

/// Whether percentiles beyond p95 can be believed.
///
/// # Errors
/// The reason why not, and what to do.
pub fn judge(own: &Own) -> Result<(), String> {
    allow(own, own.p50.mul_f64(LAG_SHARE).clamp(FLOOR_LAG, MAX_LAG))
}

/// Whether a broken goal can be the server's doing: the own delay must be small against the goal's latency.
///
/// # Errors
/// The reason why not, and what to do.
pub fn judge_goal(own: &Own, latency: Duration) -> Result<(), String> {
    allow(own, latency.mul_f64(LAG_SHARE).max(FLOOR_LAG))
}

fn allow(own: &Own, lag: Duration) -> Result<(), String> {
    if own.cpu > MAX_CPU {
        return Err(format!(
            "a generator thread needed {:.0} % of its CPU (at most {:.0} % is trusted): use more threads, or a lower rate",
            own.cpu * 100.0,
            MAX_CPU * 100.0
        ));
    }
    if own.lag_p99 > lag {
        return Err(format!(
            "the generator sent late by {:.3} ms at p99 (at most {:.3} ms is trusted here): give it a CPU of its own, more threads, or a lower rate",
            own.lag_p99.as_secs_f64() * 1e3,
            lag.as_secs_f64() * 1e3
        ));
    }
    Ok(())
}

/// CPU time that the calling thread has had or has waited for so far: a thread that is kept from its CPU is as much a
/// bottleneck as one that fills it. `None` where the kernel does not tell.
pub fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut ns = text.split_whitespace().map(|v| v.parse::<u64>().ok());
    let (ran, waited) = (ns.next()??, ns.next()??);
    Some(Duration::from_nanos(ran.saturating_add(waited)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_or_busy_generator_is_not_believed() {
        let own = |lag_us, cpu, p50_ms| Own {
            lag_p99: Duration::from_micros(lag_us),
            cpu,
            p50: Duration::from_millis(p50_ms),
        };
        assert_eq!(judge(&own(80, 0.5, 1)), Ok(()));
        assert_eq!(judge(&own(900, 0.5, 100)), Ok(()));
        assert!(judge(&own(900, 0.5, 10)).unwrap_err().contains("sent late"));
        assert!(
            judge(&own(1100, 0.5, 1000))
                .unwrap_err()
                .contains("1.000 ms")
        );
        assert!(
            judge(&own(10, 0.95, 10))
                .unwrap_err()
                .contains("95 % of its CPU")
        );
    }
}
