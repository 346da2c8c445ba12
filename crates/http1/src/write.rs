//! Writes a head by copying runs of the lines that are kept; a few edits are left out or appended.

use crate::framing::Framing;
use crate::head::{Fields, Form, Line, RequestHead, ResponseHead, Version};
use crate::name::{Kind, KindSet, classify, is_token, is_value};

/// One change to the lines of a head. A change that would break framing (a bad name or value, a
/// hop-by-hop name, Content-Length) is not made: use `Rewrite::framing` and `Rewrite::connection`.
/// Of one head, the first 64 are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// Leaves out every line of this name.
    Drop(&'e [u8]),
    /// Leaves out every line of this name and appends one.
    Set(&'e [u8], &'e [u8]),
    /// Appends a line, whatever is there.
    Append(&'e [u8], &'e [u8]),
}

/// The Connection line that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// None: HTTP/1.1 stays open.
    #[default]
    Omit,
    Close,
    /// For HTTP/1.0 clients that asked for it.
    KeepAlive,
    /// The head's own upgrade, when it has one.
    Upgrade,
}

/// How a head differs from the one that was read. Hop-by-hop lines always go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rewrite<'e> {
    pub edits: &'e [Edit<'e>],
    /// Leaves out every line of these kinds; cheaper than `Edit::Drop`.
    pub drop: KindSet,
    /// The framing of the body that follows, when it is not the one that was read.
    pub framing: Option<Framing>,
    pub connection: Connection,
    /// Requests: another target (origin form) than the one that was read.
    pub target: Option<&'e [u8]>,
    /// Requests: Host when an HTTP/1.0 client sent none; empty: `localhost`.
    pub host: &'e [u8],
}

/// Appends the request head to `out`, as HTTP/1.1 in origin form.
pub fn write_request(out: &mut Vec<u8>, head: &RequestHead<'_>, rewrite: &Rewrite<'_>) {
    let as_it_was =
        rewrite.target.is_none() && head.version == Version::Http11 && head.form != Form::Absolute;
    let run_from = if as_it_was {
        head.first.start as usize
    } else {
        out.extend_from_slice(head.method_name());
        out.push(b' ');
        match rewrite.target {
            Some(target) if is_target(target) => out.extend_from_slice(target),
            _ if head.form == Form::Authority => out.extend_from_slice(head.target()),
            _ => out.extend_from_slice(head.path_and_query()),
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        head.first.end as usize
    };
    let set = lines(out, &head.fields, run_from, head.framing, rewrite);
    if !head.fields.has(Kind::Host) && !set.has(Kind::Host) {
        let host = match head.host() {
            Some(host) => host,
            None if crate::host::is_valid(rewrite.host) => rewrite.host,
            None => b"localhost",
        };
        line(out, b"Host", host);
    }
    finish(out, rewrite, head.upgrade());
}

/// Appends the response head to `out`, as HTTP/1.1.
pub fn write_response(out: &mut Vec<u8>, head: &ResponseHead<'_>, rewrite: &Rewrite<'_>) {
    let run_from = if head.version == Version::Http11 {
        0
    } else {
        out.extend_from_slice(b"HTTP/1.1");
        8
    };
    lines(out, &head.fields, run_from, head.framing, rewrite);
    finish(out, rewrite, head.upgrade());
}

/// Copies the kept lines and the bytes before them from `run_from` on; the kinds that edits set come back.
fn lines(
    out: &mut Vec<u8>,
    fields: &Fields<'_>,
    run_from: usize,
    framing: Framing,
    rewrite: &Rewrite<'_>,
) -> KindSet {
    // Without these two the message would have no end or no addressee.
    let mut drop = rewrite
        .drop
        .without(Kind::ContentLength)
        .without(Kind::Host);
    let mut set = KindSet::EMPTY;
    let mut others = false;
    let edits = Edits::permitted(rewrite.edits);
    for (edit, kind) in edits.iter() {
        match (edit, kind) {
            (Edit::Append(..), _) => continue,
            (_, Kind::Other | Kind::Underscored) => others = true,
            _ => drop = drop.with(kind),
        }
        if let Edit::Set(..) = edit {
            set = set.with(kind);
        }
    }
    // `Transfer-Encoding: chunked` is hop by hop, but the same line is wanted on the next hop.
    let keep_coding = rewrite.framing.is_none() && framing == Framing::Chunked;
    if rewrite.framing.is_some() {
        drop = drop.with(Kind::ContentLength);
    }
    let bytes = fields.bytes;
    let plain = !others && !fields.kinds.meets(drop) && !fields.lines.iter().any(|l| l.hop);
    let is_dropped = |l: &Line| {
        let hop = l.hop && !(keep_coding && l.kind == Kind::TransferEncoding);
        let other = others && matches!(l.kind, Kind::Other | Kind::Underscored);
        hop || drop.has(l.kind) || (other && edits.remove(l.name(bytes)))
    };
    if plain {
        out.extend_from_slice(bytes.get(run_from..without_end(bytes)).unwrap_or_default());
    } else {
        copy_kept(out, fields, run_from, is_dropped);
    }
    let mut rest = edits.iter();
    while let Some((edit, _)) = rest.next() {
        if let Edit::Set(name, value) | Edit::Append(name, value) = edit
            && !is_overruled(edit, rest.clone())
        {
            line(out, name, value);
        }
    }
    set
}

/// Copies the bytes from `run_from` on, without the lines that are dropped.
fn copy_kept(
    out: &mut Vec<u8>,
    fields: &Fields<'_>,
    run_from: usize,
    is_dropped: impl Fn(&Line) -> bool,
) {
    let bytes = fields.bytes;
    let mut run = run_from;
    for (i, l) in fields.lines.iter().enumerate() {
        if is_dropped(l) {
            out.extend_from_slice(bytes.get(run..l.start as usize).unwrap_or_default());
            let next = fields.lines.get(i + 1).map(|n| n.start as usize);
            run = next.unwrap_or(without_end(bytes));
        }
    }
    out.extend_from_slice(bytes.get(run..without_end(bytes)).unwrap_or_default());
}

/// Where the empty line of a head begins.
fn without_end(bytes: &[u8]) -> usize {
    bytes.len().saturating_sub(2)
}

/// The edits that may be made, with the kinds of their names: both are found once.
struct Edits<'e> {
    all: &'e [Edit<'e>],
    kinds: [Kind; MOST],
    permitted: u64,
}

