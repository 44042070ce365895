//! No artefact, however it came to be, makes the decoder panic, take memory
//! beyond its own size, or hand out a number that is not finite.
//!
//! Checksums are recomputed after each change, so that the layers behind them
//! are reached. `PROPTEST_CASES=1000000 cargo test -p crossfold-core --test
//! artefact_decoder` searches for hours.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::sync::LazyLock;

use crossfold_core::entities::ids::ModelId;
use crossfold_core::evidence::items::{Row, Weighted};
use crossfold_core::model::items::DomainTable;
use crossfold_core::model::manifest::{ContentReference, FORMAT, OLDEST_FORMAT};
use crossfold_core::model::{Artefact, Manifest, Model, ModelError, decode_manifest};
use crossfold_testing::domain;
use crossfold_testing::model::{FACTORS, ITEMS, model_parts};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One artefact for all tests, with its manifest: encoding takes longer than decoding.
static WHOLE: LazyLock<(Artefact, Manifest)> = LazyLock::new(|| {
    let artefact = crossfold_testing::model::artefact(&model_parts());
    let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
    (artefact, manifest)
});

fn artefact() -> Artefact {
    WHOLE.0.clone()
}

fn manifest() -> Manifest {
    WHOLE.1.clone()
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes a blob whose checksum is right, whatever is in it.
fn decode(mut manifest: Manifest, blob: &[u8]) -> Result<Model, ModelError> {
    manifest.blob = ContentReference::of(blob);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let id = ModelId::parse(&sha256_hex(&manifest)).unwrap();
    let manifest = decode_manifest(&id, &manifest)?;
    Model::decode(id, manifest, blob)
}

/// What serving does with a model gives finite numbers throughout.
fn assert_servable(model: &Model) {
    assert!(model.item_factors().iter().all(|value| value.is_finite()));
    for (row, (domain, _)) in model.index().items().iter().enumerate() {
        let row = Row(row as u32);
        assert!((0.0..=1.0).contains(&model.popularity(row)));
        assert!(model.rows(domain).unwrap().contains(row));
    }
    let everything: Vec<Weighted> =
        (0..model.index().len() as u32).map(|row| Weighted::new(Row(row), 1.0)).collect();
    for target in model.index().ranges().keys() {
        if let Some(estimate) = model.estimate(target, &everything) {
            assert!(estimate.scores().iter().all(|score| score.is_finite()));
        }
    }
}

/// The safetensors layout: length of the header, header, data.
fn split(blob: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(blob[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&blob[8..8 + length]).unwrap(), blob[8 + length..].to_vec())
}

fn join(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes(), &header[..], data].concat()
}

/// The real blob with one tensor's bytes changed in place.
fn with_tensor(name: &str, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let (header, mut data) = split(&artefact().blob);
    let offset = |at: usize| header[name]["data_offsets"][at].as_u64().unwrap() as usize;
    change(&mut data[offset(0)..offset(1)]);
    join(&header, &data)
}

