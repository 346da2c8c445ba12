//! Recordings read and written.

use super::*;
use crate::history::Shell;
use base::sample::Use;
use base::{
    CacheState, Class, Discipline, Finding, History, InstanceIx, Names, Nanos, Objective, Outcome,
    ResourceIx, RouteInfo, Sample, SampleKind, Scope, Severity, Window,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn codes(r: &Recording) -> Vec<&str> {
    r.findings.iter().map(|f| f.code.as_str()).collect()
}

fn ends(h: &History) -> u32 {
    h.windows
        .iter()
        .flat_map(|w| &w.requests)
        .map(|c| c.ends)
        .sum()
}

#[test]
fn a_packed_file_reads_as_the_plain_one_and_a_damaged_one_says_so() {
    let rows = "route,arrival_s,duration_s\nb,1.5,0.2\na,0.5,1.0\n";
    let pack = |text: &str| {
        let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        z.write_all(text.as_bytes()).unwrap();
        z.finish().unwrap()
    };
    let dir = folder(&[]);
    let packed = dir.path().join("requests.csv.gz");
    fs::write(&packed, pack(rows)).unwrap();
    let plain = folder(&[(REQUESTS, rows)]);
    assert_eq!(read(dir.path()).history, read(plain.path()).history);

    fs::write(&packed, &pack(rows)[..40]).unwrap();
    let r = read(dir.path());
    assert!(r.has_errors() && r.findings[0].to_string().contains("requests.csv.gz"));
}

#[test]
fn what_is_in_bytes_has_no_size_unless_one_is_given() {
    let described = "\"net.host.eth0\": {\"discipline\":\"fcfs\",\"unit\":\"bytes/s\"}\n\"disk.a\": {\"unit\":\"bytes/s\"}\n\
                     \"disk.b\": {\"unit\":\"bytes/s\",\"size\":8e6}\n\"lock.a\": {\"unit\":\"servers\"}\n";
    let names = [
        "net.host.eth0",
        "disk.a",
        "disk.b",
        "lock.a",
        "net.host.eth1",
    ];
    let usage: String = names.iter().map(|n| format!("1,{n},500,\n")).collect();
    let dir = folder(&[
        (
            REQUESTS,
            "route,arrival_s,duration_s\na,0.5,1.0\na,1.5,0.1\n",
        ),
        (USAGE, &format!("time_s,resource,busy,capacity\n{usage}")),
        (RESOURCES, described),
    ]);
    let all = read(dir.path()).history.resources;
    let size = |name: &str| all.iter().find(|r| r.name == name).unwrap().size;
    let sizes = names.map(size);
    assert_eq!(sizes, [None, None, Some(8e6), Some(1.0), None]);
}

#[test]
fn two_plain_files_are_enough() {
    let dir = folder(&[
        (
            REQUESTS,
            "route,arrival_s,duration_s\nb,1.5,0.2\na,0.5,1.0\na,1.9,\n",
        ),
        (
            USAGE,
            "time_s,resource,busy,capacity\n2,cpu.shop,0.6,2\n0,cpu.shop,77,2\n1,cpu.shop,0.5,2\n1,weird,1,\n2,weird,1,\n",
        ),
    ]);
    let r = read(dir.path());
    assert!(!r.has_errors(), "{:?}", r.findings);
    assert_eq!(
        codes(&r),
        ["recording-unknown-class", "recording-unfinished"]
    );
    let h = &r.history;
    assert_eq!(
        h.windows.iter().map(|w| w.index).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(ends(h), 2);
    let a = h.routes.iter().position(|r| r.name == "a").unwrap() as u16;
    let cell = |w: usize| {
        h.windows[w]
            .requests
            .iter()
            .find(|c| c.key.route.0 == a)
            .unwrap()
    };
    assert!((cell(0).life - 0.5).abs() < 1e-9 && (cell(1).life - 0.5).abs() < 1e-9);
    assert_eq!(
        (cell(1).arrivals, cell(1).ends),
        (1, 1),
        "the unfinished one arrived"
    );
    assert_eq!(
        h.windows[0].attempts.len(),
        1,
        "each row is also its one attempt"
    );
    let cpu = r.names.resources.find("cpu.shop").unwrap();
    let busy: Vec<f64> = h
        .windows
        .iter()
        .filter_map(|w| w.resources.iter().find(|c| c.resource == cpu))
        .map(|c| c.busy)
        .collect();
    assert_eq!(
        busy,
        [0.5, 0.6],
        "sorted, and the first row is the baseline"
    );
    assert_eq!(h.resources[cpu.0 as usize].class, Class::Compute);
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let dir = folder(&[
        (
            REQUESTS,
            "route,arrival_s,duration_s,stattus,cache\na,-1,0.1,200,\na,x,0.1,200,\na,1,-0.1,200,\n,1,0.1,200,\na,1,0.1,200,maybe\na,2,0.1,200,hit\n",
        ),
        (
            USAGE,
            "time_s,resource,busy,capacity\n1,cpu.a,-3,1\nNaN,cpu.a,1,1\n",
        ),
        (META, "format: 2\ninstancs: {}\n"),
        (
            SLO,
            "a: { latency: 250, target: 99% }\nz: { latency: 1s, target: 99% }\n",
        ),
        (RESOURCES, "cpu.a: { class: brains, size: -1 }\n"),
    ]);
    let r = read(dir.path());
    let errors: Vec<(String, u32)> = r
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .filter_map(|f| f.spot.as_ref())
        .map(|s| (s.file.rsplit('/').next().unwrap().to_owned(), s.line))
        .collect();
    for want in [
        (REQUESTS, 2),
        (REQUESTS, 3),
        (REQUESTS, 4),
        (REQUESTS, 5),
        (REQUESTS, 6),
        (USAGE, 2),
        (USAGE, 3),
        (META, 1),
        (SLO, 1),
        (RESOURCES, 1),
    ] {
        assert!(
            errors.contains(&(want.0.to_owned(), want.1)),
            "{want:?} not in {errors:?}"
        );
    }
    let shown: Vec<String> = r.findings.iter().map(|f| f.to_string()).collect();
    assert!(
        shown.iter().any(|f| f.contains("did you mean `status`")),
        "{shown:#?}"
    );
    assert!(
        shown.iter().any(|f| f.contains("did you mean `instances`")),
        "{shown:#?}"
    );
    assert!(
        shown
            .iter()
            .any(|f| f.contains("`z`, which no request has")),
        "{shown:#?}"
    );
    assert_eq!(ends(&r.history), 1, "the good row still counts");
}

#[test]
fn missing_files_and_columns_and_empty_folders_are_said() {
    let dir = folder(&[(REQUESTS, "route,start\na,1\n")]);
    let r = read(dir.path());
    assert_eq!(
        codes(&r),
        ["recording-missing-column", "recording-no-usage"]
    );
    assert!(
        r.findings[0]
            .to_string()
            .contains("`arrival_s`, `duration_s` are missing")
    );
    let dir = folder(&[]);
    assert_eq!(
        codes(&read(dir.path())),
        ["recording-unreadable", "recording-no-usage"]
    );
    let dir = folder(&[
        (REQUESTS, "route,arrival_s,duration_s\n"),
        (USAGE, "time_s,resource,busy,capacity\n"),
    ]);
    assert_eq!(codes(&read(dir.path())), ["recording-empty"]);
}

#[test]
fn errors_are_capped_and_counted() {
    let rows: String = (0..200).map(|_| "a,x,1\n").collect();
    let dir = folder(&[
        (REQUESTS, &format!("route,arrival_s,duration_s\n{rows}")),
        (USAGE, "time_s,resource,busy,capacity\n"),
    ]);
    let r = read(dir.path());
    assert_eq!(r.findings.len(), faults::SHOWN + 1);
    assert!(
        r.findings
            .iter()
            .any(|f| f.what == "150 more errors are not shown")
    );
}

#[test]
fn optional_columns_are_understood() {
    let dir = folder(&[
        (
            REQUESTS,
            "route,arrival_s,duration_s,service,instance,status,id,parent,attempt,key_hash,cache,use.lock.front.stock,wait.lock.front.stock,use.db.front,db_rows\n\
             home,0.1,0.5,front,h:1,200,r1,,,/a,miss,,,,\n\
             home,0.1,0.5,front,h:1,200,,,1,,,0.02,0.01,0.1,900\n\
             item,0.2,0.1,cat,h:2,503,,r1,,0,,,,,\n\
             item,0.3,0.1,cat,h:2,200,,home,,,,,,,\n\
             home,0.7,0.1,front,h:1,200,,,,/a,hit,,,,\n",
        ),
        (
            USAGE,
            "time_s,resource,busy,capacity,instance\n0,cpu.front,0,1,h:1\n1,cpu.front,0.4,1,h:1\n",
        ),
        (
            RESOURCES,
            "lock.front.stock: { size: 1, service: front }\ndb.front: { within: pool.front.db, discipline: fcfs, scope: shared }\n",
        ),
        (SLO, "home: { latency: 250ms, target: 99.9% }\n"),
        (
            META,
            "format: 1\ninstances: { front: 3 }\nroutes:\n  item: { safe: true }\nincidents:\n  - { time_s: 1, what: deploy }\n",
        ),
    ]);
    let r = read(dir.path());
    assert_eq!(codes(&r), Vec::<&str>::new(), "{:#?}", r.findings);
    let (h, n) = (&r.history, &r.names);
    let w = &h.windows[0];
    let route = |name| n.routes.find(name).unwrap();
    assert_eq!(w.calls.len(), 1);
    assert_eq!(
        (w.calls[0].parent, w.calls[0].child, w.calls[0].count),
        (route("home"), route("item"), 2)
    );
    assert_eq!(w.attempts.len(), 1, "the file tells attempts apart");
    assert_eq!(
        n.instances.name(w.attempts[0].key.instance).as_deref(),
        Some("front/h:1")
    );
    assert_eq!(w.uses.len(), 2);
    let lock = w
        .uses
        .iter()
        .find(|u| u.resource == n.resources.find("lock.front.stock").unwrap())
        .unwrap();
    assert_eq!((lock.busy_s, lock.wait_s, lock.waits), (0.02, 0.01, 1));
    let db = w
        .uses
        .iter()
        .find(|u| u.resource == n.resources.find("db.front").unwrap())
        .unwrap();
    assert_eq!(db.rows, 900.0);
    // The told lock and the measured CPU meet in one instance.
    let at = |name: &str| {
        w.resources
            .iter()
            .find(|c| c.resource == n.resources.find(name).unwrap())
            .unwrap()
    };
    assert_eq!(at("cpu.front").instance, at("lock.front.stock").instance);
    assert_eq!(at("lock.front.stock").waiting, Some(0.01));
    assert_eq!((w.ghosts[0].lookups, w.ghosts[0].hits[0]), (2, 1));
    let info = &h.resources[n.resources.find("db.front").unwrap().0 as usize];
    assert_eq!(
        (info.discipline, info.scope),
        (Discipline::Fcfs, Scope::Shared)
    );
    assert_eq!(info.within.as_deref(), Some("pool.front.db"));
    assert_eq!(
        h.instances,
        [("cat".to_owned(), 1), ("front".to_owned(), 3)]
    );
    let home = &h.routes[route("home").0 as usize];
    assert_eq!(
        home.objective.map(|o| (o.latency_s, o.target)),
        Some((0.25, 0.999))
    );
    assert!(home.safe && h.routes[route("item").0 as usize].safe);
    assert_eq!((home.service.as_str(), h.incidents.len()), ("front", 1));
}

fn live(names: &Names, i: u64) -> Vec<Sample> {
    let start = Nanos::from_secs_f64(100.0 + i as f64 * 0.25);
    let mut s = Sample::new(
        SampleKind::Request,
        names.routes.intern("a, \"quoted\""),
        start,
    );
    s.end = start + std::time::Duration::from_millis(120);
    s.status = 200;
    s.key_hash = 0xabc0 + i % 3;
    s.cache = CacheState::Miss;
    let mut a = s;
    a.kind = SampleKind::Attempt;
    a.instance = names.instances.intern("shop/127.0.0.1:7001");
    a.attempt = 1;
    a.cache = CacheState::Off;
    a.key_hash = 0;
    a.outcome = if i == 3 {
        Outcome::UpstreamFailed
    } else {
        Outcome::Done
    };
    if i >= 2 {
        a.uses[0] = Use {
            resource: names.resources.intern("lock.shop.stock"),
            busy_us: 4000,
            wait_us: 500,
        };
    }
    vec![a, s]
}

fn shell() -> Shell {
    Shell {
        routes: vec![RouteInfo {
            name: "a, \"quoted\"".into(),
            service: "shop".into(),
            objective: Some(Objective {
                latency_s: 0.25,
                target: 0.999,
                assumed: false,
            }),
            safe: true,
            cached_ttl_s: None,
        }],
        resources: Vec::new(),
        instances: vec![("shop".into(), 2)],
    }
}

fn create(path: &Path, names: &Names, limits: Limits) -> Result<Recorder, Finding> {
    let now = Nanos::from_secs_f64(99.5);
    Recorder::create(
        path,
        names.clone(),
        Box::new(shell),
        limits,
        now,
        Some(1_700_000_000),
    )
}

/// Ten seconds of traffic; what was written, and what should be read.
fn record(path: &Path, limits: Limits) -> (History, Progress) {
    let names = Names::default();
    names.resources.intern("cpu.shop");
    let mut recorder = create(path, &names, limits).unwrap();
    let mut core = crate::collect::Core::new(names.clone(), Vec::new());
    let mut totals = crate::Totals::default();
    core.tick(
        Nanos::from_secs_f64(100.0),
        crate::Targets::default(),
        0,
        &[],
    );
    for i in 0..40 {
        for s in live(&names, i) {
            core.push(&s, &mut totals);
            recorder.sample(&s);
        }
        recorder.flush(Nanos::from_secs_f64(100.0 + i as f64 * 0.25));
    }
    let mut windows = core.finish();
    windows.retain(|w| w.index >= 100);
    for w in &mut windows {
        w.resources.push(base::ResourceCell {
            resource: ResourceIx(0),
            instance: InstanceIx(0),
            busy: 0.25 + w.index as f64 / 1024.0,
            capacity: Some(2.0),
            waiting: Some(0.5),
            level: None,
            background: Some(0.0),
        });
        w.resources.sort_by_key(|c| (c.resource, c.instance));
        recorder.window(w);
    }
    let serial = BTreeSet::from([ResourceIx(0)]);
    recorder.serial(&serial, Nanos::from_secs_f64(105.0));
    let progress = recorder.finish(Nanos::from_secs_f64(121.0));
    assert_eq!((progress.stage, &progress.fault), (Stage::Ended, &None));
    let mut s = shell_from_names(&names, &shell().routes, &[]);
    s.resources[0].serial = true;
    let history = History {
        routes: s.routes,
        resources: s.resources,
        instances: shell().instances,
        windows: windows.into_iter().map(Arc::new).collect(),
        incidents: vec![],
        statements: vec![],
        traced: vec![],
    };
    (history, progress)
}

#[test]
fn what_is_recorded_is_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rec");
    let (history, progress) = record(&path, Limits::default());
    assert_eq!(
        (progress.requests, progress.ending),
        (80, Some(Ending::Stopped))
    );
    let r = read(&path);
    assert_eq!(codes(&r), Vec::<&str>::new(), "{:#?}", r.findings);
    assert_eq!(r.history.routes, history.routes);
    assert_eq!(r.history.resources, history.resources);
    assert_eq!(r.history.instances, history.instances);
    assert_eq!(r.history.windows.len(), history.windows.len());
    for (a, b) in r.history.windows.iter().zip(&history.windows) {
        assert_eq!(
            (a.index, &a.requests, &a.attempts),
            (b.index, &b.requests, &b.attempts)
        );
        assert_eq!((&a.uses, &a.resources), (&b.uses, &b.resources));
        assert_eq!(a.ghosts, b.ghosts);
    }
    assert!(
        create(&path, &Names::default(), Limits::default())
            .is_err_and(|f| f.code == "recording-exists")
    );
}

#[test]
fn a_recording_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (small, short) = (dir.path().join("small"), dir.path().join("short"));
    let limits = Limits {
        bytes: 2000,
        seconds: 3600,
    };
    let (_, progress) = record(&small, limits);
    assert_eq!(progress.ending, Some(Ending::Size));
    let size = |f: &str| fs::metadata(small.join(f)).unwrap().len();
    // The second in which the limit is reached is still told whole, with what its resources did.
    assert!(size(REQUESTS) + size(USAGE) < 4000);
    let r = read(&small);
    assert_eq!(codes(&r), Vec::<&str>::new(), "{:#?}", r.findings);
    assert_eq!(r.history.windows.len() as u64, progress.of_s);
    let limits = Limits {
        bytes: 1 << 20,
        seconds: 2,
    };
    let (history, progress) = record(&short, limits);
    assert_eq!((progress.seconds, progress.ending), (2, Some(Ending::Time)));
    let r = read(&short);
    assert_eq!(ends(&r.history), 8);
    assert_eq!(r.history.windows.len(), 2);
    for (a, b) in r.history.windows.iter().zip(&history.windows) {
        assert_eq!((a.index, &a.resources), (b.index, &b.resources));
    }
}

