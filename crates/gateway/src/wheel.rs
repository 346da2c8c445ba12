//! Coarse timers of one thread: a wheel of 10 ms ticks. A timer is set and moved by writing one number;
//! its place in the wheel is only looked at when the hand comes by. Whoever is done with a timer leaves it, and its place,
//! to the next: a wheel holds about as many as are in use at once, not one for each that was used since the hand came by.

use base::Nanos;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

pub const TICK: Duration = Duration::from_millis(10);
const SLOTS: usize = 1024;
/// Alarms that wait for somebody who needs one.
const SPARE: usize = 4096;

/// One timer of one task. It never rings early, and at most two ticks late.
#[derive(Default)]
pub struct Alarm {
    /// Tick at which it rings; 0: not set.
    at: Cell<u64>,
    /// Tick of its valid entry in the wheel; 0: none.
    queued: Cell<u64>,
    rang: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Alarm {
    /// The task that is woken; it must be the one that polls.
    pub fn bind(&self, waker: &Waker) {
        let mut mine = self.waker.borrow_mut();
        if !mine.as_ref().is_some_and(|w| w.will_wake(waker)) {
            *mine = Some(waker.clone());
        }
    }
    pub fn rang(&self) -> bool {
        self.rang.get()
    }
    pub fn clear(&self) {
        self.at.set(0);
        self.rang.set(false);
    }
    /// Its task is over; a waker would keep the task's memory.
    fn release(&self) {
        self.clear();
        self.waker.take();
    }
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

type Spare = Rc<RefCell<Vec<Rc<Alarm>>>>;

/// An alarm of somebody, who gives it back by dropping this.
pub struct Timer {
    alarm: Rc<Alarm>,
    spare: Spare,
}

impl std::ops::Deref for Timer {
    type Target = Rc<Alarm>;
    fn deref(&self) -> &Rc<Alarm> {
        &self.alarm
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.alarm.release();
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(self.alarm.clone());
        }
    }
}

/// Alarms with the tick of their entry.
type Slot = Vec<(u64, Rc<Alarm>)>;

pub struct Wheel {
    slots: RefCell<Vec<Slot>>,
    /// The last tick that was handled.
    hand: Cell<u64>,
    spare: Spare,
}

fn tick_of(at: Nanos) -> u64 {
    at.0 / TICK.as_nanos() as u64
}

impl Wheel {
    pub fn new(now: Nanos) -> Wheel {
        Wheel {
            slots: RefCell::new(vec![Vec::new(); SLOTS]),
            hand: Cell::new(tick_of(now)),
            spare: Spare::default(),
        }
    }

    /// A timer that is not set.
    pub fn timer(&self) -> Timer {
        Timer {
            alarm: self.spare.borrow_mut().pop().unwrap_or_default(),
            spare: self.spare.clone(),
        }
    }

    /// The time of the last tick.
    pub fn now(&self) -> Nanos {
        Nanos(self.hand.get() * TICK.as_nanos() as u64)
    }

    /// Lets the alarm ring at `at`, and not before.
    pub fn set(&self, alarm: &Rc<Alarm>, at: Nanos) {
        let tick = tick_of(at).max(self.hand.get()) + 1;
        alarm.rang.set(false);
        alarm.at.set(tick);
        if alarm.queued.get() == 0 || tick < alarm.queued.get() {
            self.queue(alarm, tick);
        }
    }

    fn queue(&self, alarm: &Rc<Alarm>, tick: u64) {
        alarm.queued.set(tick);
        self.slots.borrow_mut()[tick as usize % SLOTS].push((tick, alarm.clone()));
    }

    /// Moves the hand to `now` and wakes what is due.
    pub fn turn(&self, now: Nanos) {
        let now = tick_of(now);
        let from = (self.hand.get() + 1).max(now.saturating_sub(SLOTS as u64 - 1));
        for tick in from..=now {
            self.hand.set(tick);
            let due = std::mem::take(&mut self.slots.borrow_mut()[tick as usize % SLOTS]);
            for (entry, alarm) in due {
                if entry != alarm.queued.get() {
                    continue;
                }
                let at = alarm.at.get();
                if entry > now {
                    self.slots.borrow_mut()[tick as usize % SLOTS].push((entry, alarm));
                } else if at > now {
                    self.queue(&alarm, at);
                } else {
                    alarm.queued.set(0);
                    if at != 0 {
                        alarm.rang.set(true);
                        alarm.wake();
                    }
                }
            }
        }
    }

    /// Wakes everyone who has a timer, without ringing.
    pub fn wake_all(&self) {
        let alarms: Vec<_> = (self.slots.borrow().iter().flatten())
            .map(|(_, alarm)| alarm.clone())
            .collect();
        alarms.iter().for_each(|a| a.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    #[test]
    fn never_early_and_at_most_two_ticks_late_whatever_it_was_before() {
        for (first, then) in [
            (5, None),
            (75_000, Some(300)),
            (300, Some(75_000)),
            (20_000, Some(20_000)),
        ] {
            let (wheel, alarm) = (Wheel::new(ms(0)), Rc::new(Alarm::default()));
            wheel.set(&alarm, ms(first));
            let mut due = first;
            if let Some(then) = then {
                wheel.set(&alarm, ms(then));
                due = then;
            }
            let mut at = 0;
            while !alarm.rang() {
                at += 7;
                wheel.turn(ms(at));
                assert!(at < due + 30, "{first} {then:?}: late");
            }
            assert!(at >= due, "{first} {then:?}: early at {at}");
        }
    }

    #[test]
    fn a_cleared_alarm_is_silent_and_entries_do_not_pile_up() {
        let (wheel, alarm) = (Wheel::new(ms(0)), Rc::new(Alarm::default()));
        for i in 0..10_000 {
            wheel.turn(ms(i));
            wheel.set(&alarm, ms(i + 5_000));
            wheel.set(&alarm, ms(i + 60_000));
        }
        let entries: usize = wheel.slots.borrow().iter().map(Vec::len).sum();
        assert!(entries <= 3, "{entries}");
        alarm.clear();
        wheel.turn(ms(200_000));
        assert!(!alarm.rang());
    }

    #[test]
    fn timers_that_are_done_leave_no_task_and_at_most_one_entry_behind() {
        struct Woken;
        impl std::task::Wake for Woken {
            fn wake(self: std::sync::Arc<Self>) {}
        }
        let wheel = Wheel::new(ms(0));
        let task = std::sync::Arc::new(Woken);
        for i in 0..10_000 {
            wheel.turn(ms(i / 100));
            let timer = wheel.timer();
            timer.bind(&Waker::from(task.clone()));
            wheel.set(&timer, ms(i / 100 + 30_000));
        }
        assert_eq!(std::sync::Arc::strong_count(&task), 1);
        let entries: usize = wheel.slots.borrow().iter().map(Vec::len).sum();
        assert_eq!(entries, 1);
        let timer = wheel.timer();
        wheel.set(&timer, ms(200));
        wheel.turn(ms(250));
        assert!(timer.rang(), "one that was used before rings in time");
    }

    #[test]
    fn a_long_pause_of_the_thread_loses_no_alarm() {
        let (wheel, alarm) = (Wheel::new(ms(0)), Rc::new(Alarm::default()));
        wheel.set(&alarm, ms(50));
        wheel.turn(ms(60_000));
        assert!(alarm.rang());
    }
}
