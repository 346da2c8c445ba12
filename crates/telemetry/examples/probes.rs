//! Prints what the probes see of a local service for some seconds: `cargo run -p telemetry --example probes -- 127.0.0.1:7001 15`.

use base::clock::Clock;
use base::{InstanceIx, Names};
use std::time::Duration;
use telemetry::probes::{self, InstanceTarget, Proc, Reading, Targets};

fn main() -> Result<(), String> {
    let mut args = std::env::args().skip(1);
    let address = args
        .next()
        .ok_or("name an address, such as 127.0.0.1:7001")?;
    let address = address.parse().map_err(|e| format!("{address}: {e}"))?;
    let seconds: u32 = args.next().and_then(|s| s.parse().ok()).unwrap_or(5);
    let (clock, names) = (Clock::start(), Names::default());
    let targets = Targets {
        instances: vec![InstanceTarget {
            service: "service".into(),
            instance: InstanceIx(0),
            address,
            pid: None,
        }],
        ..Targets::default()
    };
    let mut all = probes::all(&Proc::host());
    for second in 0..=seconds {
        let began = std::time::Instant::now();
        let mut r = Reading::new(clock.now(), &targets, &names);
        all.iter_mut().for_each(|p| p.read(&mut r));
        println!("second {second}, read in {:?}", began.elapsed());
        for c in &r.cells {
            let name = names.resources.name(c.resource).unwrap_or_default();
            println!(
                "  {name:24} busy {:10.4} of {:?}, waiting {:?}, level {:?}, background {:?}",
                c.busy, c.capacity, c.waiting, c.level, c.background
            );
        }
        for n in &r.notes {
            println!(
                "  {}{}: {}: {}",
                if n.blind { "blind " } else { "" },
                n.probe,
                n.about,
                n.text
            );
        }
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            let began = std::time::Instant::now();
            all.iter_mut().for_each(|p| p.sample(clock.now(), &|_| 0));
            if second == seconds {
                println!("  sampled in {:?}", began.elapsed());
            }
        }
    }
    Ok(())
}
