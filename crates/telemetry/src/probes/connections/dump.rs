//! A look at every TCP connection of this network namespace, some at a time: the kernel keeps the place between two reads, so
//! that a bounded number of them each second goes round all of them.

use super::diag::{self, Answers, V4, V6};
use crate::probes::netlink;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{RecvFlags, recv};

/// Connections read at once, about: reads bring up to a hundred.
pub const AT_ONCE: usize = 1024;
const BUFFER: usize = 32 << 10;

/// By the kernel.
#[derive(Default)]
pub struct Kernel {
    under_way: Option<(OwnedFd, u8)>,
}

impl Kernel {
    /// The next of them; `done`: that was the last, and the next call begins anew.
    pub fn look(&mut self) -> Result<Answers, String> {
        let mut all = Answers::default();
        let mut buffer = vec![0u8; BUFFER];
        while all.connections.len() < AT_ONCE {
            let (socket, family) = match self.under_way.take() {
                Some(u) => u,
                None => (begin(V4)?, V4),
            };
            match recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::AGAIN) => return Err("the kernel does not answer".into()),
                Err(e) => return Err(format!("the kernel does not tell: {e}")),
                Ok((_, n)) => diag::answers(buffer.get(..n).unwrap_or_default(), &mut all),
            }
            if let Some(e) = all.error.filter(|_| family == V4) {
                return Err(format!(
                    "the kernel refuses: {}",
                    Errno::from_raw_os_error(e)
                ));
            }
            let ended = std::mem::take(&mut all.done) || all.error.take().is_some();
            self.under_way = match (ended, family) {
                (false, _) => Some((socket, family)),
                (true, V4) => Some((begin(V6)?, V6)),
                // Where there is no version 6 it is the end as well.
                (true, _) => {
                    all.done = true;
                    return Ok(all);
                }
            };
        }
        Ok(all)
    }
}

fn begin(family: u8) -> Result<OwnedFd, String> {
    netlink::ask(Some(SOCK_DIAG), &diag::request(family))
}
