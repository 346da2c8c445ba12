//! What one node tells all others: that an address or a group was changed, or that something was purged. As bytes, because paths
//! need not be text.

use super::super::disk::line::{halves, number, part, take};
use super::super::{Purge, What};
use store::second::{About, CELLS};

/// Longest path or name that is told as it is; of a longer one everything that begins so is purged.
const LONGEST: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Without query; the host in lower case.
    Path {
        host: Vec<u8>,
        path: Vec<u8>,
    },
    Group {
        host: Vec<u8>,
        group: String,
    },
    Purge(Purge),
}

/// Everything counts as changed.
pub fn everything(hard: bool) -> Purge {
    Purge {
        what: What::Prefix("/".into()),
        host: None,
        hard,
    }
}

pub fn path_cell(host: &[u8], path: &[u8]) -> u64 {
    number(&[&host.to_ascii_lowercase(), path]) % CELLS
}

pub fn group_cell(host: &[u8], group: &str) -> u64 {
    number(&[b"group", &host.to_ascii_lowercase(), group.as_bytes()]) % CELLS
}

/// Cells that can outdate an answer: those of its path and of its groups.
pub fn cells(key: &[u8], groups: &[Box<str>]) -> Vec<u64> {
    let (host, target) = halves(key);
    let mut cells = vec![path_cell(host, path_of(target))];
    cells.extend(groups.iter().map(|g| group_cell(host, g)));
    cells
}

pub fn path_of(target: &[u8]) -> &[u8] {
    target.split(|&b| b == b'?').next().unwrap_or(target)
}

impl Change {
    pub fn path(host: &[u8], path: &[u8]) -> Change {
        let host = host.to_ascii_lowercase();
        if path.len() <= LONGEST {
            let path = path.to_vec();
            return Change::Path { host, path };
        }
        // What is no text is left out, and with it what could make the beginning another one.
        let start = &path[..LONGEST];
        let text = match std::str::from_utf8(start) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default(),
        };
        Change::Purge(Purge {
            what: What::Prefix(text.to_owned()),
            host: Some(String::from_utf8_lossy(&host).into_owned()),
            hard: false,
        })
    }

    pub fn group(host: &[u8], group: &str) -> Change {
        Change::Group {
            host: host.to_ascii_lowercase(),
            group: group.to_owned(),
        }
    }

    pub fn about(&self) -> About {
        match self {
            Change::Path { host, path } => About::Cell(path_cell(host, path)),
            Change::Group { host, group } => About::Cell(group_cell(host, group)),
            Change::Purge(_) => About::Purge,
        }
    }

    /// Whether it concerns what is stored under the key.
    pub fn names(&self, key: &[u8], groups: &[Box<str>]) -> bool {
        let (here, target) = halves(key);
        match self {
            Change::Path { host, path } => here == *host && path_of(target) == *path,
            Change::Group { host, group } => here == *host && groups.iter().any(|g| **g == **group),
            Change::Purge(purge) => purge.names(key, groups),
        }
    }

    /// `node` and `id`: whose it is, and which of its own.
    pub fn write(&self, node: u64, id: u64) -> Vec<u8> {
        let mut out = [node.to_le_bytes(), id.to_le_bytes()].concat();
        let mut put = |kind: u8, host: &[u8], what: &[u8]| {
            out.push(kind);
            for part in [host, what] {
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
        };
        match self {
            Change::Path { host, path } => put(0, host, path),
            Change::Group { host, group } => put(1, host, group.as_bytes()),
            Change::Purge(purge) => {
                let (kind, what) = match &purge.what {
                    What::Url(url) => (2, url),
                    What::Prefix(prefix) => (3, prefix),
                    What::Group(group) => (4, group),
                };
                let host = purge.host.as_deref().unwrap_or("");
                put(
                    kind | (purge.hard as u8) << 7,
                    host.as_bytes(),
                    what.as_bytes(),
                );
            }
        }
        out
    }

    /// With whose it is, and which of its own. What cannot be read was told by somebody newer: it may be about anything.
    pub fn read(body: &[u8]) -> (u64, u64, Change) {
        decode(body).unwrap_or((0, 0, Change::Purge(everything(true))))
    }
}

fn decode(mut rest: &[u8]) -> Option<(u64, u64, Change)> {
    let rest = &mut rest;
    let node = u64::from_le_bytes(take(rest)?);
    let id = u64::from_le_bytes(take(rest)?);
    let [kind] = take::<1>(rest)?;
    let (host, what) = (part(rest)?.to_vec(), part(rest)?.to_vec());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    let purge = |what: What, host: Vec<u8>| {
        let host = text(host)?;
        Some(Change::Purge(Purge {
            what,
            host: (!host.is_empty()).then_some(host),
            hard: kind >> 7 == 1,
        }))
    };
    let change = match kind & 0x7f {
        0 => Change::Path { host, path: what },
        1 => Change::Group {
            host,
            group: text(what)?,
        },
        2 => purge(What::Url(text(what)?), host)?,
        3 => purge(What::Prefix(text(what)?), host)?,
        4 => purge(What::Group(text(what)?), host)?,
        _ => return None,
    };
    rest.is_empty().then_some((node, id, change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_heard() {
        let purge = |what: What, host: Option<&str>, hard| {
            Change::Purge(Purge {
                what,
                host: host.map(str::to_owned),
                hard,
            })
        };
        let all = [
            Change::path(b"Shop.example", b"/a\xff b"),
            Change::group(b"shop.example", "prices"),
            purge(What::Url("/a?b".into()), Some("h"), false),
            purge(What::Prefix("/".into()), None, true),
            purge(What::Group("g".into()), None, false),
        ];
        for change in all {
            let body = change.write(7, 9);
            assert_eq!(Change::read(&body), (7, 9, change.clone()));
            let short = &body[..body.len() - 1];
            assert_eq!(Change::read(short).2, Change::Purge(everything(true)));
        }
    }

    #[test]
    fn a_change_names_what_it_is_about() {
        let key = b"\0shop.example\0/a?b=1";
        let groups: [Box<str>; 1] = ["prices".into()];
        let names = |c: Change| c.names(key, &groups);
        assert!(names(Change::path(b"SHOP.example", b"/a")));
        assert!(!names(Change::path(b"shop.example", b"/a?b=1")));
        assert!(!names(Change::path(b"other", b"/a")));
        assert!(names(Change::group(b"shop.example", "prices")));
        assert!(!names(Change::group(b"shop.example", "price")));
        let long = [b"/", &[b'x'; 3000][..]].concat();
        let Change::Purge(purge) = Change::path(b"h", &long) else {
            panic!("as long as it is");
        };
        assert!(purge.names(&[b"\0h\0", &long[..]].concat(), &[]) && !purge.hard);
        assert!(Change::Purge(everything(false)).names(key, &[]));
    }
}
