//! What probes say together. Pure.
//!
//! Each probe asks one instance twice and another one once, at the same time and with the same request. If it does not
//! matter who answers, the second answer and the other one's are as likely to differ from the first; so of the probes in
//! which just one of the two differs, half are the other one's. How much more than half they are is the evidence, as a bet
//! that may be looked at after every probe (a mixture over all shares above a half; Ville's inequality): its value is
//! above 1000 by chance for one in 1000 routes, however often one looks.

use crate::attempt::mirror::Answer;

/// A route is named when chance is ruled out to this degree.
pub const NAMED: f64 = 0.999;
/// Probes after which all counts are halved, so that what was mended is forgotten.
pub const MOST: u32 = 256;
/// Standard deviations of the bound on what was not seen: 95 %, to one side.
const Z: f64 = 1.645;
/// Probes that rule something out.
const ENOUGH: u32 = 60;

/// How the answers of one probe compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The other instance answers as this one, or this one does not agree with itself either.
    Alike,
    /// Only the other one has another status, or another body with the same status.
    Status,
    Body,
    /// The other one agrees with the first answer, and this one does not.
    Noise,
}

/// `first` and `again` are of one instance.
pub fn told(first: &Answer, again: &Answer, other: &Answer) -> Told {
    let status = |a: &Answer| a.status != first.status;
    let differs = |a: &Answer| status(a) || a.body != first.body;
    match (differs(other), differs(again)) {
        (true, false) if status(other) => Told::Status,
        (true, false) => Told::Body,
        // A body that always differs hides no status.
        (true, true) if status(other) && !status(again) => Told::Status,
        (true, true) if status(again) && !status(other) => Told::Noise,
        (false, true) => Told::Noise,
        _ => Told::Alike,
    }
}

/// An answer that says nothing of state: too many requests, or broken.
pub fn is_void(answer: &Answer) -> bool {
    answer.status >= 500 || answer.status == 429
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    pub compared: u32,
    /// Only the other instance answered differently: by status, by body.
    pub status: u32,
    pub body: u32,
    /// Only the same one did.
    pub noise: u32,
    /// It differs without the session, too: instances that tell something of themselves.
    pub anyway: u32,
}

/// What is to be thought of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Too little was compared.
    Unknown,
    /// Its instances keep something of sessions.
    KeepsState,
    /// Answers depend on who gives them, whoever asks.
    InstancesDiffer,
    /// Nothing of the kind was seen.
    NothingSeen,
}

impl Evidence {
    /// One more probe; `anyway`: the answers differ without the session as well.
    pub fn add(&mut self, told: Told, anyway: bool) {
        if self.compared >= MOST {
            for count in [
                &mut self.compared,
                &mut self.status,
                &mut self.body,
                &mut self.noise,
                &mut self.anyway,
            ] {
                *count /= 2;
            }
        }
        self.compared += 1;
        match told {
            Told::Alike => {}
            Told::Noise => self.noise += 1,
            Told::Status | Told::Body if anyway => self.anyway += 1,
            Told::Status => self.status += 1,
            Told::Body => self.body += 1,
        }
    }

    /// That another instance answers differently because it does not know the session: 0 to 1.
    pub fn confidence(&self) -> f64 {
        sure(self.status + self.body, self.noise)
    }

    /// At most this share of requests with a session are answered differently elsewhere (95 %, Wilson).
    pub fn at_most(&self) -> f64 {
        let (n, k) = (f64::from(self.compared), f64::from(self.status + self.body));
        if n == 0.0 {
            return 1.0;
        }
        let (share, z2) = (k / n, Z * Z);
        let middle = share + z2 / (2.0 * n);
        let spread = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        ((middle + spread) / (1.0 + z2 / n)).min(1.0)
    }

    pub fn verdict(&self) -> Verdict {
        match () {
            () if self.confidence() >= NAMED => Verdict::KeepsState,
            () if sure(self.anyway, self.noise) >= NAMED => Verdict::InstancesDiffer,
            () if self.compared >= ENOUGH => Verdict::NothingSeen,
            () => Verdict::Unknown,
        }
    }
}

/// One less chance: of `ours` and `theirs`, which are equally likely without an effect.
fn sure(ours: u32, theirs: u32) -> f64 {
    (1.0 - 1.0 / value(ours, theirs)).max(0.0)
}

