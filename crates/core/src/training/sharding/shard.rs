//! Shards: pieces of the joint matrix, of factors and of bridges, as files.
//!
//! Training beyond one machine cuts both sides of the matrix into shards that
//! workers exchange as objects. A shard is
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | `CFSHARD1`, the layout's name and version |
//! | 8..40 | SHA-256 of the rest |
//! | 40.. | safetensors, readable from anywhere |
//!
//! with these tensors, all little-endian:
//!
//! | kind | tensor | type, shape | what |
//! | --- | --- | --- | --- |
//! | matrix, factors | `place` | u64, 2 | the shard's first row among all, and the number of columns |
//! | matrix | `lengths` | u32, rows | entries of each row |
//! | matrix | `columns` | u32, entries | columns, ascending within a row |
//! | matrix | `confidences` | f32, entries | finite, not 0; below 0 of what is disliked |
//! | matrix | `places` | u16, entries | how far back each stands in its row's order; may be absent |
//! | bridge | | | see [`CarrierFile`] |
//! | sequence | | | a sequence model: see [`SequenceModel::tensors`] |
//! | factors | `factors` | f32, rows x columns | finite |
//!
//! Decoding takes nothing on trust: a file that is torn, of another version, or
//! breaks a rule above is refused.

use std::ops::Range;

use bytes::Bytes;
use ndarray::{Array2, ArrayView2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};

use crate::maths::sequence::SequenceModel;
use crate::maths::sparse::SparseRows;
use crate::model::bridges::CarrierFile;
use crate::model::mixtures::sequence;

const MAGIC: &[u8; 8] = b"CFSHARD1";
const DIGEST_BYTES: usize = 32;

/// Why a shard is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is no shard, or one of another version.
    #[error("it is not a shard of layout 1")]
    Layout,
    /// Its content is not what was written.
    #[error("it does not match its checksum")]
    Checksum,
    /// Its content breaks a rule of the layout.
    #[error("it breaks the layout: {0}")]
    Malformed(String),
}

fn malformed(why: impl ToString) -> ShardError {
    ShardError::Malformed(why.to_string())
}

/// Some successive rows of the joint matrix or of its transpose.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixShard {
    /// The number of its first row among all rows of the side.
    pub first_row: usize,
    /// The rows; columns are numbered over the whole other side.
    pub rows: SparseRows,
}

/// The factors of some successive rows.
#[derive(Debug, Clone, PartialEq)]
pub struct FactorShard {
    /// The number of its first row among all rows of the side.
    pub first_row: usize,
    /// rows x factors.
    pub factors: Array2<f32>,
}

impl MatrixShard {
    /// Encodes a range of a matrix's rows.
    ///
    /// # Errors
    /// [`ShardError::Malformed`] when a row is too long or a value out of range.
    pub fn encode(matrix: &SparseRows, range: Range<usize>) -> Result<Bytes, ShardError> {
        encode_rows(matrix, range, false)
    }

    /// The same with the places of entries, where the matrix has them: for whom is ranked,
    /// and not for what is fitted to, which does not go by them.
    ///
    /// # Errors
    /// As [`MatrixShard::encode`].
    pub fn encode_with_places(
        matrix: &SparseRows,
        range: Range<usize>,
    ) -> Result<Bytes, ShardError> {
        encode_rows(matrix, range, true)
    }

    /// Decodes and verifies.
    ///
    /// # Errors
    /// [`ShardError`] when anything is not as the layout demands.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShardError> {
        let (first_row, rows) = decode_rows(bytes)?;
        Ok(Self { first_row, rows })
    }
}

/// A bridge that brings all its tables: see [`CarrierFile`].
#[derive(Debug, Clone, PartialEq)]
pub struct BridgeShard(pub CarrierFile);

