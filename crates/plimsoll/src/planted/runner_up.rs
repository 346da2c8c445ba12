//! What is likeliest to be taken for the planted limit, doubled: the truth of a scenario asks that this does not lift the line.

use super::group::Limit;
use super::scenarios::{World, narrow, plant};

/// One scenario's second resource.
#[derive(Clone, Debug)]
pub struct RunnerUp {
    pub scenario: &'static str,
    pub resource: &'static str,
    /// As planted, but for twice as much of this resource.
    pub plant: World,
}

/// `None`: nothing else in the scenario has a size that can be set.
pub fn of(scenario: &str) -> Option<&'static RunnerUp> {
    static ALL: std::sync::OnceLock<Vec<RunnerUp>> = std::sync::OnceLock::new();
    let mut all = ALL.get_or_init(all).iter();
    all.find(|r| r.scenario == scenario)
}

/// A line each.
fn all() -> Vec<RunnerUp> {
    let of = |scenario, resource, plant| RunnerUp {
        scenario,
        resource,
        plant,
    };
    let orders = World::Orders;
    vec![
        of(
            "cpu",
            "pool.catalogue.db",
            plant("one_core=true,cpu_ms=12", "pool=64", ""),
        ),
        of(
            "report",
            "pool.catalogue.db",
            plant("one_core=true,report_ms=60", "pool=64", ""),
        ),
        of(
            "lock",
            "pool.catalogue.db",
            plant("lock_ms=9", "pool=64", ""),
        ),
        of(
            "pool",
            "slots.pay",
            plant("", "pool=2,db_ms=20", "pay_slots=128"),
        ),
        of(
            "index",
            "slots.pay",
            plant(
                "",
                "one_core=true,rows=200000,no_index=true",
                "pay_slots=128",
            ),
        ),
        of(
            "n-plus-one",
            "slots.pay",
            plant("n_plus_one=true", "pool=4,db_ms=4", "pay_slots=128"),
        ),
        of(
            "dependency",
            "pool.catalogue.db",
            plant("", "pool=64", "pay_ms=60,pay_slots=1"),
        ),
        of(
            "pg-index",
            "pool.app.orders",
            orders(r#"{"index":false,"pool":20}"#),
        ),
        of(
            "pg-row-lock",
            "pool.app.orders",
            orders(r#"{"items":1,"held_ms":18,"pool":20}"#),
        ),
        of(
            "pg-advisory",
            "pool.app.orders",
            orders(r#"{"advisory":true,"held_ms":14,"pool":20}"#),
        ),
        of(
            "pg-unbounded",
            "pool.app.orders",
            orders(r#"{"customers":300,"limit":false,"pool":20}"#),
        ),
        of("link", "slots.pay", narrow("pay_slots=128", 20_000)),
        of(
            "pg-commit",
            "pool.app.orders",
            World::Limited(r#"{"write_kb":64,"pool":20}"#, &[Limit::Writes(8 << 10)]),
        ),
        of(
            "pg-cold",
            "pool.app.orders",
            World::Limited(
                r#"{"orders":3000000,"stride":149993,"pool":20}"#,
                &[Limit::Memory(288), Limit::Reads(1000)],
            ),
        ),
        of(
            "node-cpu",
            "pool.app.orders",
            orders(r#"{"hashes":2500,"pool":20}"#),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::scenarios;
    use super::*;

    #[test]
    fn each_is_of_a_scenario_with_a_limit_to_lift() {
        let known = scenarios::all();
        for r in all() {
            let s = known.iter().find(|s| s.name == r.scenario).unwrap();
            let scenarios::Right::Constraint { resources, .. } = s.right else {
                panic!("{} has nothing planted", s.name);
            };
            assert!(!resources.contains(&r.resource), "{}", s.name);
        }
    }
}
