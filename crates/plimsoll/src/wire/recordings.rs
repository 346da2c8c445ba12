//! Recordings of a running Plimsoll: telemetry's recorder with the names and the config as they are.

use crate::wire::shell;
use arc_swap::ArcSwap;
use base::clock::Clock;
use base::{Finding, Names};
use config::Config;
use console::StartRecording;
use control::ports::{SystemWall, Wall};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use telemetry::Telemetry;
use telemetry::recording::{Limits, Progress, Recorder};

/// Starts, watches and ends recordings.
#[derive(Clone)]
pub struct Recordings {
    pub telemetry: Arc<Telemetry>,
    pub names: Names,
    pub clock: Clock,
    pub config: Arc<ArcSwap<Config>>,
}

impl Recordings {
    /// Everything from the next whole second on goes into `folder`, until a limit or `stop`.
    pub fn record(&self, folder: &Path, limits: Limits) -> Result<Progress, Finding> {
        if !folder.is_absolute() {
            return Err(Finding::error(
                "recording-folder",
                format!("`{}` is not an absolute path", folder.display()),
            )
            .help("name the folder from the root of the host where Plimsoll runs"));
        }
        // Before the folder is made: what is refused leaves nothing behind.
        self.telemetry.may_record()?;
        let (names, config) = (self.names.clone(), self.config.clone());
        let describe = Box::new(move || shell::of(&names, &config.load()));
        let (now, wall) = (self.clock.now(), SystemWall.now_ms() / 1000);
        let recorder = Recorder::create(
            folder,
            self.names.clone(),
            describe,
            limits,
            now,
            Some(wall),
        )?;
        let progress = recorder.progress();
        self.telemetry.record(recorder)?;
        Ok(progress)
    }

    /// The recording under way, else how the last one ended.
    pub fn now(&self) -> Option<Progress> {
        self.telemetry.recording()
    }
}

impl console::Recordings for Recordings {
    fn start(&self, ask: &StartRecording) -> Result<Value, Vec<Finding>> {
        let usual = Limits::default();
        let limits = Limits {
            seconds: ask.seconds.unwrap_or(usual.seconds),
            bytes: ask.bytes.unwrap_or(usual.bytes),
        };
        let begun = self.record(&ask.folder, limits).map_err(|f| vec![f])?;
        Ok(json!(begun))
    }

    fn stop(&self) -> Result<Value, Vec<Finding>> {
        self.telemetry.stop_recording().map_err(|f| vec![f])?;
        Ok(json!(self.now()))
    }

    fn progress(&self) -> Option<Value> {
        self.now().map(|p| json!(p))
    }
}
