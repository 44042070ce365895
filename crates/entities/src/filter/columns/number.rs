//! Numbers, exact: as integers of one common scale where they fit, so that they can be
//! compared as such; as decimals where they do not.

use rust_decimal::Decimal;

use crate::filter::bit_mask::BitMask;

/// A number or none, one a row.
///
/// ```
/// use crossfold_entities::filter::NumberColumn;
/// use rust_decimal::Decimal;
/// let prices: NumberColumn = [Some(Decimal::new(1999, 2)), None].into_iter().collect();
/// assert_eq!(prices.get(0), Some("19.990".parse().unwrap()));
/// assert_eq!(prices.get(1), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberColumn {
    numbers: Numbers,
    present: BitMask,
}

/// How numbers are kept. Where one is missing stands a zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::filter) enum Numbers {
    /// In units of `10^-scale`; the scale is at most 28.
    Scaled { mantissas: Vec<i64>, scale: u32 },
    /// As they are.
    Exact(Vec<Decimal>),
}

impl NumberColumn {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(&self) -> &BitMask {
        &self.present
    }

    pub(in crate::filter) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// What is in a row; `None` where it is missing, or there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Decimal> {
        self.present.get(row).then(|| self.numbers.get(row))
    }
}

impl Numbers {
    /// The number in a row. There must be such a row.
    pub(in crate::filter) fn get(&self, row: usize) -> Decimal {
        match self {
            Self::Scaled { mantissas, scale } => Decimal::new(mantissas[row], *scale),
            Self::Exact(numbers) => numbers[row],
        }
    }

    /// All at their common scale, if they fit.
    fn scaled(rows: &[Option<Decimal>]) -> Option<Self> {
        let scale = rows.iter().flatten().map(|number| number.normalize().scale()).max();
        let scale = scale.unwrap_or(0);
        let mantissa = |row: &Option<Decimal>| {
            let number = row.unwrap_or_default().normalize();
            let power = 10_i128.checked_pow(scale.checked_sub(number.scale())?)?;
            i64::try_from(number.mantissa().checked_mul(power)?).ok()
        };
        let mantissas = rows.iter().map(mantissa).collect::<Option<_>>()?;
        Some(Self::Scaled { mantissas, scale })
    }
}

impl FromIterator<Option<Decimal>> for NumberColumn {
    fn from_iter<I: IntoIterator<Item = Option<Decimal>>>(rows: I) -> Self {
        let rows: Vec<Option<Decimal>> = rows.into_iter().collect();
        let exact = || Numbers::Exact(rows.iter().map(|row| row.unwrap_or_default()).collect());
        Self {
            numbers: Numbers::scaled(&rows).unwrap_or_else(exact),
            present: rows.iter().map(Option::is_some).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(rows: &[&str]) -> NumberColumn {
        rows.iter().map(|row| row.parse().ok()).collect()
    }

    #[test]
    fn numbers_are_integers_of_one_scale_where_they_fit() {
        let prices = column(&["19.990", "", "5", "-0.5"]);
        let mantissas = vec![1999, 0, 500, -50];
        assert_eq!(prices.numbers(), &Numbers::Scaled { mantissas, scale: 2 });
        assert_eq!(prices.get(2), Some(Decimal::from(5)));
        assert_eq!((prices.get(1), prices.get(4)), (None, None));
        assert_eq!(column(&[]).numbers(), &Numbers::Scaled { mantissas: vec![], scale: 0 });
    }

    #[test]
    fn numbers_of_too_many_digits_stay_decimals() {
        for rows in [
            ["9223372036854775807", "0.1"],
            ["79228162514264337593543950335", "1"],
            ["1000000000", "0.0000000000000000000000000001"],
        ] {
            let kept = column(&rows);
            assert!(matches!(kept.numbers(), Numbers::Exact(_)));
            assert_eq!([0, 1].map(|row| kept.get(row).unwrap().to_string()), rows);
        }
    }
}
