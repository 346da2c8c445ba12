//! The bounds within which a message is read.

/// Most header lines that a head can have, whatever the limits say.
pub const MAX_HEADERS: usize = 100;

/// What happens to a request header whose name has an underscore. Behind CGI-like interfaces `X_User` and
/// `X-User` are one variable, so such a name can forge a header that a proxy has vouched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscore {
    /// The line is not passed on, as in nginx: the request still works, the forgery does not.
    #[default]
    Drop,
    /// The request is refused with 400 `header-underscore`.
    Refuse,
    /// The line is passed on.
    Keep,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Start line and headers with all line ends, bytes. At most 1 MiB is used.
    pub head: usize,
    /// Header lines; at most [`MAX_HEADERS`] are used.
    pub headers: usize,
    /// Request target, bytes.
    pub target: usize,
    /// Payload of a body, bytes.
    pub body: u64,
    /// All trailer lines together, bytes.
    pub trailers: usize,
    /// All chunk extensions of a body together, bytes; one line holds at most 256.
    pub extensions: u32,
    pub underscore: Underscore,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: 32 * 1024,
            headers: MAX_HEADERS,
            target: 16 * 1024,
            body: 1 << 30,
            trailers: 8 * 1024,
            extensions: 16 * 1024,
            underscore: Underscore::Drop,
        }
    }
}

impl Limits {
    /// For responses of a server that is trusted with the size of its bodies.
    pub fn unbounded_body(mut self) -> Limits {
        self.body = u64::MAX;
        self
    }
}
