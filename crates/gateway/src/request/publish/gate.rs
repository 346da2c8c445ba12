//! The gate: holds the body, has the event written with a row for everybody who takes it, and answers 202.

use super::core::{Given, Rules, named_id};
use crate::exchange::{Exchange, Reply};
use crate::gate::{Gate, Hold, Making, Slot, Step};
use crate::jobs::Jobs;
use crate::request::idempotency::core::{applies, sent};
use ::topics::fan_out::{bounds, message};
use base::Nanos;
use cloudevents::Bad;
use config::sections::Topic;
use ring::rand::{SecureRandom, SystemRandom};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use store::{Broker, Error, Payload, Published, TopicBounds};

/// On routes with `publish`.
pub fn make(m: &Making<'_>) -> Option<Arc<dyn Gate>> {
    let publish = m.route.publish.clone()?;
    let topic = m.topics.iter().find(|t| t.name == publish.topic).cloned();
    // A checked configuration has it; were it not there, its events would wait for nobody.
    let topic = topic.unwrap_or_else(|| Topic::named(&publish.topic));
    Some(Arc::new(PublishGate {
        jobs: m.kept.get("jobs", Jobs::default),
        rules: Rules {
            publish,
            // Services that share a route's users share its keys.
            route: m.undivided().to_owned(),
            path: m.route.matcher.path.clone(),
            size: topic.size,
        },
        topic,
    }))
}

struct PublishGate {
    jobs: Arc<Jobs>,
    rules: Rules,
    topic: Topic,
}

/// What became of an event.
enum Fate {
    Taken(Published),
    /// Its key came with other data before.
    Mismatch,
    Failed(Error),
}

type Later<T> = Rc<RefCell<Option<T>>>;

/// Where one request stands.
enum Stage {
    /// With the key of its client.
    Body(Option<String>),
    Written(String, Later<Fate>),
}

fn away(what: &str) -> Reply {
    Reply::problem(503, "topic-store", what).with("Retry-After", "1")
}

fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl PublishGate {
    fn id(&self, x: &Exchange<'_>, key: Option<&str>) -> Option<String> {
        let Some(key) = key else {
            return random_id();
        };
        let (tenant, user) = (x.tenant.map_or(0, |t| t.hash), x.user.unwrap_or(0));
        Some(named_id(&self.rules.route, tenant, user, key))
    }

    fn write(
        &self,
        x: &mut Exchange<'_>,
        slot: &mut Slot,
        key: Option<&str>,
        now: Nanos,
    ) -> Result<Step, Reply> {
        let body = x.held.take().unwrap_or_default();
        let now_ms = self.jobs.now_ms(now);
        let Some(id) = self.id(x, key) else {
            return Err(away("the system gives no random numbers"));
        };
        let at = jiff::Timestamp::from_millisecond(now_ms as i64).unwrap_or_default();
        let given = Given {
            id: &id,
            time: &at.to_string(),
        };
        let event = self.rules.event(&x.head, body, &given);
        let event = event.map_err(|Bad(what)| Reply::problem(400, "event", &what))?;
        if event.data.len() as u64 > self.topic.size {
            let (size, most) = (event.data.len(), self.topic.size);
            let what = format!("the data of the event has {size} bytes; {most} are taken");
            return Err(Reply::problem(413, "topic-size", &what));
        }
        let id = event.id().to_owned();
        // Only of one that its key names: who names an event himself says that it is the same.
        let data = (key.is_some() && id == given.id).then(|| event.data.clone());
        let Some(message) = message(&self.topic, event, now_ms) else {
            return Err(away("the system gives no random numbers"));
        };
        let Some(queue) = self.jobs.broker() else {
            return Err(away("the queue of events is not open; try again"));
        };
        let name = self.topic.name.clone();
        let written = publish(queue, name, message, bounds(&self.topic, now_ms), data);
        let jobs = self.jobs.clone();
        let said = Later::default();
        *slot = Slot::boxed(Stage::Written(id, said.clone()));
        // Goes on without its client: whoever subscribes is told.
        let written = tokio::spawn(async move {
            let fate = written.await;
            if matches!(fate, Fate::Taken(p) if !p.duplicate) {
                jobs.published.send_modify(|n| *n += 1);
                jobs.news.notify_one();
            }
            fate
        });
        Ok(Step::Wait(Box::pin(async move {
            let stopped = |_| Fate::Failed(Error::Stopped("the process ends".into()));
            *said.borrow_mut() = Some(written.await.unwrap_or_else(stopped));
        })))
    }
}