/// Edits of one head.
const MOST: usize = 64;

impl<'e> Edits<'e> {
    fn permitted(all: &'e [Edit<'e>]) -> Edits<'e> {
        let mut edits = Edits {
            all: &all[..all.len().min(MOST)],
            kinds: [Kind::Other; MOST],
            permitted: 0,
        };
        for (i, edit) in edits.all.iter().enumerate() {
            edits.kinds[i] = classify(edit.name());
            edits.permitted |= u64::from(may_edit(edit, edits.kinds[i])) << i;
        }
        edits
    }

    fn iter(&self) -> impl Iterator<Item = (&'e Edit<'e>, Kind)> + Clone {
        let all = self.all.iter().zip(self.kinds).enumerate();
        let permitted = self.permitted;
        all.filter(move |(i, _)| permitted >> i & 1 == 1)
            .map(|(_, one)| one)
    }

    /// Whether lines of this name are left out.
    fn remove(&self, name: &[u8]) -> bool {
        self.iter().any(|(e, _)| match e {
            Edit::Drop(n) | Edit::Set(n, _) => n.eq_ignore_ascii_case(name),
            Edit::Append(..) => false,
        })
    }
}

impl<'e> Edit<'e> {
    fn name(&self) -> &'e [u8] {
        match self {
            Edit::Drop(name) | Edit::Set(name, _) | Edit::Append(name, _) => name,
        }
    }
}

fn finish(out: &mut Vec<u8>, rewrite: &Rewrite<'_>, upgrade: Option<&[u8]>) {
    match rewrite.framing {
        Some(Framing::Length(n)) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(out, n);
            out.extend_from_slice(b"\r\n");
        }
        Some(Framing::Chunked) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Some(Framing::None | Framing::UntilClose) | None => {}
    }
    match (rewrite.connection, upgrade) {
        (Connection::Close, _) => out.extend_from_slice(b"Connection: close\r\n"),
        (Connection::KeepAlive, _) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Connection::Upgrade, Some(protocol)) => {
            out.extend_from_slice(b"Connection: upgrade\r\n");
            line(out, b"Upgrade", protocol);
        }
        (Connection::Omit | Connection::Upgrade, _) => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn may_edit(edit: &Edit<'_>, kind: Kind) -> bool {
    let value: &[u8] = match edit {
        Edit::Drop(_) => b"",
        Edit::Set(_, value) | Edit::Append(_, value) => value,
    };
    !kind.is_hop_by_hop()
        && kind != Kind::ContentLength
        && is_token(edit.name())
        && is_value(value)
        && (kind != Kind::Host || matches!(edit, Edit::Set(_, v) if crate::host::is_valid(v)))
}

/// Of two sets of one name the last one counts.
fn is_overruled<'e>(
    edit: &Edit<'_>,
    mut later: impl Iterator<Item = (&'e Edit<'e>, Kind)>,
) -> bool {
    let Edit::Set(name, _) = edit else {
        return false;
    };
    later.any(|(e, _)| matches!(e, Edit::Set(n, _) if n.eq_ignore_ascii_case(name)))
}

fn is_target(target: &[u8]) -> bool {
    target.first() == Some(&b'/') && target.iter().all(|&b| b.is_ascii_graphic() && b != b'#')
}

pub(crate) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends `n` in decimal digits.
pub fn decimal(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `data` as one chunk; nothing when it is empty, which would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let first = (data.len().ilog2() / 4) as i32;
    for i in (0..=first).rev() {
        out.push(b"0123456789abcdef"[data.len() >> (4 * i) & 15]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body; `trailers` as `Body::trailers` gives them, or empty.
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
