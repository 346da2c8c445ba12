//! From arguments to a plan: what to send, where, when, for how long.

use crate::cli::load::LoadArgs;
use crate::exit::Failure;
use config::Config;
use config::sections::LoadRequest;
use prove::{Arrivals, Plan, Process, Url};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// When nothing says how long.
const DURATION: Duration = Duration::from_secs(30);

/// # Errors
/// What is missing, cannot be read or does not fit, and what to do.
pub fn plan(args: &LoadArgs) -> Result<Plan, Failure> {
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
        plan.mix = vec![request(args, url.path)?];
    } else {
        let config = read_config(args)?;
        plan.target = match (args.target, config.listen.ip()) {
            (Some(target), _) => target,
            (None, Some(listen)) => reachable(listen),
            (None, None) => {
                let what = format!("no load can be sent to {}", config.listen);
                return Err(Failure::new(what).help("name an address with `--target`"));
            }
        };
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
    plan.connections = args.max_connections.unwrap_or(plan.connections);
    plan.warmup = args.warmup;
    plan.timeout = args.timeout;
    plan.seed = args.seed;
    plan.threads = args.threads.unwrap_or(1);
    Ok(plan)
}

/// The one request of `--url`.
fn request(args: &LoadArgs, path: String) -> Result<LoadRequest, Failure> {
    let body = match args.body.as_deref().map(|b| b.strip_prefix('@').ok_or(b)) {
        Some(Ok(file)) => Some(
            std::fs::read_to_string(file)
                .map_err(|e| Failure::new(format!("the body cannot be read from {file}: {e}")))?,
        ),
        Some(Err(text)) => Some(text.to_owned()),
        None => None,
    };
    let method = if body.is_some() { "POST" } else { "GET" };
    Ok(LoadRequest {
        method: args.method.clone().unwrap_or_else(|| method.into()),
        headers: args.header.clone(),
        body,
        ..prove::plan::get(&path)
    })
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

fn mix(config: &Config, name: &str) -> Result<Vec<LoadRequest>, Failure> {
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
        (None, true) => "the config has no `loads` section".to_owned(),
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
