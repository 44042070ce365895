//! Working files of training beyond one machine, with a checksum that fits.

#![no_main]

use crossfold_core::training::sharding::shard::{BridgeShard, FactorShard, MatrixShard};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|content: &[u8]| {
    let sealed = [b"CFSHARD1", &Sha256::digest(content)[..], content].concat();
    if let Ok(shard) = MatrixShard::decode(&sealed) {
        let again = MatrixShard::encode(&shard.rows, 0..shard.rows.rows());
        assert!(again.is_ok());
    }
    if let Ok(shard) = FactorShard::decode(&sealed) {
        assert!(shard.factors.iter().all(|value| value.is_finite()));
    }
    let _ = BridgeShard::decode(&sealed);
});
