//! The numbers behind a constraint, in plain words.

use super::{Cause, signs};
use crate::demand::machine;
use crate::fit::Fit;
use crate::peak;
use crate::rank::{self, Ranked};
use base::units::Secs;
use base::{Discipline, Grade};

pub fn lines(
    fit: &Fit,
    found: &Ranked,
    carriers: &[(usize, f64)],
    cause: Option<&Cause>,
) -> Vec<String> {
    let k = found.resource;
    let r = &fit.resources[k];
    let mut lines = Vec::new();
    let level = r.info.discipline == Discipline::Level;
    let verb = match r.info.discipline {
        _ if r.info.serial => "used",
        Discipline::Slots | Discipline::Fcfs | Discipline::Level => "held",
        _ => "used",
    };
    let entry: f64 = fit.routes.iter().map(|r| r.entry_rate).sum();
    for (i, (route, share)) in carriers.iter().take(3).enumerate() {
        let d = fit.demand[*route][k];
        let per = if level {
            format!("{:.1} MB for a second", d.mean / 1e6)
        } else if r.info.unit.starts_with("bytes") {
            format!("{:.0} bytes", d.mean)
        } else {
            format!("{} ± {}", Secs(d.mean), Secs(1.645 * d.sd))
        };
        let tries = match fit.tries(*route) {
            n if n > 1.0 => format!(" in {n:.1} tries"),
            _ => String::new(),
        };
        let mut line = format!(
            "{verb} {per} per request of {}{tries} ({}), {:.0} % of its load",
            fit.routes[*route].info.name,
            d.grade.label(),
            100.0 * share
        );
        if i == 0 {
            let queue = r
                .waiting
                .map_or(String::new(), |w| format!("; waiters {w:.2}"));
            line = format!(
                "{line}, {:.0} % busy at {entry:.0} rps{queue}",
                100.0 * found.rho
            );
        }
        lines.push(line);
    }
    let servers = if level {
        format!("{:.0} MB", r.capacity / 1e6)
    } else if r.info.unit.starts_with("bytes") {
        format!("{:.0} bytes/s", r.capacity)
    } else {
        let n = (r.capacity * 100.0).round() / 100.0;
        let unit = if n == 1.0 {
            r.info.unit.trim_end_matches('s')
        } else {
            &r.info.unit
        };
        format!("{n} {unit}")
    };
    lines.push(format!(
        "it offers {servers} and is full at {:.0} rps of today's mix",
        found.saturation
    ));
    let rates: Vec<f64> = fit.routes.iter().map(|r| r.rate).collect();
    let users = machine::users(k, &fit.resources, &fit.demand, &rates);
    if !users.is_empty() {
        let each = users.iter().map(|(n, s)| format!("{n} {:.0} %", 100.0 * s));
        lines.push(format!("used by {}", each.collect::<Vec<_>>().join(", ")));
    }
    if r.background > 0.01 * r.capacity {
        lines.push(format!(
            "{:.0} % of it goes to work that no request causes",
            100.0 * r.background / r.capacity
        ));
    }
    let alongside = r.alongside(&rates) / r.capacity.max(1e-12);
    if alongside > 0.01 {
        lines.push(format!(
            "{:.0} % of it goes to other work on the machine that grows with this traffic",
            100.0 * alongside
        ));
    }
    if fit.skew(k) > 1.0 {
        lines.push(format!(
            "its busiest copy has {:.1} times its part: that one is full first",
            fit.skew(k)
        ));
    }
    let peak = peak::over_mean(fit, &rank::visits(fit), k);
    if peak > 1.05 {
        lines.push(format!(
            "what requests hold at once comes to {peak:.1} times its mean: it is called full where that is all there is"
        ));
    }
    if r.grade == Grade::Waits {
        lines.push("known by its waiters only: their number gives how long it is held".to_owned());
    }
    lines.extend(signs::lines(r));
    lines.extend(cause.map(Cause::to_string));
    lines
}
