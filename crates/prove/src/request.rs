//! The requests of a mix, rendered in advance: at send time only the drawn numbers are filled in.

use crate::plan::{Plan, PlanError};
use config::sections::LoadRequest;
use http1::Method;
use http1::client::render_request;
use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

/// One entry of the mix.
#[derive(Clone, Debug)]
pub struct Template {
    pub method: Method,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<u8>),
    /// A number from the first to the last, drawn anew each time.
    Uniform(u64, u64),
    /// The same, the first being the most popular (Zipf with exponent 1).
    Zipf(u64, Zipf<f64>),
}

impl Template {
    /// # Errors
    /// What is wrong with the request, in words.
    pub fn new(
        request: &LoadRequest,
        host: &str,
        headers: &[(String, String)],
    ) -> Result<Template, String> {
        let parts = split(&request.path)?;
        let example: String = parts
            .iter()
            .map(|p| match p {
                Part::Text(t) => t.clone(),
                Part::Range(low, _) => low.to_string(),
            })
            .collect();
        let all: Vec<_> = headers.iter().chain(&request.headers).cloned().collect();
        let mut whole = Vec::new();
        render_request(
            &mut whole,
            &request.method,
            &example,
            host,
            &all,
            request.body.as_deref().map(str::as_bytes),
        )
        .map_err(|e| e.to_string())?;
        let start = request.method.len() + 1;
        let mut pieces = vec![Piece::Text(whole[..start].to_vec())];
        for part in parts {
            pieces.push(match part {
                Part::Text(t) => Piece::Text(t.into_bytes()),
                Part::Range(low, high) if request.zipf => {
                    let n = (high - low) as f64 + 1.0;
                    Piece::Zipf(low, Zipf::new(n, 1.0).map_err(|e| e.to_string())?)
                }
                Part::Range(low, high) => Piece::Uniform(low, high),
            });
        }
        pieces.push(Piece::Text(whole[start + example.len()..].to_vec()));
        Ok(Template {
            method: Method::from_bytes(request.method.as_bytes()),
            pieces: join(pieces),
        })
    }

    /// Appends one request.
    pub fn render(&self, out: &mut Vec<u8>, rng: &mut StdRng) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(t) => out.extend_from_slice(t),
                Piece::Uniform(low, high) => {
                    http1::write::decimal(out, rng.random_range(*low..=*high))
                }
                Piece::Zipf(low, zipf) => {
                    let rank = zipf.sample(rng) as u64;
                    http1::write::decimal(out, low + rank.saturating_sub(1));
                }
            }
        }
    }
}

enum Part {
    Text(String),
    Range(u64, u64),
}

/// Splits `/a/{1..500}/b` at its ranges; other braces stay text.
fn split(path: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let (mut text, mut rest) = (String::new(), path);
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|i| open + i) else {
            break;
        };
        let inner = &rest[open + 1..close];
        let range = inner
            .split_once("..")
            .and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        let Some((low, high)) = range else {
            return Err(format!(
                "`{{{inner}}}` is not a range of numbers like `{{1..500}}`"
            ));
        };
        if low > high || high > 1 << 53 {
            return Err(format!("the range `{{{inner}}}` is empty or too large"));
        }
        text.push_str(&rest[..open]);
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Range(low, high));
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

fn join(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Text(last)), Piece::Text(t)) => last.extend(t),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// All requests of a plan, and the choice among them by weight.
#[derive(Clone, Debug)]
pub struct Mix {
    pub templates: Vec<Template>,
    /// Running sums of the weights.
    sums: Vec<f64>,
}

impl Mix {
    /// # Errors
    /// The first request that cannot be sent.
    pub fn new(plan: &Plan) -> Result<Mix, PlanError> {
        let host = plan.host.clone().unwrap_or_else(|| plan.target.to_string());
        let templates = plan
            .mix
            .iter()
            .enumerate()
            .map(|(i, r)| {
                Template::new(r, &host, &plan.headers)
                    .map_err(|why| PlanError::request(i, &r.path, why))
            })
            .collect::<Result<_, _>>()?;
        let sums = plan
            .mix
            .iter()
            .scan(0.0, |sum, r| {
                *sum += r.weight;
                Some(*sum)
            })
            .collect();
        Ok(Mix { templates, sums })
    }

    pub fn draw(&self, rng: &mut StdRng) -> usize {
        if self.sums.len() == 1 {
            return 0;
        }
        let total = self.sums.last().copied().unwrap_or(0.0);
        let x = rng.random::<f64>() * total;
        self.sums
            .partition_point(|&s| s <= x)
            .min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::get;
    use rand::SeedableRng;
    use std::time::Duration;

    #[test]
    fn ranges_are_filled_in_and_zipf_prefers_the_first() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut request = get("/p/{10..12}/r?x={5..5}");
        let draw = |t: &Template, rng: &mut StdRng| {
            let mut out = Vec::new();
            t.render(&mut out, rng);
            String::from_utf8(out).unwrap()
        };
        let t = Template::new(&request, "h", &[]).unwrap();
        let mut seen: Vec<String> = (0..50).map(|_| draw(&t, &mut rng)).collect();
        seen.sort();
        seen.dedup();
        let expected =
            ["10", "11", "12"].map(|n| format!("GET /p/{n}/r?x=5 HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(seen, expected);
        request = get("/{1..100}");
        request.zipf = true;
        let t = Template::new(&request, "h", &[]).unwrap();
        let first = (0..2000)
            .filter(|_| draw(&t, &mut rng).starts_with("GET /1 "))
            .count();
        // 1 / H(100) = 0.193
        assert!((300..470).contains(&first), "{first}");
    }

    #[test]
    fn weights_decide_and_mistakes_are_named() {
        let mut plan = Plan::to(([127, 0, 0, 1], 1).into(), "/", 1.0, Duration::from_secs(1));
        plan.mix = vec![get("/a"), get("/b"), get("/c")];
        plan.mix[0].weight = 3.0;
        plan.mix[2].weight = 0.0;
        let mix = Mix::new(&plan).unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts = [0; 3];
        (0..4000).for_each(|_| counts[mix.draw(&mut rng)] += 1);
        assert!(
            (2850..3150).contains(&counts[0]) && counts[2] == 0,
            "{counts:?}"
        );
        plan.mix[1].path = "/x{a..b}".into();
        assert!(
            Mix::new(&plan)
                .unwrap_err()
                .to_string()
                .contains("request 1 (/x{a..b})")
        );
        plan.mix[1].path = "no-slash".into();
        assert!(Mix::new(&plan).is_err());
    }
}
