//! `plimsoll profile`: what a service does with its processor, by route. The samples are taken by this command, with the rights of
//! whoever runs it; the running Plimsoll tells when requests were in the service.

use crate::cli::profile::ProfileArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::terminal::{self, Ticker};
use crate::{ask, show};
use base::clock::Clock;
use base::{InstanceIx, Names};
use profile::{Flight, Flights, Profile, Refused, Taken};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use telemetry::probes::listeners::Listeners;
use telemetry::probes::{Probe, Proc, Reading, cpu};
use telemetry::{InstanceTarget, Targets};

const HERE: &str = "/api/v1/flights";
/// What is in flight at the end of the samples is taken down for so much longer.
const MORE: Duration = Duration::from_secs(1);
/// Plimsoll tells within so long after that.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(200);

/// What Plimsoll began to take down.
#[derive(Deserialize)]
struct Begun {
    id: u64,
    /// Where they are.
    instances: Vec<String>,
}

/// What it took down.
#[derive(Deserialize)]
struct Down {
    id: u64,
    done: bool,
    #[serde(default)]
    from: u64,
    #[serde(default)]
    to: u64,
    #[serde(default)]
    full: bool,
    #[serde(default)]
    routes: Vec<String>,
    /// Route, instance, start and end.
    #[serde(default)]
    flights: Vec<(usize, usize, u64, u64)>,
}

pub fn run(args: ProfileArgs) -> Result<Exit, Failure> {
    let at = ask::console(&args.ask)?;
    let what = json!({ "service": args.service, "seconds": (args.length + MORE).as_secs_f64().ceil() as u64 });
    let begun: Begun = ask::post(&at, HERE, &what)?;
    let done = look(&args, &at, &begun);
    if done.is_err() {
        // The next one need not wait for it.
        let _ = stop(&at, begun.id);
    }
    done
}

fn stop(at: &ask::Console, id: u64) -> Result<(), Failure> {
    ask::post::<Value>(at, "/api/v1/flights/stop", &json!({ "id": id })).map(drop)
}

fn look(args: &ProfileArgs, at: &ask::Console, begun: &Begun) -> Result<Exit, Failure> {
    let interrupts = Interrupts::catch()?;
    let mut ticker = Ticker::new(!args.ask.json);
    let here = processes(&begun.instances);
    let pids: BTreeSet<u32> = here.values().flatten().copied().collect();
    let pids: Vec<u32> = pids.into_iter().collect();
    if pids.is_empty() {
        return Err(nobody(&args.service, &begun.instances));
    }
    let (service, length) = (&args.service, base::units::Secs(args.length.as_secs_f64()));
    ticker.say(&format!("looking at {service} for {length}"));
    let before = used(&pids);
    let taken = profile::take(&pids, args.length, || interrupts.count() > 0).map_err(refused)?;
    let used = (used(&pids) - before) / (taken.seconds().max(1e-9));
    if taken.seconds() < args.length.as_secs_f64() {
        stop(at, begun.id)?;
    }
    ticker.say("reading the names of functions");
    let stacks = profile::functions(&taken.stacks);
    ticker.say("waiting for the last requests");
    let asked = interrupts.count();
    let down = taken_down(at, begun.id, || interrupts.count() > asked)?;
    // It has been read: another one may take its place.
    let _ = stop(at, begun.id);
    ticker.clear();
    let taken = taken.within(down.from, down.to);
    let flights = flights(&down, &here, &taken);
    let (mut profile, split) =
        profile::profile(&args.service, &taken, &stacks, &flights, &down.routes);
    profile.notes.extend(notes(
        &profile,
        used,
        &down,
        begun.instances.len() - here.len(),
    ));
    if let Some(file) = &args.folded {
        let text = profile::folded(&taken, &stacks, &split, &down.routes);
        std::fs::write(file, text).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    }
    match args.ask.json {
        true => println!("{}", json!(profile)),
        false => print!(
            "{}",
            show::profile::page(&profile, args.top.into(), terminal::width())
        ),
    }
    // Without a sample nobody knows more than before.
    Ok(if profile.samples > 0 {
        Exit::Ok
    } else {
        Exit::Not
    })
}

/// By the instance's number, the processes that serve it on this host.
fn processes(instances: &[String]) -> BTreeMap<usize, Vec<u32>> {
    let target = |(n, address): (usize, &String)| {
        let address: config::Address = address.parse().ok()?;
        Some(InstanceTarget {
            service: String::new(),
            instance: InstanceIx(u16::try_from(n).ok()?),
            address,
            pid: None,
        })
    };
    let targets = Targets {
        instances: instances.iter().enumerate().filter_map(target).collect(),
        ..Targets::default()
    };
    let names = Names::default();
    let mut reading = Reading::new(Clock::start().now(), &targets, &names);
    Listeners::new(Proc::host()).read(&mut reading);
    let found = reading.found.into_iter();
    found.map(|(i, f)| (usize::from(i.0), f.pids)).collect()
}

