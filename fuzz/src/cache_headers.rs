//! What RFC 9111 demands of a cache's reading of heads, whatever they say: order and splitting of directives mean nothing, what
//! forbids never allows, dates and lines that are written read back, and no time overflows.

use httpcache::condition::{self, Version};
use httpcache::control::{Control, Fields, list};
use httpcache::core::{Keep, Not, Response, Rules, keep};
use httpcache::lines::Lines;
use httpcache::reuse::{Ask, Use, Why, ask, reuse};
use httpcache::status::{Forward, Said, forwarded};
use httpcache::{date, range, targeted, vary};
use std::time::Duration;

type Head = Vec<(String, Vec<u8>)>;

const NOW: u64 = 1_700_000_000;
/// The first second of the year 10000, which no date can say.
const TOO_LATE: u64 = 253_402_300_800;
const STATUS: [u16; 12] = [200, 203, 204, 206, 301, 302, 304, 404, 410, 429, 500, 503];

/// The first two bytes are status and rules; then come the response's lines, and after an empty line the request's.
pub fn check(data: &[u8]) {
    let [status, rules, text @ ..] = data else {
        return;
    };
    let (mut response, mut request) = (Head::new(), Head::new());
    let mut to = &mut response;
    for line in text.split(|&b| b == b'\n').take(64) {
        match line.is_empty() {
            true => to = &mut request,
            false => to.extend(field(line)),
        }
    }
    directives(&response);
    directives(&request);
    for (_, value) in response.iter().chain(&request) {
        dates(value);
        ranges(value);
    }
    let status = STATUS[*status as usize % STATUS.len()];
    let kept = storing(status, *rules, &response, &request);
    if let Ok(keep) = &kept {
        reusing(keep, &request);
    }
    said(status, kept);
    selecting(&response, &request);
    lines(&response);
    groups(&response);
}

/// As the codec lets it through.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let token = |&b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let good = |&b: &u8| b == b'\t' || (b >= 0x20 && b != 0x7f);
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let fine = !name.is_empty() && name.iter().all(token) && value.iter().all(good);
    fine.then(|| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

fn with(head: &Head, name: &str, value: &[u8]) -> Head {
    let mut more = head.clone();
    more.push((name.to_owned(), value.to_vec()));
    more
}

/// What `control` says, with the order of what it withholds aside.
fn sorted(mut control: Control) -> Control {
    control.withheld.sort();
    control
}

/// Each member on a line of its own (in order and in reverse), or all on one, is the same.
fn directives(head: &Head) {
    let whole = sorted(Control::of(head));
    let mut members: Vec<&[u8]> = Vec::new();
    let named = || {
        head.iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case("cache-control"))
    };
    named().for_each(|(_, value)| members.extend(list(value)));
    let apart = |members: &[&[u8]]| -> Head {
        let line = |m: &&[u8]| ("Cache-Control".to_owned(), m.to_vec());
        members.iter().map(line).collect()
    };
    if members.is_empty() {
        return;
    }
    assert_eq!(sorted(Control::of(&apart(&members))), whole);
    // A quote that is never closed reaches to the end of its line.
    if named().all(|(_, value)| is_closed(value)) {
        let one = members.join(&b" ,\t"[..]);
        assert_eq!(sorted(Control::of(&apart(&[&one]))), whole);
    }
    members.reverse();
    assert_eq!(sorted(Control::of(&apart(&members))), whole);
}

/// Whether a comma after it would separate.
fn is_closed(value: &[u8]) -> bool {
    list(&[value, b",x"].concat()).last() == Some(b"x")
}

/// What is a date is one between 1970 and 9999, and reads back; a fixdate is accepted as nothing but itself, and nothing follows.
fn dates(text: &[u8]) {
    let Some(unix) = date::parse(text, NOW) else {
        return;
    };
    assert_eq!(date::parse(&[text, b" x"].concat(), NOW), None);
    // The last second of a minute with 61 is written as the first of the next.
    if text.windows(3).any(|w| w == b":60") {
        return assert!(unix <= TOO_LATE, "{unix}");
    }
    assert!(unix < TOO_LATE, "{unix}");
    let written = date::format(unix);
    assert_eq!(
        date::parse(written.as_bytes(), NOW),
        Some(unix),
        "{written}"
    );
    if text.len() == written.len() && text.get(3..5) == Some(b", ") {
        assert_eq!(&text[5..], &written.as_bytes()[5..]);
    }
}

