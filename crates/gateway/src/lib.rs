//! The data path: listen, route, gates, retry, balance, upstream.
