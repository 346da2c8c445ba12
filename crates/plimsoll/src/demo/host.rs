//! How busy the host's CPUs are, from /proc/stat.

/// Busy and total ticks at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostCpu {
    busy: u64,
    total: u64,
}

impl HostCpu {
    pub fn now() -> HostCpu {
        parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Share of all CPUs that was busy since then, 0 to 1.
    pub fn share_since(&self) -> f64 {
        let now = HostCpu::now();
        let total = now.total.saturating_sub(self.total).max(1);
        now.busy.saturating_sub(self.busy) as f64 / total as f64
    }
}

fn parse(stat: &str) -> HostCpu {
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    let ticks: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|t| t.parse().ok())
        .collect();
    let total: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    HostCpu {
        busy: total - idle,
        total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_disks_are_not_busy() {
        assert_eq!(
            parse("cpu  10 0 20 60 10 0 0 0 0 0\ncpu0 1 2"),
            HostCpu {
                busy: 30,
                total: 100
            }
        );
        assert_eq!(parse(""), HostCpu { busy: 0, total: 0 });
    }
}
