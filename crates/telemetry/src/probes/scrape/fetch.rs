//! One page of an exporter over HTTP.

use std::io::Read;
use std::time::Duration;

/// After this long the exporter is not waited for at all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest page taken, bytes.
const MAX_PAGE: u64 = 8 << 20;

/// A page, or why there is none.
pub type Page = Result<String, String>;

/// Fetches the page each time it is called.
pub fn fetch(url: &str) -> impl FnMut() -> Page + Send + 'static {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT));
    let (agent, url) = (config.build().new_agent(), url.to_owned());
    move || page(&agent, &url)
}

fn page(agent: &ureq::Agent, url: &str) -> Page {
    let answer = agent.get(url).call().map_err(|e| e.to_string())?;
    let mut text = String::new();
    let mut body = answer.into_body().into_reader().take(MAX_PAGE + 1);
    body.read_to_string(&mut text).map_err(|e| e.to_string())?;
    match text.len() as u64 > MAX_PAGE {
        true => Err(format!("its page is larger than {MAX_PAGE} bytes")),
        false => Ok(text),
    }
}