fn ranges(value: &[u8]) {
    if let Some((first, last, total)) = range::content(value) {
        assert!(first <= last && last < total);
    }
    let Some(range) = range::parse(value) else {
        return;
    };
    for total in [0, 1, 2, 1000, u64::MAX] {
        if let Some((first, last)) = range::within(range, total) {
            assert!(first <= last && last < total, "{range:?} of {total}");
        }
    }
}

/// What is stored has times without overflow; what forbids, never allows.
fn storing(status: u16, rules: u8, response: &Head, request: &Head) -> Result<Keep, Not> {
    let bit = |n: u8| rules >> n & 1 == 1;
    let rules = Rules {
        ttl: bit(0).then_some(Duration::from_secs(60)),
        stale: bit(1).then_some(Duration::from_secs(30)),
        heuristic: if bit(2) { 0.1 } else { 0.0 },
        set_cookie: bit(3),
    };
    let by = |response: &Head, request: &Head| {
        let r = Response {
            request,
            status,
            fields: response,
            delay: 1,
            now: NOW,
        };
        keep(&r, &rules)
    };
    let kept = by(response, request);
    if let Ok(k) = &kept {
        assert!(k.lifetime <= TOO_LATE && k.age <= TOO_LATE, "{k:?}");
        assert!(k.stale <= 1 << 31 && k.stale_if_error.is_none_or(|s| s <= 1 << 31));
        assert!(!k.never_stale || k.stale == 0, "{k:?}");
        assert!(k.vary.is_sorted() && k.vary.iter().all(|n| n != "*"));
    }
    let plus = |name: &str, value: &[u8]| by(&with(response, name, value), request);
    for forbids in [&b"no-store"[..], b"private", b"No-Store=1"] {
        let result = plus("cache-control", forbids);
        match targeted::control(response) {
            // Then `Cache-Control` is for others.
            Some(_) => assert_eq!(result, kept),
            None if Control::of(response).must_understand => {
                assert!(kept.is_ok() || result.is_err())
            }
            None => assert!(result.is_err(), "{result:?}"),
        }
    }
    for (name, value) in [("vary", "*"), ("set-cookie", "a=b")] {
        let result = plus(name, value.as_bytes());
        assert!(kept.is_ok() || result.is_err(), "with {name}: {result:?}");
    }
    assert!(plus("vary", b"*").is_err());
    for (name, value) in [("authorization", "Basic YTpi"), ("cookie", "a=b")] {
        let result = by(response, &with(request, name, value.as_bytes()));
        assert!(kept.is_ok() || result.is_err(), "with {name}: {result:?}");
    }
    let mut ours = response.clone();
    ours.retain(|(n, _)| !targeted::TARGETED.iter().any(|t| n.eq_ignore_ascii_case(t)));
    assert!(
        by(
            &with(&ours, targeted::TARGETED[0], b"max-age=60, no-store"),
            request
        )
        .is_err()
    );
    kept
}

/// Past its lifetime nothing is fresh, nor fresher than it was, and a request that wants none gets none.
fn reusing(keep: &Keep, request: &Head) {
    let Some(asked) = ask(b"GET", request, false) else {
        return;
    };
    let ages = [0, 1, 59, 60, 89, 90, 3600, 1 << 31, keep.lifetime, u64::MAX];
    for age in ages {
        let how = reuse(&asked, keep, age, false);
        assert!(
            how != Use::Fresh || age < keep.lifetime,
            "{age} of {keep:?}"
        );
        assert!(how != Use::Fresh || reuse(&asked, keep, age / 2, false) == Use::Fresh);
        let stale = matches!(how, Use::Stale | Use::StaleWhileRevalidate);
        assert!(
            !stale || !keep.never_stale && !keep.validate,
            "{age} of {keep:?}"
        );
        assert!(matches!(reuse(&asked, keep, age, true), Use::Validate(_)));
    }
    let plus = |value: &[u8]| -> Option<Ask> {
        ask(b"GET", &with(request, "cache-control", value), false)
    };
    assert_eq!(plus(b"no-store"), None);
    let fresh = plus(b"no-cache").map(|a| reuse(&a, keep, 0, false));
    assert!(fresh.is_none_or(|u| matches!(u, Use::Validate(_))));
}

