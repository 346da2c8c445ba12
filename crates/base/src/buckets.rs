//! The buckets of latency that are exposed, and their parts, which are counted.

/// Upper bounds of the buckets of latency that are exposed, seconds.
pub const BOUNDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
/// Equal parts of each of them, which are counted.
pub const SUB: usize = 8;
/// The last one is above all bounds.
pub const PARTS: usize = BOUNDS.len() * SUB + 1;

/// The part that a duration belongs to. A part has its upper edge.
pub fn part(seconds: f64) -> usize {
    let bucket = BOUNDS.partition_point(|b| *b < seconds);
    let (Some(high), low) = (BOUNDS.get(bucket), low(bucket)) else {
        return PARTS - 1;
    };
    let within = ((seconds - low) / (high - low) * SUB as f64).ceil() as usize;
    bucket * SUB + within.clamp(1, SUB) - 1
}

/// Upper edge of a part, seconds.
pub fn edge(part: usize) -> f64 {
    let bucket = part / SUB;
    let Some(high) = BOUNDS.get(bucket) else {
        return f64::INFINITY;
    };
    low(bucket) + (high - low(bucket)) * ((part % SUB + 1) as f64 / SUB as f64)
}

fn low(bucket: usize) -> f64 {
    bucket.checked_sub(1).map_or(0.0, |b| BOUNDS[b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_the_buckets_and_have_their_upper_edges() {
        for (i, b) in BOUNDS.iter().enumerate() {
            assert_eq!(part(*b), i * SUB + SUB - 1, "{b}");
            assert_eq!(edge(part(*b)), *b);
            assert_eq!(part(b * 1.000_001), (i + 1) * SUB);
        }
        assert_eq!((part(0.0), part(1e9)), (0, PARTS - 1));
        for p in 0..PARTS - 1 {
            assert_eq!(part(edge(p) * 0.999_999), p, "{p}");
        }
    }
}
