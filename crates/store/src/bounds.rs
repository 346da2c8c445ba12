//! What every engine refuses: names that are empty or too long, and what is too large.

use crate::{Error, MAX_NAME};

pub(crate) fn name(what: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::Invalid(format!("the {what} is empty")));
    }
    limit(what, text.len(), MAX_NAME)
}

pub(crate) fn limit(what: &str, size: usize, limit: usize) -> Result<(), Error> {
    if size > limit {
        return Err(Error::TooLarge {
            what: what.into(),
            size,
            limit,
        });
    }
    Ok(())
}
