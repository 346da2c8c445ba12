//! An application with something planted, behind a Plimsoll that runs.

use super::Run;
use super::around::{self, Standing};
use super::group::Group;
use super::link::{self, Link};
use super::scenarios::World;
use super::{disks, orders};
use crate::commands::recorded;
use crate::demo::stage::{self, Ports, Scratch, Stage};
use crate::demo::traffic;
use crate::exit::Failure;
use crate::wire::system::System;
use config::Config;
use std::process::Command;

pub struct Live {
    pub system: System,
    config: Config,
    ports: Ports,
    stage: Stage,
    around: Standing,
    limited: Option<Group>,
    link: Option<Link>,
    _scratch: Scratch,
}

impl Live {
    pub fn start(run: &Run<'_>, plant: &World, blind: bool) -> Result<Live, Failure> {
        let scratch = Scratch::new()?;
        let mut ports = Ports::free()?;
        if let World::Narrow(..) = plant {
            ports.pay.set_ip(link::FAR);
        }
        let text = config_text(run, plant, &ports, &scratch, blind)?;
        let checked = config::check_text("the application's config", &text);
        let Some(config) = checked.config else {
            return Err(recorded::refused(&checked.findings));
        };
        let system = System::start("planted", &text)?;
        let (mut limited, mut link) = (None, None);
        let mut stage = match plant {
            World::Shop(plant) | World::Around(plant, _) => {
                Stage::start(&std::env::current_exe()?, &ports, plant, &scratch.0)?
            }
            World::Narrow(plant, kbit) => {
                let here = std::env::current_exe()?;
                link = Some(Link::lay(*kbit)?);
                Stage::start_with(&ports, plant, &scratch.0, &|role| match role {
                    "pay" => Link::at_the_far_end(&here),
                    _ => Command::new(&here),
                })?
            }
            World::Orders(settings) => {
                orders::start(orders::needed(run.servers)?, settings, &ports, &scratch.0)?
            }
            World::Limited(settings, limits) => {
                let servers = orders::needed(run.servers)?;
                let (stage, group) = disks::start(servers, settings, limits, &ports, &scratch.0)?;
                limited = Some(group);
                stage
            }
        };
        let around = match plant {
            World::Around(_, what) => around::place(*what, &mut stage, ports.listen, &scratch.0)?,
            _ => Standing::default(),
        };
        Ok(Live {
            system,
            config,
            ports,
            stage,
            around,
            limited,
            link,
            _scratch: scratch,
        })
    }

    pub fn plan(&self, rate: f64, seed: u64) -> Result<prove::Plan, Failure> {
        traffic::plan(&self.config, self.ports.listen, rate, seed)
    }

    pub fn stop(self) {
        self.system.stop();
        drop(self.stage);
        drop(self.around);
        drop(self.limited);
        drop(self.link);
    }
}

fn config_text(
    run: &Run<'_>,
    plant: &World,
    ports: &Ports,
    scratch: &Scratch,
    blind: bool,
) -> Result<String, Failure> {
    let mix = &super::truth::weights(run);
    let data = scratch.0.join("data");
    Ok(match plant {
        World::Shop(plant) | World::Around(plant, _) | World::Narrow(plant, _) => {
            let off: &[&str] = if blind { &["waiters"] } else { &[] };
            let text = stage::config_text(ports, &data, weights(mix)?, off);
            match plant.route {
                Some((route, keys)) => stage::with_route(&text, route, keys),
                None => text,
            }
        }
        World::Orders(_) | World::Limited(..) => {
            let servers = orders::needed(run.servers)?;
            orders::config_text(servers, ports, &scratch.0, weights(mix)?)?
        }
    })
}

/// As many weights as the application has requests in its mix.
fn weights<const N: usize>(mix: &[u32]) -> Result<[u32; N], Failure> {
    mix.try_into()
        .map_err(|_| Failure::new(format!("the mix has {} weights instead of {N}", mix.len())))
}
