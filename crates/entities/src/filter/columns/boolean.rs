//! True and false.

use crate::filter::bit_mask::BitMask;

/// True, false or missing, one a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BooleanColumn {
    /// What is set is present.
    values: BitMask,
    present: BitMask,
}

impl BooleanColumn {
    /// In which rows there is a value.
    #[must_use]
    pub fn present(&self) -> &BitMask {
        &self.present
    }

    pub(in crate::filter) fn values(&self) -> &BitMask {
        &self.values
    }

    /// What is in a row; `None` where it is missing, or there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<bool> {
        self.present.get(row).then(|| self.values.get(row))
    }
}

impl FromIterator<Option<bool>> for BooleanColumn {
    fn from_iter<I: IntoIterator<Item = Option<bool>>>(rows: I) -> Self {
        let rows: Vec<Option<bool>> = rows.into_iter().collect();
        Self {
            values: rows.iter().map(|row| *row == Some(true)).collect(),
            present: rows.iter().map(Option::is_some).collect(),
        }
    }
}
