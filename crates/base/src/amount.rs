//! Amounts of money and of other things that are summed, exact: whole trillionths of the unit.

/// 10⁻¹² of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

/// Digits behind the point.
const DIGITS: i32 = 12;
/// Of one amount, in its smallest parts: 10¹⁵ of the unit, so that no sum overflows.
const MOST: i128 = 1_000_000_000_000_000_000_000_000_000;

impl Amount {
    /// `12.5`, `-0.000001`, `1.0E-4`. What is behind the twelfth digit is cut.
    pub fn parse(text: &str) -> Option<Amount> {
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (number, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = || whole.bytes().chain(part.bytes());
        if digits().next().is_none() || digits().any(|b| !b.is_ascii_digit()) {
            return None;
        }
        if digits().all(|b| b == b'0') {
            return Some(Amount(0));
        }
        // The place of the last digit that counts.
        let places = i32::try_from(whole.len())
            .ok()?
            .checked_add(power)?
            .checked_add(DIGITS)?;
        let mut value: i128 = 0;
        let kept = usize::try_from(places).unwrap_or(0);
        for b in digits().chain(std::iter::repeat(b'0')).take(kept) {
            value = value.checked_mul(10)?.checked_add(i128::from(b - b'0'))?;
            if value > MOST {
                return None;
            }
        }
        Some(Amount(if negative { -value } else { value }))
    }

    pub fn add(&mut self, other: Amount) {
        self.0 = self.0.saturating_add(other.0);
    }

    /// The part of it that `num` of `den` seconds have.
    pub fn of(self, num: u64, den: u64) -> Amount {
        let (num, den) = (i128::from(num.min(den)), i128::from(den.max(1)));
        // Divided first, so that no product overflows.
        Amount(self.0 / den * num + self.0 % den * num / den)
    }

    /// Rounded, half away from nothing.
    pub fn micro(self) -> i64 {
        let half = 500_000 * self.0.signum();
        i64::try_from((self.0 + half) / 1_000_000).unwrap_or(i64::MAX)
    }
}
