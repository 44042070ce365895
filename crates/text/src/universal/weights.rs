//! The weights: in an artefact, and as the network takes them.
//!
//! The table has 6 bits a value, one a byte, and is packed by DEFLATE: 29 MB for 65 MB.

use std::io::Read;
#[cfg(any(test, feature = "conversion"))]
use std::io::Write;

use flate2::read::DeflateDecoder;
#[cfg(any(test, feature = "conversion"))]
use flate2::{Compression, write::DeflateEncoder};
use ndarray::{Array1, Array2};

use crate::artefact::{Artefact, ArtefactError, malformed};
#[cfg(any(test, feature = "conversion"))]
use crate::artefact::{ArtefactWriter, Description};

/// How many pieces each convolution sees at once.
pub(crate) const BRANCH_ORDERS: [usize; 3] = [2, 3, 5];

/// The name of the tokenizer's model in an artefact.
pub(super) const TOKENIZER: &str = "tokenizer";
const TABLE: &str = "table";

/// Most bytes of an unpacked table: four times what the published one has.
const MAX_TABLE_BYTES: u64 = 256 << 20;

/// A matrix from rows of inputs to columns of outputs, and what is added.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) weights: Array2<f32>,
    pub(crate) bias: Array1<f32>,
}

/// What follows the mean and the deviation in a layer normalisation.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub(crate) gain: Array1<f32>,
    pub(crate) bias: Array1<f32>,
}

/// One n-gram branch: a projection, its part of the norm over all projections, and two
/// convolutions.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) projection: Layer,
    pub(crate) norm: Norm,
    pub(crate) first: Layer,
    pub(crate) second: Layer,
}

/// All weights.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// Values of the table, piece by piece.
    pub(crate) table: Vec<u8>,
    /// What a value of the table is multiplied with, by id modulo their number.
    pub(crate) scale: Array1<f32>,
    /// What is added then.
    pub(crate) low: Array1<f32>,
    /// By [`BRANCH_ORDERS`].
    pub(crate) branches: [Branch; 3],
    /// Over a piece's value and what the branches made of it.
    pub(crate) norm: Norm,
    pub(crate) sum: Layer,
    /// Two layers that turn the sum into a vector, each with a way round it.
    pub(crate) dense: [Array2<f32>; 4],
    /// The ways round: past the first two, and past the third.
    pub(crate) past: [Array2<f32>; 2],
    /// What keeps a division from being one by 0.
    pub(crate) epsilon: f32,
}

impl Weights {
    pub(super) fn read(artefact: &Artefact<'_>) -> Result<Self, ArtefactError> {
        let layer = |name: &str| -> Result<Layer, ArtefactError> {
            Ok(Layer {
                weights: artefact.matrix(&format!("{name}.weights"))?,
                bias: artefact.vector(&format!("{name}.bias"))?,
            })
        };
        let norm = |name: &str| -> Result<Norm, ArtefactError> {
            Ok(Norm {
                gain: artefact.vector(&format!("{name}.gain"))?,
                bias: artefact.vector(&format!("{name}.bias"))?,
            })
        };
        let branch = |order: usize| -> Result<Branch, ArtefactError> {
            Ok(Branch {
                projection: layer(&format!("branch{order}.projection"))?,
                norm: norm(&format!("branch{order}.norm"))?,
                first: layer(&format!("branch{order}.first"))?,
                second: layer(&format!("branch{order}.second"))?,
            })
        };
        let [two, three, five] = BRANCH_ORDERS;
        let dense = |number: usize| artefact.matrix(&format!("dense{number}"));
        Ok(Self {
            table: unpack(artefact.bytes(TABLE)?)?,
            scale: artefact.vector("table.scale")?,
            low: artefact.vector("table.low")?,
            branches: [branch(two)?, branch(three)?, branch(five)?],
            norm: norm("norm")?,
            sum: layer("sum")?,
            dense: [dense(0)?, dense(1)?, dense(2)?, dense(3)?],
            past: [artefact.matrix("past0")?, artefact.matrix("past1")?],
            epsilon: artefact.vector("epsilon")?[0],
        })
    }

