//! B3, the trace headers of Zipkin, in both forms: `b3: TRACE-SPAN-SAMPLED-PARENT`, and one header for each part.

use base::trace::TraceParent;

/// The W3C flag for a trace that is recorded.
const SAMPLED: u8 = 1;

/// How the caller wrote it: the instance gets it the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Single,
    Multiple,
}

/// What the headers of one request say, read in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct B3<'a> {
    single: Option<&'a [u8]>,
    trace: Option<&'a [u8]>,
    span: Option<&'a [u8]>,
    sampled: Option<&'a [u8]>,
    flags: Option<&'a [u8]>,
    /// A header is there twice: nobody can tell which one is meant.
    torn: bool,
}

impl<'a> B3<'a> {
    pub fn see(&mut self, name: &[u8], value: &'a [u8]) {
        // Most headers are out after one look at their length.
        let place = match name.len() {
            2 if name.eq_ignore_ascii_case(b"b3") => &mut self.single,
            10 if name.eq_ignore_ascii_case(b"x-b3-flags") => &mut self.flags,
            11 if name.eq_ignore_ascii_case(b"x-b3-spanid") => &mut self.span,
            12 if name.eq_ignore_ascii_case(b"x-b3-traceid") => &mut self.trace,
            12 if name.eq_ignore_ascii_case(b"x-b3-sampled") => &mut self.sampled,
            _ => return,
        };
        self.torn |= place.replace(value).is_some();
    }

    /// The caller's span; the single header counts where both forms are there, as B3 asks.
    pub fn parse(&self) -> Option<(TraceParent, Form)> {
        if self.torn {
            return None;
        }
        if let Some(single) = self.single {
            return parse_single(single).map(|t| (t, Form::Single));
        }
        let debug = self.flags == Some(b"1");
        let sampled = matches!(self.sampled, Some(b"1" | b"true")) || debug;
        let parent = parent(self.trace?, self.span?, sampled)?;
        Some((parent, Form::Multiple))
    }
}

fn parse_single(value: &[u8]) -> Option<TraceParent> {
    let mut parts = value.split(|b| *b == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let sampled = match parts.next() {
        None | Some(b"0") => false,
        Some(b"1" | b"d") => true,
        Some(_) => return None,
    };
    let parent_span = parts.next();
    let whole = parts.next().is_none() && parent_span.is_none_or(|p| hex(p, 16).is_some());
    parent(trace, span, sampled).filter(|_| whole)
}

fn parent(trace: &[u8], span: &[u8], sampled: bool) -> Option<TraceParent> {
    // 64 bits are the older form.
    let trace = hex(trace, 32).or_else(|| hex(trace, 16))?;
    let span = hex(span, 16)? as u64;
    let flags = if sampled { SAMPLED } else { 0 };
    (trace != 0 && span != 0).then_some(TraceParent { trace, span, flags })
}

fn hex(digits: &[u8], len: usize) -> Option<u128> {
    let good = digits.len() == len && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| good)?;
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &'static str)]) -> Option<(TraceParent, Form)> {
        let mut b3 = B3::default();
        for (name, value) in headers {
            b3.see(name.as_bytes(), value.as_bytes());
        }
        b3.parse()
    }

    const TRACE: u128 = 0x80f198ee56343ba864fe8b2a57d3eff7;
    const SINGLE: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90";

    #[test]
    fn both_forms_and_both_lengths_are_read() {
        let (got, form) = read(&[("b3", SINGLE)]).unwrap();
        assert_eq!(
            (got.trace, got.span, got.flags),
            (TRACE, 0xe457b5a2e4d86bd1, 1)
        );
        assert_eq!(form, Form::Single);
        let multiple = [
            ("X-B3-TraceId", "64fe8b2a57d3eff7"),
            ("X-B3-SpanId", "e457b5a2e4d86bd1"),
            ("X-B3-Sampled", "0"),
        ];
        let (got, form) = read(&multiple).unwrap();
        assert_eq!((got.trace, got.flags), (0x64fe8b2a57d3eff7, 0));
        assert_eq!(form, Form::Multiple);
        let debug = [multiple[0], multiple[1], ("X-B3-Flags", "1")];
        assert_eq!(read(&debug).unwrap().0.flags, 1);
        let undecided = "64fe8b2a57d3eff7-e457b5a2e4d86bd1";
        assert_eq!(read(&[("b3", undecided)]).unwrap().0.flags, 0);
    }

    #[test]
    fn what_is_no_trace_starts_none() {
        for bad in [
            "0",
            "",
            "-",
            "00000000000000000000000000000000-e457b5a2e4d86bd1-1",
            "64fe8b2a57d3eff7-e457b5a2e4d86bd1-x",
            "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-zz",
            "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90-1",
            "+4fe8b2a57d3eff7-e457b5a2e4d86bd1-1",
        ] {
            assert_eq!(read(&[("b3", bad)]), None, "{bad}");
        }
        assert_eq!(read(&[("b3", SINGLE), ("B3", SINGLE)]), None, "two of them");
        assert_eq!(read(&[("x-b3-traceid", "64fe8b2a57d3eff7")]), None);
    }
}
