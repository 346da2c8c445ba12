//! Any bytes are events or a mistake; what is written of one reads back as the same, in JSON, in a batch and as headers.

use cloudevents::{Draft, Event, Value, binary, json};

/// Events of one batch.
const MOST: usize = 64;

/// What is left of its attributes in headers, which know text only. Data that is JSON says so once it was written.
fn told(event: &Event) -> Vec<(String, String)> {
    let all = event
        .attributes()
        .filter(|(name, _)| *name != "datacontenttype");
    all.map(|(name, value)| (name.to_owned(), value.text()))
        .collect()
}

fn same(event: &Event) {
    let written = json::write(event);
    let again = json::read(&written).expect("what is written is an event");
    assert_eq!(told(event), told(&again));
    assert_eq!(
        json::write(&again),
        json::write(&json::read(&json::write(&again)).expect("an event"))
    );
    let batch = [b"[", &written[..], b"]"].concat();
    assert_eq!(
        json::read_batch(&batch, MOST, Draft::check).expect("a batch"),
        [again]
    );
    let headers = binary::headers(event);
    assert!(
        headers.iter().all(|(_, v)| !v.contains(['\r', '\n', '\0'])),
        "{headers:?}"
    );
    let lines = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let binary = binary::read(lines, event.data.clone()).expect("headers of an event are one");
    assert_eq!(told(event), told(&binary));
    assert_eq!(binary.data, event.data);
    assert!(
        binary
            .attributes()
            .all(|(_, v)| matches!(v, Value::Text(_)))
    );
}

pub fn check(data: &[u8]) {
    if let Ok(event) = json::read(data) {
        same(&event);
    }
    if let Ok(events) = json::read_batch(data, MOST, Draft::check) {
        assert!(events.len() <= MOST);
        events.iter().for_each(same);
    }
    // The attributes that each must have, so that the fuzzer gets to the others.
    let head = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","#;
    if let Ok(event) = json::read(&[&head[..], data, b"}"].concat()) {
        same(&event);
    }
}
