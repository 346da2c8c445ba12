//! A batch of events, posted to a service.

use crate::wire::export::{agent, fetched};
use std::sync::Arc;
use streams::BATCH;
use streams::projection::Push;

/// What is read of an answer, bytes: so much that the connection can be used again.
const ANSWER: u64 = 64 << 10;

pub fn push() -> Push {
    let agent = agent();
    Arc::new(move |p, position, body| {
        let mut request = agent
            .post(&p.to)
            .header("content-type", BATCH)
            .header("plimsoll-projection", &p.name)
            .header("plimsoll-position", position.to_string());
        for (name, value) in fetched(&p.headers)? {
            request = request.header(name, value);
        }
        let request = request.config().timeout_global(Some(p.timeout)).build();
        let mut answer = request.send(body).map_err(|e| e.to_string())?;
        let _ = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        Ok(answer.status().as_u16())
    })
}
