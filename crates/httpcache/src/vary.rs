//! `Vary`: which fields of a request select a stored response, and when two of their values mean the same. Pure.

use crate::control::{Fields, list};

/// At most this many fields select a variant.
const FIELDS: usize = 8;
/// A field with more members than this is compared as it came.
const MEMBERS: usize = 32;

/// Names of the request's fields that select the response, lower case; `None`: no other request will ever match.
pub fn names(response: &impl Fields) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut bad = false;
    response.each("vary", &mut |value| {
        for name in list(value) {
            let token = name
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            match std::str::from_utf8(name) {
                Ok(n) if token => names.push(n.to_ascii_lowercase()),
                _ => bad = true,
            }
        }
    });
    names.sort();
    names.dedup();
    (!bad && names.len() <= FIELDS).then_some(names)
}

/// The value that selects: lines joined, blanks around commas gone. Languages and encodings in lower case, sorted and
/// without `q=1`, because neither says anything (RFC 9110 12.5).
pub fn select(request: &impl Fields, name: &str) -> Option<Vec<u8>> {
    let all = request.joined(name)?;
    let mut members: Vec<Vec<u8>> = list(&all).take(MEMBERS + 1).map(<[u8]>::to_vec).collect();
    if members.len() > MEMBERS {
        return Some(all);
    }
    if matches!(name, "accept-language" | "accept-encoding") {
        members.iter_mut().for_each(plain);
        members.sort();
    }
    Some(members.join(&b","[..]))
}

fn plain(member: &mut Vec<u8>) {
    member.retain(|b| !b.is_ascii_whitespace());
    member.make_ascii_lowercase();
    for one in [&b";q=1"[..], b";q=1.0", b";q=1.00", b";q=1.000"] {
        if member.ends_with(one) {
            member.truncate(member.len() - one.len());
            return;
        }
    }
}

/// Whether the one language that the request likes best is the response's.
pub fn speaks(request: &impl Fields, language: &[u8]) -> bool {
    let Some(wanted) = request.joined("accept-language") else {
        return false;
    };
    let mut best: Option<(u32, &[u8])> = None;
    let mut alone = true;
    for member in list(&wanted).take(MEMBERS) {
        let (tag, q) = weighed(member);
        match best {
            Some((most, _)) if q < most => {}
            Some((most, _)) if q == most => alone = false,
            _ => (best, alone) = (Some((q, tag)), true),
        }
    }
    alone && best.is_some_and(|(q, tag)| q > 0 && tag.eq_ignore_ascii_case(language))
}

/// The tag and its weight in thousandths; a weight that cannot be read is 0.
fn weighed(member: &[u8]) -> (&[u8], u32) {
    let Some(at) = member.iter().position(|&b| b == b';') else {
        return (member, 1000);
    };
    let q = std::str::from_utf8(member[at + 1..].trim_ascii()).unwrap_or("");
    let q = q.strip_prefix("q=").or(q.strip_prefix("Q="));
    let q = q.and_then(|q| q.parse::<f32>().ok());
    let q = q.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0);
    (member[..at].trim_ascii(), (q * 1000.0) as u32)
}
