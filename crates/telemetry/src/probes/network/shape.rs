//! How fast the kernel lets links send where it is told to shape them: a root queueing discipline `tbf` or `cake` (tc(8)), as
//! rtnetlink(7) tells. Limits of the classes of `htb` and `hfsc`, and of another machine, are not seen.

use crate::probes::netlink::{self, Message, attribute, u32_at, u64_at};
use rustix::net::{RecvFlags, recv};
use std::collections::BTreeMap;

/// Bytes per second, by the link's number.
pub type Rates = BTreeMap<u32, f64>;

const GET_QDISC: u16 = 38;
const NEW_QDISC: u16 = 36;
/// Of `struct tcmsg`, and where in it the link's number and the parent are.
const MESSAGE: usize = 20;
const LINK: usize = 4;
const PARENT: usize = 12;
const ROOT: u32 = u32::MAX;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// Of `tbf`: its parameters, of which the rate is at byte 8, and a rate that does not fit there.
const TBF_PARAMETERS: u16 = 1;
const TBF_RATE: usize = 8;
const TBF_RATE64: u16 = 4;
const CAKE_RATE64: u16 = 2;

/// Reads of this many bytes, and so many of them: more links than that are not looked at.
const BUFFER: usize = 32 << 10;
const READS: usize = 64;

/// Everything that one read brought; whether that was the last.
pub fn rates(bytes: &[u8], out: &mut Rates) -> Result<bool, i32> {
    for message in netlink::messages(bytes) {
        match message {
            Message::Done => return Ok(true),
            Message::Refused(e) => return Err(e),
            Message::Told(NEW_QDISC, body) => out.extend(rate(body)),
            Message::Told(..) => {}
        }
    }
    Ok(false)
}

fn rate(body: &[u8]) -> Option<(u32, f64)> {
    let link = u32_at(body, LINK)?;
    if u32_at(body, PARENT)? != ROOT {
        return None;
    }
    let attributes = body.get(MESSAGE..)?;
    let options = attribute(attributes, OPTIONS)?;
    let rate = match attribute(attributes, KIND)?.split(|b| *b == 0).next()? {
        b"tbf" => match attribute(options, TBF_RATE64).and_then(|a| u64_at(a, 0)) {
            Some(r) => r as f64,
            None => f64::from(u32_at(attribute(options, TBF_PARAMETERS)?, TBF_RATE)?),
        },
        b"cake" => u64_at(attribute(options, CAKE_RATE64)?, 0)? as f64,
        _ => return None,
    };
    (rate > 0.0).then_some((link, rate))
}

/// Asks the kernel of this network namespace. `Err`: it does not tell.
pub fn of_kernel() -> Result<Rates, String> {
    let cannot = |e: rustix::io::Errno| format!("how links are shaped is not told: {e}");
    let socket = netlink::ask(None, &netlink::dump(GET_QDISC, &[0; MESSAGE]))?;
    let mut buffer = vec![0u8; BUFFER];
    let mut all = Rates::new();
    for _ in 0..READS {
        let (_, n) = recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT).map_err(cannot)?;
        let last = rates(buffer.get(..n).unwrap_or_default(), &mut all)
            .map_err(|e| cannot(rustix::io::Errno::from_raw_os_error(e)))?;
        if last || n == 0 {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::netlink::DONE;
    use crate::probes::netlink::tests::{attributes, message};

    fn qdisc(link: u32, parent: u32, kind: &str, options: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut m = vec![0; MESSAGE];
        m[LINK..LINK + 4].copy_from_slice(&link.to_ne_bytes());
        m[PARENT..PARENT + 4].copy_from_slice(&parent.to_ne_bytes());
        let name = [kind.as_bytes(), &[0]].concat();
        m.extend(attributes(&[(KIND, name), (OPTIONS, attributes(options))]));
        message(NEW_QDISC, &m)
    }

    #[test]
    fn rates_of_roots_are_told_and_others_are_not() {
        let mut parameters = vec![0u8; 36];
        parameters[TBF_RATE..TBF_RATE + 4].copy_from_slice(&2_500_000u32.to_ne_bytes());
        let tbf = [(TBF_PARAMETERS, parameters)];
        let wide = |of, rate: u64| [(of, rate.to_ne_bytes().to_vec())];
        let bytes = [
            qdisc(2, ROOT, "tbf", &tbf),
            qdisc(3, 0x10000, "tbf", &tbf),
            qdisc(4, ROOT, "fq_codel", &[]),
            qdisc(5, ROOT, "cake", &wide(CAKE_RATE64, 7_000_000_000)),
            qdisc(6, ROOT, "cake", &wide(CAKE_RATE64, 0)),
            qdisc(7, ROOT, "tbf", &wide(TBF_RATE64, 6_000_000_000)),
            message(DONE, &[0; 4]),
        ]
        .concat();
        let mut all = Rates::new();
        assert_eq!(rates(&bytes, &mut all), Ok(true));
        let expected = [(2, 2.5e6), (5, 7e9), (7, 6e9)];
        assert_eq!(all.into_iter().collect::<Vec<_>>(), expected);
        for cut in 0..bytes.len() {
            let _ = rates(&bytes[..cut], &mut Rates::new());
            let _ = rates(&bytes[cut..], &mut Rates::new());
        }
    }

    #[test]
    fn this_kernel_answers() {
        of_kernel().unwrap();
    }
}
