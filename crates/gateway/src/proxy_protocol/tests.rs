//! Headers as load balancers write them, cut anywhere, and what nobody should write.

use super::*;
use proptest::prelude::*;

fn ends(from: &str, to: &str) -> Option<Ends> {
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    Some(Ends { from, to })
}

/// A header of version 2 around `block`.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = v2::SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend((block.len() as u16).to_be_bytes());
    bytes.extend(block);
    bytes
}

const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc7, 0x38, 0x01, 0xbb];

fn good() -> Vec<(Vec<u8>, Option<Ends>)> {
    let v4 = ends("192.0.2.7:51000", "198.51.100.1:443");
    let v6 = ends("[2001:db8::7]:1", "[2001:db8::1]:65535");
    let mut six = [0; 36];
    six[..2].copy_from_slice(&[0x20, 0x01]);
    six[2..4].copy_from_slice(&[0x0d, 0xb8]);
    six[15] = 7;
    six.copy_within(0..4, 16);
    six[31] = 1;
    six[32..].copy_from_slice(&[0, 1, 0xff, 0xff]);
    let records = [&V4[..], &[0x04, 0, 2, 9, 9, 0xea, 0, 0]].concat();
    vec![
        (
            b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n".to_vec(),
            v4,
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n".to_vec(),
            v6,
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ::1 whatever 1 2 3\r\n".to_vec(), None),
        (v2(0x21, 0x11, &V4), v4),
        (v2(0x21, 0x12, &V4), v4),
        (v2(0x21, 0x11, &records), v4),
        (v2(0x21, 0x21, &six), v6),
        (v2(0x21, 0x31, &[b'/'; 216]), None),
        (v2(0x21, 0x00, b"anything"), None),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0xff, &V4), None),
    ]
}

#[test]
fn every_header_is_the_same_however_it_is_cut_and_whatever_follows() {
    for (header, ends) in good() {
        for cut in 0..header.len() {
            assert_eq!(
                parse(&header[..cut]),
                Ok(Parsed::Partial),
                "{header:?} {cut}"
            );
        }
        let whole = Ok(Parsed::Whole {
            len: header.len(),
            ends,
        });
        for after in [&b""[..], b"\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"] {
            assert_eq!(parse(&[&header, after].concat()), whole, "{header:?}");
        }
    }
}

#[test]
fn what_is_no_header_is_refused_and_the_reason_told() {
    let long = [&b"PROXY TCP4 "[..], &[b'1'; 120]].concat();
    let unknown = [&b"PROXY UNKNOWN "[..], &[b' '; 92], b"\r\n"].concat();
    let cut_record = [&V4[..], &[0x04, 0, 3, 9, 9]].concat();
    let half_record = [&V4[..], &[0x04, 0]].concat();
    let malformed = [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rG",
    ];
    let mut all: Vec<(Vec<u8>, Bad)> = (malformed.iter())
        .map(|text| (text.as_bytes().to_vec(), Bad::Malformed))
        .collect();
    all.extend([
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Bad::Missing),
        (b"PROPFIND / HTTP/1.1".to_vec(), Bad::Missing),
        (b"\x16\x03\x01".to_vec(), Bad::Missing),
        (b"proxy TCP4".to_vec(), Bad::Missing),
        (b"\r\n\r\n\0\r\nQUIX".to_vec(), Bad::Missing),
        (long, Bad::TooLong),
        (unknown, Bad::TooLong),
        (v2(0x11, 0x11, &V4), Bad::Unknown),
        (v2(0x22, 0x11, &V4), Bad::Unknown),
        (v2(0x21, 0x10, &V4), Bad::Unknown),
        (v2(0x21, 0x41, &V4), Bad::Unknown),
        (v2(0x21, 0x11, &V4[..11]), Bad::Malformed),
        (v2(0x21, 0x21, &V4), Bad::Malformed),
        (v2(0x21, 0x11, &cut_record), Bad::Malformed),
        (v2(0x21, 0x11, &half_record), Bad::Malformed),
        (v2(0x21, 0x00, &[0; LONGEST - 15]), Bad::TooLong),
    ]);
    for (bytes, why) in all {
        assert_eq!(parse(&bytes), Err(why), "{}", bytes.escape_ascii());
    }
    let longest = v2(0x21, 0x00, &[0; LONGEST - 16]);
    assert!(matches!(
        parse(&longest),
        Ok(Parsed::Whole { len: LONGEST, .. })
    ));
}

#[test]
fn what_is_written_is_read_again() {
    let v4 = ends("192.0.2.7:51000", "198.51.100.1:443");
    let v6 = ends("[2001:db8::7]:1", "[2001:db8::1]:65535");
    let mixed = ends("[2001:db8::7]:1", "198.51.100.1:443");
    let mapped = ends("[2001:db8::7]:1", "[::ffff:198.51.100.1]:443");
    for (told, read) in [(v4, v4), (v6, v6), (mixed, mapped), (None, None)] {
        let mut bytes = Vec::new();
        told.map_or(Told::Own, Told::Client).write(&mut bytes);
        let len = bytes.len();
        assert_eq!(parse(&bytes), Ok(Parsed::Whole { len, ends: read }));
    }
}

proptest! {
    /// Whatever comes: the first prefix that decides has decided for all that begins with it, and within the bound.
    #[test]
    fn a_decision_stands(
        start in prop_oneof![
            Just(b"PROXY ".to_vec()),
            Just(b"PROXY TCP4 1.2.3.4 ".to_vec()),
            Just(v2::SIGNATURE.to_vec()),
            Just(v2(0x21, 0x11, &V4)[..15].to_vec()),
            Just(Vec::new()),
        ],
        rest in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'1'), Just(0)], 0..300),
    ) {
        let all = [start, rest].concat();
        let decided = (0..=all.len()).map(|n| parse(&all[..n])).find(|p| *p != Ok(Parsed::Partial));
        prop_assert_eq!(decided.unwrap_or(Ok(Parsed::Partial)), parse(&all));
        if let Ok(Parsed::Whole { len, .. }) = parse(&all) {
            prop_assert!(len <= all.len() && len <= LONGEST);
        }
    }
}