async fn publish(
    queue: Arc<dyn Broker>,
    topic: String,
    message: store::NewMessage,
    bounds: TopicBounds,
    data: Option<Vec<u8>>,
) -> Fate {
    let published = match queue.publish(&topic, vec![message], bounds).await {
        Ok(all) => all.first().copied(),
        Err(e) => return Fate::Failed(e),
    };
    let Some(published) = published else {
        return Fate::Failed(Error::Stopped("it did not answer".into()));
    };
    let Some(data) = data.filter(|_| published.duplicate) else {
        return Fate::Taken(published);
    };
    let read = move || stored(&*queue, &topic, published.position);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(Some(before))) if before != data => Fate::Mismatch,
        // Forgotten a moment ago: it was there, and nobody can compare it.
        Ok(Ok(_)) => Fate::Taken(published),
        Ok(Err(e)) => Fate::Failed(e),
        Err(e) => Fate::Failed(Error::Stopped(e.to_string())),
    }
}

/// The data of an event. Blocks.
fn stored(queue: &dyn Broker, topic: &str, position: u64) -> Result<Option<Vec<u8>>, Error> {
    let found = queue.events(topic, position.saturating_sub(1), 1)?.pop();
    let payload = found.filter(|m| m.position == position).map(|m| m.payload);
    Ok(match payload {
        Some(Payload::Inline(data)) => Some(data),
        Some(file) => file.read().ok(),
        None => None,
    })
}

fn answer(id: &str, fate: Fate) -> Reply {
    match fate {
        Fate::Taken(p) => {
            let said =
                serde_json::json!({ "id": id, "position": p.position, "duplicate": p.duplicate });
            let status = if p.duplicate { 200 } else { 202 };
            let reply = Reply::new(status, format!("{said}\n").into());
            reply.with("Content-Type", "application/json")
        }
        Fate::Mismatch => {
            let what =
                "this Idempotency-Key came with other data before; use a key for one event only";
            Reply::problem(422, "idempotency-mismatch", what)
        }
        Fate::Failed(e @ Error::Full { .. }) => {
            Reply::problem(503, "topic-full", &e.to_string()).with("Retry-After", "10")
        }
        Fate::Failed(e @ Error::TooLarge { .. }) => {
            Reply::problem(413, "topic-size", &e.to_string())
        }
        Fate::Failed(e @ Error::Invalid(_)) => Reply::problem(400, "event", &e.to_string()),
        Fate::Failed(e) => away(&e.to_string()),
    }
}

impl Gate for PublishGate {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn enter(&self, x: &mut Exchange<'_>, slot: &mut Slot, _now: Nanos) -> Step {
        if !applies(x.head.method()) || x.head.is_upgrade() {
            return Step::Go;
        }
        match sent(&x.head) {
            Ok(named) => *slot = Slot::boxed(Stage::Body(named)),
            Err(what) => {
                return Step::Answer(Reply::problem(400, "idempotency-key-syntax", &what));
            }
        }
        Step::Hold(Hold {
            most: self.rules.most(&x.head),
            reason: "topic-size",
            what: "a request that becomes an event",
        })
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: &mut Slot, now: Nanos) -> Step {
        let Slot::Boxed(stage) = slot.take() else {
            return Step::Go;
        };
        match stage.downcast::<Stage>().map(|s| *s) {
            Ok(Stage::Body(key)) => {
                let written = self.write(x, slot, key.as_deref(), now);
                written.unwrap_or_else(Step::Answer)
            }
            Ok(Stage::Written(id, said)) => {
                let fate = said.borrow_mut().take();
                let none = || Fate::Failed(Error::Stopped("it did not answer".into()));
                Step::Answer(answer(&id, fate.unwrap_or_else(none)))
            }
            Err(_) => Step::Go,
        }
    }
}
