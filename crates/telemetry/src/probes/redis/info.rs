//! What `INFO` says.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info(BTreeMap<String, String>);

/// Commands that run others begin with one of these.
const RUN_OTHERS: [&str; 3] = ["EVAL", "FCALL", "EXEC"];

/// Calls and seconds of one command since the counters were reset.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub name: String,
    pub calls: f64,
    pub seconds: f64,
}

impl Info {
    pub fn parse(text: &str) -> Info {
        let pair = |l: &str| {
            let (key, value) = l.trim_end().split_once(':')?;
            Some((key.to_owned(), value.to_owned()))
        };
        Info(text.lines().filter_map(pair).collect())
    }

    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        self.text(key).parse().ok().filter(|v: &f64| v.is_finite())
    }

    /// Processor seconds of the thread that runs all commands, and whether they are its own.
    pub fn cpu(&self) -> Option<(f64, bool)> {
        let sum = |a, b| Some(self.number(a)? + self.number(b)?);
        let own = sum("used_cpu_user_main_thread", "used_cpu_sys_main_thread");
        own.map(|s| (s, true))
            .or_else(|| Some((sum("used_cpu_user", "used_cpu_sys")?, false)))
    }

    /// How often somebody came, with one command or several at once; an old Redis counts commands only.
    pub fn round_trips(&self) -> Option<f64> {
        let of = |key| self.number(key);
        of("total_reads_processed").or_else(|| of("total_commands_processed"))
    }

    pub fn commands(&self) -> Vec<Command> {
        let of = |(key, value): (&String, &String)| {
            let field = |name: &str| {
                let mut fields = value.split(',');
                let value = fields.find_map(|f| f.strip_prefix(name)?.strip_prefix('='))?;
                value.parse::<f64>().ok()
            };
            Some(Command {
                name: key
                    .strip_prefix("cmdstat_")?
                    .to_ascii_uppercase()
                    .replace('|', " "),
                calls: field("calls")?,
                seconds: field("usec")? / 1e6,
            })
        };
        self.0.iter().filter_map(of).collect()
    }
}

/// Seconds in all of them. `None` with commands that run others, whose time is counted twice, and with those of modules (`FT.SEARCH`),
/// which may count what threads of their own do.
pub fn seconds_in(all: &[Command]) -> Option<f64> {
    let other = |c: &Command| {
        c.name.contains('.') || RUN_OTHERS.iter().any(|name| c.name.starts_with(name))
    };
    (!all.is_empty() && !all.iter().any(other)).then(|| all.iter().map(|c| c.seconds).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_and_what_took_the_thread() {
        let old = "total_commands_processed:7\ncmdstat_get:calls=3,usec=2000\ncmdstat_keys:calls=1,usec=60000\n";
        let of = |text: &str| {
            let info = Info::parse(text);
            (info.round_trips(), seconds_in(&info.commands()))
        };
        assert_eq!(of(old), (Some(7.0), Some(0.062)));
        let new = format!("{old}total_reads_processed:5\ncmdstat_evalsha_ro:calls=1,usec=9\n");
        assert_eq!(
            of(&new),
            (Some(5.0), None),
            "a script's commands count twice"
        );
        assert_eq!(
            of("cmdstat_ft.search:calls=1,usec=9\n").1,
            None,
            "a module's"
        );
        assert_eq!(of(""), (None, None));
    }

    #[test]
    fn numbers_and_commands_are_found() {
        let info = Info::parse(
            "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2\r\nmaxmemory:0\r\nrole:master\r\n\
             cmdstat_config|get:calls=3,usec=2000,usec_per_call=1\r\ncmdstat_bad:x\r\nodd\r\n",
        );
        assert_eq!(info.cpu(), Some((3.5, false)), "an old Redis");
        assert_eq!(info.number("maxmemory"), Some(0.0));
        assert_eq!((info.text("role"), info.number("role")), ("master", None));
        let all = info.commands();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].name.as_str(), all[0].seconds),
            ("CONFIG GET", 0.002)
        );
        let new = Info::parse(
            "used_cpu_user_main_thread:1\nused_cpu_sys_main_thread:1\nused_cpu_user:9\n",
        );
        assert_eq!(new.cpu(), Some((2.0, true)));
    }
}
