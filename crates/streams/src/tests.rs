//! Places on a real store: what is read while events come and go, and projections that are refused, stopped and built again.

use crate::event::keep;
use crate::projection::{Parts, Standing, project, replay};
use crate::{Fault, Place, Subscription, api};
use cloudevents::Draft;
use config::sections::Projection;
use http_body_util::BodyExt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Embedded, Expect, Log, NewEvent};
use tokio::time::timeout;

struct Stage {
    place: Arc<Place>,
    store: Arc<Embedded>,
    _dir: tempfile::TempDir,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(dir.path().join("events.db")).unwrap());
    let place = Arc::new(Place::default());
    place.lend(Some(store.clone())).unwrap();
    Stage {
        place,
        store,
        _dir: dir,
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async { timeout(Duration::from_secs(30), test).await });
    done.expect("within half a minute");
}

/// One without a name of its own.
fn event(stream: &str, at_ms: u64) -> NewEvent {
    let draft = Draft::of([("type", "t")], Vec::new());
    keep(draft, stream, at_ms, || at_ms.to_string()).unwrap()
}

impl Stage {
    async fn add(&self, stream: &str, at_ms: u64) -> u64 {
        let event = event(stream, at_ms);
        let done = self.place.append(stream, Expect::Any, vec![event]).await;
        done.unwrap().position
    }

    async fn next(&self, name: &str) -> Result<(Vec<u64>, u64), Fault> {
        let next = self.place.next(name, 10, Duration::ZERO).await?;
        let positions = next.records.iter().map(|r| r.position).collect();
        Ok((positions, next.position))
    }
}

fn of(stream: Option<&str>) -> Subscription {
    Subscription {
        stream: stream.map(str::to_owned),
        prefix: None,
        position: 0,
        acked_ms: 0,
    }
}

#[test]
fn what_was_let_go_is_said_and_not_passed_over() {
    run(async {
        let s = stage();
        s.place.subscribe("all", of(None)).await.unwrap();
        for at in 1..=4 {
            s.add("a", at).await;
        }
        assert_eq!(s.next("all").await.unwrap(), (vec![1, 2, 3, 4], 4));
        s.store.trim(3, 10).wait().unwrap();
        let gone = s.next("all").await.unwrap_err();
        assert_eq!(gone, Fault::Gone { first: 3 });
        s.place.acknowledge("all", 2, false).await.unwrap();
        assert_eq!(s.next("all").await.unwrap(), (vec![3, 4], 4));
        // A new one begins with what there is.
        s.place.subscribe("late", of(Some("a"))).await.unwrap();
        assert_eq!(s.next("late").await.unwrap(), (vec![3, 4], 4));
        s.place.lend(None).unwrap();
        assert_eq!(s.next("all").await.unwrap_err(), Fault::NotOpen);
    });
}

#[test]
fn events_of_others_are_passed_over_once() {
    run(async {
        let s = stage();
        s.place.subscribe("mine", of(Some("mine"))).await.unwrap();
        for _ in 0..30 {
            let events = (0..50).map(|_| event("other", 1));
            let events = events.collect();
            s.place.append("other", Expect::Any, events).await.unwrap();
        }
        assert_eq!(s.next("mine").await.unwrap(), (vec![], 1500));
        let kept = s.place.subscription("mine").await.unwrap();
        assert_eq!(kept.position, 1500);
        let mine = s.add("mine", 1).await;
        assert_eq!(s.next("mine").await.unwrap(), (vec![mine], mine));
        // Two who acknowledge at once: the checkpoint is that of the one who is further.
        s.add("mine", 1).await;
        let both = tokio::join!(
            s.place.acknowledge("mine", mine, false),
            s.place.acknowledge("mine", mine + 1, false)
        );
        assert_eq!(both.1.unwrap(), mine + 1);
        assert!(both.0.is_ok());
        let kept = s.place.subscription("mine").await.unwrap();
        assert_eq!(kept.position, mine + 1);
    });
}

impl Stage {
    /// Reads along; `last` is what the client saw last.
    async fn follow(&self, target: &str, last: Option<u64>) -> http::Response<sse::Payload> {
        let mut request = http::Request::get(target).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let head = request.body(()).unwrap().into_parts().0;
        assert!(api::is_followed(&head));
        api::follow(&self.place, &head).await
    }
}

/// What comes until a part is there; or until the end.
async fn until(answer: &mut http::Response<sse::Payload>, part: &str) -> String {
    let mut all = String::new();
    while !all.contains(part) {
        match answer.body_mut().frame().await {
            Some(frame) => {
                let data = frame.unwrap().into_data().unwrap();
                all += std::str::from_utf8(&data).unwrap();
            }
            None => return all + "END",
        }
    }
    all
}

