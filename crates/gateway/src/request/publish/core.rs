//! What event a request is. Pure.

use crate::exchange::Head;
use cloudevents::{Bad, Draft, Event, Mode, binary, json};
use config::sections::Publish;
use config::{PathTemplate, Pattern, Segment};
use sha2::{Digest, Sha256};

/// Attributes of an event, and what stands around it in JSON, bytes.
const AROUND: u64 = 64 << 10;

/// A route that publishes.
#[derive(Debug)]
pub struct Rules {
    pub publish: Publish,
    pub route: String,
    pub path: PathTemplate,
    /// Largest data of an event, bytes.
    pub size: u64,
}

/// What the gateway says of an event that does not say it itself.
pub struct Given<'a> {
    pub id: &'a str,
    /// As CloudEvents have it.
    pub time: &'a str,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Rules {
    fn mode(&self, head: &Head<'_>) -> Result<Option<Mode>, Bad> {
        if !self.publish.cloudevents {
            return Ok(None);
        }
        let kind = head.get("content-type").map(text);
        match Mode::of(kind.as_deref())? {
            Mode::Binary => Ok(head.get("ce-specversion").map(|_| Mode::Binary)),
            Mode::Structured => Ok(Some(Mode::Structured)),
            Mode::Batch => Err(Bad(
                "a request is one event here; send each of a batch by itself".into(),
            )),
        }
    }

    /// Largest body. In JSON, Base64 makes four bytes of three.
    pub fn most(&self, head: &Head<'_>) -> u64 {
        match self.mode(head) {
            Ok(Some(Mode::Structured)) => self.size * 3 / 2 + AROUND,
            _ => self.size,
        }
    }

    /// The request as an event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn event(&self, head: &Head<'_>, body: Vec<u8>, given: &Given<'_>) -> Result<Event, Bad> {
        let mut draft = match self.mode(head)? {
            Some(Mode::Structured) => json::draft(&body)?,
            Some(_) => {
                let lines = event_lines(head);
                binary::draft(lines.iter().map(|(n, v)| (n.as_str(), *v)), body)?
            }
            None => {
                let mut draft = Draft::of([("time", given.time)], body);
                if let Some(kind) = head.get("content-type").filter(|k| !k.is_empty()) {
                    draft.add("datacontenttype", &text(kind));
                }
                draft
            }
        };
        let fill = |pattern: &Pattern| {
            pattern.fill(
                |name| self.named(head, name),
                |header| head.get(header).map(text),
            )
        };
        draft.add("id", given.id);
        draft.add("type", &fill(&self.publish.kind));
        draft.add("source", &fill(&self.publish.source));
        let subject = self.publish.subject.as_ref().map(fill);
        if let Some(subject) = subject.filter(|s| !s.is_empty()) {
            draft.add("subject", &subject);
        }
        draft.check()
    }

    /// Names of the route's path come first. Parts of the path are as they were sent.
    fn named(&self, head: &Head<'_>, name: &str) -> Option<String> {
        let path = text(head.path());
        let mut parts = path.strip_prefix('/').unwrap_or(&path).split('/');
        for segment in &self.path.segments {
            match segment {
                Segment::Rest(of) if of == name => {
                    return Some(parts.collect::<Vec<_>>().join("/"));
                }
                Segment::One(of) if of == name => return parts.next().map(str::to_owned),
                _ => parts.next(),
            };
        }
        match name {
            "route" => Some(self.route.clone()),
            "method" => Some(text(head.method_name()).to_ascii_lowercase()),
            "path" => Some(path),
            _ => None,
        }
    }
}

/// What binary mode reads of a head.
fn event_lines<'a>(head: &Head<'a>) -> Vec<(String, &'a [u8])> {
    let mut lines = Vec::new();
    head.each(|name, value| {
        let name = text(name).to_ascii_lowercase();
        if name == "content-type" || name.starts_with("ce-") {
            lines.push((name, value));
        }
    });
    lines
}

