//! From spans to windows: what is told, what is not, and that nobody tells twice.

use super::*;
use crate::span::Act;
use base::window::UseCell;
use base::{Cell, CellKey, InstanceIx, Names, Window};

const MS: u64 = 1_000_000;

struct World {
    evidence: Evidence,
    ids: SpanIds,
    names: Names,
    route: RouteIx,
    next: u64,
}

fn world() -> World {
    let ids = SpanIds::new(5);
    let names = Names::default();
    World {
        evidence: Evidence::new(Arc::new(ids.clone())),
        route: names.routes.intern("product"),
        names,
        ids,
        next: 1,
    }
}

fn database(n: u32) -> Act {
    Act::Database {
        system: "postgresql".into(),
        shape: format!("SELECT {}", "x".repeat(n as usize)).into(),
        returned: Some(2.0),
    }
}

impl World {
    fn span(&mut self, parent: u64, (start, end): (u64, u64), act: Act) -> Span {
        self.next += 1;
        Span {
            trace: 1,
            id: self.next,
            parent,
            start: start * MS,
            end: end * MS,
            service: "front-svc".into(),
            act,
        }
    }

    fn root(&mut self, arm: Arm, end: u64) -> Span {
        let ours = self.ids.give(self.route, arm, self.next as u32);
        self.span(ours, (0, end), Act::Work)
    }

    /// A request that asks the database `calls` times, 10 ms each, one after another.
    fn n_plus_one(&mut self, calls: u64) -> Vec<Span> {
        let root = self.root(Arm::BASE, 20 + 10 * calls);
        let mut all = vec![root];
        for i in 0..calls {
            let asked = self.span(all[0].id, (10 + 10 * i, 20 + 10 * i), database(1));
            all.push(asked);
        }
        all
    }

    fn window(&self, index: u64, ends: u32) -> Window {
        let mut cell = Cell::new(CellKey {
            route: self.route,
            arm: Arm::BASE,
            instance: InstanceIx(0),
        });
        cell.ends = ends;
        Window {
            index,
            attempts: vec![cell],
            ..Window::default()
        }
    }

    fn fill(&mut self, w: &mut Window, probed: Probed) {
        let service = |_| Some("front".to_owned());
        self.evidence.fill(w, &self.names, service, probed);
    }

    fn told(&self, w: &Window) -> Vec<String> {
        let name = |u: &UseCell| self.names.resources.name(u.resource).unwrap().to_string();
        w.uses.iter().map(name).collect()
    }
}

#[test]
fn times_of_a_sample_stand_for_all_that_the_gateway_counted() {
    let mut x = world();
    for _ in 0..20 {
        let trace = x.n_plus_one(12);
        x.evidence.trace(&trace);
    }
    let mut w = x.window(7, 200);
    x.fill(&mut w, Probed::default());
    assert_eq!(
        x.told(&w),
        ["db.front"],
        "the gateway's name of the service"
    );
    let u = &w.uses[0];
    assert_eq!(
        (u.count, u.weight, u.of, u.key.instance),
        (200, 10.0, 200.0, InstanceIx::NONE)
    );
    assert!((u.busy_s - 200.0 * 0.12).abs() < 1e-9, "{}", u.busy_s);
    assert!((u.calls - 2400.0).abs() < 1e-6 && (u.returned - 4800.0).abs() < 1e-6);
    let told = x.evidence.traced(&x.names);
    assert!((told[0].share - 0.1).abs() < 1e-9 && told[0].route == "product");
    let same = &told[0].repeats[0];
    assert!(
        same.is_n_plus_one() && (same.calls - 12.0).abs() < 1e-9,
        "{same:?}"
    );
    assert!((same.seconds - 0.12).abs() < 1e-9);
    let path = &told[0].critical;
    assert_eq!(path[0].whose, "db.front-svc");
    assert!((path[0].share - 120.0 / 140.0).abs() < 1e-9, "{path:?}");
    let mut next = x.window(8, 200);
    x.fill(&mut next, Probed::default());
    assert!(next.uses.is_empty(), "told once");
    let root = x.root(Arm::BASE, 20);
    x.evidence.trace(&[root]);
    let mut idle = x.window(9, 10);
    x.fill(&mut idle, Probed::default());
    let u = &idle.uses[0];
    assert!(
        u.count == 0 && u.busy_s == 0.0 && u.of >= 1.0,
        "it used none: {u:?}"
    );
}