/// Asked to end, it takes no new request, but waits for what the resources did in its last second.
#[test]
fn the_end_waits_for_the_windows_that_close_late() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::default();
    let mut recorder = create(&dir.path().join("rec"), &names, Limits::default()).unwrap();
    let window = |index| Window {
        index,
        dropped: 3,
        ..Window::default()
    };
    let at = |i: u64| Nanos::from_secs_f64(100.0 + i as f64 * 0.25);
    for i in 0..10 {
        live(&names, i).iter().for_each(|s| recorder.sample(s));
    }
    recorder.end(at(9));
    recorder.flush(at(12));
    assert_eq!(recorder.progress().stage, Stage::Closing);
    live(&names, 11).iter().for_each(|s| recorder.sample(s));
    live(&names, 12).iter().for_each(|s| recorder.sample(s));
    for index in 98..102 {
        recorder.window(&window(index));
        assert!(!recorder.complete(), "{index}");
    }
    recorder.window(&window(102));
    assert!(recorder.complete());
    let progress = recorder.finish(at(52));
    assert_eq!((progress.requests, progress.seconds), (22, 3));
    assert_eq!((progress.lost, progress.ending), (9, Some(Ending::Asked)));
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = create(&file.join("below"), &Names::default(), Limits::default());
    assert!(refused.is_err_and(|f| f.code == "recording-write" && f.what.contains("file/below")));
}

#[test]
fn one_wild_time_does_not_exhaust_memory() {
    let dir = folder(&[
        (
            REQUESTS,
            "route,arrival_s,duration_s\na,5,0.1\na,1700000000,0.1\na,1700000001,0.1\n",
        ),
        (
            USAGE,
            "time_s,resource,busy,capacity\n5,cpu.a,0,1\n1700000000,cpu.a,1,1\n1700000001,cpu.a,0.5,1\n",
        ),
    ]);
    let r = read(dir.path());
    assert_eq!(codes(&r), ["recording-too-long"]);
    assert_eq!((r.history.windows.len(), ends(&r.history)), (2, 2));
}
