//! The same costs in the shape of OpenCost's `/allocation/compute`, for tools that speak it.

use crate::report::By;
use crate::slot::Slot;
use base::{Class, Finding};
use serde_json::{Map, Value, json};

/// Names that OpenCost gives to what nobody used, and to what nobody can be charged for.
const IDLE: &str = "__idle__";
const UNALLOCATED: &str = "__unallocated__";

/// What `aggregate` names: `route`, `service`, also as `label:…`, and `resource`.
pub fn aggregate(text: &str) -> Result<By, Finding> {
    let word = text.strip_prefix("label:").unwrap_or(text);
    let known = |by: &By| !matches!(by, By::Tenant | By::User);
    By::from_word(word).filter(known).ok_or_else(|| {
        let short: String = text.chars().take(80).collect();
        Finding::error(
            "cost-aggregate",
            format!("costs are not aggregated by `{short}`"),
        )
        .help("write service, route, resource, label:service or label:route")
    })
}

/// One set of allocations, by name.
pub fn set(
    slot: &Slot,
    by: By,
    to_s: u64,
    idle: bool,
    service: impl Fn(&str) -> Option<String>,
) -> Value {
    let mut all: Map<String, Value> = Map::new();
    let times = Times { slot, to_s };
    for (resource, item) in &slot.items {
        for (route, part) in &item.routes {
            let name = match by {
                By::Service => service(route).unwrap_or_else(|| UNALLOCATED.into()),
                By::Resource => resource.clone(),
                _ => route.clone(),
            };
            times.charge(&mut all, &name, by, resource, part.dollars);
        }
        times.charge(&mut all, UNALLOCATED, by, resource, item.background);
        if idle {
            times.charge(&mut all, IDLE, by, resource, item.idle());
        }
    }
    for allocation in all.values_mut() {
        finish(allocation);
    }
    Value::Object(all)
}

/// Columns of OpenCost that hold dollars, by what class a resource is of.
fn column(resource: &str) -> &'static str {
    match Class::from_name(resource) {
        Class::Compute => "cpuCost",
        Class::Memory => "ramCost",
        Class::Storage => "pvCost",
        Class::Network => "networkCost",
        _ => "externalCost",
    }
}

const COLUMNS: [&str; 5] = [
    "cpuCost",
    "ramCost",
    "pvCost",
    "networkCost",
    "externalCost",
];

struct Times<'a> {
    slot: &'a Slot,
    to_s: u64,
}

impl Times<'_> {
    fn charge(
        &self,
        all: &mut Map<String, Value>,
        name: &str,
        by: By,
        resource: &str,
        dollars: f64,
    ) {
        if dollars <= 0.0 {
            return;
        }
        let new = || self.empty(name, by);
        let allocation = all.entry(name.to_owned()).or_insert_with(new);
        let column = column(resource);
        let before = allocation[column].as_f64().unwrap_or(0.0);
        allocation[column] = json!(before + dollars);
    }

    fn empty(&self, name: &str, by: By) -> Value {
        let (start, end) = (time(self.slot.start_s), time(self.to_s));
        let properties = match by {
            _ if name.starts_with("__") => json!({}),
            By::Service => json!({ "services": [name] }),
            by => json!({ "labels": { by.word(): name } }),
        };
        json!({
            "name": name,
            "properties": properties,
            "window": { "start": start, "end": end },
            "start": start,
            "end": end,
            "minutes": self.slot.seconds / 60.0,
            "cpuCores": 0.0, "cpuCoreHours": 0.0, "cpuCost": 0.0, "cpuCostAdjustment": 0.0, "cpuEfficiency": 0.0,
            "gpuCount": 0.0, "gpuHours": 0.0, "gpuCost": 0.0,
            "ramBytes": 0.0, "ramByteHours": 0.0, "ramCost": 0.0, "ramEfficiency": 0.0,
            "pvBytes": 0.0, "pvByteHours": 0.0, "pvCost": 0.0,
            "networkCost": 0.0, "loadBalancerCost": 0.0, "sharedCost": 0.0, "externalCost": 0.0,
            "totalCost": 0.0, "totalEfficiency": 0.0,
        })
    }
}

/// Sums, and how much of what it pays for is used: idle is its own allocation, so what is charged was used.
fn finish(allocation: &mut Value) {
    let total: f64 = COLUMNS.iter().filter_map(|c| allocation[*c].as_f64()).sum();
    let efficiency = f64::from(u8::from(allocation["name"] != IDLE));
    allocation["totalCost"] = json!(total);
    allocation["totalEfficiency"] = json!(efficiency);
}

fn time(at_s: u64) -> String {
    let at = i64::try_from(at_s)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    at.map_or_else(String::new, |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Kind, Part};

    #[test]
    fn sums_are_those_of_the_slot_in_opencosts_words() {
        let part = |route: &str, dollars| {
            (
                route.to_owned(),
                Part {
                    seconds: dollars,
                    dollars,
                },
            )
        };
        let item = |dollars, routes: [(String, Part); 2]| Item {
            kind: Kind::Service,
            dollars,
            background: 0.5,
            routes: routes.into(),
            measured: true,
        };
        let slot = Slot {
            seconds: 3600.0,
            items: [
                (
                    "cpu.app".to_owned(),
                    item(4.0, [part("a", 1.0), part("b", 2.0)]),
                ),
                (
                    "net.app".to_owned(),
                    item(3.0, [part("a", 1.0), part("b", 0.0)]),
                ),
            ]
            .into(),
            ..Slot::default()
        };
        let service = |r: &str| (r == "a").then(|| "app".to_owned());
        for by in [By::Route, By::Service, By::Resource] {
            let said = set(&slot, by, 3600, true, service);
            let all = said.as_object().unwrap().values();
            let sum: f64 = all.map(|a| a["totalCost"].as_f64().unwrap()).sum();
            assert!((sum - slot.dollars()).abs() < 1e-9, "{said}");
        }
        let said = set(&slot, By::Route, 3600, true, service);
        assert_eq!(
            (&said["a"]["cpuCost"], &said["a"]["networkCost"]),
            (&json!(1.0), &json!(1.0))
        );
        assert_eq!(
            (&said[IDLE]["totalCost"], &said[IDLE]["totalEfficiency"]),
            (&json!(2.0), &json!(0.0))
        );
        assert_eq!(said["b"]["window"]["end"], "1970-01-01T01:00:00Z");
        let without = set(&slot, By::Service, 3600, false, service);
        assert_eq!(without["app"]["properties"]["services"], json!(["app"]));
        assert!(without[IDLE].is_null() && without[UNALLOCATED]["totalCost"] == json!(3.0));
        assert_eq!(aggregate("label:route"), Ok(By::Route));
        assert!(aggregate("pod").unwrap_err().help.contains("service"));
    }
}
