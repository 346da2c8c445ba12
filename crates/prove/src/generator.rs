//! One generator thread: a dispatcher that follows the schedule, and connections that carry the requests.

use crate::connection::{Connection, Scratch};
use crate::plan::{Arrivals, Plan};
use crate::record::{Failure, Outcome, Recorder};
use crate::request::Mix;
use crate::schedule::Schedule;
use crate::timer::Timer;
use base::{Nanos, clock::Clock};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::task::LocalSet;

/// How often a thread looks whether it must stop.
const LOOK: Duration = Duration::from_millis(20);

/// This thread's part of the plan.
pub(crate) struct Share<'a> {
    pub plan: &'a Plan,
    pub mix: &'a Mix,
    pub thread: usize,
    pub threads: usize,
    pub clock: Clock,
    /// Start of the warm-up, common to all threads.
    pub zero: Nanos,
    pub stop: &'a AtomicBool,
}

/// A request that is due.
#[derive(Clone, Copy)]
struct Job {
    kind: usize,
    intended: Nanos,
    /// Whether it had to wait for a connection, which explains its delay.
    waited: bool,
}

/// What the tasks of one thread share.
struct Thread {
    mix: Mix,
    clock: Clock,
    timeout: Duration,
    rng: RefCell<StdRng>,
    recorder: RefCell<Recorder>,
    /// Connections at rest, the last used on top.
    idle: RefCell<Vec<Rc<Slot>>>,
    backlog: RefCell<VecDeque<Job>>,
    under_way: Cell<usize>,
    done: RefCell<Option<Waker>>,
}

/// Where a resting connection finds its next job.
#[derive(Default)]
struct Slot {
    job: Cell<Option<Job>>,
    waker: RefCell<Option<Waker>>,
}

/// Runs this thread's share to its end and gives back the record. Blocks.
pub(crate) fn run(share: &Share<'_>, recorder: Recorder) -> io::Result<Recorder> {
    if let Some(&cpu) = share
        .plan
        .cpus
        .get(share.thread % share.plan.cpus.len().max(1))
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set)?;
    }
    // On Linux this is the thread's alone. Where it is allowed, what is measured does not delay the measuring.
    let _ = rustix::process::setpriority_process(None, -10);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = Rc::new(Thread {
        mix: share.mix.clone(),
        clock: share.clock,
        timeout: share.plan.timeout,
        rng: RefCell::new(StdRng::seed_from_u64(
            share.plan.seed.rotate_left(17) ^ share.thread as u64,
        )),
        recorder: RefCell::new(recorder),
        idle: RefCell::default(),
        backlog: RefCell::default(),
        under_way: Cell::new(0),
        done: RefCell::default(),
    });
    let local = LocalSet::new();
    let result = local.block_on(&runtime, async {
        tokio::select! {
            biased;
            result = drive(share, &thread) => result,
            () = stopped(share.stop) => Ok(()),
        }
    });
    // Dropping the tasks closes their connections: what is under way stays without an end.
    drop(local);
    result?;
    let mut recorder = thread.recorder.borrow_mut();
    recorder.close();
    Ok(std::mem::replace(
        &mut *recorder,
        Recorder::new(share.plan, share.zero),
    ))
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

