//! What is forwarded of a request reads back as one message with the same body length.

use http1::{Body, Edit, Limits, Lines, Pass, Rewrite, Status, parse_request, write_request};

fn body(message: &[u8], limits: &Limits) -> Option<(Vec<u8>, Pass)> {
    let mut lines = Lines::default();
    let Ok(Status::Complete(head)) = parse_request(message, limits, &mut lines) else {
        return None;
    };
    let mut follow = Body::new(head.framing, limits);
    let pass = follow.pass(&message[head.len..]).ok().filter(|p| p.done)?;
    let mut out = Vec::new();
    let edits = [Edit::Append(b"X-Forwarded-For", b"10.0.0.1")];
    write_request(
        &mut out,
        &head,
        &Rewrite {
            edits: &edits,
            ..Rewrite::default()
        },
    );
    out.extend_from_slice(&message[head.len..][..pass.len]);
    Some((out, pass))
}

pub fn check(data: &[u8]) {
    // The second hop sees two more headers; leave room for it.
    let first = Limits {
        head: 1 << 16,
        headers: 98,
        ..Limits::default()
    };
    let second = Limits {
        head: 1 << 17,
        ..Limits::default()
    };
    if let Some((out, pass)) = body(data, &first) {
        let (again, same) = body(&out, &second).expect("what we write is a message to us");
        assert_eq!((same.data, same.len), (pass.data, pass.len));
        // One more hop adds its own line and changes nothing else.
        assert!(again.len() > out.len());
    }
}