impl BridgeShard {
    /// Encodes a bridge.
    ///
    /// # Errors
    /// [`ShardError::Malformed`] when a table is not in standard layout.
    pub fn encode(bridge: &CarrierFile) -> Result<Bytes, ShardError> {
        Ok(seal_content(&bridge.encode().map_err(malformed)?))
    }

    /// Decodes and verifies.
    ///
    /// # Errors
    /// [`ShardError`] when anything is not as the layout demands.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShardError> {
        Ok(Self(CarrierFile::decode(unseal_content(bytes)?).map_err(malformed)?))
    }
}

/// A sequence model of a domain's items.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceShard(pub SequenceModel);

impl SequenceShard {
    /// Encodes a model.
    ///
    /// # Errors
    /// [`ShardError::Malformed`] when it cannot be written.
    pub fn encode(model: &SequenceModel) -> Result<Bytes, ShardError> {
        Ok(seal_content(&sequence::encode(model).map_err(malformed)?))
    }

    /// Decodes and verifies.
    ///
    /// # Errors
    /// [`ShardError`] when anything is not as the layout demands.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShardError> {
        Ok(Self(sequence::decode(unseal_content(bytes)?).map_err(malformed)?))
    }
}

/// Whether a value may be the confidence of an interaction.
fn is_confidence(value: f32) -> bool {
    value.is_finite() && value != 0.0
}

fn encode_rows(
    matrix: &SparseRows,
    range: Range<usize>,
    has_places: bool,
) -> Result<Bytes, ShardError> {
    let mut places: Option<Vec<u8>> = has_places.then(Vec::new);
    let mut lengths = Vec::with_capacity(range.len() * 4);
    let (mut columns, mut entries) = (Vec::new(), Vec::new());
    for row in range.clone() {
        let (items, values) = matrix.row(row);
        if !values.iter().copied().all(is_confidence) {
            return Err(malformed("confidences are out of range"));
        }
        let length = u32::try_from(items.len()).map_err(malformed)?;
        lengths.extend_from_slice(&length.to_le_bytes());
        columns.extend(items.iter().flat_map(|item| item.to_le_bytes()));
        entries.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let of_row = matrix.places(row);
        places = places.zip(of_row).map(|(mut places, of_row)| {
            places.extend(of_row.iter().flat_map(|place| place.to_le_bytes()));
            places
        });
    }
    let count = columns.len() / 4;
    let place = place(range.start, matrix.columns());
    let mut tensors = vec![
        ("place", Dtype::U64, vec![2], &place),
        ("lengths", Dtype::U32, vec![range.len()], &lengths),
        ("columns", Dtype::U32, vec![count], &columns),
        ("confidences", Dtype::F32, vec![count], &entries),
    ];
    tensors.extend(places.as_ref().map(|places| ("places", Dtype::U16, vec![count], places)));
    seal(&tensors)
}

/// The number of the first row, and the rows.
fn decode_rows(bytes: &[u8]) -> Result<(usize, SparseRows), ShardError> {
    let tensors = unseal(bytes)?;
    let (first_row, width) = decode_place(&tensors)?;
    let lengths = words(&tensors, "lengths", Dtype::U32, 1)?.1;
    let columns = words(&tensors, "columns", Dtype::U32, 1)?.1;
    let values = words(&tensors, "confidences", Dtype::F32, 1)?.1;
    let places = decode_places(&tensors, columns.len())?;
    let total: u64 = lengths.iter().map(|length| u64::from(u32::from_le_bytes(*length))).sum();
    if columns.len() != values.len() || total != columns.len() as u64 {
        return Err(malformed("lengths and entries differ"));
    }
    let mut rows = Rows { columns, values, width };
    let rows = lengths.iter().map(|length| rows.next(u32::from_le_bytes(*length) as usize));
    // Built row by row: a second copy of a large shard would not fit.
    let mut problem = None;
    let built = SparseRows::from_rows(
        width,
        rows.map_while(|row| row.map_err(|error| problem = Some(error)).ok()),
    );
    match problem {
        Some(error) => Err(error),
        None => Ok((first_row, built.with_places(places))),
    }
}

