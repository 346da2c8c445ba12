//! The twin against closed formulas of queueing theory.

use crate::common::*;
use base::Grade;
use model::Fit;
use model::pattern::{Pattern, Retries};
use model::twin::{Progress, Run, Seen, System, Twin};

fn simulate(fit: &Fit, rate: f64, requests: u32) -> Vec<Seen> {
    let system = System::new(fit);
    let mut total: Option<Vec<Seen>> = None;
    for seed in 1..=3 {
        let run = Run {
            rate,
            requests,
            seed,
            sigma: fit.burst_sigma,
            tau_s: fit.burst_tau_s,
            stop_at_bad: vec![],
            replay: vec![],
        };
        let mut twin = Twin::new(&system, run);
        // In small slices: the result must not depend on how the budget is cut.
        while twin.run(10_007) == Progress::More {}
        match &mut total {
            None => total = Some(twin.seen().to_vec()),
            Some(t) => t.iter_mut().zip(twin.seen()).for_each(|(a, b)| a.add(b)),
        }
    }
    total.unwrap()
}

fn close(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!(
        (got / want - 1.0).abs() < tolerance,
        "{what}: {got:.6} against {want:.6}"
    );
}

/// Probability of waiting in M/M/c.
fn erlang_c(c: usize, load: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..c {
        term *= load / k as f64;
        sum += term;
    }
    let last = term * load / c as f64 / (1.0 - load / c as f64);
    last / (sum + last)
}

#[test]
fn one_server_with_exponential_service() {
    let seen = simulate(&single("lock.front", 1.0, 0.01, 1.0, 1.0), 70.0, 150_000);
    close(seen[0].mean(), 0.01 / 0.3, 0.03, "M/M/1 mean");
    let p99 = 0.01 / 0.3 * 100f64.ln();
    close(seen[0].quantile(0.99).unwrap(), p99, 0.05, "M/M/1 p99");
}

#[test]
fn one_server_with_constant_service() {
    let seen = simulate(&single("lock.front", 1.0, 0.01, 0.0, 1.0), 80.0, 150_000);
    let want = 0.01 * (1.0 + 0.8 / (2.0 * 0.2));
    close(seen[0].mean(), want, 0.03, "M/D/1 mean");
}

/// A third party that serves one at a time, in 60 ms. What is seen at low load has a wait of 7 ms in it, which is not held too.
#[test]
fn the_wait_for_a_slot_is_not_held_with_it() {
    let (rate, hold) = (3.4, 0.06);
    let rho = rate * hold;
    let mean = hold * (1.0 + rho / (2.0 * (1.0 - rho)));
    let mut charge = route("charge", "pay", rate, 0.3);
    (charge.low_mean, charge.low_var) = (mean, 0.017 * 0.017);
    let mut guess = demand(0.02, 0.0);
    (guess.grade, guess.scv) = (Grade::Prior, None);
    let mut cpu = resource("cpu.plimsoll", 2.0);
    cpu.grade = Grade::Prior;
    let mut f = fit(
        vec![charge],
        vec![resource("slots.pay", 1.0)],
        vec![vec![demand(hold, 0.0)]],
    );
    for guessed in [false, true] {
        if guessed {
            // Nor with time that is only guessed to pass beside it.
            f.resources.push(cpu.clone());
            f.demand[0].push(guess);
        }
        let seen = simulate(&f, rate, 60_000);
        close(seen[0].mean(), mean, 0.03, "M/D/1 mean");
        // Erlang's series for the wait of M/D/1 gives 99 % at 1.455 holds.
        close(
            seen[0].quantile(0.99).unwrap(),
            2.455 * hold,
            0.05,
            "M/D/1 p99",
        );
    }
}

