//! The matcher: one tree of path segments per host, and a rank that says which of several matching routes wins.
//! Built once per generation; a match allocates nothing.

use super::path::{self, BadPath, Look, Reading};
use config::sections::{Route, Segment};
use std::cmp::Reverse;
use std::collections::HashMap;

/// What a route asks of a request beyond its host and path.
#[derive(Debug)]
struct Candidate {
    rank: u32,
    method: Option<Box<str>>,
    headers: Box<[(Box<str>, Box<str>)]>,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by name.
    literals: Vec<(Box<[u8]>, u32)>,
    one: Option<u32>,
    /// Candidates whose template ends here, by rank.
    here: Vec<Candidate>,
    /// Candidates that take whatever follows, by rank.
    rest: Vec<Candidate>,
    /// Lowest rank in this subtree: a search does not enter a subtree that cannot win.
    best: u32,
}

/// Segments from the root, as nodes in one vector; the root is the first.
#[derive(Debug)]
struct Tree(Vec<Node>);

/// The compiled routes of one configuration.
#[derive(Debug)]
pub struct Matcher {
    any_host: Tree,
    exact: HashMap<Box<[u8]>, Tree, foldhash::fast::RandomState>,
    /// By what follows the `*`, with its dot.
    wildcard: HashMap<Box<[u8]>, Tree, foldhash::fast::RandomState>,
    /// Route index by rank.
    routes: Vec<u32>,
}

/// What is asked of the matcher. `has` says whether the head has a header of that (lower-case) name with
/// exactly that value; an empty value asks whether it is there at all.
pub struct Question<'a, F> {
    pub method: &'a str,
    pub host: &'a [u8],
    /// With or without a query.
    pub path: &'a [u8],
    pub has: F,
}

/// Longest host name, bytes.
const HOST: usize = 253;

impl Matcher {
    /// Indices in answers are those of `routes`.
    pub fn new(routes: &[Route]) -> Matcher {
        let mut order: Vec<u32> = (0..routes.len() as u32).collect();
        order.sort_by(|&a, &b| {
            precedence(&routes[a as usize]).cmp(&precedence(&routes[b as usize]))
        });
        let mut matcher = Matcher {
            any_host: Tree::default(),
            exact: HashMap::default(),
            wildcard: HashMap::default(),
            routes: order,
        };
        for rank in 0..routes.len() {
            let route = &routes[matcher.routes[rank] as usize];
            let host = route.matcher.host.as_deref().map(str::to_ascii_lowercase);
            let tree = match host.as_deref().map(|h| (h, h.strip_prefix('*'))) {
                None | Some(("*", _)) => &mut matcher.any_host,
                Some((_, Some(suffix))) => matcher
                    .wildcard
                    .entry(suffix.as_bytes().into())
                    .or_default(),
                Some((host, None)) => matcher.exact.entry(host.as_bytes().into()).or_default(),
            };
            tree.insert(route, rank as u32);
        }
        matcher
    }

    /// The index of the route that takes the request; `None`: no route does.
    pub fn find<F: Fn(&str, &str) -> bool>(
        &self,
        q: &Question<'_, F>,
    ) -> Result<Option<usize>, BadPath> {
        let path = match q.path.iter().position(|&b| b == b'?') {
            Some(end) => &q.path[..end],
            None => q.path,
        };
        let look = path::look(path)?;
        let plain = self.read(q, path, look, Reading::Plain);
        if look.two_ways && plain.is_some() {
            // No route under the other reading means that there is nothing to bypass.
            let lenient = self.read(q, path, look, Reading::Lenient);
            if lenient.is_some() && lenient != plain {
                return Err(BadPath::Ambiguous);
            }
        }
        Ok(plain.map(|rank| self.routes[rank as usize] as usize))
    }

    fn read<F: Fn(&str, &str) -> bool>(
        &self,
        q: &Question<'_, F>,
        path: &[u8],
        look: Look,
        reading: Reading,
    ) -> Option<u32> {
        let mut search = Search {
            q,
            reading,
            encoded: look.encoded,
            best: u32::MAX,
        };
        self.any_host.search(0, path, &mut search);
        if !(self.exact.is_empty() && self.wildcard.is_empty()) {
            let mut buffer = [0u8; HOST];
            let host = plain_host(q.host, &mut buffer);
            if let Some(tree) = self.exact.get(host) {
                tree.search(0, path, &mut search);
            }
            if !self.wildcard.is_empty() {
                // A label and a dot stand before every suffix that a `*` may stand for.
                for dot in (1..host.len()).filter(|&i| host[i] == b'.') {
                    if let Some(tree) = self.wildcard.get(&host[dot..]) {
                        tree.search(0, path, &mut search);
                    }
                }
            }
        }
        (search.best != u32::MAX).then_some(search.best)
    }
}

