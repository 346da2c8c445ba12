//! What a purge becomes for the cache further out, and when to try again. Pure.

use config::sections::{PurgeCall, PurgeHook};
use gateway::request::cache::{Purge, What};
use std::time::Duration;

/// Before the second try; doubles.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

/// One request to the cache further out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// # Errors
/// Why it cannot be passed on: the hook has nothing for this kind, or the purge lacks what the hook needs.
pub fn call(hook: &PurgeHook, purge: &Purge) -> Result<Call, String> {
    let (kind, target, value) = match &purge.what {
        What::Url(path) => ("address", &hook.address, ("{path}", path)),
        What::Prefix(path) => ("prefix", &hook.prefix, ("{path}", path)),
        What::Group(group) => ("group", &hook.group, ("{group}", group)),
    };
    let Some(PurgeCall { method, url }) = target else {
        return Err(format!("`purge_hook` has no `{kind}`"));
    };
    let fill = |template: &str| -> Result<String, String> {
        let mut text = template.to_owned();
        if text.contains("{host}") {
            let host = purge.host.as_ref().ok_or(
                "the purge names no host, and the hook needs one: give a whole address, or `--host`",
            )?;
            text = text.replace("{host}", plain(host)?);
        }
        Ok(text.replace(value.0, plain(value.1)?))
    };
    let headers = hook.headers.iter();
    let headers = headers.map(|(name, value)| Ok((name.clone(), fill(value)?)));
    Ok(Call {
        method: method.clone(),
        url: fill(url)?,
        headers: headers.collect::<Result<_, String>>()?,
        body: hook.body.as_deref().map(fill).transpose()?,
    })
}

/// Nothing that could end the place where it is put, be that an address, a header or JSON.
fn plain(value: &str) -> Result<&str, String> {
    let good = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'{' | b'}');
    match value.bytes().all(good) {
        true => Ok(value),
        false => Err(format!(
            "`{}` cannot be put into a request",
            value.escape_default()
        )),
    }
}

/// Whether another try may do better than this status.
pub fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// The wait after so many tries.
pub fn backoff(tries: u32) -> Duration {
    let times = 1u32 << tries.saturating_sub(1).min(10);
    FIRST.saturating_mul(times).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook() -> PurgeHook {
        let call = |method: &str, url: &str| {
            Some(PurgeCall {
                method: method.into(),
                url: url.into(),
            })
        };
        PurgeHook {
            address: call("PURGE", "http://varnish:6081{path}"),
            group: call("POST", "https://api.example/purge/{group}"),
            headers: vec![("Host".into(), "{host}".into())],
            body: Some("{\"files\":[\"https://{host}{path}\"]}".into()),
            ..PurgeHook::default()
        }
    }

    fn purge(what: What, host: Option<&str>) -> Purge {
        Purge {
            what,
            host: host.map(str::to_owned),
            hard: false,
        }
    }

    #[test]
    fn templates_are_filled_and_what_would_break_out_of_them_is_refused() {
        let url = |path: &str| purge(What::Url(path.into()), Some("shop.example"));
        let made = call(&hook(), &url("/a?b=1")).unwrap();
        assert_eq!(
            (made.method.as_str(), made.url.as_str()),
            ("PURGE", "http://varnish:6081/a?b=1")
        );
        assert_eq!(
            made.headers,
            [("Host".to_owned(), "shop.example".to_owned())]
        );
        assert_eq!(
            made.body.as_deref(),
            Some("{\"files\":[\"https://shop.example/a?b=1\"]}")
        );
        for path in ["/a b", "/a\"]", "/a\r\nX: y", "/a\\", "/{host}", "/ä"] {
            assert!(
                call(&hook(), &url(path))
                    .unwrap_err()
                    .contains("cannot be put"),
                "{path}"
            );
        }
        let group = purge(What::Group("g1".into()), Some("h"));
        assert_eq!(
            call(&hook(), &group).unwrap().url,
            "https://api.example/purge/g1"
        );
        let prefix = purge(What::Prefix("/a".into()), None);
        assert_eq!(
            call(&hook(), &prefix).unwrap_err(),
            "`purge_hook` has no `prefix`"
        );
        let nowhere = purge(What::Url("/a".into()), None);
        assert!(
            call(&hook(), &nowhere)
                .unwrap_err()
                .contains("names no host")
        );
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<u128> = (1..8).map(|n| backoff(n).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff(u32::MAX), LONGEST);
        assert!(passes(503) && passes(429) && !passes(404) && !passes(200));
    }
}
