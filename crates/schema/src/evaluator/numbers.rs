//! Numbers compared by their value: `1` equals `1.0`, and `u64::MAX` is more than `u64::MAX - 1`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Number;

/// A number of JSON without loss: every integer of 64 bits and every float.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ExactNumber {
    /// A whole number, also where JSON writes it as `1.0` or `1e30`.
    Integer(i128),
    /// A number with a fraction, or one whose size is at least [`MAX_INTEGER`].
    Float(f64),
}

/// Whole floats below 2^126 are integers here; the largest 64-bit integers are far below that.
const MAX_INTEGER: f64 = (1_u128 << 126) as f64;

impl ExactNumber {
    /// Whether there is no fraction.
    pub(crate) fn is_integer(self) -> bool {
        match self {
            Self::Integer(_) => true,
            Self::Float(float) => float.fract() == 0.0,
        }
    }

    /// Whether `self` is `step` times an integer, where both are the decimal numbers that JSON writes:
    /// `0.0075` is a multiple of `0.0001`. Every number is a multiple of a step of 0.
    pub(crate) fn is_multiple_of(self, step: Self) -> bool {
        let (Some(value), Some(step)) = (self.decimal(), step.decimal()) else {
            return false;
        };
        if step.mantissa == 0 || value.mantissa == 0 {
            return true;
        }
        let shift = value.exponent - step.exponent;
        if shift >= 0 {
            let power = power_of_ten_modulo(shift.unsigned_abs(), step.mantissa);
            let rest = value.mantissa % step.mantissa;
            (rest * power).is_multiple_of(step.mantissa)
        } else {
            // A divisor beyond 128 bits is larger than any mantissa.
            10_u128
                .checked_pow(shift.unsigned_abs())
                .and_then(|power| power.checked_mul(step.mantissa))
                .is_some_and(|divisor| value.mantissa.is_multiple_of(divisor))
        }
    }

    /// The size of this number as `mantissa * 10^exponent`; `None` for what JSON can't write.
    fn decimal(self) -> Option<Decimal> {
        let float = match self {
            Self::Integer(integer) => match u64::try_from(integer.unsigned_abs()) {
                Ok(mantissa) => {
                    return Some(Decimal {
                        mantissa: mantissa.into(),
                        exponent: 0,
                    });
                }
                // Only a float is that large.
                Err(_) => integer as f64,
            },
            Self::Float(float) => float,
        };
        // The shortest digits that mean this float: `7.5e-3`.
        let text = format!("{:e}", float.abs());
        let (digits, exponent) = text.split_once('e')?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Some(Decimal {
            mantissa: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?,
        })
    }
}

/// `mantissa * 10^exponent`; the mantissa is below 2^64.
struct Decimal {
    mantissa: u128,
    exponent: i32,
}

/// `10^power` modulo `modulus`, which is below 2^64, so that no product is beyond 128 bits.
fn power_of_ten_modulo(mut power: u32, modulus: u128) -> u128 {
    let mut result = 1 % modulus;
    let mut square = 10 % modulus;
    while power > 0 {
        if power % 2 == 1 {
            result = result * square % modulus;
        }
        square = square * square % modulus;
        power /= 2;
    }
    result
}

impl From<&Number> for ExactNumber {
    fn from(number: &Number) -> Self {
        if let Some(integer) = number.as_i64() {
            Self::Integer(integer.into())
        } else if let Some(integer) = number.as_u64() {
            Self::Integer(integer.into())
        } else {
            // `None` is possible with the feature `arbitrary_precision` alone: the number is beyond all floats.
            let is_negative = || number.to_string().starts_with('-');
            number.as_f64().map_or_else(
                || {
                    Self::Float(if is_negative() {
                        f64::NEG_INFINITY
                    } else {
                        f64::INFINITY
                    })
                },
                Self::from,
            )
        }
    }
}

impl From<i64> for ExactNumber {
    fn from(integer: i64) -> Self {
        Self::Integer(integer.into())
    }
}

impl From<u64> for ExactNumber {
    fn from(integer: u64) -> Self {
        Self::Integer(integer.into())
    }
}

impl From<f64> for ExactNumber {
    fn from(float: f64) -> Self {
        if float.fract() == 0.0 && float.abs() < MAX_INTEGER {
            Self::Integer(float as i128)
        } else {
            Self::Float(float)
        }
    }
}

impl Ord for ExactNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            (Self::Float(left), Self::Float(right)) => left.total_cmp(&right),
            (Self::Integer(left), Self::Float(right)) => compare_mixed(left, right),
            (Self::Float(left), Self::Integer(right)) => compare_mixed(right, left).reverse(),
        }
    }
}

/// Compares an integer with a float that is none, or that is beyond all integers.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    if float.is_nan() || float.abs() >= MAX_INTEGER {
        return 0.0_f64.total_cmp(&float);
    }
    let whole = float.floor();
    // There is a fraction, so the float is above its floor.
    integer.cmp(&(whole as i128)).then(Ordering::Less)
}

impl PartialOrd for ExactNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ExactNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ExactNumber {}

impl fmt::Display for ExactNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => integer.fmt(f),
            Self::Float(float) if float.abs() >= MAX_INTEGER => write!(f, "{float:e}"),
            Self::Float(float) => float.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> ExactNumber {
        let number: Number = serde_json::from_str(text).expect("a number");
        ExactNumber::from(&number)
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            "-1e308",
            "-1e30",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "1.5",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "18446744073709551614",
            "18446744073709551615",
            "1e30",
            "1e308",
        ];
        for (left, smaller) in ascending.iter().enumerate() {
            for (right, larger) in ascending.iter().enumerate() {
                let order = number(smaller).cmp(&number(larger));
                assert_eq!(order, left.cmp(&right), "{smaller} and {larger}");
            }
        }
    }

    #[test]
    fn the_way_a_number_is_written_does_not_matter() {
        for (left, right) in [
            ("1", "1.0"),
            ("0", "-0.0"),
            ("100", "1e2"),
            ("1e30", "1E+30"),
        ] {
            assert_eq!(number(left), number(right));
        }
        assert!(number("1e308").is_integer());
        assert!(!number("0.1").is_integer());
    }

    #[test]
    fn multiples_are_decimal() {
        for (value, step) in [
            ("0.0075", "0.0001"),
            ("4.5", "1.5"),
            ("0.3", "0.1"),
            ("19.99", "0.01"),
            ("1e308", "0.5"),
            ("12391239123", "1e-8"),
            ("18446744073709551615", "5"),
            ("-7", "7"),
            ("0", "0.01"),
        ] {
            assert!(
                number(value).is_multiple_of(number(step)),
                "{value} of {step}"
            );
        }
        for (value, step) in [
            ("0.0075", "0.01"),
            ("0.00751", "0.0001"),
            ("1e308", "0.123456789"),
            ("35", "1.5"),
            ("18446744073709551615", "2"),
            ("1e-300", "1e300"),
        ] {
            assert!(
                !number(value).is_multiple_of(number(step)),
                "{value} of {step}"
            );
        }
    }
}