/// Each request asks one of four shards for 40 ms; a third of them the first.
#[test]
fn a_request_goes_to_one_of_several_shards() {
    let (hold, parts) = (0.04, [0.35, 0.25, 0.2, 0.2]);
    let shards = |scv: &dyn Fn(f64) -> f64| {
        let mut r = route("item", "shop", 1e-3, 0.15);
        r.low_mean = hold;
        let pools = (0..4).map(|i| resource(&format!("pool.shop.db{i}"), 1.0));
        let uses = parts.map(|p| demand(p * hold, scv(p)));
        fit(vec![r], pools.collect(), vec![uses.to_vec()])
    };
    let one = shards(&|p| 1.0 / p - 1.0);
    let seen = simulate(&one, 0.1, 20_000);
    close(seen[0].quantile(0.99).unwrap(), hold, 0.05, "no queue");
    let rate = 30.0;
    let seen = simulate(&one, rate, 150_000);
    let stay = |p: f64| {
        let rho = p * rate * hold;
        hold * (1.0 + rho / (2.0 * (1.0 - rho)))
    };
    let want: f64 = parts.iter().map(|p| p * stay(*p)).sum();
    close(seen[0].mean(), want, 0.03, "M/D/1 at each");
    // Who always uses all of them, a little each, goes through all.
    let all = simulate(&shards(&|_| 0.0), 0.1, 20_000);
    close(all[0].mean(), hold, 0.03, "one after the other");
}

#[test]
fn several_servers_and_slots_wait_as_erlang_says() {
    for name in ["disk.front", "pool.front.db"] {
        let seen = simulate(&single(name, 4.0, 0.02, 1.0, 1.0), 160.0, 150_000);
        let want = 0.02 + erlang_c(4, 3.2) * 0.02 / (4.0 - 3.2);
        close(seen[0].mean(), want, 0.03, name);
    }
}

#[test]
fn shared_processors_do_not_care_about_the_spread_of_work() {
    for scv in [0.25, 1.0, 4.0] {
        let seen = simulate(&single("cpu.front", 1.0, 0.01, scv, 1.0), 70.0, 150_000);
        close(seen[0].mean(), 0.01 / 0.3, 0.05, "M/G/1-PS mean");
    }
    let seen = simulate(&single("cpu.front", 4.0, 0.01, 1.0, 1.0), 320.0, 150_000);
    let want = 0.01 + erlang_c(4, 3.2) * 0.01 / 0.8;
    close(seen[0].mean(), want, 0.03, "M/M/4-PS mean");
}

#[test]
fn background_takes_its_share() {
    for name in ["cpu.front", "lock.front"] {
        let mut f = single(name, 1.0, 0.01, 1.0, 1.0);
        f.resources[0].background = 0.3;
        let seen = simulate(&f, 40.0, 100_000);
        // Learned at low load, so the fit's own low mean already contains the background's share.
        close(seen[0].mean(), 0.01 / (1.0 - 0.3 - 0.4), 0.05, name);
    }
}

/// A pool of 2 held around a database with 4 servers and a delay: the pool is an M/G/2 whose service is the hold.
#[test]
fn a_resource_inside_a_pool_holds_its_slot() {
    let mut r = route("all", "catalogue", 1e-3, 1.0);
    (r.low_mean, r.low_var) = (0.03, 0.0002);
    let mut db = resource("db.catalogue", 40.0);
    db.info.within = Some("pool.catalogue.db".into());
    let f = fit(
        vec![r],
        vec![resource("pool.catalogue.db", 2.0), db],
        vec![vec![demand(0.03, 1.0), demand(0.0, 1.0)]],
    );
    let mut inner = f.clone();
    inner.demand[0][1] = demand(0.02, 1.0);
    let whole = simulate(&f, 40.0, 100_000)[0].mean();
    close(whole, 0.03 + erlang_c(2, 1.2) * 0.03 / 0.8, 0.03, "pool");
    let parts = simulate(&inner, 40.0, 100_000)[0].mean();
    // The same hold, half as spread: waits a little less, never more.
    assert!(parts < whole && parts > 0.03 * 1.15, "{parts} {whole}");
}