    /// The artefact of these weights and a tokenizer's model.
    #[cfg(any(test, feature = "conversion"))]
    pub(crate) fn write(
        &self,
        model: &[u8],
        description: &Description,
    ) -> Result<Vec<u8>, ArtefactError> {
        let mut writer = ArtefactWriter::default();
        writer.bytes(TOKENIZER, model.to_vec());
        writer.bytes(TABLE, pack(&self.table)?);
        let mut vectors = vec![
            ("table.scale".to_owned(), &self.scale),
            ("table.low".to_owned(), &self.low),
            ("norm.gain".to_owned(), &self.norm.gain),
            ("norm.bias".to_owned(), &self.norm.bias),
        ];
        let mut layers = vec![("sum".to_owned(), &self.sum)];
        for (order, branch) in BRANCH_ORDERS.iter().zip(&self.branches) {
            vectors.push((format!("branch{order}.norm.gain"), &branch.norm.gain));
            vectors.push((format!("branch{order}.norm.bias"), &branch.norm.bias));
            layers.push((format!("branch{order}.projection"), &branch.projection));
            layers.push((format!("branch{order}.first"), &branch.first));
            layers.push((format!("branch{order}.second"), &branch.second));
        }
        let mut matrices = Vec::new();
        for (name, layer) in layers {
            vectors.push((format!("{name}.bias"), &layer.bias));
            matrices.push((format!("{name}.weights"), &layer.weights));
        }
        matrices.extend((0..).map(|number| format!("dense{number}")).zip(&self.dense));
        matrices.extend((0..).map(|number| format!("past{number}")).zip(&self.past));
        for (name, vector) in vectors {
            writer.floats(name, &[vector.len()], &vector.to_vec());
        }
        for (name, matrix) in matrices {
            let values: Vec<f32> = matrix.iter().copied().collect();
            writer.floats(name, matrix.shape(), &values);
        }
        writer.floats("epsilon", &[1], &[self.epsilon]);
        writer.write(description)
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, ArtefactError> {
    let mut table = Vec::new();
    let mut decoder = DeflateDecoder::new(packed).take(MAX_TABLE_BYTES + 1);
    decoder.read_to_end(&mut table).map_err(malformed)?;
    if table.len() as u64 > MAX_TABLE_BYTES {
        return Err(malformed("the table is larger than any that is known"));
    }
    Ok(table)
}

#[cfg(any(test, feature = "conversion"))]
fn pack(table: &[u8]) -> Result<Vec<u8>, ArtefactError> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(table).and_then(|()| encoder.finish()).map_err(malformed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A network of 4 values a piece, convolutions of 2, and vectors of 4.
    pub(crate) fn tiny(pieces: usize) -> Weights {
        let mut counter = 0u32;
        let mut next = move || {
            counter = counter.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (counter >> 8) as f32 / 16_777_216.0 - 0.5
        };
        let mut matrix =
            |rows: usize, columns: usize| Array2::from_shape_simple_fn((rows, columns), &mut next);
        let layer =
            |weights: Array2<f32>| Layer { bias: Array1::from_elem(weights.ncols(), 0.1), weights };
        let norm = |length: usize| Norm {
            gain: Array1::from_elem(length, 1.5),
            bias: Array1::from_elem(length, -0.25),
        };
        let branches = BRANCH_ORDERS.map(|order| Branch {
            projection: layer(matrix(4, 2)),
            norm: norm(2),
            first: layer(matrix(order * 2, 2)),
            second: layer(matrix(order * 2, 2)),
        });
        Weights {
            table: (0..pieces * 4).map(|value| (value * 7 % 64) as u8).collect(),
            scale: Array1::from_vec(vec![0.05, 0.06, 0.07]),
            low: Array1::from_vec(vec![-1.5, -1.6, -1.7]),
            branches,
            norm: norm(10),
            sum: layer(matrix(10, 4)),
            dense: [matrix(4, 12), matrix(12, 12), matrix(12, 4), matrix(4, 4)],
            past: [matrix(4, 12), matrix(12, 4)],
            epsilon: 1e-12,
        }
    }

    #[test]
    fn a_table_is_packed_and_unpacked() {
        let table: Vec<u8> = (0..10_000u32).map(|value| (value * value % 64) as u8).collect();
        assert_eq!(unpack(&pack(&table).unwrap()).unwrap(), table);
        assert!(unpack(&[0xff, 1, 2]).is_err());
    }
}
