//! A response that a gate changes: its head goes on as if the instance had sent it so, its body in chunks of what comes
//! out of the gate.

use super::Busy;
use super::download::Download;
use super::drive::Drive;
use crate::exchange::{MAX_EDITS, ResponseHead};
use http1::{Framing, Method, Rewrite, Version};

impl Drive<'_> {
    /// The bytes of the head that goes on in place of this one; `None`: this one does.
    pub(super) fn changed(&mut self, head: &http1::ResponseHead<'_>) -> Option<Vec<u8>> {
        let Busy { down, live, .. } = &mut *self.room;
        let request = down.head()?;
        let changed = live.transform(request, ResponseHead::Wire(*head))?;
        // HTTP/1.0 knows no chunks, and nobody could tell where a changed body ends.
        let old = request.meta.version == Version::Http10;
        let has_body = head.meta.framing.has_body();
        let nothing = !has_body && request.meta.method != Method::Head;
        if changed.edits.is_empty() || (changed.body.is_some() && (old || nothing)) {
            return None;
        }
        let (edits, n) = changed.edits.listed::<MAX_EDITS>();
        let rewrite = Rewrite {
            edits: &edits[..n],
            framing: changed.body.as_ref().map(|_| Framing::Chunked),
            ..Rewrite::default()
        };
        let mut bytes = Vec::new();
        http1::write_response(&mut bytes, head, &rewrite);
        // The answer to a HEAD has none to change.
        self.down.through = changed.body.filter(|_| has_body);
        Some(bytes)
    }

    /// Nothing more comes for now: what the gate holds goes on. Whether anything does.
    pub(super) fn flush_changed(&mut self) -> bool {
        let Download { through, ready, .. } = &mut self.down;
        if let Some(through) = through {
            through.flush(ready);
        }
        self.send_ready()
    }

    /// That was all of the body.
    pub(super) fn end_changed(&mut self) {
        let Download { through, ready, .. } = &mut self.down;
        if let Some(through) = through {
            through.end(ready);
        }
        self.send_ready();
    }

    /// What has come out of the gate goes to the others, and to the client.
    pub(super) fn send_ready(&mut self) -> bool {
        let ready = &mut self.down.ready;
        if ready.is_empty() {
            return false;
        }
        if self.down.tap {
            self.room.live.tap(ready);
        }
        http1::write_chunk(&mut self.room.out.bytes, ready);
        ready.clear();
        true
    }
}
