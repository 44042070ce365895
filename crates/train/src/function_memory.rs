//! What a function's memory bounds: how many events it may read, how large a
//! shard may be.

use crossfold_core::entities::settings::{InvalidSetting, Settings};
use crossfold_core::training::sharding::plan::ShardBounds;

use crate::archive_reader::EventLimit;

/// Set by Lambda.
const MEMORY_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// Set by the template.
const SHARD_VARIABLE: &str = "CROSSFOLD_SHARD_BYTES";
/// Large enough that reading the other side's factors does not dominate, and
/// small enough to be solved in a minute.
const DEFAULT_SHARD_BYTES: u64 = 512 << 20;

/// A function's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionMemory {
    bytes: u64,
    shard_bytes: u64,
}

impl FunctionMemory {
    /// Reads settings; unlimited when nobody says how much there is.
    ///
    /// # Errors
    /// [`InvalidSetting`] naming a variable that is no number above 0.
    pub fn of(settings: &Settings) -> Result<Self, InvalidSetting> {
        let number = |variable| {
            settings.parsed(variable, "a whole number above 0", |number: &u64| *number > 0)
        };
        let megabytes = number(MEMORY_VARIABLE)?.unwrap_or(u64::MAX >> 20);
        let shard_bytes = number(SHARD_VARIABLE)?.unwrap_or(DEFAULT_SHARD_BYTES);
        Ok(Self { bytes: megabytes.saturating_mul(1 << 20), shard_bytes })
    }

    /// How many events the function may read.
    #[must_use]
    pub fn event_limit(self) -> EventLimit {
        EventLimit::of_memory(self.bytes)
    }

    /// How shards are bounded.
    #[must_use]
    pub fn shard_bounds(self) -> ShardBounds {
        ShardBounds { shard_bytes: self.shard_bytes, worker_bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: Option<&str>, shard: Option<&str>) -> Result<FunctionMemory, InvalidSetting> {
        let (memory, shard) = (memory.unwrap_or_default(), shard.unwrap_or_default());
        FunctionMemory::of(&Settings::of(&[(MEMORY_VARIABLE, memory), (SHARD_VARIABLE, shard)]))
    }

    #[test]
    fn memory_and_shards_come_from_the_environment() {
        let memory = read(Some("10240"), Some("1000")).unwrap();
        let bounds = ShardBounds { shard_bytes: 1_000, worker_bytes: 10_240 << 20 };
        assert_eq!(memory.shard_bounds(), bounds);
        assert!((10_000_000..100_000_000).contains(&memory.event_limit().0));
        assert_eq!(read(None, None).unwrap().shard_bounds().shard_bytes, 512 << 20);
    }

    #[test]
    fn what_is_no_number_above_0_is_refused_by_name() {
        for wrong in ["0", "-1", "1.5", "much"] {
            assert_eq!(read(Some(wrong), None).unwrap_err().variable, MEMORY_VARIABLE);
            assert_eq!(read(None, Some(wrong)).unwrap_err().variable, SHARD_VARIABLE);
        }
    }
}
