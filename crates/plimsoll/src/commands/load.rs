//! `plimsoll load`: sends requests, measures, holds the result against thresholds.

use crate::cli::load::LoadArgs;
use crate::exit::{Exit, Failure};
use crate::show;
use crate::terminal;
use config::Config;
use prove::limit::{FindLimit, Mode, Stopped, find_limit};
use prove::{Arrivals, Flow, Goal, Plan, PlanError, Process, Progress, Thresholds, Url};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// When nothing says how long.
const DURATION: Duration = Duration::from_secs(30);
/// Share of requests within `--p99-below` that `--find-limit` asks for.
const TARGET: f64 = 0.99;

pub fn run(args: LoadArgs) -> Result<Exit, Failure> {
    let plan = plan(&args)?;
    if args.find_limit {
        return limit(&args, plan);
    }
    let thresholds = Thresholds {
        latency: args.p99_below.map(|d| (0.99, d)).into_iter().collect(),
        errors: args.errors_below,
        rate: args.rate_above,
    };
    let report = prove::run(&plan, &mut |p| watch(p, None)).map_err(refused)?;
    end_watch();
    let verdict = prove::verdict(&report, &thresholds);
    if args.json {
        println!("{}", json!({ "report": report, "verdict": verdict }));
    } else {
        print!(
            "{}",
            show::load::report(&report, &verdict, terminal::width())
        );
    }
    Ok(if verdict.holds { Exit::Ok } else { Exit::Not })
}

fn limit(args: &LoadArgs, mut plan: Plan) -> Result<Exit, Failure> {
    let latency = args.p99_below.unwrap_or(Duration::from_millis(250));
    plan.goals = vec![Goal {
        latency,
        target: TARGET,
    }];
    let mut mode = if args.quick {
        Mode::QUICK
    } else {
        Mode::BISECT
    };
    if let Some(d) = args.duration {
        mode = match mode {
            Mode::Quick { .. } => Mode::Quick { ramp: d },
            Mode::Bisect { tolerance, .. } => Mode::Bisect { hold: d, tolerance },
        };
    }
    let find = FindLimit {
        plan,
        start: args.rate.unwrap_or(10.0).min(args.max_rate),
        max: args.ramp_to.unwrap_or(args.max_rate),
        mode,
        at_most: args.at_most,
    };
    let found = find_limit(&find, &mut |p| watch(p.run, Some(p.rate))).map_err(refused)?;
    end_watch();
    if args.json {
        let text = serde_json::to_string(&found).map_err(|e| Failure::new(e.to_string()))?;
        println!("{text}");
    } else {
        print!(
            "{}",
            show::load::limit(&found, args.rate_above, terminal::width())
        );
    }
    let known = matches!(
        found.stopped,
        Stopped::Found | Stopped::MaxReached | Stopped::OutOfTime
    );
    let reached = found
        .line_rps
        .is_some_and(|x| args.rate_above.is_none_or(|w| x >= w));
    Ok(if known && reached {
        Exit::Ok
    } else {
        Exit::Not
    })
}

fn refused(e: PlanError) -> Failure {
    Failure::new(e.to_string())
}

/// What to send, where, when, for how long.
fn plan(args: &LoadArgs) -> Result<Plan, Failure> {
    let duration = args.duration.unwrap_or(DURATION);
    let rate = args.rate.or(args.find_limit.then_some(10.0));
    let mut plan = Plan::to(
        SocketAddr::from(([127, 0, 0, 1], 80)),
        "/",
        rate.unwrap_or(1.0),
        duration,
    );
    if let Some(url) = &args.url {
        let url = Url::parse(url).map_err(Failure::new)?;
        plan.target = url.address;
        plan.host = Some(url.host);
        plan.mix = vec![prove::plan::get(&url.path)];
    } else {
        let config = read_config(args)?;
        plan.target = args.target.unwrap_or_else(|| reachable(config.listen));
        if let Some(name) = &args.mix {
            plan.mix = mix(&config, name)?;
        }
        if let Some(folder) = &args.recording {
            let examples = prove::recording::examples(&config);
            let replay = prove::replay(&folder.join("requests.csv"), &examples).map_err(|e| {
                Failure::new(e.to_string()).help("`examples` come from the routes of --config")
            })?;
            for (route, n) in &replay.skipped {
                eprintln!(
                    "left out: {n} requests of route `{route}`, which the config does not have"
                );
            }
            plan.duration = args.duration.unwrap_or(
                Duration::from_secs_f64(replay.span_s.max(0.0)) + Duration::from_secs(1),
            );
            plan.mix = replay.mix;
            plan.arrivals = replay.arrivals;
        }
    }
    if args.recording.is_none() {
        plan.arrivals = arrivals(args, rate)?;
    }
    plan.connections = args.connections.unwrap_or(plan.connections);
    plan.warmup = args.warmup;
    plan.timeout = args.timeout;
    plan.seed = args.seed;
    plan.threads = args.threads.unwrap_or(1);
    Ok(plan)
}

fn arrivals(args: &LoadArgs, rate: Option<f64>) -> Result<Arrivals, Failure> {
    match (args.connections, rate) {
        (Some(connections), _) => Ok(Arrivals::Closed { connections }),
        (None, Some(rate)) => Ok(Arrivals::Open {
            rate,
            ramp_to: args.ramp_to,
            process: if args.even {
                Process::Constant
            } else {
                Process::Poisson
            },
        }),
        (None, None) => Err(Failure::new("how much load is not said")
            .help("give --rate 200/s (open loop), --connections 64 (closed loop) or --find-limit")),
    }
}

fn read_config(args: &LoadArgs) -> Result<Config, Failure> {
    let checked = config::check(&args.config);
    checked.config.ok_or_else(|| {
        let file = args.config.display();
        let first = checked
            .findings
            .first()
            .map_or(format!("{file} cannot be used"), ToString::to_string);
        Failure::new(first).help(format!(
            "`plimsoll check {file}` shows everything that is wrong"
        ))
    })
}

fn mix(config: &Config, name: &str) -> Result<Vec<config::sections::LoadRequest>, Failure> {
    if let Some(found) = config.loads.iter().find(|m| m.name == name) {
        return Ok(found.requests.clone());
    }
    let names: Vec<&str> = config.loads.iter().map(|m| m.name.as_str()).collect();
    let help = match (
        config::nearest(name, names.iter().copied()),
        names.is_empty(),
    ) {
        (Some(n), _) => format!("did you mean `{n}`?"),
        (None, false) => format!("there are: {}", names.join(", ")),
        (None, true) => "the config has no `load` section".to_owned(),
    };
    Err(Failure::new(format!("no mix `{name}` in the config")).help(help))
}

/// Listening on every address means that this one can be asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        false => listen,
    }
}

/// One line that changes, for people who watch.
fn watch(p: &Progress, rate: Option<f64>) -> Flow {
    if std::io::stderr().is_terminal() {
        let rate = rate.map_or(String::new(), |r| format!(" at {r:.0}/s"));
        let text = format!(
            "\r{:>4.0} of {:.0} s{rate}: {} sent, {} ended, {} failed, {} under way   ",
            p.elapsed.as_secs_f64(),
            p.total.as_secs_f64(),
            p.offered,
            p.ended,
            p.failed,
            p.in_flight
        );
        // Nobody to see it is no reason to stop.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    Flow::Continue
}

fn end_watch() {
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
}