/// Processor seconds of these processes.
fn used(pids: &[u32]) -> f64 {
    let proc = Proc::host();
    let of = |pid: &u32| Some(cpu::read_process(&proc, *pid)?.0);
    pids.iter().filter_map(of).sum()
}

fn taken_down(at: &ask::Console, id: u64, is_left: impl Fn() -> bool) -> Result<Down, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && !is_left() {
        let down: Option<Down> = ask::get(at, HERE)?;
        match down.filter(|d| d.id == id) {
            Some(down) if down.done => return Ok(down),
            Some(_) => std::thread::sleep(LOOK),
            None => {
                return Err(Failure::new(
                    "Plimsoll no longer knows when requests were in the service",
                )
                .help("it was restarted, or another profile took the place: try again"));
            }
        }
    }
    Err(
        Failure::new("Plimsoll does not tell when requests were in the service")
            .help("see what `plimsoll status` says of it"),
    )
}

/// Those of the instances on this host.
fn flights(down: &Down, here: &BTreeMap<usize, Vec<u32>>, taken: &Taken) -> Flights {
    let of = |&(route, instance, start, end): &(usize, usize, u64, u64)| {
        here.contains_key(&instance)
            .then_some(Flight { route, start, end })
    };
    let all = down.flights.iter().filter_map(of).collect();
    Flights::new(all, down.routes.len(), taken.from, taken.to)
}

/// `used`: cores, by what the kernel counts for the processes.
fn notes(profile: &Profile, used: f64, down: &Down, elsewhere: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if used > 0.01 && profile.cores < 0.8 * used {
        notes.push(format!(
            "the samples are {:.0} % of the processor time that the service used",
            100.0 * profile.cores / used
        ));
    }
    if profile.routes.iter().all(|r| r.requests == 0.0) {
        notes.push("no request was in the service that Plimsoll saw: what it did is not told apart by route".into());
    }
    if elsewhere > 0 {
        notes.push(format!(
            "{elsewhere} instances are not on this host, and were not looked at"
        ));
    }
    if profile.samples >= profile::MOST {
        notes.push(format!(
            "it ends after {:.1} s: there were more samples than are kept",
            profile.seconds
        ));
    }
    if down.full {
        notes.push(format!(
            "it ends after {:.1} s: there were more requests than are kept",
            profile.seconds
        ));
    }
    notes
}

fn nobody(service: &str, instances: &[String]) -> Failure {
    Failure::new(format!(
        "no process is seen here that listens at {}, where {service} is",
        instances.join(", ")
    ))
    .help(
        "run this on the host of the service, as its user or as root; in a container, where both are in one network, or beside a mapped port, \
         name the service by the address it has itself",
    )
}

fn refused(why: Refused) -> Failure {
    let level = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let help = match why {
        Refused::Rights { .. } => format!(
            "run it as the user of the service or as root, or give it CAP_PERFMON; kernel.perf_event_paranoid is {} here (3 and more: nobody else may), \
             and containers often forbid it whatever that is",
            level.trim()
        ),
        Refused::Unsupported(_) => "it takes perf_event_open(2), which some sandboxes do not have, kernel.perf_event_max_sample_rate of 499 or more, and \
             kernel.perf_event_max_stack of 64 or more"
            .into(),
        Refused::Gone => "the service ended, or is being restarted: try again".into(),
    };
    Failure::new(why.to_string()).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use profile::Function;

    #[test]
    fn requests_of_instances_elsewhere_are_left_out() {
        let down: Down = serde_json::from_value(json!({
            "id": 1, "done": true, "routes": ["home"], "flights": [[0, 0, 10, 20], [0, 1, 10, 20]], "from": 0, "to": 100
        }))
        .unwrap();
        let taken = Taken {
            to: 100,
            ..Taken::default()
        };
        let here = BTreeMap::from([(1, vec![7])]);
        let flights = flights(&down, &here, &taken);
        let (p, _) = profile::profile(
            "app",
            &taken,
            &[] as &[Vec<Function>],
            &flights,
            &down.routes,
        );
        assert_eq!(p.routes[0].requests, 1.0);
        let waiting: Down =
            serde_json::from_value(json!({ "id": 1, "service": "app", "done": false })).unwrap();
        assert!(!waiting.done && waiting.flights.is_empty());
    }

    #[test]
    fn whoever_listens_here_is_found() {
        let socket = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let all = [
            format!("192.0.2.1:{port}"),
            format!("127.0.0.1:{port}"),
            "nonsense".into(),
        ];
        let found = processes(&all);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(found[&1][0], std::process::id());
    }
}