#[test]
fn clients_read_along_and_go_on_where_they_were() {
    run(async {
        let s = stage();
        for at in 1..=3 {
            s.add("a", at).await;
            s.add("b", at).await;
        }
        let mut all = s.follow("/v1/streams?after=0", None).await;
        assert_eq!(all.headers()["content-type"], "text/event-stream");
        let first = until(&mut all, "id: 6\n").await;
        assert_eq!(first.matches("data: ").count(), 6, "{first}");
        // What comes is told to those whose it is.
        let mut of_b = s.follow("/v1/streams/b", Some(4)).await;
        until(&mut of_b, "id: 6\n").await;
        let mut new = s.follow("/v1/streams?prefix=a", None).await;
        s.add("a", 4).await;
        s.add("b", 4).await;
        let told = until(&mut of_b, "id: 8\n").await;
        assert!(
            !told.contains("id: 7") && told.contains("\"stream\":\"b\""),
            "{told}"
        );
        let told = until(&mut new, "id: 7\n").await;
        assert!(
            told.contains("\"version\":4") && !told.contains("id: 6"),
            "{told}"
        );
        until(&mut all, "id: 8\n").await;
        // What was let go meanwhile is said.
        s.store.trim(4, 10).wait().unwrap();
        let mut late = s.follow("/v1/streams", Some(2)).await;
        let told = until(&mut late, "id: 7\n").await;
        let gap = "event: gap\nid: 6\ndata: {\"after\":2,\"forgotten\":6}\n\n";
        assert!(told.contains(gap), "{told}");
        // Long ways through events of others are told too, without an event.
        let mut nobody = s.follow("/v1/streams/nobody", None).await;
        let many: Vec<_> = (0..500).map(|_| event("b", 5)).collect();
        for _ in 0..2 {
            s.place
                .append("b", Expect::Any, many.clone())
                .await
                .unwrap();
        }
        let told = until(&mut nobody, "id: ").await;
        assert!(!told.contains("data"), "{told}");
        let refused = s.follow("/v1/streams", Some(9999)).await;
        assert_eq!(refused.status(), 400);
        assert_eq!(s.follow("/v1/streams/a?from=1", None).await.status(), 400);
        // They end when the store is taken back, and nobody is let in.
        s.place.lend(None).unwrap();
        for mut answer in [all, of_b, new, late, nobody] {
            assert!(until(&mut answer, "END").await.ends_with("END"));
        }
        assert_eq!(s.follow("/v1/streams", None).await.status(), 503);
    });
}

#[test]
fn no_more_read_along_than_may() {
    run(async {
        let s = stage();
        let all = s.place.followers().available_permits();
        let mut held = Vec::new();
        for _ in 0..all {
            held.push(s.follow("/v1/streams", None).await);
        }
        let refused = s.follow("/v1/streams", None).await;
        assert_eq!(
            (held[0].status().as_u16(), refused.status().as_u16()),
            (200, 503)
        );
        held.pop();
        let freed = s.place.followers();
        assert!(freed.acquire().await.is_ok(), "its place is free again");
    });
}

#[test]
fn a_projection_is_pushed_in_order_and_again_where_it_is_told_to() {
    run(async {
        let s = stage();
        let pushed: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (calls, told) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
        let parts = Parts {
            place: s.place.clone(),
            leads: Arc::new(|| Ok(())),
            push: Arc::new({
                let pushed = pushed.clone();
                move |_, position, body| {
                    // Every third batch is refused, or nobody answers.
                    match calls.fetch_add(1, SeqCst) % 6 {
                        2 => return Ok(503),
                        5 => return Err("nobody answers".into()),
                        _ => {}
                    }
                    let batch: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap();
                    let all = batch.iter().map(|e| e["position"].as_u64().unwrap());
                    pushed.lock().unwrap().extend(all);
                    assert_eq!(pushed.lock().unwrap().last(), Some(&position));
                    Ok(200)
                }
            }),
            tell: Arc::new({
                let told = told.clone();
                move |_, position| told.store(position, SeqCst)
            }),
        };
        let projection = Projection {
            batch: 3,
            prefix: Some("o-".into()),
            ..Projection::named("p")
        };
        let standing = Arc::new(Mutex::new(Standing::default()));
        let task = tokio::spawn(project(projection, parts, standing.clone()));
        let until = async |position: u64| {
            while told.load(SeqCst) != position {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        for n in 1..=20 {
            s.add(if n % 2 == 0 { "other" } else { "o-1" }, n).await;
        }
        until(20).await;
        let odd: Vec<u64> = (1..=20).filter(|n| n % 2 == 1).collect();
        assert_eq!(*pushed.lock().unwrap(), odd);
        pushed.lock().unwrap().clear();
        assert_eq!(replay(&s.place, "p", 10, None).await.unwrap(), 20);
        assert!(matches!(
            replay(&s.place, "p", 21, None).await,
            Err(Fault::Wrong(_))
        ));
        while pushed.lock().unwrap().len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        until(20).await;
        assert_eq!(*pushed.lock().unwrap(), odd[5..]);
        assert_eq!(standing.lock().unwrap().pushed, 15);
        task.abort();
    });
}
