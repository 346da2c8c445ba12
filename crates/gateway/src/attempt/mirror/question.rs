//! A request once more, as it is asked beside the path.

use crate::exchange::{Edits, Exchange, Head};
use crate::upstream::ask::Question;
use http1::{Edit, Kind, KindSet, Method};

/// What tells a service that nobody waits for the answer.
const MARK: &str = "plimsoll-mirror";
/// What is written anew, or only a front that has verified a certificate may say.
const OURS: KindSet = KindSet::EMPTY
    .with(Kind::Host)
    .with(Kind::ContentLength)
    .with(Kind::Expect)
    .with(Kind::ClientCert)
    .with(Kind::XForwardedClientCert)
    .with(Kind::PlimsollAttempt);

/// Whether a request may be asked once more: it changes nothing, and is whole as it stands.
pub fn may_be_copied(x: &Exchange<'_>) -> bool {
    let safe = matches!(x.head.method(), Method::Get | Method::Head);
    safe && !(x.conditional || x.is_refresh || x.head.has_body() || x.head.is_upgrade())
}

/// With the client's headers, or as the gates have `edited` them. `None` where text is expected and something else stands.
pub fn question(head: &Head<'_>, edited: Option<&Edits>) -> Option<Question> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let mut headers = vec![(MARK.to_owned(), "1".to_owned())];
    let mut all = true;
    let mut add = |name: &[u8], value: &[u8]| match (text(name), text(value)) {
        (Some(name), Some(value)) => headers.push((name, value)),
        _ => all = false,
    };
    let replaced = |name: &[u8]| {
        let mut edits = edited.into_iter().flat_map(Edits::iter);
        edits.any(|e| match e {
            Edit::Drop(of) | Edit::Set(of, _) => of.eq_ignore_ascii_case(name),
            Edit::Append(..) => false,
        })
    };
    head.each_kept(|name, value| {
        if !OURS.has(http1::classify(name)) && !replaced(name) {
            add(name, value);
        }
    });
    for edit in edited.into_iter().flat_map(Edits::iter) {
        if let Edit::Set(name, value) | Edit::Append(name, value) = edit
            && !OURS.has(http1::classify(name))
        {
            add(name, value);
        }
    }
    all.then_some(())?;
    Some(Question {
        method: text(head.method_name())?,
        target: text(head.path_and_query())?,
        host: text(head.host()?)?,
        headers,
        body: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ListHead;

    #[test]
    fn what_gates_have_edited_is_asked_as_the_service_was_told() {
        let lines = [
            ("Host", "shop"),
            ("A", "1"),
            ("B", "2"),
            ("Client-Cert", "x"),
        ];
        let head = ListHead::new("GET", "/cart?x=1", &lines);
        let mut edits = Edits::default();
        edits.set("a", b"3");
        edits.drop("B");
        edits.append("c", b"4");
        let of = |edited| {
            let asked = question(&Head::List(&head), edited).unwrap();
            let said = asked.headers.iter().map(|(n, v)| format!("{n}={v}"));
            said.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(None), "plimsoll-mirror=1 A=1 B=2");
        assert_eq!(of(Some(&edits)), "plimsoll-mirror=1 a=3 c=4");
    }
}
