//! A model's manifest and blob, as somebody might have left them in the bucket:
//! decoding refuses them or gives a model that ranks by finite numbers. Checksums
//! are made to fit, so that what lies behind them is reached.
//!
//! Input: the length of the manifest (4 bytes, little-endian), the manifest, the blob.

#![no_main]

use crossfold_core::entities::ids::ModelId;
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::model::{Model, decode_manifest};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn decode(input: &[u8]) -> Option<Model> {
    let (length, rest) = input.split_first_chunk::<4>()?;
    let (manifest, blob) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let mut manifest: Value = serde_json::from_slice(manifest).ok()?;
    *manifest.get_mut("blob")? = json!({"sha256": sha256(blob), "bytes": blob.len()});
    let manifest = serde_json::to_vec(&manifest).ok()?;
    let id = ModelId::parse(&sha256(&manifest)).ok()?;
    let manifest = decode_manifest(&id, &manifest).ok()?;
    Model::decode(id, manifest, blob).ok()
}

fuzz_target!(|input: &[u8]| {
    let Some(model) = decode(input) else { return };
    let items = model.index().len() as u32;
    for domain in model.index().ranges().keys() {
        for item in [0, items / 2, items.saturating_sub(1)].into_iter().filter(|at| *at < items) {
            let Some(estimate) = model.estimate(domain, &[Weighted::new(Row(item), 1.0)]) else { continue };
            assert!(estimate.scores().iter().all(|score| !score.is_nan()));
        }
    }
});