fn set_f32(bytes: &mut [u8], at: usize, value: f32) {
    bytes[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn the_real_blob_decodes_and_its_layout_is_as_taken_apart_here() {
    let blob = artefact().blob;
    let (header, data) = split(&blob);
    assert_servable(&decode(manifest(), &join(&header, &data)).unwrap());
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let blob = artefact().blob;
    for length in 0..blob.len() {
        assert!(decode(manifest(), &blob[..length]).is_err(), "{length} bytes");
    }
    for more in [1, 4, 1_000] {
        let longer = [&blob[..], &vec![0; more]].concat();
        assert!(decode(manifest(), &longer).is_err(), "{more} bytes more");
    }
    let manifest = artefact().manifest;
    for length in 0..manifest.len() {
        let cut = &manifest[..length];
        let id = ModelId::parse(&sha256_hex(cut)).unwrap();
        assert!(decode_manifest(&id, cut).is_err(), "{length} bytes");
    }
}

#[test]
fn a_number_that_is_not_finite_is_refused_wherever_it_is() {
    for value in
        [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7fa0_0000)]
    {
        for at in 0..ITEMS * FACTORS {
            let blob = with_tensor("item_factors", |bytes| set_f32(bytes, at, value));
            assert!(matches!(decode(manifest(), &blob), Err(ModelError::Malformed(_))), "{at}");
        }
        for at in 0..ITEMS {
            let blob = with_tensor("item_popularity", |bytes| set_f32(bytes, at, value));
            assert!(matches!(decode(manifest(), &blob), Err(ModelError::Malformed(_))), "{at}");
        }
    }
}

#[test]
fn finite_numbers_whose_products_are_not_and_shares_that_are_none_are_refused() {
    for value in [f32::MAX, -f32::MAX, 1e20] {
        let blob = with_tensor("item_factors", |bytes| set_f32(bytes, 4, value));
        assert!(decode(manifest(), &blob).is_err(), "{value}");
    }
    let large = with_tensor("item_factors", |bytes| set_f32(bytes, 4, 1e15));
    assert_servable(&decode(manifest(), &large).unwrap());
    for value in [-0.001, 1.001, f32::MAX] {
        let blob = with_tensor("item_popularity", |bytes| set_f32(bytes, 0, value));
        assert!(decode(manifest(), &blob).is_err(), "{value}");
    }
}

#[test]
fn headers_that_overlap_leave_gaps_or_claim_absurd_sizes_are_refused() {
    let (header, data) = split(&artefact().blob);
    let changes: [(&str, Value); 12] = [
        ("/item_factors/shape", json!([ITEMS, FACTORS + 1])),
        ("/item_factors/shape", json!([FACTORS, ITEMS])),
        ("/item_factors/shape", json!([ITEMS * FACTORS])),
        ("/item_factors/shape", json!([usize::MAX, usize::MAX])),
        ("/item_factors/shape", json!([1u64 << 62, 4])),
        ("/item_factors/dtype", json!("F64")),
        ("/item_factors/dtype", json!("I32")),
        ("/item_factors/data_offsets", json!([0, u64::MAX])),
        ("/item_factors/data_offsets", json!([u64::MAX, 0])),
        ("/item_popularity/data_offsets", header["item_factors"]["data_offsets"].clone()),
        ("/item_id_ends/data_offsets", json!([8, 4])),
        ("/item_ids/shape", json!([-1])),
    ];
    for (pointer, value) in changes {
        let mut changed = header.clone();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        assert!(decode(manifest(), &join(&changed, &data)).is_err(), "{pointer} {value}");
    }
    for missing in ["item_factors", "item_popularity", "item_ids", "item_id_ends"] {
        let mut changed = header.clone();
        changed.as_object_mut().unwrap().remove(missing);
        assert!(decode(manifest(), &join(&changed, &data)).is_err(), "without {missing}");
    }
    for length in [0, 1, u64::MAX, u64::MAX - 8, 1 << 40, 100_000_000] {
        let mut blob = artefact().blob.to_vec();
        blob[..8].copy_from_slice(&length.to_le_bytes());
        assert!(decode(manifest(), &blob).is_err(), "a header of {length}");
    }
    let nested = [&20_000u64.to_le_bytes()[..], &[b'['; 20_000]].concat();
    assert!(decode(manifest(), &nested).is_err());
}

#[test]
fn a_manifest_that_claims_other_tables_than_the_blob_has_is_refused() {
    let blob = artefact().blob;
    let table =
        |name: &str, items| DomainTable { domain: domain(name), items, people: 1, weight: None };
    let claims: [Vec<DomainTable>; 9] = [
        vec![],
        vec![table("auto", 5)],
        vec![table("auto", 3), table("knowledge", 3)],
        vec![table("auto", 2), table("knowledge", usize::MAX)],
        vec![table("auto", usize::MAX), table("knowledge", 6)],
        vec![table("auto", usize::MAX), table("knowledge", usize::MAX)],
        vec![table("auto", 1 << 40), table("knowledge", 0)],
        // Out of order, and one domain twice.
        vec![table("knowledge", 3), table("auto", 2)],
        vec![table("auto", 2), table("auto", 3)],
    ];
    for domains in claims {
        let claimed = Manifest { domains: domains.clone(), ..manifest() };
        let decoded = decode(claimed, &blob);
        // One domain for all of them keeps the ids in order: that is a model, of other items.
        if domains.len() != 1 && !is_in_order(&domains) {
            assert!(decoded.is_err(), "{domains:?}");
        }
        decoded.iter().for_each(assert_servable);
    }
    for factors in [0, 1, FACTORS + 1, 1024, 1025, usize::MAX] {
        let mut claimed = manifest();
        claimed.options.factors = factors;
        assert!(decode(claimed, &blob).is_err(), "{factors} factors");
    }
    for format in [0, OLDEST_FORMAT - 1, FORMAT + 1, u32::MAX] {
        let claimed = Manifest { format, ..manifest() };
        assert_eq!(decode(claimed, &blob).unwrap_err(), ModelError::Format(format));
    }
}

/// Five items, `auto` before `knowledge`, each domain once: what the blob's ids allow.
fn is_in_order(domains: &[DomainTable]) -> bool {
    let items = domains.iter().try_fold(0usize, |sum, table| sum.checked_add(table.items));
    items == Some(ITEMS) && domains.is_sorted_by(|a, b| a.domain < b.domain)
}

#[test]
fn item_ids_out_of_order_twice_or_cut_wrongly_are_refused() {
    // The ids are "a1" "车2" "k1" "k2" "课3", one after another.
    let swapped = with_tensor("item_ids", |ids| ids[5 + 2..5 + 2 + 4].copy_from_slice(b"k2k1"));
    let twice = with_tensor("item_ids", |ids| ids[7..11].copy_from_slice(b"k1k1"));
    let not_utf8 = with_tensor("item_ids", |ids| ids[0] = 0xff);
    let control = with_tensor("item_ids", |ids| ids[0] = 0);
    for (what, blob) in
        [("swapped", swapped), ("twice", twice), ("not UTF-8", not_utf8), ("control", control)]
    {
        assert!(decode(manifest(), &blob).is_err(), "{what}");
    }
    for ends in [[3, 6, 8, 10, 14], [2, 6, 5, 10, 14], [0, 6, 8, 10, 14], [2, 2, 8, 10, 14]] {
        let blob = with_tensor("item_id_ends", |bytes| {
            for (at, end) in ends.into_iter().enumerate() {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&u32::to_le_bytes(end));
            }
        });
        assert!(decode(manifest(), &blob).is_err(), "{ends:?}");
    }
}

