//! Counters: one script each, on the server's clock.

use super::script::Script;
use super::{Redis, odd};
use crate::counter::{GROUP_TAU_S, UNIT, acceptable};
use crate::{Ack, Counter, Quota, Take, Taken};
use std::time::Duration;

fn word(n: impl ToString) -> Vec<u8> {
    n.to_string().into_bytes()
}

impl Counter for Redis {
    fn take(&self, take: Take, _now_us: u64) -> Ack<Taken> {
        if let Err(e) = acceptable(&take) {
            return Ack::ready(Err(e));
        }
        let keys = [self.key("c", &take.key), self.key("g", &take.group)];
        let quota = take.quota;
        let arguments = vec![
            word(quota.spacing_ns),
            word(quota.burst as u64 * UNIT),
            word(take.want),
            word(take.least.max(1)),
            word(GROUP_TAU_S),
        ];
        self.quick.run(Script::Take, &keys, arguments, |answer| {
            let read = || {
                let [granted, retry, left, group] = answer.fields()?;
                Some(Taken {
                    granted: granted.number()?,
                    retry: Duration::from_micros(retry.number()?),
                    left: left.number()?,
                    group: group.float()?,
                })
            };
            read().ok_or_else(|| odd(Script::Take.name()))
        })
    }

    fn give(&self, key: &str, quota: Quota, milli: u64, _now_us: u64) -> Ack<()> {
        let back = quota.step_us(milli).saturating_sub(1);
        let keys = [self.key("c", key)];
        (self.quick).run(Script::Give, &keys, vec![word(back)], |_| Ok(()))
    }
}
