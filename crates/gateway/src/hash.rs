//! Hashes that place users and keys. Written out here because every node and every later version must place them alike.

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Of a name.
pub fn hash(name: &[u8]) -> u64 {
    fnv(FNV_BASIS, name)
}

/// FNV-1a, from another start than the usual one.
pub fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |h, b| {
        (h ^ *b as u64).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Spreads a number over all of `u64`: the finaliser of SplitMix64.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A mixed number as a position in [0, 1).
pub fn position(mixed: u64) -> f64 {
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}
