//! What happened lately, for people.

use super::Control;
use crate::lately::{self, Heat, Objectives, RouteLately, Step};
use crate::loops::{Shared, View};
use base::RouteInfo;

/// Seconds over which a route's numbers are summed up.
pub const ROUTES_S: u64 = 60;

impl Control {
    /// Requests from outside over the last `last_s` seconds, oldest first.
    pub fn traffic(&self, last_s: u64) -> Vec<Step> {
        self.shared
            .seconds
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .steps(last_s.min(lately::KEEP_S), zero_s(&self.shared))
    }

    /// Every route over the last minute.
    pub fn routes(&self) -> Vec<RouteLately> {
        let history = self.shared.windows.history(ROUTES_S);
        let objectives = objectives(&self.view(), &history.routes);
        lately::routes(&history.windows, &history.routes, &objectives)
    }

    /// One route over the last `last_s` seconds; empty for a route that nobody knows.
    pub fn route_traffic(&self, route: &str, last_s: u64) -> Vec<Step> {
        let last_s = last_s.min(lately::KEEP_S);
        let history = self.shared.windows.history(last_s);
        let Some(r) = history.routes.iter().position(|i| i.name == route) else {
            return Vec::new();
        };
        let objectives = objectives(&self.view(), &history.routes);
        lately::of_route(
            &history.windows,
            r,
            &objectives,
            last_s,
            zero_s(&self.shared),
        )
    }

    /// How long one route's answers took, by time; empty for a route that nobody knows.
    pub fn route_heat(&self, route: &str, last_s: u64) -> Heat {
        let last_s = last_s.min(lately::KEEP_S);
        let history = self.shared.windows.history(last_s);
        let Some(r) = history.routes.iter().position(|i| i.name == route) else {
            return Heat::default();
        };
        lately::heat(&history.windows, r, last_s, zero_s(&self.shared))
    }
}

/// The time of window 0, seconds since the Unix epoch.
fn zero_s(s: &Shared) -> u64 {
    (s.wall.now_ms() / 1000).saturating_sub(s.windows.index())
}

/// What "good" means for each route: as declared, else as the model assumes.
pub(crate) fn objectives(view: &View, routes: &[RouteInfo]) -> Objectives {
    let fitted = |name: &str| {
        let fit = view.fit.as_ref()?;
        let route = fit.routes.iter().find(|r| r.info.name == name)?;
        Some(route.objective)
    };
    let of = |r: &RouteInfo| r.objective.or_else(|| fitted(&r.name));
    routes.iter().map(of).collect()
}
