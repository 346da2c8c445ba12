//! `plimsoll example`: the example application, one process of it or the whole with a bottleneck planted.

use crate::cli::{Example, PlantedArgs, ShopArgs};
use crate::exit::{Exit, Failure};
use crate::planted::{self, orders, scenarios};

pub fn run(example: Example) -> Result<Exit, Failure> {
    match example {
        Example::Shop(args) => shop(args),
        Example::Planted(args) => planted(args),
    }
}

fn shop(args: ShopArgs) -> Result<Exit, Failure> {
    let switches = args.switches.parse().map_err(Failure::new)?;
    let options = shop::Options {
        listen: args.listen,
        via: args.via,
        data: args.data,
        switches,
    };
    shop::run(&args.role, options).map_err(|e| {
        Failure::new(format!(
            "the shop's {} on {} stopped: {e}",
            args.role, args.listen
        ))
    })?;
    Ok(Exit::Ok)
}

/// One JSON object: the answer (exit status 0 when it is right), or a line that was measured.
fn planted(args: PlantedArgs) -> Result<Exit, Failure> {
    let mut all = scenarios::all();
    if args.list {
        all.iter().for_each(|s| println!("{}", s.name));
        return Ok(Exit::Ok);
    }
    let named = |s: &scenarios::Scenario| args.scenario.as_deref() == Some(s.name);
    let (Some(found), Some(out)) = (all.iter().position(named), args.out) else {
        let names: Vec<_> = all.iter().map(|s| s.name).collect();
        return Err(
            Failure::new("no such scenario").help(format!("there are {}", names.join(", ")))
        );
    };
    let scenario = &mut all[found];
    scenario.rate = args.rate.unwrap_or(scenario.rate);
    let servers = args.app.zip(args.database).zip(args.store);
    let servers = servers.map(|((app, database), store)| orders::Servers {
        app,
        database,
        store,
        database_process: args.database_process,
    });
    let run = planted::Run {
        scenario,
        out: &out,
        seed: args.seed,
        servers: servers.as_ref(),
    };
    let say = |v: serde_json::Result<String>| {
        v.map(|text| println!("{text}"))
            .map_err(|e| Failure::new(e.to_string()))
    };
    if let Some(which) = args.truth {
        say(serde_json::to_string(&planted::truth::measure(
            &run, which,
        )?))?;
        return Ok(Exit::Ok);
    }
    let row = planted::run(&run)?;
    say(serde_json::to_string(&row))?;
    Ok(match row.judged.all() {
        true => Exit::Ok,
        false => Exit::Not,
    })
}
