//! `plimsoll import`: a recording out of an access log.

use crate::cli::learn::{ImportArgs, LogFormat};
use crate::exit::{Exit, Failure};
use std::fs::File;
use std::io::BufReader;
use telemetry::import::{Format, import};

pub fn run(args: ImportArgs) -> Result<Exit, Failure> {
    let name = args.file.display();
    let log = File::open(&args.file).map_err(|e| {
        Failure::new(format!("{name} cannot be read: {e}")).help("name an access log")
    })?;
    let format = match args.format {
        LogFormat::Nginx => Format::Nginx,
        LogFormat::NginxJson => Format::NginxJson,
        LogFormat::Envoy => Format::Envoy,
        LogFormat::Alb => Format::Alb,
    };
    let done = import(BufReader::new(log), format, &args.service, &args.out)
        .map_err(|f| Failure::new(format!("{name}: {}", f.what)).help(f.help))?;
    if args.json {
        let text = serde_json::to_string(&done).map_err(|e| Failure::new(e.to_string()))?;
        println!("{text}");
        return Ok(Exit::Ok);
    }
    println!(
        "{} requests of {} routes in {:.0} s, out of {} lines, are in {}",
        done.rows,
        done.routes,
        done.to_s - done.from_s,
        done.lines,
        args.out.display()
    );
    if done.other > 0 {
        println!(
            "{} of them have a path of their own and share the route `other`",
            done.other
        );
    }
    if done.without_duration > 0 {
        println!(
            "{} tell no duration and count as unfinished: log the request's time",
            done.without_duration
        );
    }
    if done.bad > 0 {
        println!("{} lines are not understood, such as:", done.bad);
    }
    for (line, text) in &done.shown {
        println!("  {name}:{line}: {text}");
    }
    println!(
        "a log knows nothing of resources: add their use to usage.csv, then `plimsoll diagnose --recording {}`",
        args.out.display()
    );
    Ok(Exit::Ok)
}
