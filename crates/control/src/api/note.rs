//! What people did that changes no generation, such as a purge, is written down like the rest.

use super::{Answer, Control};
use crate::ledger::{Event, LedgerError, Note};

impl Control {
    pub fn note(&self, who: &str, what: String) -> Answer<()> {
        let note = Note::new(who, "asked for it", Event::Done { what });
        let decide = |_: &_| Ok::<_, LedgerError>(vec![note.clone()]);
        let written = self.shared.ledger.transact(self.now_ms(), decide);
        written.map(drop).map_err(|e| vec![e.into()])
    }
}
