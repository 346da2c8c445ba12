//! The terminal while the live view is on: a thread draws and listens for keys; whatever ends the demo gives the
//! terminal back.

use super::picture::{Numbers, Picture, draw};
use crate::interrupt::Interrupts;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(250);

/// Asked before each frame.
pub type Meter = Box<dyn FnMut() -> Numbers + Send>;

struct Shared {
    picture: Mutex<Picture>,
    meter: Mutex<Option<Meter>>,
    stop: AtomicBool,
}

/// The live view; gone when dropped.
pub struct Screen {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal. A panic anywhere gives it back before its message is printed.
    pub fn open(start: Instant, interrupts: Interrupts) -> std::io::Result<Screen> {
        let terminal = ratatui::try_init()?;
        let shared = Arc::new(Shared {
            picture: Mutex::default(),
            meter: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let seen = shared.clone();
        let thread = std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || show(terminal, &seen, start, &interrupts));
        match thread {
            Ok(thread) => Ok(Screen {
                shared,
                thread: Some(thread),
            }),
            Err(e) => {
                ratatui::restore();
                Err(e)
            }
        }
    }

    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        lock(&self.shared.picture)
    }

    pub fn measure(&self, meter: Meter) {
        *lock(&self.shared.meter) = Some(meter);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            // A panic in it has been printed; the terminal is given back all the same.
            let _ = t.join();
        }
        ratatui::restore();
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

fn show(mut terminal: DefaultTerminal, shared: &Shared, start: Instant, interrupts: &Interrupts) {
    while !shared.stop.load(Ordering::Relaxed) {
        let numbers = lock(&shared.meter).as_mut().map(|ask| ask());
        let picture = {
            let mut p = lock(&shared.picture);
            p.now_s = start.elapsed().as_secs_f64();
            if let Some(n) = numbers {
                p.numbers = n;
            }
            p.clone()
        };
        // A terminal that cannot be drawn on is no reason to end the demo.
        let _ = terminal.draw(|f| draw(f, &picture));
        if event::poll(FRAME).unwrap_or(false)
            && let Ok(Event::Key(key)) = event::read()
        {
            let control_c =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if control_c || key.code == KeyCode::Char('q') {
                interrupts.add();
            }
        }
    }
}