/// Lower case, without port and final dot; empty when it is too long to be a name.
fn plain_host<'a>(host: &[u8], buffer: &'a mut [u8; HOST]) -> &'a [u8] {
    let end = match host.first() {
        Some(b'[') => host.iter().position(|&b| b == b']').map_or(0, |i| i + 1),
        _ => host.iter().position(|&b| b == b':').unwrap_or(host.len()),
    };
    let host = &host[..end];
    let host = host.strip_suffix(b".").unwrap_or(host);
    let Some(out) = buffer.get_mut(..host.len()) else {
        return &[];
    };
    out.copy_from_slice(host);
    out.make_ascii_lowercase();
    out
}

struct Search<'a, 'q, F> {
    q: &'a Question<'q, F>,
    reading: Reading,
    encoded: bool,
    best: u32,
}

impl<F: Fn(&str, &str) -> bool> Search<'_, '_, F> {
    fn offer(&mut self, candidates: &[Candidate]) {
        for c in candidates {
            if c.rank >= self.best {
                return;
            }
            let method = c
                .method
                .as_deref()
                .is_none_or(|m| m == self.q.method || (m == "GET" && self.q.method == "HEAD"));
            if method
                && c.headers
                    .iter()
                    .all(|(name, value)| (self.q.has)(name, value))
            {
                self.best = c.rank;
                return;
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Tree(vec![Node::new()])
    }
}

impl Node {
    fn new() -> Node {
        Node {
            best: u32::MAX,
            ..Node::default()
        }
    }
}

impl Tree {
    /// Routes come in order of rank, so each list stays sorted.
    fn insert(&mut self, route: &Route, rank: u32) {
        let candidate = Candidate {
            rank,
            method: route.matcher.method.as_deref().map(Into::into),
            headers: route
                .matcher
                .headers
                .iter()
                .map(|(n, v)| (n.as_str().into(), v.as_str().into()))
                .collect(),
        };
        let mut at = 0usize;
        self.0[at].best = self.0[at].best.min(rank);
        for segment in &route.matcher.path.segments {
            at = match segment {
                Segment::Literal(text) if text.is_empty() => continue,
                Segment::Literal(text) => self.literal(at, path::decode(text)),
                Segment::One(_) => match self.0[at].one {
                    Some(next) => next as usize,
                    None => {
                        let next = self.grow();
                        self.0[at].one = Some(next as u32);
                        next
                    }
                },
                Segment::Rest(_) => return self.0[at].rest.push(candidate),
            };
            self.0[at].best = self.0[at].best.min(rank);
        }
        self.0[at].here.push(candidate);
    }

    fn literal(&mut self, at: usize, name: Box<[u8]>) -> usize {
        match self.0[at].literals.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(i) => self.0[at].literals[i].1 as usize,
            Err(i) => {
                let next = self.grow();
                self.0[at].literals.insert(i, (name, next as u32));
                next
            }
        }
    }

    fn grow(&mut self) -> usize {
        self.0.push(Node::new());
        self.0.len() - 1
    }

    /// Visits a node at most once, so the work is bounded by the tree and by the path's depth.
    fn search<F: Fn(&str, &str) -> bool>(&self, at: u32, path: &[u8], s: &mut Search<'_, '_, F>) {
        let node = &self.0[at as usize];
        if node.best >= s.best {
            return;
        }
        s.offer(&node.rest);
        let Some((segment, after)) = path::next(path, s.reading) else {
            return s.offer(&node.here);
        };
        let found = node.literals.binary_search_by(|(name, _)| {
            if s.encoded {
                path::order(segment, name).reverse()
            } else {
                name.as_ref().cmp(segment)
            }
        });
        if let Ok(i) = found {
            self.search(node.literals[i].1, after, s);
        }
        if let Some(one) = node.one {
            self.search(one, after, s);
        }
    }
}

/// What `config::sections::Match` says: method, longer literal prefix, headers, host, name; refined where that is
/// silent: an explicit HEAD before GET (which takes HEAD too), one segment before the rest, more headers before
/// fewer, an exact host before a wildcard and a longer wildcard before a shorter.
pub(super) fn precedence(route: &Route) -> impl Ord + '_ {
    let m = &route.matcher;
    let method = match m.method.as_deref() {
        Some("HEAD") => 0u8,
        Some(_) => 1,
        None => 2,
    };
    let shape: Vec<u8> = m
        .path
        .segments
        .iter()
        .filter(|s| !matches!(s, Segment::Literal(l) if l.is_empty()))
        .map(|s| match s {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 3,
        })
        .chain([2]) // the end: before the rest
        .collect();
    let host = match m.host.as_deref() {
        None | Some("*") => (2u8, 0),
        Some(h) if h.starts_with('*') => (1, h.len()),
        Some(h) => (0, h.len()),
    };
    let literal = shape.iter().take_while(|k| **k == 0).count();
    (
        method,
        Reverse(literal),
        shape,
        Reverse(m.headers.len()),
        host.0,
        Reverse(host.1),
        route.name.as_str(),
    )
}