/// Of the bet: 2^n · 2 ∫ p^k (1-p)^(n-k) dp over p from ½ to 1, with k = `ours` of n = both. With whole numbers the
/// integral is a tail of the binomial distribution: 1/((n+1)·C(n,k)) · P(Bin(n+1, ½) ≤ k).
fn value(ours: u32, theirs: u32) -> f64 {
    let m = f64::from(ours + theirs) + 1.0;
    // All in logarithms: 2^512 alone is too large.
    let whole = m * std::f64::consts::LN_2;
    // Of (n+1 choose i), and of (n choose k), one factor after the other.
    let (mut row, mut chosen, mut below) = (0.0, 0.0, (-whole).exp());
    for i in 0..ours {
        let i = f64::from(i);
        row += ((m - i) / (i + 1.0)).ln();
        chosen += ((m - 1.0 - i) / (i + 1.0)).ln();
        below += (row - whole).exp();
    }
    (whole - m.ln() - chosen + below.ln()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: u8) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: [body; 32],
        }
    }

    #[test]
    fn only_what_the_other_instance_alone_does_counts() {
        let of = |again: (u16, u8), other: (u16, u8)| {
            let a = |(status, body)| answer(status, body);
            told(&answer(200, 1), &a(again), &a(other))
        };
        assert_eq!(of((200, 1), (200, 1)), Told::Alike);
        assert_eq!(of((200, 1), (401, 2)), Told::Status);
        assert_eq!(of((200, 1), (200, 2)), Told::Body);
        assert_eq!(of((200, 2), (200, 3)), Told::Alike, "a body of its own");
        assert_eq!(of((200, 2), (200, 1)), Told::Noise);
        assert_eq!(of((200, 2), (302, 3)), Told::Status);
        assert_eq!(of((404, 2), (200, 3)), Told::Noise);
        assert_eq!(of((404, 2), (404, 2)), Told::Alike, "it ended meanwhile");
        assert!(is_void(&answer(503, 0)) && is_void(&answer(429, 0)) && !is_void(&answer(404, 0)));
    }

    #[test]
    fn the_value_of_the_bet_is_that_of_the_integral() {
        let numeric = |k: u32, m: u32| {
            let (n, steps) = ((k + m) as i32, 200_000);
            let at = |i: u32| 0.5 + 0.5 * (f64::from(i) + 0.5) / f64::from(steps);
            let f = |p: f64| p.powi(k as i32) * (1.0 - p).powi(m as i32);
            let mean = (0..steps).map(|i| f(at(i))).sum::<f64>() / f64::from(steps);
            2f64.powi(n) * mean
        };
        for (k, m) in [(0, 0), (1, 0), (14, 0), (0, 9), (20, 5), (30, 30)] {
            let (got, want) = (value(k, m), numeric(k, m));
            assert!((got / want - 1.0).abs() < 1e-3, "{k} {m}: {got} {want}");
        }
    }

    #[test]
    fn chance_names_one_in_a_thousand_routes_however_often_it_is_looked() {
        // Routes whose every probe has one of the two differ: the most that noise can be.
        let (mut seed, mut named) = (7u64, 0);
        for _ in 0..1000 {
            let mut e = Evidence::default();
            let mut ever = false;
            for _ in 0..120 {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let theirs = crate::hash::mix(seed) & 1 == 0;
                e.add(if theirs { Told::Body } else { Told::Noise }, false);
                ever |= e.verdict() == Verdict::KeepsState;
            }
            named += u32::from(ever);
        }
        assert!(named <= 5, "{named} of 1000");
    }

    #[test]
    fn a_route_is_named_soon_and_forgotten_when_it_is_mended() {
        let mut e = Evidence::default();
        let mut needed = 0;
        while e.verdict() != Verdict::KeepsState {
            e.add(Told::Status, false);
            needed += 1;
        }
        assert!((12..=15).contains(&needed), "{needed}");
        (0..500).for_each(|_| e.add(Told::Status, false));
        let mut mended = 0;
        while e.verdict() == Verdict::KeepsState {
            e.add(Told::Alike, false);
            mended += 1;
            assert!(mended < 2000, "{e:?}");
        }
        assert_eq!(e.verdict(), Verdict::NothingSeen);
        let mut quiet = Evidence::default();
        (0..100).for_each(|_| quiet.add(Told::Alike, false));
        assert!((0.01..0.04).contains(&quiet.at_most()), "{quiet:?}");
        assert_eq!(Evidence::default().verdict(), Verdict::Unknown);
    }

    #[test]
    fn an_instance_that_tells_its_name_is_not_said_to_keep_sessions() {
        let mut e = Evidence::default();
        (0..40).for_each(|_| e.add(Told::Body, true));
        assert_eq!(e.verdict(), Verdict::InstancesDiffer);
        assert_eq!(e.confidence(), 0.0);
    }
}