/// The place of each of so many entries; none where there are none.
fn decode_places(tensors: &SafeTensors<'_>, entries: usize) -> Result<Vec<u16>, ShardError> {
    if !tensors.names().contains(&"places") {
        return Ok(Vec::new());
    }
    let view = tensors.tensor("places").map_err(malformed)?;
    if view.dtype() != Dtype::U16 || view.shape() != [entries] {
        return Err(malformed("places have another type or shape"));
    }
    Ok(view.data().as_chunks::<2>().0.iter().map(|place| u16::from_le_bytes(*place)).collect())
}

struct Rows<'a> {
    columns: &'a [[u8; 4]],
    values: &'a [[u8; 4]],
    width: usize,
}

impl Rows<'_> {
    fn next(&mut self, length: usize) -> Result<Vec<(u32, f32)>, ShardError> {
        let (columns, other_columns) = self.columns.split_at(length);
        let (values, other_values) = self.values.split_at(length);
        (self.columns, self.values) = (other_columns, other_values);
        let entries = columns.iter().zip(values);
        let row: Vec<(u32, f32)> = entries
            .map(|(column, value)| (u32::from_le_bytes(*column), f32::from_le_bytes(*value)))
            .collect();
        if !row.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(malformed("columns do not ascend"));
        }
        if row.last().is_some_and(|(column, _)| *column as usize >= self.width) {
            return Err(malformed("a column is out of range"));
        }
        if !row.iter().all(|(_, value)| is_confidence(*value)) {
            return Err(malformed("confidences are out of range"));
        }
        Ok(row)
    }
}

impl FactorShard {
    /// Encodes factors whose first row has the number `first_row`.
    ///
    /// # Errors
    /// [`ShardError::Malformed`] when a factor is not finite.
    pub fn encode(first_row: usize, factors: ArrayView2<'_, f32>) -> Result<Bytes, ShardError> {
        if factors.iter().any(|value| !value.is_finite()) {
            return Err(malformed("a factor is not finite"));
        }
        let bytes: Vec<u8> = factors.iter().flat_map(|value| value.to_le_bytes()).collect();
        seal(&[
            ("place", Dtype::U64, vec![2], &place(first_row, factors.ncols())),
            ("factors", Dtype::F32, factors.shape().to_vec(), &bytes),
        ])
    }

    /// Decodes and verifies.
    ///
    /// # Errors
    /// [`ShardError`] when anything is not as the layout demands.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShardError> {
        let tensors = unseal(bytes)?;
        let (first_row, width) = decode_place(&tensors)?;
        let (shape, words) = words(&tensors, "factors", Dtype::F32, 2)?;
        if shape[1] != width {
            return Err(malformed("factors have another width"));
        }
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(malformed("a factor is not finite"));
        }
        let factors = Array2::from_shape_vec((shape[0], width), values).map_err(malformed)?;
        Ok(Self { first_row, factors })
    }
}

fn place(first_row: usize, columns: usize) -> Vec<u8> {
    [first_row as u64, columns as u64].into_iter().flat_map(u64::to_le_bytes).collect()
}

fn decode_place(tensors: &SafeTensors<'_>) -> Result<(usize, usize), ShardError> {
    let view = tensors.tensor("place").map_err(malformed)?;
    let (numbers, _) = view.data().as_chunks::<8>();
    let [first_row, columns] = numbers else { return Err(malformed("place is not two numbers")) };
    if view.dtype() != Dtype::U64 {
        return Err(malformed("place has another type"));
    }
    let number = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).map_err(malformed);
    Ok((number(first_row)?, number(columns)?))
}