#[test]
fn what_others_tell_is_not_told_again() {
    let mut x = world();
    let resource = x.names.resources.intern("db.front.orders");
    let mut by_request = x.window(1, 10);
    by_request.uses.push(UseCell {
        key: by_request.attempts[0].key,
        resource,
        count: 1,
        weight: 1.0,
        of: 0.0,
        busy_s: 0.1,
        busy_sq: 0.01,
        wait_s: 0.0,
        waits: 0,
        calls: 0.0,
        rows: 0.0,
        returned: 0.0,
    });
    let trace = x.n_plus_one(3);
    let tell = |x: &mut World, w: &mut Window, probed| {
        x.evidence.trace(&trace);
        x.fill(w, probed);
        w.uses.iter().filter(|u| u.key.instance.is_none()).count()
    };
    assert_eq!(
        tell(&mut x, &mut by_request, Probed::default()),
        0,
        "Server-Timing tells"
    );
    let mut silent = x.window(60, 10);
    assert_eq!(
        tell(&mut x, &mut silent, Probed::default()),
        0,
        "it did lately"
    );
    let mut later = x.window(62, 10);
    let other = Probed {
        redis: true,
        ..Probed::default()
    };
    assert_eq!(
        tell(&mut x, &mut later, other),
        1,
        "another database's probe"
    );
    let mut probed = x.window(63, 10);
    let probe = Probed {
        postgres: true,
        ..Probed::default()
    };
    assert_eq!(tell(&mut x, &mut probed, probe), 0, "the probe tells");
    for _ in 0..20 {
        x.evidence.trace(&trace);
    }
    assert!(
        !x.evidence.traced(&x.names).is_empty(),
        "the way it works is told all the same"
    );
}

#[test]
fn two_libraries_report_one_call_and_a_lock_tells_its_wait() {
    let mut x = world();
    let root = x.root(Arm::CANARY, 100);
    let outer = x.span(root.id, (10, 30), database(1));
    let inner = x.span(outer.id, (11, 29), database(2));
    let hold = Act::Hold {
        resource: "lock.stock".into(),
        wait: Some(5 * MS),
    };
    let held = x.span(root.id, (40, 60), hold);
    x.evidence.trace(&[inner, root, held, outer]);
    let mut w = x.window(1, 1);
    w.attempts[0].key.arm = Arm::CANARY;
    x.fill(&mut w, Probed::default());
    assert_eq!(x.told(&w), ["db.front", "lock.front.stock"]);
    assert!((w.uses[0].busy_s - 0.02).abs() < 1e-9 && w.uses[0].calls == 1.0);
    let lock = &w.uses[1];
    assert_eq!((lock.key.arm, lock.waits), (Arm::CANARY, 1));
    assert!((lock.busy_s - 0.02).abs() < 1e-9 && (lock.wait_s - 0.005).abs() < 1e-9);
}

#[test]
fn calls_one_after_another_are_told_from_calls_at_once() {
    let mut x = world();
    let call = |to: &str| Act::Call { to: to.into() };
    for (starts, serial) in [([10, 30, 50], true), ([10, 11, 12], false)] {
        let root = x.root(Arm::BASE, 100);
        let mut all: Vec<Span> = (starts.into_iter().enumerate())
            .map(|(i, s)| x.span(root.id, (s, s + 20), call(&format!("GET s{i}"))))
            .collect();
        all.push(root);
        let attempt = &join::attempts(&all, &x.ids, &mut Counts::default())[0];
        let chain = attempt
            .chain
            .map(|c| (c.calls, c.length / MS, c.longest / MS));
        assert_eq!(chain, serial.then_some((3, 60, 20)));
        let waited: u64 = attempt
            .path
            .iter()
            .filter(|p| p.0.starts_with("GET"))
            .map(|p| p.1 / MS)
            .sum();
        assert_eq!(waited, if serial { 60 } else { 20 }, "{:?}", attempt.path);
        assert_eq!(attempt.path.values().sum::<u64>(), 100 * MS);
    }
    // Starts in whole milliseconds: each seems to begin before the one before has ended.
    let root = x.root(Arm::BASE, 60);
    let mut all = vec![root];
    for start in [0, 6, 12, 18] {
        let mut asked = x.span(all[0].id, (start, start + 7), database(1));
        asked.end -= MS / 4;
        all.push(asked);
    }
    let attempt = &join::attempts(&all, &x.ids, &mut Counts::default())[0];
    assert_eq!((attempt.calls[0].calls, attempt.calls[0].serial), (4, 4));
    assert!(attempt.path["db.front-svc"] > 24 * MS, "{:?}", attempt.path);
}

