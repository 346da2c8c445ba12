//! Cron: schedules that mean something, and routes that take the jobs.

use super::Whole;
use super::request::Made;
use crate::sections::Config;
use base::Finding;

impl Whole<'_> {
    pub(super) fn crons(&mut self, c: &Config) {
        let takes: Vec<&str> = (c.routes.iter())
            .filter(|r| r.asynchronous.is_some())
            .map(|r| r.name.as_str())
            .collect();
        for cron in &c.crons {
            let name = cron.name.as_str();
            if !cron.route.is_empty() && !takes.contains(&cron.route.as_str()) {
                let path = ["cron", name, "route"];
                self.unknown(&path, "route with `async`", &cron.route, &takes);
            } else if !cron.path.is_empty() {
                let made = Made {
                    method: &cron.method,
                    path: &cron.path,
                    headers: Some(&cron.headers),
                };
                self.taken_by(c, ("cron", name), &cron.route, &made);
            }
            if let (false, Err(e)) = (cron.schedule.is_empty(), cron.after(0)) {
                let what = format!("`{} {}` is no schedule: {e}", cron.schedule, cron.timezone);
                let finding = Finding::error("config-cron", what);
                let help = "write it like `*/5 * * * *`; a time zone has an IANA name, and its rules must be installed (tzdata)";
                self.add(&["cron", name, "schedule"], finding.help(help));
            }
        }
    }
}
