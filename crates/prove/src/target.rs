//! `http://host:port/path` as a target.

use std::net::{SocketAddr, ToSocketAddrs};

/// Where one URL points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub address: SocketAddr,
    /// As the Host header has it.
    pub host: String,
    /// Path and query.
    pub path: String,
}

impl Url {
    /// Reads `http://host[:port][/path]`; resolves the name.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Url, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => {
                return Err(format!("`{text}`: only http:// is spoken, not {scheme}://"));
            }
            None => text,
        };
        let (host, path) = match rest.find(['/', '?']) {
            Some(i) if rest[i..].starts_with('?') => (&rest[..i], format!("/{}", &rest[i..])),
            Some(i) => (&rest[..i], rest[i..].to_owned()),
            None => (rest, "/".to_owned()),
        };
        if host.is_empty() || host.contains('@') {
            return Err(format!(
                "`{text}` has no host; write it like http://127.0.0.1:8080/path"
            ));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(name, port)| {
            !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']'))
        });
        let with_port = if has_port {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .map_err(|e| format!("`{host}` cannot be resolved: {e}"))?
            .next()
            .ok_or_else(|| format!("`{host}` has no address"))?;
        Ok(Url {
            address,
            host: host.to_owned(),
            path: path.split('#').next().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let u = Url::parse("http://127.0.0.1:8080/a?b#c").unwrap();
        assert_eq!(
            (u.address.port(), &*u.host, &*u.path),
            (8080, "127.0.0.1:8080", "/a?b")
        );
        let u = Url::parse("[::1]?q").unwrap();
        assert_eq!((u.address.port(), &*u.path), (80, "/?q"));
        assert!(
            Url::parse("https://127.0.0.1/")
                .unwrap_err()
                .contains("only http://")
        );
        assert!(Url::parse("http:///x").unwrap_err().contains("no host"));
    }
}