/// A tensor's shape and its 4-byte values.
fn words<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    dimensions: usize,
) -> Result<(Vec<usize>, &'a [[u8; 4]]), ShardError> {
    let view = tensors.tensor(name).map_err(malformed)?;
    if view.dtype() != dtype || view.shape().len() != dimensions {
        return Err(malformed(format!("{name} has another type or shape")));
    }
    Ok((view.shape().to_vec(), view.data().as_chunks::<4>().0))
}

type Tensor<'a> = (&'static str, Dtype, Vec<usize>, &'a Vec<u8>);

fn seal(tensors: &[Tensor<'_>]) -> Result<Bytes, ShardError> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(malformed)?))
        })
        .collect::<Result<Vec<_>, ShardError>>()?;
    Ok(seal_content(&safetensors::serialize(views, None).map_err(malformed)?))
}

fn seal_content(content: &[u8]) -> Bytes {
    let mut sealed = Vec::with_capacity(MAGIC.len() + DIGEST_BYTES + content.len());
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&Sha256::digest(content));
    sealed.extend_from_slice(content);
    sealed.into()
}

fn unseal(bytes: &[u8]) -> Result<SafeTensors<'_>, ShardError> {
    SafeTensors::deserialize(unseal_content(bytes)?).map_err(malformed)
}

