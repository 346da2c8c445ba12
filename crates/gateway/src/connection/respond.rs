//! Answers that the path gives itself: refusals, failures, and what gates answer.

use super::Busy;
use super::client::{Client, Cut};
use super::grpc;
use crate::exchange::{Reply, reason_phrase};
use crate::worker::Worker;
use http1::{Method, Version};
use std::future::poll_fn;
use std::task::{Poll, ready};

/// Writes the reply into the room's buffer, for the request that is there (or for what was none).
pub(super) fn queue(room: &mut Busy, reply: &Reply, close: bool) {
    let meta = room.down.meta;
    let (status, refused) = (reply.status, !reply.reason.is_empty());
    let request = room.down.head().filter(|_| refused);
    let grpc = request.and_then(|head| grpc::refusal(&head, reply));
    let reply = grpc.as_ref().unwrap_or(reply);
    let out = &mut room.out.bytes;
    let before = out.len();
    out.extend_from_slice(b"HTTP/1.1 ");
    http1::write::decimal(out, reply.status as u64);
    out.push(b' ');
    out.extend_from_slice(reason_phrase(reply.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&reply.stored);
    out.extend_from_slice(&reply.said);
    let mut line = |name: &[u8], value: &[u8]| {
        // What gates answer comes from instances and from people; it must not break the message.
        if value
            .iter()
            .all(|&b| b == b'\t' || (b >= 0x20 && b != 0x7f))
        {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    };
    for (name, value) in &reply.headers {
        line(name.as_bytes(), value);
    }
    if !reply.reason.is_empty() {
        line(b"plimsoll-reason", reply.reason.as_bytes());
    }
    if close {
        line(b"Connection", b"close");
    } else if meta.is_some_and(|m| m.version == Version::Http10) {
        line(b"Connection", b"keep-alive");
    }
    let bodiless = matches!(reply.status, 100..=199 | 204 | 304);
    if !bodiless {
        out.extend_from_slice(b"Content-Length: ");
        http1::write::decimal(out, reply.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !bodiless && meta.is_none_or(|m| m.method != Method::Head) {
        out.extend_from_slice(&reply.body);
    }
    let written = (out.len() - before) as u64;
    room.live.note_reply(reply);
    room.live.sample.status = status;
    room.live.sample.bytes_out += written;
    let now = room.live.now();
    room.live.sample.first_byte_us = room.live.since_start(now);
}

/// Writes the room's buffer to the client.
pub(super) async fn flush(
    worker: &Worker,
    client: &mut Client,
    room: &mut Busy,
) -> Result<(), Cut> {
    let idle = room.live.snapshot.limits.idle;
    client.set_alarm(worker, Some(worker.wheel.now() + idle));
    poll_fn(|cx| {
        if client.alarm.rang() {
            client.socket.abandon();
            return Poll::Ready(Err(Cut::Late));
        }
        while !room.out.is_empty() {
            match ready!(client.socket.poll_write(cx, room.out.left())) {
                Ok(n) if n > 0 => room.out.advance(n),
                _ => return Poll::Ready(Err(Cut::ClientGone)),
            }
        }
        let sent = ready!(client.socket.poll_sent(cx));
        Poll::Ready(sent.map_err(|_| Cut::ClientGone))
    })
    .await
}
