//! Routes that more than one service sees.

use super::Whole;
use crate::sections::Route;
use base::Finding;

impl Whole<'_> {
    pub(super) fn split(&mut self, r: &Route, services: &[&str]) {
        let path = ["routes", r.name.as_str(), "split"];
        if r.split.is_empty() {
            return;
        }
        for (service, _) in &r.split {
            if !services.contains(&service.as_str()) {
                let path = [path[0], path[1], path[2], service];
                self.unknown(&path, "service", service, services);
            }
        }
        let sum: f64 = r.split.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-9 {
            let what = format!("the shares are {:.1}% together", sum * 100.0);
            self.add(
                &path,
                Finding::error("config-split", what).help("let them be 100%"),
            );
        }
        if !r.split.iter().any(|(service, _)| *service == r.to) {
            let what = format!("`{}` is not among those that share the users", r.to);
            self.add(
                &path,
                Finding::error("config-split", what)
                    .why("`to` is whose route it is, and who answers those that nobody can tell apart")
                    .help(format!("add `{}: SHARE`, or change `to`", r.to)),
            );
        }
    }

    pub(super) fn mirror(&mut self, r: &Route, services: &[&str]) {
        let path = ["routes", r.name.as_str(), "mirror", "to"];
        let Some(mirror) = r.mirror.as_ref().filter(|m| !m.to.is_empty()) else {
            return;
        };
        if !services.contains(&mirror.to.as_str()) {
            self.unknown(&path, "service", &mirror.to, services);
        }
        if mirror.to == r.to {
            let what = format!("the copies of `{}` go where its requests go", r.name);
            self.add(
                &path,
                Finding::error("config-mirror", what).help("name the service to compare with"),
            );
        }
        let safe = |m: &str| m == "GET" || m == "HEAD";
        if r.matcher.method.as_deref().is_some_and(|m| !safe(m)) {
            let what = format!(
                "`{}` takes no request that may be copied: {}",
                r.name, r.matcher
            );
            self.add(
                &path[..3],
                Finding::error("config-mirror", what).why("only GET and HEAD are sent twice"),
            );
        }
    }

    pub(super) fn stateful(&mut self, r: &Route) {
        let path = ["routes", r.name.as_str(), "stateful"];
        let Some(stateful) = r.stateful.as_ref().filter(|s| s.share > 0.0) else {
            return;
        };
        let safe = |m: &str| m == "GET" || m == "HEAD";
        if r.matcher.method.as_deref().is_some_and(|m| !safe(m)) || r.writes == Some(true) {
            let what = format!("`{}` takes no request that may be asked again", r.name);
            self.add(
                &path,
                Finding::error("config-stateful", what).why(
                    "only what changes nothing is sent twice: GET and HEAD, without `writes: true`",
                ),
            );
        }
        if stateful.headers.is_empty() {
            let what = "no header carries a session, so nothing would ever be asked again";
            self.add(
                &path,
                Finding::error("config-stateful", what).help("write `headers: [cookie]`"),
            );
        }
    }
}