/// Bytes that parsers stumble over, beside any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(&b"\x00\xff\x7f\x80\"{}[]:,0123456789-eE"[..])]
}

#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Word(prop::sample::Index, u32),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (at(), prop::sample::select(vec![0, 1, u32::MAX, 0x7f80_0000, 0x7fc0_0000, 0x7f7f_ffff, 1 << 31]))
            .prop_map(|(at, word)| Change::Word(at, word)),
        2 => (at(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => at().prop_map(Change::Remove),
        1 => (at(), at(), 1usize..64).prop_map(|(from, to, length)| Change::Copy(from, to, length)),
        1 => at().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match change {
        Change::Set(at, byte) => bytes[at.index(length)] = *byte,
        Change::Word(at, word) => {
            let at = at.index(length) / 4 * 4;
            let word = &word.to_le_bytes()[..(length - at).min(4)];
            bytes[at..at + word.len()].copy_from_slice(word);
        }
        Change::Insert(at, byte) => bytes.insert(at.index(length), *byte),
        Change::Remove(at) => drop(bytes.remove(at.index(length))),
        Change::Copy(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let count = (*count).min(length - from).min(length - to);
            bytes.copy_within(from..from + count, to);
        }
        Change::Cut(at) => bytes.truncate(at.index(length)),
    }
}

proptest! {
    #[test]
    fn a_changed_blob_with_a_right_checksum_is_refused_or_servable(
        changes in proptest::collection::vec(change(), 1..12),
    ) {
        let mut blob = artefact().blob.to_vec();
        changes.iter().for_each(|change| apply(&mut blob, change));
        decode(manifest(), &blob).iter().for_each(assert_servable);
    }

    #[test]
    fn a_changed_blob_behind_a_whole_header_is_refused_or_servable(
        changes in proptest::collection::vec(change(), 1..12),
    ) {
        let (header, data) = split(&artefact().blob);
        let mut changed = data.clone();
        changes.iter().for_each(|change| apply(&mut changed, change));
        changed.resize(data.len(), 0);
        decode(manifest(), &join(&header, &changed)).iter().for_each(assert_servable);
    }

    #[test]
    fn a_changed_header_before_whole_data_is_refused_or_servable(
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let (header, data) = split(&artefact().blob);
        let mut changed = serde_json::to_vec(&header).unwrap();
        changes.iter().for_each(|change| apply(&mut changed, change));
        let blob = [&(changed.len() as u64).to_le_bytes(), &changed[..], &data].concat();
        decode(manifest(), &blob).iter().for_each(assert_servable);
    }

    #[test]
    fn a_changed_manifest_with_a_right_checksum_is_refused_or_servable(
        changes in proptest::collection::vec(change(), 1..12),
    ) {
        let whole = artefact();
        let mut manifest: Vec<u8> = whole.manifest.to_vec();
        changes.iter().for_each(|change| apply(&mut manifest, change));
        let id = ModelId::parse(&sha256_hex(&manifest)).unwrap();
        if let Ok(decoded) = decode_manifest(&id, &manifest) {
            Model::decode(id, decoded, &whole.blob).iter().for_each(assert_servable);
        }
    }

    #[test]
    fn without_a_right_checksum_nothing_is_even_looked_at(
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let whole = artefact();
        let mut blob = whole.blob.to_vec();
        changes.iter().for_each(|change| apply(&mut blob, change));
        let decoded = Model::decode(whole.id.clone(), manifest(), &blob);
        if blob[..] != whole.blob[..] {
            prop_assert_eq!(decoded.unwrap_err(), ModelError::Checksum("the blob"));
        }
    }

    #[test]
    fn any_numbers_at_all_are_refused_or_servable(
        bits in proptest::collection::vec(any::<u32>(), ITEMS * FACTORS),
        shares in proptest::collection::vec(any::<u32>(), ITEMS),
    ) {
        let (header, mut data) = split(&artefact().blob);
        for (name, bits) in [("item_factors", &bits), ("item_popularity", &shares)] {
            let start = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
            for (at, bits) in bits.iter().enumerate() {
                set_f32(&mut data[start..], at, f32::from_bits(*bits));
            }
        }
        decode(manifest(), &join(&header, &data)).iter().for_each(assert_servable);
    }

    #[test]
    fn any_factors_in_range_are_refused_or_servable(
        exponents in proptest::collection::vec((-40i32..39, any::<bool>()), ITEMS * FACTORS),
    ) {
        let blob = with_tensor("item_factors", |bytes| {
            for (at, (exponent, is_negative)) in exponents.iter().enumerate() {
                let value = 10f32.powi(*exponent);
                set_f32(bytes, at, if *is_negative { -value } else { value });
            }
        });
        decode(manifest(), &blob).iter().for_each(assert_servable);
    }
}
