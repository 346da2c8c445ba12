//! HTTP/1.1 framing without I/O: strict heads, bodies, trailers.