#[test]
fn the_call_tree_is_part_of_the_entry() {
    let mut parent = route("page", "front", 1e-3, 1.0);
    parent.low_mean = 0.030;
    let mut child = route("item", "catalogue", 1e-3, 1.0);
    (child.low_mean, child.entry_rate) = (0.005, 0.0);
    let mut f = fit(
        vec![parent, child],
        vec![resource("cpu.front", 4.0), resource("lock.catalogue", 1.0)],
        vec![
            vec![demand(0.005, 0.0), demand(0.0, 0.0)],
            vec![demand(0.0, 0.0), demand(0.004, 0.0)],
        ],
    );
    f.calls[0][1] = 4.0;
    f.routes[0].low_var = 0.0;
    let system = System::new(&f);
    close(
        system.delay[0],
        0.030 - 0.005 - 4.0 * 0.005,
        0.02,
        "own delay",
    );
    close(system.delay[1], 0.001, 0.02, "delay of the child");
    let seen = simulate(&f, 1.0, 20_000);
    close(seen[0].mean(), 0.030, 0.02, "unloaded");
    let loaded = simulate(&f, 50.0, 60_000);
    assert!(loaded[0].mean() > 0.045, "{}", loaded[0].mean());
    assert_eq!(loaded[1].count, 0, "children are not entries");
}

/// Six of ten charges fail, and up to four are made: 40 % of the checkouts need one, 22 % all four.
#[test]
fn a_call_that_fails_is_made_again_as_chance_has_it() {
    let (failed, hold) = (0.6f64, 0.04);
    let tries: f64 = (0..4).map(|n| failed.powi(n)).sum();
    let mut checkout = route("checkout", "front", 1e-3, 1.0);
    (checkout.low_mean, checkout.low_var) = (tries * hold, 0.0);
    let mut charge = route("charge", "pay", tries * 1e-3, 1.0);
    (charge.low_mean, charge.low_var, charge.entry_rate) = (hold, 0.0, 0.0);
    let slots = vec![vec![demand(0.0, 0.0)], vec![demand(hold, 0.0)]];
    let mut f = fit(
        vec![checkout, charge],
        vec![resource("slots.pay", 1.0)],
        slots,
    );
    f.calls[0][1] = tries;
    f.patterns = vec![Pattern::Retries(Retries {
        route: "charge".into(),
        service: "pay".into(),
        caller: Some("checkout".into()),
        factor: tries,
        failed,
        grade: Grade::Regression,
    })];
    let seen = &simulate(&f, 0.05, 60_000)[0];
    close(seen.mean(), tries * hold, 0.02, "as many as were seen");
    for (share, made) in [(0.35, 1.0), (0.60, 2.0), (0.75, 3.0), (0.82, 4.0)] {
        let at = seen.quantile(share).unwrap();
        close(at, made * hold, 0.03, &format!("{share} of the checkouts"));
    }
}

#[test]
fn what_a_cache_answers_takes_no_time() {
    let mut f = single("lock.front", 1.0, 0.01, 1.0, 1.0);
    f.routes[0].amplification = 0.4;
    f.demand[0][0].mean = 0.004;
    f.routes[0].low_mean = 0.004;
    f.routes[0].low_var = 0.4 * 0.0002 - 0.004 * 0.004;
    let seen = simulate(&f, 150.0, 120_000);
    close(
        seen[0].mean(),
        0.4 * 0.01 / (1.0 - 0.6),
        0.04,
        "40 % of M/M/1 at 0.6",
    );
    assert_eq!(seen[0].quantile(0.59).map(|q| q < 1e-5), Some(true));
}

/// A database inside the process: its time is processor time, spent while a slot of the pool is held.
#[test]
fn time_that_is_told_twice_is_spent_once() {
    let mut r = route("search", "catalogue", 1e-3, 1.0);
    (r.low_mean, r.low_var) = (0.0105, 0.000001);
    let mut db = resource("db.catalogue", 1.0);
    db.capacity_known = false;
    let f = fit(
        vec![r],
        vec![
            resource("cpu.catalogue", 1.0),
            resource("pool.catalogue.db", 4.0),
            db,
        ],
        vec![vec![
            demand(0.0095, 0.0),
            demand(0.009, 0.0),
            demand(0.009, 0.0),
        ]],
    );
    let system = System::new(&f);
    assert_eq!(system.inside[0][0], Some(1));
    close(simulate(&f, 1.0, 10_000)[0].mean(), 0.0105, 0.1, "unloaded");
    let loaded = simulate(&f, 80.0, 60_000)[0].mean();
    assert!(loaded > 0.02, "the processor is still shared: {loaded}");
}

