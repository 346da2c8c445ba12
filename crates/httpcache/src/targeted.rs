//! Fields that are structured (RFC 9651): targeted cache control (RFC 9213) and groups (RFC 9875). What cannot be parsed is
//! as good as absent.

use crate::control::{Control, Fields};
use sfv::{BareItem, Dictionary, List, ListEntry, Parser};

/// In the order in which they count.
pub const TARGETED: [&str; 2] = ["plimsoll-cache-control", "cdn-cache-control"];

/// Groups of one response that count (RFC 9875 asks for 32), and their longest name in bytes.
const GROUPS: usize = 32;
const NAME: usize = 64;

/// What a response tells caches of our kind; then `Cache-Control` and `Expires` are not for us.
pub fn control(response: &impl Fields) -> Option<Control> {
    TARGETED.iter().find_map(|name| {
        let value = response.joined(name)?;
        let members: Dictionary = Parser::new(&value[..]).parse().ok()?;
        let mut control = Control {
            given: true,
            ..Control::default()
        };
        for (key, entry) in &members {
            if let ListEntry::Item(item) = entry {
                directive(&mut control, key.as_str(), &item.bare_item);
            }
        }
        (!members.is_empty()).then_some(control)
    })
}

/// A directive of the wrong type is not one, except that a prohibition with a value stays a prohibition.
fn directive(control: &mut Control, key: &str, value: &BareItem) {
    let name = key.as_bytes();
    let lifetime = matches!(
        key,
        "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error"
    );
    match value {
        BareItem::Integer(n) if lifetime => {
            let n = i64::from(*n).max(0).to_string();
            control.directive(name, Some(n.as_bytes()));
        }
        BareItem::Boolean(true) if !lifetime => control.directive(name, None),
        BareItem::String(fields) if matches!(key, "private" | "no-cache") => {
            let quoted = format!("\"{}\"", fields.as_str());
            control.directive(name, Some(quoted.as_bytes()));
        }
        BareItem::Boolean(false) => {}
        _ if matches!(key, "no-store" | "private" | "no-cache") => control.directive(name, None),
        _ => {}
    }
}

/// The groups that `name` (`cache-groups` or `cache-group-invalidation`) lists.
pub fn groups(response: &impl Fields, name: &str) -> Vec<Box<str>> {
    let Some(value) = response.joined(name) else {
        return Vec::new();
    };
    let Ok(members) = Parser::new(&value[..]).parse::<List>() else {
        return Vec::new();
    };
    let group = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::String(s) if s.as_str().len() <= NAME => Some(s.as_str().into()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    };
    members.iter().filter_map(group).take(GROUPS).collect()
}
