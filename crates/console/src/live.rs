//! The one stream of live values: a frame each second with what changes on the page that is shown.
//! A frame is made once a second for all who look at the same page, however many they are.

use crate::App;
use crate::api::Problem;
use crate::pages::{self, Ask};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use control::lately::Step;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Open streams at most; a browser has one for each page that can be seen.
const STREAMS: usize = 256;
/// Frames that are kept at most, by what is asked.
const FRAMES: usize = 256;
const EVERY: Duration = Duration::from_secs(1);
/// Says that the connection lives.
const ALIVE: Duration = Duration::from_secs(15);

/// What changes on a page while it is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Frame {
    /// When it changes, the page is asked for anew.
    pub version: String,
    /// Texts by the names of their places.
    pub text: BTreeMap<String, String>,
    /// The newest steps of the charts, which overlap with those of the frame before.
    pub steps: Vec<Step>,
    /// How high the water stands: traffic over the load line.
    pub level: Option<f64>,
}

/// Who listens, and the frames of this second.
pub struct Hub {
    open: AtomicUsize,
    ended: watch::Sender<bool>,
    frames: Mutex<HashMap<Ask, (Instant, Arc<str>)>>,
}

impl Default for Hub {
    fn default() -> Hub {
        Hub {
            open: AtomicUsize::new(0),
            ended: watch::channel(false).0,
            frames: Mutex::default(),
        }
    }
}

impl Hub {
    /// Ends all streams: they would never end by themselves.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    fn take_seat(self: &Arc<Hub>) -> Option<Seat> {
        let seat = Seat(self.clone());
        (self.open.fetch_add(1, Ordering::Relaxed) < STREAMS).then_some(seat)
    }

    /// The frame of this second; who comes first makes it.
    fn frame(&self, app: &App, ask: &Ask) -> Arc<str> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Just below a second: those who come each second find it old.
        let fresh = EVERY * 9 / 10;
        if let Some((_, frame)) = frames.get(ask).filter(|f| now < f.0 + fresh) {
            return frame.clone();
        }
        let frame = pages::live(&app.state, ask);
        let text: Arc<str> = serde_json::to_string(&frame).unwrap_or_default().into();
        if frames.len() >= FRAMES {
            frames.retain(|_, f| now < f.0 + fresh);
        }
        if frames.len() < FRAMES {
            frames.insert(ask.clone(), (now, text.clone()));
        }
        text
    }
}

/// A place among the open streams, given back when dropped.
struct Seat(Arc<Hub>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub async fn stream(app: App, Query(ask): Query<Ask>) -> Response {
    match app.hub.take_seat() {
        Some(seat) => Sse::new(frames(app, ask, seat))
            .keep_alive(KeepAlive::new().interval(ALIVE))
            .into_response(),
        None => Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: format!("{STREAMS} pages are shown already; close some"),
            findings: vec![],
        }
        .into_response(),
    }
}

struct Reader {
    app: App,
    ask: Ask,
    ticks: tokio::time::Interval,
    ended: watch::Receiver<bool>,
    last: Arc<str>,
    _seat: Seat,
}

fn frames(app: App, ask: Ask, seat: Seat) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let reader = Reader {
        ended: app.hub.ended.subscribe(),
        app,
        ask,
        ticks,
        last: "".into(),
        _seat: seat,
    };
    stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok(Event::default().data(&*frame)), reader))
    })
}

impl Reader {
    /// The next frame that differs from the last; `None` when the console ends.
    async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {}
                _ = self.ended.wait_for(|ended| *ended) => return None,
            }
            let (app, ask) = (self.app.clone(), self.ask.clone());
            let made = tokio::task::spawn_blocking(move || app.hub.frame(&app, &ask));
            let frame = made.await.ok()?;
            if frame != self.last {
                self.last = frame.clone();
                return Some(frame);
            }
        }
    }
}
