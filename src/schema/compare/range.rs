//! The numbers that a type lets through.

use crate::schema::schema_type::{Bounds, Integer, Type};

/// The numbers from the first to the second, each without itself where its flag is set.
pub type Range = ((f64, bool), (f64, bool));

/// Whether a number can be of both types.
pub fn numbers_meet(left: &Type, right: &Type) -> bool {
    let of = |ty: &Type| match ty {
        Type::Integer(integer) => range(integer),
        Type::Number(bounds) => bounds_range(bounds),
        _ => bounds_range(&Bounds::default()),
    };
    let (one, other) = (of(left), of(right));
    let least = if one.0.0 > other.0.0 { one.0 } else { other.0 };
    let most = if one.1.0 < other.1.0 { one.1 } else { other.1 };
    if least.0 != most.0 {
        return least.0 < most.0;
    }
    // One number is left: it must not be left out, and must be whole where a whole number is required.
    let left_out = [one.0, other.0, one.1, other.1]
        .iter()
        .any(|(bound, without)| *without && *bound == least.0);
    let whole = matches!(left, Type::Integer(_)) || matches!(right, Type::Integer(_));
    !left_out && (!whole || least.0.fract() == 0.0)
}

/// The numbers that a whole number of this type can be.
pub fn range(integer: &Integer) -> Range {
    let Bounds {
        minimum,
        maximum,
        exclusive_minimum,
        exclusive_maximum,
        ..
    } = integer.bounds;
    let above = exclusive_minimum.map(|bound| bound.saturating_add(1));
    let below = exclusive_maximum.map(|bound| bound.saturating_sub(1));
    let most = [maximum, below].into_iter().flatten().min();
    let least = minimum.max(above);
    (
        (least.map_or(f64::NEG_INFINITY, |bound| bound as f64), false),
        (most.map_or(f64::INFINITY, |bound| bound as f64), false),
    )
}

/// The numbers within `bounds`.
pub fn bounds_range(bounds: &Bounds<f64>) -> Range {
    let mut least = (bounds.minimum.unwrap_or(f64::NEG_INFINITY), false);
    if let Some(bound) = bounds.exclusive_minimum
        && bound >= least.0
    {
        least = (bound, true);
    }
    let mut most = (bounds.maximum.unwrap_or(f64::INFINITY), false);
    if let Some(bound) = bounds.exclusive_maximum
        && bound <= most.0
    {
        most = (bound, true);
    }
    (least, most)
}

/// Whether a count can be within both pairs of bounds, the least and the most.
pub fn counts_meet(one: (Option<u64>, Option<u64>), other: (Option<u64>, Option<u64>)) -> bool {
    let least = one.0.max(other.0).unwrap_or(0);
    let below = |most: Option<u64>| most.is_none_or(|most| least <= most);
    below(one.1) && below(other.1)
}