#[test]
fn bursts_lengthen_the_tail() {
    let mut f = single("lock.front", 1.0, 0.01, 1.0, 1.0);
    let calm = simulate(&f, 60.0, 60_000)[0].quantile(0.99).unwrap();
    (f.burst_sigma, f.burst_tau_s) = (0.35, 4.0);
    let bursty = simulate(&f, 60.0, 60_000)[0].quantile(0.99).unwrap();
    assert!(bursty > 2.0 * calm, "{bursty} {calm}");
}

#[test]
fn a_breakdown_ends_the_run() {
    let f = single("lock.front", 1.0, 0.01, 1.0, 0.1);
    let run = Run {
        rate: 300.0,
        requests: 1_000_000,
        seed: 1,
        sigma: 0.0,
        tau_s: 0.0,
        stop_at_bad: vec![],
        replay: vec![],
    };
    let mut twin = Twin::new(&System::new(&f), run);
    assert_eq!(twin.run(u64::MAX), Progress::Broken);
    assert!(twin.events() < 100_000);
}

#[test]
fn speed_is_told() {
    let f = single("cpu.front", 4.0, 0.01, 1.0, 1.0);
    let start = std::time::Instant::now();
    let run = Run {
        rate: 300.0,
        requests: 300_000,
        seed: 1,
        sigma: 0.2,
        tau_s: 4.0,
        stop_at_bad: vec![],
        replay: vec![],
    };
    let mut twin = Twin::new(&System::new(&f), run);
    assert_eq!(twin.run(u64::MAX), Progress::Done);
    let rate = twin.events() as f64 / start.elapsed().as_secs_f64();
    println!("twin: {:.1} million events per second", rate / 1e6);
    assert!(twin.events() > 600_000);
}

#[test]
fn a_quota_runs_at_full_speed_until_it_is_spent() {
    let at = |rate: f64| simulate(&single("cpu.front", 0.3, 0.006, 0.0, 1.0), rate, 30_000);
    let calm = at(5.0);
    close(calm[0].quantile(0.5).unwrap(), 0.006, 0.05, "alone");
    // A period has quota for five requests. Of 3 on average one in 23 is beyond that, and waits for the next period.
    let busy = at(30.0);
    let quantile = |q| busy[0].quantile(q).unwrap();
    assert!(quantile(0.5) < 0.012 && quantile(0.9) < 0.03);
    assert!(quantile(0.99) > 0.03, "{}", quantile(0.99));
}

#[test]
fn what_fits_into_the_slice_of_a_disk_passes_at_once() {
    let mut f = single("disk.orders.limit", 1.0, 0.008, 0.0, 1.0);
    (f.routes[0].low_mean, f.resources[0].info.service) = (0.002, Some("front".into()));
    let at = |rate: f64| simulate(&f, rate, 30_000);
    // A slice is twelve commits. At 40/s nobody finds a full one; of a server that takes 8 ms a third would wait.
    let calm = at(40.0);
    let late = calm[0].quantile(0.99).unwrap();
    assert!(late < 0.005, "{late}");
    // Of 10 on average one slice in five is full.
    let busy = at(100.0);
    let quantile = |q| busy[0].quantile(q).unwrap();
    assert!(quantile(0.5) < 0.004, "{}", quantile(0.5));
    assert!(
        quantile(0.99) > 0.05 && quantile(0.99) < 0.4,
        "{}",
        quantile(0.99)
    );
    assert!(at(130.0)[0].mean() > 1.0, "more than it may write");
}
