//! Which jobs come next: those that are due, tenants in turns, of each key its first only. Pure.

use super::index::{Entry, Index};
use crate::queue::turn;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Most tenants that one look takes in; the next goes on from there.
const TENANTS: usize = 256;
/// Most jobs whose time is over that one look ends.
const OVER: usize = 64;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// To be lent, in this order.
    pub lend: Vec<u64>,
    /// To be ended: their time is over, or they were cancelled while a worker had them that never came back.
    pub over: Vec<u64>,
}

impl Index {
    /// Up to `most` jobs of a lane; they are left alone until `left_ms`. Those that other nodes may have accepted before one
    /// of the same key are known: nothing is picked that is beyond what was followed.
    pub fn pick(&mut self, name: &str, most: usize, now_ms: u64, left_ms: u64) -> Picked {
        let followed = self.followed;
        let mut picked = Picked::default();
        let Some((lane, jobs)) = self.lane(name) else {
            return picked;
        };
        // The one whose turn is not over comes first.
        let (first, last) = match lane.rest {
            0 => (Excluded(&lane.served), Included(&lane.served)),
            _ => (Included(&lane.served), Excluded(&lane.served)),
        };
        let after = lane.ready.range::<String, _>((first, Unbounded));
        let up_to = lane.ready.range::<String, _>((Unbounded, last));
        let mut queues: Vec<_> = (after.chain(up_to).take(TENANTS))
            .map(|(tenant, ready)| {
                let due = ready.range(..=(now_ms, u64::MAX, u64::MAX)).map(|r| r.2);
                let due = due.filter(|seq| *seq <= followed);
                (tenant, due.filter(move |seq| is_free(jobs, *seq, now_ms)))
            })
            .collect();
        let looked = queues.last().map(|(tenant, _)| (*tenant).clone());
        let (mut served, mut rest) = (None, lane.rest);
        while picked.lend.len() < most && !queues.is_empty() {
            queues.retain_mut(|(tenant, due)| {
                if picked.lend.len() == most {
                    return true;
                }
                // What is left of a turn is of the one that was served last.
                let mut left = std::mem::take(&mut rest);
                if **tenant != lane.served {
                    left = 0;
                }
                let mut is_new = left == 0;
                while picked.lend.len() < most {
                    let Some(seq) = due.next() else { return false };
                    let entry = jobs.get(&seq);
                    if std::mem::take(&mut is_new) {
                        left = turn(entry.map_or(1, |e| e.card.weight));
                    }
                    served = Some((*tenant).clone());
                    if entry.map_or(0, |e| e.note.expires_ms) > now_ms {
                        picked.lend.push(seq);
                        left -= 1;
                        if left == 0 {
                            return true;
                        }
                    } else if picked.over.len() < OVER {
                        picked.over.push(seq);
                    }
                }
                rest = left;
                true
            });
        }
        drop(queues);
        // Where none of them has anything that is due, the next look goes on from there.
        if let Some(served) = served.or(looked) {
            (lane.served, lane.rest) = (served, rest);
        }
        for seq in picked.lend.iter().chain(&picked.over) {
            self.leave(*seq, left_ms);
        }
        picked
    }
}

fn is_free(jobs: &BTreeMap<u64, Entry>, seq: u64, now_ms: u64) -> bool {
    jobs.get(&seq).is_some_and(|e| e.left_ms <= now_ms)
}

#[cfg(test)]
mod tests {
    use super::super::decide;
    use super::super::note::{Card, Note};
    use super::*;
    use crate::{Finish, State};

    const LATER: u64 = 1 << 40;

    fn card(tenant: &str, key: Option<&str>) -> Card {
        Card {
            lane: "l".into(),
            tenant: tenant.into(),
            weight: 1,
            key: key.map(str::to_owned),
            blocks: false,
            enqueued_ms: 1,
            due_ms: 0,
            expires_ms: LATER,
            title: String::new(),
            head: 0,
            bytes: 1,
        }
    }

    /// A stream as the server keeps it: of each subject the last message, in order.
    #[derive(Default)]
    struct Stream {
        last: u64,
        accepted: BTreeMap<u64, Card>,
        notes: BTreeMap<u64, (u64, Note)>,
    }

    impl Stream {
        fn accept(&mut self, card: Card) -> u64 {
            self.last += 1;
            self.accepted.insert(self.last, card);
            self.last
        }

