//! How much one aim weighs against another.

use crate::options::InvalidOptions;

/// A share of the weight, 0 to 1, that one of two aims has; the other has the rest. Which of
/// them it is says the function that takes it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct TradeOff(f32);

impl TradeOff {
    /// A share from 0 to 1.
    ///
    /// # Errors
    /// [`InvalidOptions`] where it lies outside or is no number.
    pub fn new(share: f32) -> Result<Self, InvalidOptions> {
        let is_share = (0.0..=1.0).contains(&share);
        is_share.then_some(Self(share)).ok_or(InvalidOptions { name: "trade-off", rule: "0 to 1" })
    }

    /// The share.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }

    /// The share and the rest, which sum up to 1.
    pub(super) fn parts(self) -> (f64, f64) {
        let share = f64::from(self.0);
        (share, 1.0 - share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_refused() {
        for share in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            assert!(TradeOff::new(share).is_err(), "{share}");
        }
        assert_eq!(TradeOff::new(0.25).unwrap().parts(), (0.25, 0.75));
    }
}
