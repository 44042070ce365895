//! Static tables of Model2Vec: a text is the mean of its tokens' rows.
//! <https://github.com/MinishLab/model2vec> for the format: `embeddings`, and where they were
//! quantised `weights` (one a token) and `mapping` (the row of each token).

use ndarray::{Array2, Axis};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tokenizers::Tokenizer;

use crate::artefact::{Artefact, ArtefactError, malformed};
use crate::encoder::{Identity, TextEncoder, normalise};
use crate::hugging_face::{Folder, within_limit};

/// What an artefact of this encoder says it is.
pub const FORMAT: &str = "model2vec/1";

/// Most tokens of a text that count, as in the reference.
pub const MAX_TOKENS: usize = 512;

/// The encoder.
#[derive(Debug)]
pub struct Model2Vec {
    identity: Identity,
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    embeddings: Array2<f32>,
    weights: Option<Vec<f32>>,
    mapping: Option<Vec<usize>>,
}

impl Model2Vec {
    /// The encoder that an artefact holds.
    ///
    /// # Errors
    /// When it is torn, of another format, or its parts do not fit together.
    pub fn from_artefact(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let artefact = Artefact::read(bytes)?.of_format(FORMAT)?;
        let Folder { tokenizer, unknown, model, .. } = Folder::of(&artefact)?;
        let tensors = SafeTensors::deserialize(model).map_err(malformed)?;
        let table = tensors.tensor("embeddings").or_else(|_| tensors.tensor("0"));
        let table = table.map_err(malformed)?;
        let [rows, columns] = table.shape()[..] else {
            return Err(malformed("the embeddings are no matrix"));
        };
        if columns == 0 {
            return Err(malformed("the embeddings are empty"));
        }
        let embeddings =
            Array2::from_shape_vec((rows, columns), floats(&table)?).map_err(malformed)?;
        let weights = tensors.tensor("weights").ok();
        let weights = weights.map(|weights| floats(&weights)).transpose()?;
        let mapping = tensors.tensor("mapping").ok();
        let mapping = mapping.map(|mapping| whole_numbers(&mapping)).transpose()?;
        if mapping.iter().flatten().any(|row| *row >= rows) {
            return Err(malformed("the mapping names a row that the embeddings have not"));
        }
        let identity = artefact.identity();
        Ok(Self { identity, tokenizer, unknown, embeddings, weights, mapping })
    }

    /// The tokens of a text that are known; none where the tokenizer refuses it.
    fn tokens(&self, text: &str) -> Vec<u32> {
        let Ok(encoding) = self.tokenizer.encode_fast(within_limit(text), false) else {
            return Vec::new();
        };
        let known = encoding.get_ids().iter().filter(|id| Some(**id) != self.unknown);
        known.take(MAX_TOKENS).copied().collect()
    }
}

fn floats(tensor: &TensorView<'_>) -> Result<Vec<f32>, ArtefactError> {
    let data = tensor.data();
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F64 => {
            data.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word) as f32).collect()
        }
        Dtype::F32 => {
            data.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
        }
        Dtype::F16 => {
            data.as_chunks::<2>().0.iter().map(|word| half(u16::from_le_bytes(*word))).collect()
        }
        Dtype::I8 => data.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
        other => return Err(malformed(format_args!("values of type {other:?} are not read"))),
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(malformed("a value that is not finite"));
    }
    Ok(values)
}

/// A half-precision float: IEEE 754, section 3.4.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

fn whole_numbers(tensor: &TensorView<'_>) -> Result<Vec<usize>, ArtefactError> {
    let data = tensor.data();
    let numbers: Vec<i64> = match tensor.dtype() {
        Dtype::I64 => {
            data.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect()
        }
        Dtype::I32 => {
            data.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word).into()).collect()
        }
        other => return Err(malformed(format_args!("a mapping of type {other:?} is not read"))),
    };
    numbers.into_iter().map(|number| usize::try_from(number).map_err(malformed)).collect()
}

impl TextEncoder for Model2Vec {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.embeddings.ncols()
    }

    fn encode(&self, texts: &[&str]) -> Array2<f32> {
        let mut rows = Array2::zeros((texts.len(), self.dimensions()));
        for (mut row, text) in rows.axis_iter_mut(Axis(0)).zip(texts) {
            for token in self.tokens(text) {
                let token = token as usize;
                let place = match &self.mapping {
                    Some(mapping) => mapping.get(token).copied(),
                    None => (token < self.embeddings.nrows()).then_some(token),
                };
                let weight = match &self.weights {
                    Some(weights) => weights.get(token).copied().unwrap_or(0.0),
                    None => 1.0,
                };
                if let Some(place) = place {
                    row.scaled_add(weight, &self.embeddings.row(place));
                }
            }
            if let Some(row) = row.as_slice_mut() {
                normalise(row);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hugging_face::tests::{artefact, tokenizer};

    const WORDS: [&str; 4] = ["[UNK]", "car", "loan", "piano"];

    fn encoder(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Result<Model2Vec, ArtefactError> {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let model = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
        let config = r#"{"model_type": "model2vec", "normalize": true}"#;
        Model2Vec::from_artefact(&artefact(FORMAT, &tokenizer(&WORDS), config, model))
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn a_text_is_the_mean_of_its_known_tokens() {
        let table = bytes(&[9.0, 9.0, 1.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
        let encoder = encoder(&[("embeddings", Dtype::F32, vec![4, 2], table)]).unwrap();
        let rows = encoder.encode(&["Car loan", "car unheard", "unheard", "", "car piano"]);
        let half = 0.5f32.sqrt();
        let expected = [half, half, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for (value, expected) in rows.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{rows}");
        }
    }

    #[test]
    fn quantised_tables_are_read_by_their_mapping_and_weights() {
        let encoder = encoder(&[
            ("embeddings", Dtype::I8, vec![2, 2], vec![1, 0, 0, 255]),
            (
                "weights",
                Dtype::F64,
                vec![4],
                [0.0, 3.0, 4.0, 1.0f64].map(f64::to_le_bytes).concat(),
            ),
            ("mapping", Dtype::I64, vec![4], [0, 0, 1, 1i64].map(i64::to_le_bytes).concat()),
        ]);
        let row = encoder.unwrap().encode(&["car loan"]);
        assert!((row[[0, 0]] - 0.6).abs() < 1e-6 && (row[[0, 1]] + 0.8).abs() < 1e-6, "{row}");
    }

    #[test]
    fn half_floats_are_floats() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (1, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_nan());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let table = || ("embeddings", Dtype::F32, vec![1, 1], bytes(&[1.0]));
        let mapping = ("mapping", Dtype::I32, vec![1], 1i32.to_le_bytes().to_vec());
        let negative = ("mapping", Dtype::I32, vec![1], (-1i32).to_le_bytes().to_vec());
        let infinite = ("embeddings", Dtype::F32, vec![1, 1], bytes(&[f32::INFINITY]));
        for tensors in [vec![], vec![infinite], vec![table(), mapping], vec![table(), negative]] {
            assert!(matches!(encoder(&tensors), Err(ArtefactError::Malformed(_))));
        }
    }
}
