//! Load from a recording: the arrival times of `requests.csv`, each route as an example request.

use crate::plan::Arrivals;
use config::Config;
use config::sections::{LoadRequest, PathTemplate, Segment};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What a recording gives a plan.
#[derive(Clone, Debug)]
pub struct Replay {
    pub arrivals: Arrivals,
    pub mix: Vec<LoadRequest>,
    /// Seconds from the first to the last arrival.
    pub span_s: f64,
    /// Routes without an example, and how many of their requests were left out.
    pub skipped: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct RecordingError {
    pub file: String,
    /// 1 is the header; 0: the whole file.
    pub line: u64,
    pub what: String,
}

/// Most arrivals taken from a recording.
const MAX_ARRIVALS: usize = 10_000_000;

/// The file, or the packed one with `.gz` behind its name where only that is there.
fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    let mut packed = file.as_os_str().to_owned();
    packed.push(".gz");
    if !file.exists() && Path::new(&packed).exists() {
        return Ok(Box::new(MultiGzDecoder::new(File::open(packed)?)));
    }
    Ok(Box::new(File::open(file)?))
}

/// Reads `requests.csv` (or `requests.csv.gz`) at `file`. Requests that were caused by other requests (`parent`) are left out: the
/// service will cause them again. Times start at 0 with the first arrival.
///
/// # Errors
/// File and line of what cannot be read.
pub fn replay(
    file: &Path,
    examples: &BTreeMap<String, LoadRequest>,
) -> Result<Replay, RecordingError> {
    let name = file.display().to_string();
    let err = |line: u64, what: String| RecordingError {
        file: name.clone(),
        line,
        what,
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(open(file).map_err(|e| err(0, e.to_string()))?);
    let header = reader.headers().map_err(|e| err(1, e.to_string()))?.clone();
    let column = |wanted: &str| header.iter().position(|c| c.trim() == wanted);
    let missing = |c: &str| err(1, format!("the column `{c}` is missing"));
    let route_at = column("route").ok_or_else(|| missing("route"))?;
    let arrival_at = column("arrival_s").ok_or_else(|| missing("arrival_s"))?;
    let parent_at = column("parent");

    let mut kinds: BTreeMap<String, u16> = BTreeMap::new();
    let mut mix = Vec::new();
    let mut skipped = BTreeMap::new();
    let mut times = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|e| err(e.position().map_or(0, |p| p.line()), e.to_string()))?;
        let line = record.position().map_or(0, |p| p.line());
        let field = |i: usize| record.get(i).map(str::trim);
        if parent_at.and_then(field).is_some_and(|p| !p.is_empty()) {
            continue;
        }
        let route = field(route_at).unwrap_or_default();
        let text = field(arrival_at).unwrap_or_default();
        let at: f64 = text
            .parse()
            .ok()
            .filter(|t: &f64| t.is_finite() && *t >= 0.0)
            .ok_or_else(|| {
                err(
                    line,
                    format!("arrival_s is `{text}`; it must be seconds, not negative"),
                )
            })?;
        let kind = match (kinds.get(route), examples.get(route)) {
            (Some(kind), _) => *kind,
            (None, Some(example)) if mix.len() < 256 => {
                let kind = mix.len() as u16;
                mix.push(example.clone());
                kinds.insert(route.to_owned(), kind);
                kind
            }
            _ => {
                *skipped.entry(route.to_owned()).or_default() += 1;
                continue;
            }
        };
        if times.len() == MAX_ARRIVALS {
            return Err(err(
                line,
                format!("more than {MAX_ARRIVALS} requests; cut the recording"),
            ));
        }
        times.push((at, kind));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((&(first, _), &(last, _))) = times.first().zip(times.last()) else {
        return Err(err(0, "no request of a known route".into()));
    };
    times.iter_mut().for_each(|t| t.0 -= first);
    Ok(Replay {
        arrivals: Arrivals::Recorded(times.into()),
        mix,
        span_s: last - first,
        skipped,
    })
}

/// An example request for each route of the configuration: `{id}` becomes a number from 1 to 100.
pub fn examples(config: &Config) -> BTreeMap<String, LoadRequest> {
    config
        .routes
        .iter()
        .map(|route| {
            let request = LoadRequest {
                method: route.matcher.method.clone().unwrap_or_else(|| "GET".into()),
                path: example_path(&route.matcher.path),
                weight: 1.0,
                headers: route.matcher.headers.clone(),
                body: None,
                zipf: false,
            };
            (route.name.clone(), request)
        })
        .collect()
}

fn example_path(template: &PathTemplate) -> String {
    let mut path = String::new();
    for segment in &template.segments {
        path.push('/');
        match segment {
            Segment::Literal(text) => path.push_str(text),
            Segment::One(_) => path.push_str("{1..100}"),
            Segment::Rest(_) => {}
        }
    }
    if path.is_empty() { "/".into() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::get;
    use std::io::Write;

    fn read(text: &str) -> Result<Replay, RecordingError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let examples = [("a".to_owned(), get("/a")), ("b".to_owned(), get("/b"))].into();
        replay(file.path(), &examples)
    }

    #[test]
    fn top_level_requests_of_known_routes_in_order() {
        let r =
            read("route,arrival_s,duration_s,parent\nb,12.5,0.1,\na,10,,\na,11,0.1,7\nz,11,1,\n")
                .unwrap();
        let Arrivals::Recorded(times) = &r.arrivals else {
            panic!()
        };
        assert_eq!(**times, [(0.0, 1), (2.5, 0)]);
        assert_eq!(
            (r.mix[0].path.as_str(), r.span_s, r.skipped["z"]),
            ("/b", 2.5, 1)
        );
    }

    #[test]
    fn a_packed_recording_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let packed = File::create(folder.path().join("requests.csv.gz")).unwrap();
        let mut to = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        to.write_all(b"route,arrival_s\na,1\na,3\n").unwrap();
        to.finish().unwrap();
        let examples = [("a".to_owned(), get("/a"))].into();
        let read = |name| replay(&folder.path().join(name), &examples);
        assert_eq!(read("requests.csv").unwrap().span_s, 2.0);
        assert_eq!(read("other.csv").unwrap_err().line, 0);
    }

    #[test]
    fn mistakes_have_a_line() {
        let e = |text| read(text).unwrap_err();
        assert!(e("route,duration_s\na,1\n").what.contains("arrival_s"));
        assert_eq!(e("route,arrival_s\na,1\na,-1\n").line, 3);
        assert_eq!(e("route,arrival_s\na,x\n").line, 2);
        assert!(e("route,arrival_s\n").what.contains("no request"));
    }

    #[test]
    fn paths_for_templates() {
        let template = PathTemplate {
            segments: vec![
                Segment::Literal("p".into()),
                Segment::One("id".into()),
                Segment::Rest("r".into()),
            ],
        };
        assert_eq!(example_path(&template), "/p/{1..100}/");
        assert_eq!(example_path(&PathTemplate::default()), "/");
    }
}