async fn drive(share: &Share<'_>, thread: &Rc<Thread>) -> io::Result<()> {
    let scratch = Scratch::new();
    let new = || Connection::new(share.plan.target, share.clock, scratch.clone());
    match share.plan.arrivals {
        Arrivals::Closed { connections } => {
            let end = share.zero + share.plan.warmup + share.plan.duration;
            for _ in 0..part(connections, share) {
                tokio::task::spawn_local(closed_loop(thread.clone(), new(), end));
                thread.under_way.set(thread.under_way.get() + 1);
            }
        }
        Arrivals::Open { .. } | Arrivals::Recorded(_) => dispatch(share, thread, new).await?,
    }
    std::future::poll_fn(|cx| {
        if thread.under_way.get() == 0 && thread.backlog.borrow().is_empty() {
            return Poll::Ready(());
        }
        *thread.done.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
    Ok(())
}

/// This thread's part of a number that all threads share, at least 1.
fn part(n: usize, share: &Share<'_>) -> usize {
    (n / share.threads + usize::from(share.thread < n % share.threads)).max(1)
}

/// Hands out each request when it is due: to a resting connection, a new one, or the backlog.
async fn dispatch(
    share: &Share<'_>,
    thread: &Rc<Thread>,
    new: impl Fn() -> Connection,
) -> io::Result<()> {
    let timer = Timer::new()?;
    let (connections, backlog) = (
        part(share.plan.connections, share),
        share.plan.backlog.div_ceil(share.threads),
    );
    let mut opened = 0;
    for arrival in Schedule::new(share.plan, share.thread, share.threads) {
        let intended = share.zero + Duration::from_secs_f64(arrival.at);
        let mut now = share.clock.now();
        while now < intended {
            timer.sleep(intended.since(now)).await?;
            now = share.clock.now();
        }
        let kind = match arrival.kind {
            Some(kind) => kind as usize,
            None => thread.mix.draw(&mut thread.rng.borrow_mut()),
        };
        thread.recorder.borrow_mut().offer(kind, intended);
        let mut job = Job {
            kind,
            intended,
            waited: false,
        };
        let resting = thread.idle.borrow_mut().pop();
        if let Some(slot) = resting {
            slot.job.set(Some(job));
            thread.under_way.set(thread.under_way.get() + 1);
            if let Some(waker) = slot.waker.borrow_mut().take() {
                waker.wake();
            }
            continue;
        }
        // Whatever happens to it now is not the generator's doing; up to here it was.
        thread
            .recorder
            .borrow_mut()
            .lag(intended, now.since(intended));
        job.waited = true;
        if opened < connections {
            opened += 1;
            thread.under_way.set(thread.under_way.get() + 1);
            tokio::task::spawn_local(open_loop(thread.clone(), new(), job));
        } else if thread.backlog.borrow().len() < backlog {
            let mut queue = thread.backlog.borrow_mut();
            queue.push_back(job);
            let mut recorder = thread.recorder.borrow_mut();
            recorder.backlog_max = recorder.backlog_max.max(queue.len());
        } else {
            // Counted as if it had been given up at its timeout.
            thread.recorder.borrow_mut().end(&Outcome {
                kind,
                intended,
                sent: None,
                end: intended + share.plan.timeout,
                result: Err(Failure::Backlog),
            });
        }
        // A schedule that is behind must not keep responses from being read.
        if now.since(intended) > Duration::from_micros(100) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn open_loop(thread: Rc<Thread>, mut connection: Connection, first: Job) {
    let slot = Rc::new(Slot::default());
    let mut request = Vec::new();
    let mut job = first;
    loop {
        carry(&thread, &mut connection, &mut request, job).await;
        let waiting = thread.backlog.borrow_mut().pop_front();
        job = match waiting {
            Some(job) => job,
            None => {
                rest(&thread);
                thread.idle.borrow_mut().push(slot.clone());
                next(&slot).await
            }
        };
    }
}

async fn closed_loop(thread: Rc<Thread>, mut connection: Connection, end: Nanos) {
    let mut request = Vec::new();
    loop {
        let intended = thread.clock.now();
        if intended >= end {
            break;
        }
        let kind = thread.mix.draw(&mut thread.rng.borrow_mut());
        thread.recorder.borrow_mut().offer(kind, intended);
        let job = Job {
            kind,
            intended,
            waited: true,
        };
        if carry(&thread, &mut connection, &mut request, job).await == Some(Failure::Connect) {
            // Nobody is there: ask again soon, not at full speed.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    rest(&thread);
}

async fn next(slot: &Slot) -> Job {
    std::future::poll_fn(|cx| match slot.job.take() {
        Some(job) => Poll::Ready(job),
        None => {
            *slot.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    })
    .await
}

/// One connection less is at work.
fn rest(thread: &Thread) {
    thread.under_way.set(thread.under_way.get() - 1);
    if thread.under_way.get() == 0
        && let Some(waker) = thread.done.borrow_mut().take()
    {
        waker.wake();
    }
}

/// Carries one request to its end and records it; the failure, if it was one.
async fn carry(
    thread: &Thread,
    connection: &mut Connection,
    request: &mut Vec<u8>,
    job: Job,
) -> Option<Failure> {
    let deadline = job.intended + thread.timeout;
    let begin = thread.clock.now();
    if !job.waited {
        let lag = begin.since(job.intended);
        thread.recorder.borrow_mut().lag(job.intended, lag);
    }
    let template = &thread.mix.templates[job.kind];
    let (sent, result) = if begin >= deadline {
        (None, Err(Failure::Timeout))
    } else {
        request.clear();
        template.render(request, &mut thread.rng.borrow_mut());
        let deadline = thread.clock.instant(deadline);
        connection
            .exchange(template.method, request, deadline)
            .await
    };
    let mut recorder = thread.recorder.borrow_mut();
    recorder.connects += std::mem::take(&mut connection.connects);
    recorder.end(&Outcome {
        kind: job.kind,
        intended: job.intended,
        sent,
        end: thread.clock.now(),
        result,
    });
    result.err()
}
