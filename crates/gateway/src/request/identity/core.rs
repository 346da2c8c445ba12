//! How much a request matters. Pure.

use config::sections::Criticality;

/// As it is written in the header; anything else says nothing.
pub fn parse(value: &[u8]) -> Option<Criticality> {
    match value.trim_ascii() {
        b"critical" => Some(Criticality::Critical),
        b"normal" => Some(Criticality::Normal),
        b"sheddable" => Some(Criticality::Sheddable),
        _ => None,
    }
}

pub fn name(criticality: Criticality) -> &'static str {
    match criticality {
        Criticality::Critical => "critical",
        Criticality::Normal => "normal",
        Criticality::Sheddable => "sheddable",
    }
}

/// What a request says of itself can make it matter less than its route does, never more: everybody can write a header.
pub fn effective(route: Criticality, said: Option<Criticality>) -> Criticality {
    let rank = |c| match c {
        Criticality::Critical => 0,
        Criticality::Normal => 1,
        Criticality::Sheddable => 2,
    };
    match said {
        Some(said) if rank(said) > rank(route) => said,
        _ => route,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::sections::Criticality::*;

    #[test]
    fn a_header_can_lower_and_never_raise() {
        assert_eq!(effective(Normal, parse(b" sheddable ")), Sheddable);
        assert_eq!(effective(Normal, parse(b"critical")), Normal);
        assert_eq!(effective(Critical, parse(b"urgent")), Critical);
        assert_eq!(effective(Sheddable, None), Sheddable);
        for c in [Critical, Normal, Sheddable] {
            assert_eq!(parse(name(c).as_bytes()), Some(c));
        }
    }
}