/// The id of an event whose client named its request: the same for the same client, route and key.
pub fn named_id(route: &str, tenant: u64, user: u64, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{route}\n{tenant:x}.{user:x}\n{key}"));
    let digest = hash.finalize();
    digest[..16].iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ListHead;

    fn rules(publish: Publish) -> Rules {
        Rules {
            publish,
            route: "place".into(),
            path: PathTemplate::parse("/orders/{id}/{rest...}").unwrap(),
            size: 1000,
        }
    }

    fn event(rules: &Rules, headers: &[(&str, &str)], body: &str) -> Result<Event, Bad> {
        let head = ListHead::new("POST", "/orders/7/a/b?x=1", headers);
        let given = Given {
            id: "drawn",
            time: "2030-01-31T18:00:00Z",
        };
        rules.event(&Head::List(&head), body.as_bytes().to_vec(), &given)
    }

    #[test]
    fn a_request_is_wrapped() {
        let mut publish = Publish::to("t");
        let event_of = |publish: &Publish| {
            event(
                &rules(publish.clone()),
                &[("Content-Type", "text/plain"), ("X-Kind", "big")],
                "data",
            )
            .unwrap()
        };
        let plain = event_of(&publish);
        assert_eq!(
            (plain.id(), plain.kind(), plain.source()),
            ("drawn", "plimsoll.place", "/routes/place")
        );
        assert_eq!(plain.content_type(), Some("text/plain"));
        assert_eq!(
            (plain.get("subject"), &plain.data[..]),
            (None, &b"data"[..])
        );
        publish.subject = Some(Pattern::parse("{id}:{rest}:{header.x-kind}:{method}").unwrap());
        assert_eq!(event_of(&publish).get("subject").unwrap(), "7:a/b:big:post");
        publish.subject = Some(Pattern::parse("{header.x-none}").unwrap());
        assert_eq!(event_of(&publish).get("subject"), None);
        publish.kind = Pattern::parse("{header.x-none}").unwrap();
        let none = event(&rules(publish), &[], "").unwrap_err();
        assert!(none.0.contains("`type` is empty"), "{none:?}");
    }

    #[test]
    fn a_cloud_event_is_taken_as_it_is_where_that_is_allowed() {
        let headers = [
            ("ce-specversion", "1.0"),
            ("CE-Type", "order.placed"),
            ("ce-id", "7"),
            ("content-type", "application/json"),
        ];
        let mut rules = rules(Publish::to("t"));
        let own = event(&rules, &headers, "{}").unwrap();
        assert_eq!((own.id(), own.kind()), ("7", "order.placed"));
        assert_eq!(
            own.source(),
            "/routes/place",
            "what it does not say is given"
        );
        let structured = [("content-type", "application/cloudevents+json")];
        let text = r#"{"specversion":"1.0","type":"a","data":1}"#;
        let own = event(&rules, &structured, text).unwrap();
        assert_eq!(
            (own.id(), own.kind(), &own.data[..]),
            ("drawn", "a", &b"1"[..])
        );
        assert!(event(&rules, &structured, "{").is_err());
        let old = [("ce-specversion", "0.3")];
        assert!(
            event(&rules, &old, "")
                .unwrap_err()
                .0
                .contains("1.0 is read here")
        );
        let batch = [("content-type", "application/cloudevents-batch+json")];
        assert!(
            event(&rules, &batch, "[]")
                .unwrap_err()
                .0
                .contains("one event")
        );
        rules.publish.cloudevents = false;
        let wrapped = event(&rules, &headers, "{}").unwrap();
        assert_eq!((wrapped.id(), wrapped.kind()), ("drawn", "plimsoll.place"));
        let wrapped = event(&rules, &batch, "[]").unwrap();
        assert_eq!(wrapped.content_type(), Some(batch[0].1));
    }

    #[test]
    fn a_key_is_an_id_of_its_client() {
        let id = named_id("a", 1, 2, "k");
        assert_eq!(id.len(), 32);
        assert_eq!(id, named_id("a", 1, 2, "k"));
        for other in [
            named_id("b", 1, 2, "k"),
            named_id("a", 2, 1, "k"),
            named_id("a", 1, 2, "l"),
        ] {
            assert_ne!(id, other);
        }
    }
}
