//! Cron: schedules that mean something, and routes that take the jobs.

use super::Whole;
use super::request::Made;
use crate::sections::{Config, KeptIn};
use base::Finding;

impl Whole<'_> {
    pub(super) fn crons(&mut self, c: &Config) {
        if c.engines.jobs == KeptIn::Durable && c.engines.durable.is_none() {
            let what = "`engines.jobs: durable`, and `engines.durable` names no NATS";
            let finding = Finding::error("config-jobs", what);
            let help =
                "name one, such as `durable: { env: PLIMSOLL_NATS_URL }`, or leave `jobs` out";
            self.add(&["engines", "jobs"], finding.help(help));
        }
        let takes: Vec<&str> = (c.routes.iter())
            .filter(|r| r.asynchronous.is_some())
            .map(|r| r.name.as_str())
            .collect();
        if c.engines.topics == KeptIn::Durable && c.engines.durable.is_none() {
            let what = "`engines.topics: durable`, and `engines.durable` names no NATS";
            let finding = Finding::error("config-topics", what);
            let help =
                "name one, such as `durable: { env: PLIMSOLL_NATS_URL }`, or leave `topics` out";
            self.add(&["engines", "topics"], finding.help(help));
        }
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
