//! Names in a recording: an instance is `service/address` inside, two columns outside.

use base::{InstanceIx, Names};

/// The part of an instance's name that goes into its column.
pub fn outside(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("", name))
}

/// The instance that a service and an `instance` column name; none without the latter.
pub fn inside(names: &Names, service: Option<&str>, instance: Option<&str>) -> InstanceIx {
    match (service, instance) {
        (_, None) => InstanceIx::NONE,
        (Some(s), Some(i)) if !i.contains('/') => names.instances.intern(&format!("{s}/{i}")),
        (_, Some(i)) => names.instances.intern(i),
    }
}