fn unseal_content(bytes: &[u8]) -> Result<&[u8], ShardError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ShardError::Layout)?;
    let (digest, content) = rest.split_at_checked(DIGEST_BYTES).ok_or(ShardError::Checksum)?;
    if Sha256::digest(content).as_slice() != digest {
        return Err(ShardError::Checksum);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::maths::als::AlsOptions;
    use crate::model::bridges::Carrier;
    use crate::model::bridges::cross_block::CrossBlock;
    use crate::model::bridges::mapping::LinearMap;
    use crate::model::bridges::own_factors::OwnFactors;
    use crate::model::bridges::pair::PairFoldIn;
    use crate::model::bridges::two_block::{Coefficients, TwoBlock};

    fn matrices() -> impl Strategy<Value = SparseRows> {
        let row = proptest::collection::btree_map(0..30u32, 0.01f32..9.0, 0..9);
        proptest::collection::vec(row, 1..12).prop_map(|rows| {
            SparseRows::from_rows(30, rows.into_iter().map(|row| row.into_iter().collect()))
        })
    }

    fn sealed(tensors: &[Tensor<'_>]) -> Bytes {
        seal(tensors).unwrap()
    }

    fn bytes_of(values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn rows_survive_however_they_are_cut(matrix in matrices(), cut in 0usize..12) {
            let cut = cut.min(matrix.rows());
            for range in [0..cut, cut..matrix.rows()] {
                let shard =
                    MatrixShard::decode(&MatrixShard::encode(&matrix, range.clone()).unwrap()).unwrap();
                prop_assert_eq!(shard.first_row, range.start);
                prop_assert_eq!(shard.rows.rows(), range.len());
                prop_assert_eq!(shard.rows.columns(), matrix.columns());
                for (at, row) in range.enumerate() {
                    prop_assert_eq!(shard.rows.row(at), matrix.row(row));
                }
            }
        }

        #[test]
        fn places_survive_where_they_are_written_and_a_shard_without_them_is_read(
            matrix in matrices(), places in proptest::collection::vec(0u16..=u16::MAX, 99),
        ) {
            let ordered = matrix.clone().with_places(places[..matrix.entries()].to_vec());
            let range = 0..matrix.rows();
            let read = |bytes: Bytes| MatrixShard::decode(&bytes).unwrap().rows;
            let with = read(MatrixShard::encode_with_places(&ordered, range.clone()).unwrap());
            prop_assert_eq!(&with, &ordered);
            let plain = MatrixShard::encode(&ordered, range.clone()).unwrap();
            prop_assert_eq!(&read(plain), &matrix);
            let nothing_known = MatrixShard::encode_with_places(&matrix, range).unwrap();
            prop_assert_eq!(read(nothing_known), matrix);
        }

        #[test]
        fn factors_survive(
            values in proptest::collection::vec(-3.0f32..3.0, 12), first_row in 0usize..1_000,
        ) {
            let factors = Array2::from_shape_vec((4, 3), values).unwrap();
            let bytes = FactorShard::encode(first_row, factors.view()).unwrap();
            prop_assert_eq!(FactorShard::decode(&bytes).unwrap(), FactorShard { first_row, factors });
        }

        #[test]
        fn a_changed_byte_or_a_cut_is_refused(
            matrix in matrices(), at in 0usize..1_000, flip in 1u8..=255,
        ) {
            let whole = MatrixShard::encode(&matrix, 0..matrix.rows()).unwrap().to_vec();
            let at = at % whole.len();
            prop_assert!(MatrixShard::decode(&whole[..at]).is_err());
            let mut changed = whole;
            changed[at] ^= flip;
            prop_assert!(MatrixShard::decode(&changed).is_err());
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), sealed in any::<bool>(),
        ) {
            let bytes = if sealed {
                [MAGIC, &Sha256::digest(&bytes)[..], &bytes].concat()
            } else {
                bytes
            };
            prop_assert!(MatrixShard::decode(&bytes).is_err());
            prop_assert!(BridgeShard::decode(&bytes).is_err());
            prop_assert!(FactorShard::decode(&bytes).is_err());
        }

        #[test]
        fn what_breaks_a_rule_is_refused_though_its_checksum_holds(
            lengths in proptest::collection::vec(0u32..4, 1..5),
            columns in proptest::collection::vec(0u32..6, 0..9),
            confidences in proptest::collection::vec(
                prop_oneof![Just(1.0f32), Just(0.0), Just(-1.0), Just(f32::NAN)], 0..9),
        ) {
            let values: Vec<u8> = confidences.iter().flat_map(|value| value.to_le_bytes()).collect();
            let bytes = sealed(&[
                ("place", Dtype::U64, vec![2], &place(0, 5)),
                ("lengths", Dtype::U32, vec![lengths.len()], &bytes_of(&lengths)),
                ("columns", Dtype::U32, vec![columns.len()], &bytes_of(&columns)),
                ("confidences", Dtype::F32, vec![confidences.len()], &values),
            ]);
            let entries = lengths.iter().sum::<u32>() as usize;
            let mut holds = columns.len() == entries
                && confidences.len() == entries
                && columns.iter().all(|column| *column < 5)
                && confidences.iter().all(|value| value.is_finite() && *value != 0.0);
            let mut start = 0;
            for length in &lengths {
                let end = start + *length as usize;
                holds &= columns.get(start..end).is_none_or(|row| row.is_sorted_by(|a, b| a < b));
                start = end;
            }
            prop_assert_eq!(MatrixShard::decode(&bytes).is_ok(), holds);
        }
    }

    #[test]
    fn a_matrix_may_have_dislikes_but_no_confidence_of_nought() {
        let rows = SparseRows::from_rows(2, [vec![(0, -0.5), (1, 1.0)], vec![]]);
        let bytes = MatrixShard::encode(&rows, 0..2).unwrap();
        assert_eq!(MatrixShard::decode(&bytes).unwrap().rows, rows);
        let nought = SparseRows::from_rows(2, [vec![(0, 0.0)]]);
        assert!(MatrixShard::encode(&nought, 0..1).is_err());
    }

    /// One of each kind that brings all its tables.
    fn bridges() -> Vec<CarrierFile> {
        let params = AlsOptions { factors: 2, ..AlsOptions::default() }.check().unwrap();
        let table = |rows: usize| Array2::from_shape_fn((rows, 2), |(i, j)| (i + 2 * j) as f32);
        let own = || OwnFactors::new(params, table(3), table(4));
        let coefficients = Coefficients {
            mean: table(1).row(0).to_owned(),
            by_item: table(3),
            by_factor: table(2),
        };
        let block = SparseRows::from_rows(4, [vec![(0, 0.5)], vec![(1, -1.0), (3, 0.0)], vec![]]);
        let carriers = [
            Carrier::CrossBlock(CrossBlock::new(block)),
            Carrier::TwoBlock(Arc::new(TwoBlock::new(own(), coefficients))),
            Carrier::Pair(Arc::new(PairFoldIn::new(own(), 2.0))),
        ];
        carriers.into_iter().map(|carrier| CarrierFile { carrier, items: (3, 4) }).collect()
    }

    #[test]
    fn a_bridge_survives_its_encoding_and_one_that_does_not_fit_is_refused() {
        for bridge in bridges() {
            let bytes = BridgeShard::encode(&bridge).unwrap();
            assert_eq!(BridgeShard::decode(&bytes).unwrap().0, bridge);
            assert!(BridgeShard::decode(&bytes[..bytes.len() - 1]).is_err());
            let other = CarrierFile { items: (4, 4), ..bridge };
            let bytes = BridgeShard::encode(&other).unwrap();
            assert!(matches!(BridgeShard::decode(&bytes), Err(ShardError::Malformed(_))));
        }
        // One that needs tables that others have too has no file.
        let map = Carrier::Mapping(LinearMap::new(Array2::zeros((2, 2))));
        let bytes = BridgeShard::encode(&CarrierFile { carrier: map, items: (3, 4) }).unwrap();
        assert!(BridgeShard::decode(&bytes).is_err());
    }

    #[test]
    fn a_sequence_model_survives_its_encoding_and_a_changed_or_shorter_file_is_refused() {
        let model = crate::model::mixtures::sequence::tests::model(6);
        let bytes = SequenceShard::encode(&model).unwrap();
        assert_eq!(SequenceShard::decode(&bytes).unwrap().0, model);
        let shorter = &bytes[..bytes.len() - 4];
        assert_eq!(SequenceShard::decode(shorter).unwrap_err(), ShardError::Checksum);
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(SequenceShard::decode(&changed).unwrap_err(), ShardError::Checksum);
        // With a right checksum, what is no such model is none all the same.
        let content = &bytes[MAGIC.len() + DIGEST_BYTES..];
        let mut not_a_number = content.to_vec();
        let at = content.len() - 4;
        not_a_number[at..].copy_from_slice(&f32::NAN.to_le_bytes());
        for content in [&not_a_number[..], &content[..at]] {
            let refused = SequenceShard::decode(&seal_content(content)).unwrap_err();
            assert!(matches!(refused, ShardError::Malformed(_)), "{refused:?}");
        }
    }

    #[test]
    fn a_shard_of_one_kind_is_no_shard_of_the_other() {
        let matrix = SparseRows::from_rows(2, [vec![(1, 1.0)]]);
        let bytes = MatrixShard::encode(&matrix, 0..1).unwrap();
        assert!(matches!(FactorShard::decode(&bytes), Err(ShardError::Malformed(_))));
        let bytes = FactorShard::encode(0, Array2::zeros((1, 2)).view()).unwrap();
        assert!(matches!(MatrixShard::decode(&bytes), Err(ShardError::Malformed(_))));
    }

    #[test]
    fn factors_that_are_not_finite_are_neither_written_nor_read() {
        let mut factors = Array2::zeros((1, 2));
        factors[(0, 1)] = f32::NAN;
        assert!(FactorShard::encode(0, factors.view()).is_err());
        let values: Vec<u8> =
            [0.0f32, f32::INFINITY].iter().flat_map(|v| v.to_le_bytes()).collect();
        let bytes = sealed(&[
            ("place", Dtype::U64, vec![2], &place(0, 2)),
            ("factors", Dtype::F32, vec![1, 2], &values),
        ]);
        assert!(matches!(FactorShard::decode(&bytes), Err(ShardError::Malformed(_))));
    }
}
