//! Signed tokens that say who asks (RFC 7519): `keys` reads the files, `token` judges one token, `reader` holds both
//! together and remembers what it has verified.

mod keys;
mod reader;
#[cfg(test)]
mod tests;
mod token;

pub use self::keys::Keys;
pub use self::reader::Reader;
pub use self::token::{Bad, Claims};