#[test]
fn nothing_is_guessed_of_spans_without_parents_or_with_clocks_that_jump() {
    let mut x = world();
    let root = x.root(Arm::BASE, 100);
    let lost = x.span(777, (0, 5), database(1));
    let of_lost = x.span(lost.id, (0, 5), database(1));
    let alone = x.span(0, (0, 5), Act::Work);
    let mut early = x.root(Arm::BASE, 50);
    (early.start, early.end) = (200 * MS, 100 * MS);
    let before = x.root(Arm::BASE, 900);
    let mut child = x.span(before.id, (0, 5), Act::Work);
    let mut before = before;
    (before.start, child.end) = (500 * MS, 600 * MS);
    let mut long = x.root(Arm::BASE, 10);
    long.end = u64::MAX;
    let ring = (x.span(0, (0, 1), Act::Work), x.span(0, (0, 1), Act::Work));
    let (mut a, mut b) = ring;
    (a.parent, b.parent) = (b.id, a.id);
    let all = [
        root.clone(),
        root,
        lost,
        of_lost,
        alone,
        early,
        before,
        child,
        long,
        a,
        b,
    ];
    x.evidence.trace(&all);
    let c = x.evidence.counts;
    assert_eq!((c.repeated, c.orphans, c.jumps, c.joined), (1, 5, 3, 5));
    let mut w = x.window(1, 1);
    x.fill(&mut w, Probed::default());
    assert!(w.uses.is_empty());
    // A deep chain is no recursion.
    let mut deep = vec![x.root(Arm::BASE, 1000)];
    for _ in 0..5000 {
        let parent = deep.last().unwrap().id;
        let next = x.span(parent, (0, 1000), Act::Work);
        deep.push(next);
    }
    x.evidence.trace(&deep);
    assert_eq!(x.evidence.counts.joined, 5 + 5001);
}

#[test]
fn a_hundred_thousand_routes_and_services_by_mistake_stay_bounded() {
    let mut x = world();
    for i in 0..100_000u32 {
        let ours = x.ids.give(RouteIx(i as u16), Arm((i % 2) as u8), i);
        let mut root = x.span(ours, (0, 10), Act::Work);
        root.service = format!("s{i}").into();
        let mut asked = x.span(root.id, (0, 10), database(i % 900));
        asked.service = format!("t{i}").into();
        x.evidence.trace(&[root, asked]);
    }
    x.evidence.counts.spans = 200_000;
    assert_eq!(x.evidence.routes.len(), ROUTES);
    assert!(x.evidence.counts.routes_over > 90_000);
    let mut w = x.window(1, 10);
    let cell = w.attempts[0].clone();
    for i in 0..2000 {
        let mut c = cell.clone();
        c.key.route = RouteIx(i);
        w.attempts.push(c);
    }
    x.fill(&mut w, Probed::default());
    assert!(
        x.names.resources.all().len() <= 128,
        "{}",
        x.names.resources.all().len()
    );
    let notes = x.evidence.notes(&x.names);
    for said in ["beyond the 1024", "that only spans tell"] {
        assert!(notes.iter().any(|n| n.text.contains(said)), "{notes:?}");
    }
}

#[test]
fn a_resource_that_is_not_used_any_more_gives_its_place_back() {
    let mut x = world();
    let spans = x.n_plus_one(2);
    x.evidence.trace(&spans);
    let places = |x: &World| {
        x.evidence
            .routes
            .values()
            .map(|r| r.fresh.len())
            .sum::<usize>()
    };
    let before = places(&x);
    assert!(before > 0);
    for second in 1..700 {
        let root = x.root(Arm::BASE, 10);
        x.evidence.trace(&[root]);
        let mut w = x.window(second, 1);
        x.fill(&mut w, Probed::default());
        if second == 300 {
            assert_eq!(places(&x), before, "not used for a while is no use");
        }
    }
    assert_eq!(places(&x), 0);
}