        fn note(&mut self, note: Note) -> u64 {
            self.last += 1;
            self.notes.insert(note.job, (self.last, note));
            self.last
        }

        /// What a node knows that reads it from the beginning.
        fn read(&self) -> Index {
            let mut index = Index::default();
            let mut notes: Vec<_> = self.notes.values().collect();
            notes.sort_by_key(|n| n.0);
            for seq in 1..=self.last {
                if let Some(card) = self.accepted.get(&seq) {
                    index.accept(seq, seq.into(), card.clone());
                }
                if let Ok(i) = notes.binary_search_by_key(&seq, |n| n.0) {
                    let note = &notes[i].1;
                    index.note(seq, note.job.into(), note.clone());
                }
            }
            index.followed = self.last;
            index
        }
    }

    #[test]
    fn what_was_not_followed_is_not_picked() {
        let mut index = Index::default();
        index.accept(7, 7, card("", Some("k")));
        assert_eq!(index.pick("l", 9, 5, 6), Picked::default());
        // Another node had accepted one of the key before.
        index.accept(5, 5, card("", Some("k")));
        index.followed = 7;
        assert_eq!(index.pick("l", 9, 5, 6).lend, [5]);
        assert!(index.pick("l", 9, 5, 6).lend.is_empty(), "it is left alone");
        assert_eq!(index.pick("l", 9, 6, 7).lend, [5]);
    }

    #[test]
    fn who_reads_the_stream_from_its_beginning_knows_what_those_know_who_followed_it() {
        let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
        let mut draw = move |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % n
        };
        let (mut stream, mut live) = (Stream::default(), Index::default());
        let mut driven = 0;
        for now in 0..1500 {
            let write = |stream: &mut Stream, live: &mut Index, note: Note| {
                let at = stream.note(note.clone());
                live.note(at, note.job.into(), note);
                live.followed = at;
            };
            let any = |live: &Index, state: State, n: u64| {
                let all = live.jobs("l", state, 0, 1000);
                let one = all.get(n as usize % all.len().max(1))?;
                live.at(one.id.seq).cloned()
            };
            match draw(7) {
                0..=1 => {
                    let key = format!("k{}", draw(4));
                    let key = (draw(3) > 0).then_some(key.as_str());
                    let card = Card {
                        blocks: draw(2) == 0,
                        ..card(&format!("t{}", draw(3)), key)
                    };
                    let seq = stream.accept(card.clone());
                    live.accept(seq, seq.into(), card);
                    live.followed = seq;
                }
                2..=3 => {
                    for seq in live.pick("l", 2, now, now).lend {
                        let next = decide::lend(live.at(seq).unwrap(), 1, now + 50);
                        write(&mut stream, &mut live, next.note);
                    }
                }
                4..=5 => {
                    let Some(job) = any(&live, State::Leased, draw(100)) else {
                        continue;
                    };
                    let how = match draw(3) {
                        0 => Finish::Retry {
                            at_ms: now + 3,
                            reason: "503".into(),
                        },
                        1 => Finish::Dead {
                            reason: "400".into(),
                            result: Vec::new(),
                        },
                        _ => Finish::Done { result: Vec::new() },
                    };
                    let next = decide::finish(&job, job.note.attempts, &how, now);
                    write(&mut stream, &mut live, next.unwrap().note);
                }
                _ => {
                    let Some(job) = any(&live, State::Dead, draw(100)) else {
                        continue;
                    };
                    let turn = live.followed + 1;
                    let next = match draw(3) {
                        0 => decide::discard(&job, "enough", now),
                        _ => decide::redrive(&job, now, LATER, turn),
                    };
                    write(&mut stream, &mut live, next.unwrap().note);
                    driven += 1;
                }
            }
            if now % 50 == 0 {
                let mut read = stream.read();
                assert_eq!(read.lanes(), live.lanes(), "at {now}");
                for state in State::ALL {
                    let jobs = |index: &Index| index.jobs("l", state, 0, 5000);
                    assert_eq!(jobs(&read), jobs(&live), "at {now}");
                }
                let mut all = [&mut read, &mut live].map(|index| {
                    let mut lend = index.pick("l", 5000, now, now).lend;
                    lend.sort_unstable();
                    lend
                });
                let [read, live] = &mut all;
                assert_eq!(read, live, "at {now}");
            }
        }
        assert!(driven > 50, "{driven}");
    }
}
