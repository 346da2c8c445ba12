//! What the kernel's signs say of a resource, in plain words. They are evidence beside its use: what is held down by a quota
//! is not helped by cores, and what is full but makes nobody wait is not full.

use crate::fit::{ResourceFit, Sign};
use base::{Class, Discipline, Signal};

/// Share of periods throttled from which the quota, not the cores, is what limits.
const THROTTLED: f64 = 0.01;
/// Shares of time below this are noise.
const SOME: f64 = 0.02;
/// More in the busiest quarter than this many times the calmest: it rises with the load.
const RISES: f64 = 1.25;
/// A resource this busy has been put to the test.
const TESTED: f64 = 0.6;
/// Memory in use below which nothing is short.
const MOSTLY: f64 = 0.7;
/// Pages per second that were read again, and faults that waited for a disk, which mean that memory is short.
pub const SHORT_REFAULTS: f64 = 100.0;
pub const SHORT_FAULTS: f64 = 10.0;

/// The share of its periods in which a quota held this processor up, where it does.
pub fn throttled(r: &ResourceFit) -> Option<f64> {
    let s = r.sign(Signal::Throttled)?;
    (r.info.class == Class::Compute && s.mean > THROTTLED).then_some(s.mean)
}

/// Whether memory is short now: what was thrown out is read again, more of it when there is more to do.
pub fn thrashing(r: &ResourceFit) -> bool {
    let above = |signal, limit| {
        r.sign(signal)
            .is_some_and(|s| s.mean > limit && s.busy > RISES * s.calm)
    };
    let waits = r.sign(Signal::Pressure).is_none_or(|s| s.mean > SOME);
    r.info.discipline == Discipline::Level
        && r.info.class == Class::Memory
        // Files of a neighbour that are read again say nothing of memory that is half empty.
        && r.utilisation >= MOSTLY
        && waits
        && (above(Signal::Refaults, SHORT_REFAULTS) || above(Signal::MajorFaults, SHORT_FAULTS))
}

/// One line for each sign that says something.
pub fn lines(r: &ResourceFit) -> Vec<String> {
    r.signs.iter().filter_map(|s| line(r, s)).collect()
}

fn line(r: &ResourceFit, s: &Sign) -> Option<String> {
    let percent = |v: f64| format!("{:.0} %", 100.0 * v);
    let moves = match s.busy > RISES * s.calm + 0.01 {
        true => format!(
            ", {} in the busiest quarter and {} in the calmest: it rises with the load",
            percent(s.busy),
            percent(s.calm)
        ),
        false => String::new(),
    };
    let what = match r.info.class {
        Class::Compute => "work that could run waits for a processor",
        Class::Memory => "work waits for memory",
        _ => "work waits for the disk",
    };
    match s.signal {
        Signal::Pressure if s.mean >= SOME => Some(format!(
            "{what} in {} of the time (PSI){moves}",
            percent(s.mean)
        )),
        Signal::Pressure if r.utilisation_max >= TESTED => Some(format!(
            "hardly anything waits for it ({} of the time by PSI), though it is busy",
            percent(s.mean)
        )),
        Signal::Stalled if s.mean >= SOME => Some(format!(
            "nothing at all goes on meanwhile in {} of the time",
            percent(s.mean)
        )),
        Signal::Throttled if s.mean > THROTTLED => Some(format!(
            "its quota is spent early in {} of its periods{moves}: the quota holds it, not the cores of the machine",
            percent(s.mean)
        )),
        Signal::Refaults if s.mean > SHORT_REFAULTS => Some(format!(
            "{:.0} pages per second are read again that had been thrown out: it does not fit into memory",
            s.mean
        )),
        Signal::MajorFaults if s.mean > SHORT_FAULTS => Some(format!(
            "{:.0} page faults per second wait for a disk",
            s.mean
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Grade, ResourceInfo};

    fn resource(name: &str, signs: &[(Signal, f64, f64, f64)]) -> ResourceFit {
        let sign = |&(signal, calm, mean, busy)| Sign {
            signal,
            mean,
            calm,
            busy,
        };
        ResourceFit {
            info: ResourceInfo::from_name(name),
            capacity: 1.0,
            capacity_sd: 0.0,
            capacity_known: true,
            background: 0.0,
            background_sd: 0.0,
            alongside: vec![],
            visits: Vec::new(),
            here: false,
            utilisation: 0.75,
            utilisation_max: 0.8,
            waiting: None,
            instances: 1,
            grade: Grade::Direct,
            notes: vec![],
            signs: signs.iter().map(sign).collect(),
        }
    }

    #[test]
    fn a_quota_is_told_from_the_cores() {
        let r = resource("cpu.shop", &[(Signal::Throttled, 0.05, 0.2, 0.4)]);
        assert_eq!(throttled(&r), Some(0.2));
        let told = lines(&r);
        assert!(told[0].contains("20 % of its periods") && told[0].contains("rises with the load"));
        let calm = resource("cpu.shop", &[(Signal::Throttled, 0.0, 0.005, 0.01)]);
        assert_eq!((throttled(&calm), lines(&calm)), (None, vec![]));
    }

    #[test]
    fn pressure_speaks_for_or_against_what_is_busy() {
        let waits = lines(&resource("cpu.host", &[(Signal::Pressure, 0.1, 0.2, 0.4)]));
        assert!(
            waits[0].contains("waits for a processor in 20 %"),
            "{waits:?}"
        );
        let calm = lines(&resource(
            "disk.host.vda",
            &[(Signal::Pressure, 0.0, 0.001, 0.0)],
        ));
        assert!(calm[0].contains("hardly anything waits"), "{calm:?}");
    }

    #[test]
    fn memory_is_short_when_what_was_thrown_out_is_read_again() {
        let faults = (Signal::Refaults, 100.0, 500.0, 900.0);
        assert!(thrashing(&resource("mem.shop", &[faults])));
        let without = (Signal::Pressure, 0.0, 0.0, 0.0);
        assert!(
            !thrashing(&resource("mem.shop", &[faults, without])),
            "nobody waits"
        );
        let fading = (Signal::Refaults, 900.0, 500.0, 100.0);
        assert!(
            !thrashing(&resource("mem.shop", &[fading])),
            "it is a start, not the load"
        );
    }
}
