//! Instants, to the nanosecond.

use jiff::Timestamp;

use crate::filter::bit_mask::BitMask;

/// An instant or none, one a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    times: Times,
    present: BitMask,
}

/// Nanoseconds since 1970. Where one is missing stands a zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::filter) enum Times {
    /// All lie in the years from 1678 to 2261.
    Narrow(Vec<i64>),
    /// They do not.
    Wide(Vec<i128>),
}

impl TimeColumn {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(&self) -> &BitMask {
        &self.present
    }

    pub(in crate::filter) fn times(&self) -> &Times {
        &self.times
    }

    /// What is in a row; `None` where it is missing, or there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Timestamp> {
        let nanoseconds = self.present.get(row).then(|| self.times.get(row))?;
        Timestamp::from_nanosecond(nanoseconds).ok()
    }
}

impl Times {
    /// The nanoseconds in a row. There must be such a row.
    pub(in crate::filter) fn get(&self, row: usize) -> i128 {
        match self {
            Self::Narrow(times) => times[row].into(),
            Self::Wide(times) => times[row],
        }
    }
}

impl FromIterator<Option<Timestamp>> for TimeColumn {
    fn from_iter<I: IntoIterator<Item = Option<Timestamp>>>(rows: I) -> Self {
        let rows: Vec<Option<i128>> =
            rows.into_iter().map(|row| row.map(Timestamp::as_nanosecond)).collect();
        let narrow = rows.iter().map(|row| i64::try_from(row.unwrap_or_default()).ok()).collect();
        let wide = || Times::Wide(rows.iter().map(|row| row.unwrap_or_default()).collect());
        Self {
            times: Option::map_or_else(narrow, wide, Times::Narrow),
            present: rows.iter().map(Option::is_some).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instant_comes_back_to_the_nanosecond() {
        let usual: Timestamp = "2026-11-01T08:00:00.123456789Z".parse().unwrap();
        for rows in [
            vec![Some(usual), None],
            vec![Some(Timestamp::MIN), Some(usual), None, Some(Timestamp::MAX)],
            vec![],
        ] {
            let column: TimeColumn = rows.iter().copied().collect();
            assert_eq!((0..rows.len()).map(|row| column.get(row)).collect::<Vec<_>>(), rows);
            assert_eq!(column.get(rows.len()), None);
        }
    }
}
