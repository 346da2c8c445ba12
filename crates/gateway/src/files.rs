//! The files that a configuration names: certificates, and the keys of tokens.

use crate::request::identity;
use crate::tls;
use base::Finding;
use config::Config;
use config::sections::{Identity, ServiceTls};
use std::path::PathBuf;

/// Everything that is wrong with them.
pub fn check(config: &Config) -> Vec<Finding> {
    let mut wrong = tls::check(config);
    wrong.extend(identity::check(config));
    wrong
}

/// Those that a snapshot is made of, and for which it is made anew when they change.
pub(crate) fn of_snapshots(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let services = config.services.iter();
    let links = services.flat_map(|s| s.tls.iter().flat_map(ServiceTls::files));
    links.chain(config.identity.iter().flat_map(Identity::files))
}