/// `Cache-Status` is a list of one member, as RFC 9211 has it.
fn said(status: u16, kept: Result<Keep, Not>) {
    let left = |k: &Keep| k.lifetime as i64 - k.age as i64;
    let mut lines = Vec::new();
    for forward in [Forward::UriMiss, Forward::Asked(Why::Stale)] {
        let stored = kept.as_ref().map(left).map_err(|why| why.name());
        lines.push(forwarded(forward, status, stored, "").into_bytes());
    }
    if let Ok(k) = &kept {
        for said in [
            Said::Hit,
            Said::FromDisk,
            Said::Collapsed,
            Said::Confirmed(Why::Request),
        ] {
            let mut line = Vec::new();
            said.write(&mut line, left(k));
            lines.push(line);
        }
    }
    for line in lines {
        let members = sfv::Parser::new(&line).parse::<sfv::List>();
        assert!(
            members.is_ok_and(|m| m.len() == 1),
            "{}",
            String::from_utf8_lossy(&line)
        );
    }
}

/// A stored response answers the request that brought it, and one that says the same in other lines or in another order.
fn selecting(response: &Head, request: &Head) {
    for name in ["accept-language", "accept-encoding", "x"] {
        let all = request.joined(name).unwrap_or_default();
        let mut members: Vec<&[u8]> = list(&all).collect();
        if members.is_empty() || members.len() > 32 {
            continue;
        }
        let apart = |members: &[&[u8]]| -> Head {
            members
                .iter()
                .map(|m| (name.to_owned(), m.to_vec()))
                .collect()
        };
        let whole = vary::select(request, name);
        // A quote that is never closed makes another list of the lines.
        if members.iter().all(|m| is_closed(m)) {
            assert_eq!(vary::select(&apart(&members), name), whole);
            if name != "x" {
                members.reverse();
                assert_eq!(vary::select(&apart(&members), name), whole);
            }
        }
    }
    let (etag, modified) = (response.single("etag"), response.single("last-modified"));
    let version = Version {
        etag: etag.as_deref(),
        modified: modified.as_deref(),
        date: NOW,
    };
    let _ = condition::unchanged(request, version, NOW);
    let _ = condition::same_for_range(request, version, NOW);
    if let Some(etag) = version.etag.filter(|e| list(e).eq([*e])) {
        for tag in [etag, &[&b"\"other\", "[..], etag].concat()] {
            let again = vec![("if-none-match", tag.to_vec())];
            assert!(condition::unchanged(&again, version, NOW));
        }
    }
}

/// Stored lines are those of a response that the codec reads, without what belongs to a connection or is withheld.
fn lines(response: &Head) {
    let control = Control::of(response);
    let stored = Lines::end_to_end(response, &control.withheld).dated(NOW);
    let hops = response.joined("connection").unwrap_or_default();
    for (name, _) in stored.iter() {
        let same = |n: &[u8]| n.eq_ignore_ascii_case(name);
        assert!(!list(&hops).any(same) || same(b"date"));
        assert!(!control.withheld.iter().any(|n| same(n)) || same(b"date"));
        assert!(
            ![&b"connection"[..], b"transfer-encoding", b"age"]
                .into_iter()
                .any(same)
        );
    }
    assert!(stored.has("date"));
    let message = [b"HTTP/1.1 200 OK\r\n", &stored.0[..], b"\r\n"].concat();
    let mut found = http1::Lines::default();
    let read = http1::parse_response(
        &message,
        &http1::Limits::default(),
        http1::Method::Get,
        &mut found,
    );
    let Ok(http1::Status::Complete(head)) = read else {
        panic!("{read:?} of {}", String::from_utf8_lossy(&message));
    };
    assert_eq!(head.len, message.len());
    assert_eq!(stored.updated(&Head::new(), &[]), stored);
    // What a 304 says anew stands once more, and what it does not say stays.
    let again = stored.updated(response, &control.withheld);
    assert_eq!(again.iter().count(), stored.iter().count());
}

fn groups(response: &Head) {
    let groups = targeted::groups(response, "cache-groups");
    assert!(groups.len() <= 32 && groups.iter().all(|g| g.len() <= 64));
}
