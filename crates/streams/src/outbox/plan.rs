//! What is asked of the database, and what becomes of a row. Pure.

use crate::event::keep_own;
use cloudevents::{Draft, Event, binary};
use config::sections::Outbox;
use serde_json::value::RawValue;
use store::NewEvent;

/// Largest data of a row, bytes; the store takes events of 1 MiB.
const DATA: usize = 900 << 10;
/// Rows are counted up to here.
pub const COUNTED: i64 = 10_000;

/// The statements of one outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements {
    /// Place, id, type, data, subject; locked.
    pub take: String,
    /// Those whose places are in `$1` and whose ids are in `$2`.
    pub delete: String,
    /// How many wait, and how many of them can never go.
    pub count: String,
}

/// A name as it stands in a statement.
fn quoted(name: &str) -> String {
    let parts = name.split('.').map(whole);
    parts.collect::<Vec<_>>().join(".")
}

fn whole(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn statements(outbox: &Outbox) -> Statements {
    let (table, c) = (quoted(&outbox.table), &outbox.columns);
    let [id, kind, data] = [&c.id, &c.kind, &c.data].map(|name| whole(name));
    let subject = c.subject.as_ref().map(|name| whole(name));
    let mut fits = format!(
        "{id} IS NOT NULL AND octet_length({id}::text) BETWEEN 1 AND 500 AND octet_length({kind}::text) BETWEEN 1 AND 1000 \
         AND coalesce(octet_length({data}::text), 0) <= {DATA}"
    );
    if let Some(subject) = &subject {
        fits += &format!(" AND coalesce(octet_length({subject}::text), 0) <= 8000");
    }
    let subject = subject.map_or("NULL::text".to_owned(), |s| format!("{s}::text"));
    let batch = outbox.batch;
    Statements {
        take: format!(
            "SELECT ctid::text, {id}::text, {kind}::text, {data}::text, {subject} FROM {table} WHERE {fits} \
             ORDER BY {id} LIMIT {batch} FOR UPDATE SKIP LOCKED"
        ),
        // Places are those of a partition: the ids keep rows of others from going with them.
        delete: format!(
            "DELETE FROM {table} WHERE ctid = ANY($1::text[]::tid[]) AND {id}::text = ANY($2::text[])"
        ),
        count: format!(
            "SELECT count(*), count(*) FILTER (WHERE ({fits}) IS NOT TRUE) FROM (SELECT * FROM {table} LIMIT {COUNTED}) AS rows"
        ),
    }
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub place: String,
    pub id: String,
    pub kind: String,
    pub data: Option<String>,
    pub subject: Option<String>,
}

impl Row {
    pub fn bytes(&self) -> usize {
        self.data.as_ref().map_or(0, String::len) + 1024
    }
}

/// Its id is that of the row, under the name of the outbox. Its parts are bounded by the statement that takes it.
fn event(outbox: &Outbox, row: &Row) -> Event {
    let source = format!("/outbox/{}", outbox.name);
    let pairs = [
        ("id", row.id.as_str()),
        ("type", row.kind.as_str()),
        ("source", source.as_str()),
    ];
    let data = row.data.clone().unwrap_or_default();
    let mut draft = Draft::of(pairs, data.into_bytes());
    if let Some(subject) = &row.subject {
        draft.add("subject", subject);
    }
    if let Some(data) = &row.data {
        draft.add("datacontenttype", kind(data));
    }
    draft.trust()
}

/// As it is appended to a stream.
pub fn appended(outbox: &Outbox, row: &Row, now_ms: u64) -> NewEvent {
    keep_own(&event(outbox, row), now_ms)
}

/// A row as the request that a job is: a CloudEvent in binary mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What keeps it from becoming two jobs.
    pub name: String,
    /// For people.
    pub title: String,
    pub lines: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn job_name(outbox: &Outbox, row: &Row) -> String {
    format!("outbox/{}/{}", outbox.name, row.id)
}

pub fn request(outbox: &Outbox, row: &Row) -> Request {
    let event = event(outbox, row);
    let mut lines = binary::headers(&event);
    let digest = event.digest().into_iter().map(|b| format!("{b:02x}"));
    let key = format!("\"outbox-{}\"", digest.collect::<String>());
    lines.push(("Idempotency-Key".into(), key));
    let id: String = row.id.chars().take(60).collect();
    Request {
        name: job_name(outbox, row),
        title: format!("POST {} (outbox {} {id})", outbox.path, outbox.name),
        lines,
        body: event.data,
    }
}

fn kind(data: &str) -> &'static str {
    match serde_json::from_str::<&RawValue>(data) {
        Ok(_) => "application/json",
        Err(_) => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_rows_locked() {
        let mut outbox = Outbox::named("o");
        outbox.table = "app.out\"box".into();
        outbox.columns.subject = Some("Order".into());
        let s = statements(&outbox);
        assert!(
            s.take.contains("FROM \"app\".\"out\"\"box\" WHERE"),
            "{}",
            s.take
        );
        assert!(s.take.contains("\"Order\"::text FROM"), "{}", s.take);
        assert!(
            s.take
                .ends_with("ORDER BY \"id\" LIMIT 200 FOR UPDATE SKIP LOCKED")
        );
    }

    #[test]
    fn a_row_is_an_event_with_its_id() {
        let row = |data: Option<&str>| Row {
            place: "(0,1)".into(),
            id: "7".into(),
            kind: "placed".into(),
            data: data.map(str::to_owned),
            subject: Some("o/7".into()),
        };
        let outbox = Outbox::named("o");
        let of = |data| appended(&outbox, &row(data), 5);
        assert_eq!(
            (of(None).id.as_str(), of(None).kind.as_str()),
            ("/outbox/o 7", "placed")
        );
        let text = |data| String::from_utf8(of(Some(data)).data).unwrap();
        assert!(
            text("{\"a\":1}").ends_with("{\"a\":1}")
                && text("{\"a\":1}").contains("application/json")
        );
        assert!(text("{").contains("text/plain"));
        // And a request that tells a service the same.
        let request = request(&outbox, &row(Some("{\"a\":1}")));
        assert_eq!(
            (&*request.name, &*request.body),
            ("outbox/o/7", &b"{\"a\":1}"[..])
        );
        let line = |name: &str| {
            let found = request.lines.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| v.as_str())
        };
        assert_eq!(
            (line("ce-id"), line("ce-subject"), line("ce-source")),
            (Some("7"), Some("o/7"), Some("/outbox/o"))
        );
        assert_eq!(line("Content-Type"), Some("application/json"));
        assert!(
            line("Idempotency-Key").is_some_and(|k| k.starts_with("\"outbox-") && k.len() == 41)
        );
    }
}
