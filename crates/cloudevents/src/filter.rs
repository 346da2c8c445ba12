//! Which events a subscription takes.

use crate::Event;
use config::sections::Filter;

/// An attribute that is not there matches nothing.
pub fn matches(filter: &Filter, event: &Event) -> bool {
    let each = |pairs: &[(String, String)], is: fn(&str, &str) -> bool| {
        pairs
            .iter()
            .all(|(name, wanted)| event.get(name).is_some_and(|has| is(&has, wanted)))
    };
    match filter {
        Filter::All(all) => all.iter().all(|f| matches(f, event)),
        Filter::Any(any) => any.iter().any(|f| matches(f, event)),
        Filter::Not(not) => !matches(not, event),
        Filter::Exact(pairs) => each(pairs, |has, wanted| has == wanted),
        Filter::Prefix(pairs) => each(pairs, |has, wanted| has.starts_with(wanted)),
        Filter::Suffix(pairs) => each(pairs, |has, wanted| has.ends_with(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::of;

    #[test]
    fn filters_compose() {
        let event = of(&[("subject", "cart/7.tmp")], b"").unwrap();
        let pair = |n: &str, v: &str| vec![(n.to_owned(), v.to_owned())];
        let exact = |n, v| Filter::Exact(pair(n, v));
        let is = |f: &Filter| matches(f, &event);
        assert!(is(&exact("type", "order.placed")) && !is(&exact("type", "order")));
        assert!(is(&Filter::Prefix(pair("type", "order."))));
        let suffix = Filter::Suffix(pair("subject", ".tmp"));
        assert!(is(&suffix) && !is(&Filter::Not(suffix.clone().into())));
        assert!(!is(&exact("missing", "")));
        let both = vec![exact("type", "x"), suffix];
        assert!(is(&Filter::Any(both.clone())) && !is(&Filter::All(both)));
        assert!(is(&Filter::All(Vec::new())) && !is(&Filter::Any(Vec::new())));
    }
}
