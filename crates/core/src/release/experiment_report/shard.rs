//! A part of all users: who has too many for the memory there is goes over the archive once for
//! each of several shards.

/// A part of all users, by the bits of their hashes: all records of a user are in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// All users at once.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// The shard of a number, from 0, of so many; `None` when there is none of the number.
    #[must_use]
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (number < of).then_some(Self { number, of })
    }

    /// All shards, of at least one.
    pub fn all(count: u32) -> impl Iterator<Item = Self> {
        let of = count.max(1);
        (0..of).map(move |number| Self { number, of })
    }

    /// Whether a user is of it.
    pub(super) fn has(self, user: u128) -> bool {
        user % u128::from(self.of) == u128::from(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_is_of_one_shard() {
        for user in [0, 1, 77, u128::MAX] {
            for count in [0, 1, 3, 8] {
                assert_eq!(Shard::all(count).filter(|shard| shard.has(user)).count(), 1);
            }
        }
        assert_eq!((Shard::new(0, 0), Shard::new(3, 3)), (None, None));
        assert_eq!(Shard::new(0, 1), Some(Shard::WHOLE));
    }
}
