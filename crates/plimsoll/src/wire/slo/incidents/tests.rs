//! Storms, ends and restarts, into files of a folder.

use super::*;
use serde_json::json;

struct Desk {
    work: Work,
    folder: tempfile::TempDir,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::empty();
    config.catalog = Some("book".into());
    let work = Work {
        shown: Arc::default(),
        config: Arc::new(ArcSwap::from_pointee(config)),
        file: folder.path().join("plimsoll.yaml"),
        control: Weak::new(),
        open: None,
        tended: Instant::now(),
        read: None,
    };
    Desk { work, folder }
}

fn alert(route: &str, service: &str, severity: &str, at_ms: u64) -> Alert {
    let told = json!({
        "id": format!("route-{route}-{severity}-{at_ms}"), "objective": format!("route-{route}"),
        "scope": "route", "name": route, "service": service, "severity": severity, "state": "firing",
        "started_ms": at_ms, "began_ms": at_ms - 9000, "ended_ms": null, "summary": format!("OUTAGE of route {route}"),
        "promise": "", "rules": ["outage: surely"], "burn": 1.0, "budget_left": 1.0,
        "cause": null, "change": null, "owner": null, "runbook": null,
    });
    serde_json::from_value(told).unwrap()
}

impl Desk {
    /// Puts alerts in the place of all before, and has a turn.
    fn turn(&mut self, alerts: &[Alert]) {
        self.work.shown.watch().restore(Vec::new(), alerts.to_vec());
        self.work.turn();
    }

    fn alerts(&self) -> Vec<Alert> {
        self.work.shown.watch().alerts().to_vec()
    }

    fn book(&self) -> PathBuf {
        self.folder.path().join("book")
    }

    fn all(&self) -> Vec<Incident> {
        read_all(&self.book())
    }

    fn ends(&mut self, which: usize, at_ms: u64) {
        let mut all = self.alerts();
        (all[which].state, all[which].ended_ms) = (State::Resolved, Some(at_ms));
        self.turn(&all);
        // Its begin is told first.
        self.work.turn();
    }
}

#[test]
fn a_storm_opens_one_incident_to_a_service_and_the_times_follow() {
    let mut s = desk();
    let now_ms = SystemWall.now_ms() / 1000 * 1000;
    let at = |back_s: u64| now_ms - back_s * 1000;
    s.turn(&[
        alert("home", "shop", "page", at(600)),
        alert("cart", "shop", "page", at(595)),
        alert("pay", "pay", "page", at(590)),
        alert("slow", "other", "ticket", at(580)),
    ]);
    let all = s.all();
    assert_eq!(all.len(), 2, "a ticket opens none");
    let shop = |s: &Desk| {
        let all = s.all();
        open_of(&all, "shop").cloned().unwrap()
    };
    let said = |i: &Incident, begin: &str| {
        i.timeline
            .iter()
            .filter(|h| h.text.starts_with(begin))
            .count()
    };
    assert_eq!(
        (
            shop(&s).title.as_str(),
            said(&shop(&s), "alert: page: OUTAGE")
        ),
        ("Outage of route home", 2)
    );
    assert_eq!(shop(&s).times().detect.unwrap().as_secs(), 9);
    // A restart writes nothing twice.
    let stored = s.alerts();
    s.work.open = None;
    s.turn(&stored);
    assert_eq!((s.all().len(), shop(&s).timeline.len()), (2, 3));
    s.ends(0, at(300));
    assert_eq!(
        shop(&s).stage(),
        Stage::Open,
        "the other route is still out"
    );
    s.ends(1, at(240));
    assert_eq!(shop(&s).times().mitigate.unwrap().as_secs(), 369);
    // Calm, but not for an hour; then it is over.
    let hour = Some(Duration::from_secs(3600));
    s.work.tend(&s.book(), hour);
    assert_eq!(shop(&s).stage(), Stage::Mitigated);
    s.work.tend(&s.book(), Some(Duration::from_secs(200)));
    let over = s.all();
    let done = over.iter().find(|i| i.title.ends_with("home")).unwrap();
    assert_eq!(done.stage(), Stage::Resolved);
    // The next outage is another one.
    let mut again = s.alerts();
    again.push(alert("home", "shop", "page", at(0)));
    s.turn(&again);
    assert_eq!((s.all().len(), shop(&s).stage()), (3, Stage::Open));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_tried_again() {
    let mut s = desk();
    // A file where the folder should be.
    std::fs::write(s.book(), "x").unwrap();
    let now_ms = SystemWall.now_ms();
    s.turn(&[alert("home", "shop", "page", now_ms)]);
    let told = s.alerts()[0].told[NAME].clone();
    assert_eq!((told.tries, told.state), (1, None));
    assert!(told.error.unwrap().contains("cannot be written"));
    std::fs::remove_file(s.book()).unwrap();
    let mut again = s.alerts();
    again[0].told.get_mut(NAME).unwrap().next_ms = 0;
    s.turn(&again);
    assert_eq!(s.all().len(), 1);
    assert_eq!(s.work.shown.untold(), [again[0].id.clone()]);
}

#[test]
fn without_a_catalog_nothing_is_written() {
    let mut s = desk();
    s.work.config.store(Arc::new(Config::empty()));
    // Nobody is called by incidents, but alerts say who is.
    let team = s.folder.path().join("catalog/teams");
    std::fs::create_dir_all(&team).unwrap();
    std::fs::write(team.join("pay.yaml"), "members: [ana]\n").unwrap();
    assert!(s.work.shown.catalog().is_none());
    s.turn(&[alert("home", "shop", "page", SystemWall.now_ms())]);
    assert!(s.alerts()[0].told.is_empty());
    assert!(s.work.shown.catalog().unwrap().teams.contains_key("pay"));
    assert_eq!(std::fs::read_dir(s.folder.path()).unwrap().count(), 1);
}
