//! Reads a stored model without any of Crossfold: its manifest is JSON, its tables are
//! safetensors, and everything is named by the SHA-256 of its content.
//!
//! `cargo run --example read_a_model [BUCKET]` reads the model that serves from a bucket
//! on disk, unless told otherwise that of `crossfold demo` in this directory. From
//! Python: `safetensors.numpy.load_file("models/<sha256>/model.safetensors")`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The bucket in the data directory of `crossfold`.
const BUCKET: &str = ".crossfold/s3/crossfold-data";

/// Prints what the model that serves consists of.
pub fn main() -> Result<()> {
    let bucket = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(BUCKET), PathBuf::from);
    describe(&bucket)?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// The model that serves: its domains, its tables, its most popular items.
pub fn describe(bucket: &Path) -> Result<Vec<String>> {
    // The one object that changes: which model serves.
    let pointer: Value = serde_json::from_slice(&read(bucket, "models/current.json")?)?;
    let id = pointer["model"].as_str().context("the pointer names a model")?;

    // A model is its manifest: the id is the manifest's checksum, and the manifest holds
    // those of all the rest.
    let manifest = read(bucket, &format!("models/{id}/manifest.json"))?;
    ensure!(sha256(&manifest) == id, "the manifest is not the one that is named");
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let blob_id = manifest["blob"]["sha256"].as_str().context("the manifest names a blob")?;
    let blob = read(bucket, &format!("models/{blob_id}/model.safetensors"))?;
    ensure!(sha256(&blob) == blob_id, "the blob is not the one that is named");
    let tables = SafeTensors::deserialize(&blob)?;

    let mut lines = vec![format!("model {id} of {}", manifest["created_at"])];
    // Rows are in order of domain: each domain's items lie together.
    for domain in manifest["domains"].as_array().into_iter().flatten() {
        lines.push(format!("{}: {} items", domain["domain"], domain["items"]));
    }
    let mut names = tables.names();
    names.sort_unstable();
    for name in names {
        let table = tables.tensor(name)?;
        lines.push(format!("{name} {:?} {:?}", table.dtype(), table.shape()));
    }
    let mut items: Vec<(f32, String)> =
        popularity(&tables)?.into_iter().zip(ids(&tables)?).collect();
    items.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (share, item) in items.into_iter().take(3) {
        lines.push(format!("{item}: {:.0}% of the people of its domain", share * 100.0));
    }
    Ok(lines)
}

/// For each row, the share of the domain's people who interacted with the item.
fn popularity(tables: &SafeTensors<'_>) -> Result<Vec<f32>> {
    let numbers = tables.tensor("item_popularity")?.data().as_chunks::<4>().0;
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// For each row, the item's id: the texts stand one after another, with where each ends.
fn ids(tables: &SafeTensors<'_>) -> Result<Vec<String>> {
    let (texts, ends) = (tables.tensor("item_ids")?, tables.tensor("item_id_ends")?);
    let mut start = 0;
    let mut ids = Vec::new();
    for end in ends.data().as_chunks::<4>().0 {
        let end = u32::from_le_bytes(*end) as usize;
        let text = texts.data().get(start..end).context("an id that ends where it should")?;
        ids.push(String::from_utf8(text.to_vec())?);
        start = end;
    }
    Ok(ids)
}

fn read(bucket: &Path, key: &str) -> Result<Vec<u8>> {
    let path = bucket.join(key);
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
