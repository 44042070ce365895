//! Encoders of the BERT family, such as all-MiniLM-L6-v2: the mean of the last layer over a
//! text's tokens. Reimers and Gurevych, Sentence-BERT (2019), section 3.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use ndarray::{Array2, Axis, s};
use tokenizers::Tokenizer;

use crate::artefact::{Artefact, ArtefactError, malformed};
use crate::encoder::{Identity, TextEncoder, normalise};
use crate::hugging_face::{Folder, within_limit};

/// What an artefact of this encoder says it is.
pub const FORMAT: &str = "bert/1";

/// Most tokens of a text that count, those of its ends among them: what sentence encoders of
/// this family were trained with.
pub const MAX_TOKENS: usize = 256;

/// Texts that are computed at once.
const BATCH: usize = 16;

/// The encoder.
pub struct Bert {
    identity: Identity,
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    model: BertModel,
    dimensions: usize,
    max_tokens: usize,
    vocabulary: usize,
}

impl std::fmt::Debug for Bert {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { identity, dimensions, max_tokens, .. } = self;
        formatter
            .debug_struct("Bert")
            .field("identity", identity)
            .field("dimensions", dimensions)
            .field("max_tokens", max_tokens)
            .finish_non_exhaustive()
    }
}

impl Bert {
    /// The encoder that an artefact holds.
    ///
    /// # Errors
    /// When it is torn, of another format, its parts do not fit together, or it makes nothing of a
    /// text.
    pub fn from_artefact(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let artefact = Artefact::read(bytes)?.of_format(FORMAT)?;
        let Folder { tokenizer, unknown, config, model } = Folder::of(&artefact)?;
        let config: Config = serde_json::from_value(config).map_err(malformed)?;
        // What has no heads or no width would be divided by.
        if config.num_attention_heads == 0
            || config.hidden_size == 0
            || !config.hidden_size.is_multiple_of(config.num_attention_heads)
        {
            return Err(malformed("the width is no multiple of the heads"));
        }
        let variables = VarBuilder::from_slice_safetensors(model, DType::F32, &Device::Cpu);
        let model = BertModel::load(variables.map_err(malformed)?, &config).map_err(malformed)?;
        let encoder = Self {
            identity: artefact.identity(),
            tokenizer,
            unknown,
            model,
            dimensions: config.hidden_size,
            max_tokens: MAX_TOKENS.min(config.max_position_embeddings),
            vocabulary: config.vocab_size,
        };
        encoder.vectors(&[vec![0, 0], vec![0]]).map_err(malformed)?;
        Ok(encoder)
    }

    /// A text's tokens with those of its ends; none of a text without any known one.
    fn tokens(&self, text: &str) -> Vec<u32> {
        let Ok(encoding) = self.tokenizer.encode(within_limit(text), true) else {
            return Vec::new();
        };
        let (ids, ends) = (encoding.get_ids(), encoding.get_special_tokens_mask());
        let is_known = |(id, is_end): (&u32, &u32)| *is_end == 0 && Some(*id) != self.unknown;
        if !ids.iter().zip(ends).any(is_known)
            || ids.iter().any(|id| *id as usize >= self.vocabulary)
        {
            return Vec::new();
        }
        if ids.len() <= self.max_tokens {
            return ids.to_vec();
        }
        // The end stays where the middle goes.
        let mut cut = ids[..self.max_tokens].to_vec();
        if let (Some(last), Some(end)) = (cut.last_mut(), ids.last()) {
            *last = *end;
        }
        cut
    }

    /// A vector for each sequence of tokens; none of them is empty.
    fn vectors(&self, sentences: &[Vec<u32>]) -> candle_core::Result<Array2<f32>> {
        let longest = sentences.iter().map(Vec::len).max().unwrap_or(0);
        let shape = (sentences.len(), longest);
        let padded = |of: fn(&u32) -> u32| -> Vec<u32> {
            let pad = |sentence: &Vec<u32>| {
                let rest = std::iter::repeat_n(0, longest - sentence.len());
                sentence.iter().map(of).chain(rest).collect::<Vec<_>>()
            };
            sentences.iter().flat_map(pad).collect()
        };
        let ids = Tensor::from_vec(padded(|id| *id), shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(padded(|_| 1), shape, &Device::Cpu)?;
        let output = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        let sums = output.broadcast_mul(&mask)?.sum(1)?;
        let values: Vec<f32> = sums.flatten_all()?.to_vec1()?;
        Array2::from_shape_vec((sentences.len(), self.dimensions), values)
            .map_err(candle_core::Error::wrap)
    }

    /// As [`TextEncoder::encode`], but says what went wrong.
    ///
    /// # Errors
    /// When the network cannot be computed.
    pub fn try_encode(&self, texts: &[&str]) -> candle_core::Result<Array2<f32>> {
        let sentences: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text)).collect();
        let known: Vec<usize> =
            (0..texts.len()).filter(|index| !sentences[*index].is_empty()).collect();
        let mut rows = Array2::zeros((texts.len(), self.dimensions));
        for batch in known.chunks(BATCH) {
            let batched: Vec<Vec<u32>> =
                batch.iter().map(|index| sentences[*index].clone()).collect();
            let vectors = self.vectors(&batched)?;
            for (index, vector) in batch.iter().zip(vectors.axis_iter(Axis(0))) {
                let mut row = rows.slice_mut(s![*index, ..]);
                row.assign(&vector);
                if let Some(row) = row.as_slice_mut() {
                    // A sum and a mean have one direction.
                    normalise(row);
                }
            }
        }
        Ok(rows)
    }
}

impl TextEncoder for Bert {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Rows of zeros for all texts where the network cannot be computed, which it could when it
    /// was read: [`Bert::try_encode`] says why.
    fn encode(&self, texts: &[&str]) -> Array2<f32> {
        let encoded = self.try_encode(texts);
        encoded.unwrap_or_else(|_| Array2::zeros((texts.len(), self.dimensions)))
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::hugging_face::tests::{artefact, tokenizer};

    const WORDS: [&str; 5] = ["[PAD]", "[UNK]", "car", "loan", "piano"];
    const WIDTH: usize = 4;
    const INNER: usize = 6;

    fn config(heads: usize) -> String {
        serde_json::json!({
            "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH,
            "intermediate_size": INNER, "num_attention_heads": heads, "num_hidden_layers": 1,
            "vocab_size": WORDS.len(), "max_position_embeddings": 8, "type_vocab_size": 2,
            "hidden_dropout_prob": 0.0, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "pad_token_id": 0, "position_embedding_type": "absolute", "use_cache": false,
        })
        .to_string()
    }

    fn model() -> Vec<u8> {
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            ("embeddings.word_embeddings.weight".into(), vec![WORDS.len(), WIDTH]),
            ("embeddings.position_embeddings.weight".into(), vec![8, WIDTH]),
            ("embeddings.token_type_embeddings.weight".into(), vec![2, WIDTH]),
        ];
        for name in [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ] {
            shapes.push((format!("encoder.layer.0.{name}.weight"), vec![WIDTH, WIDTH]));
            shapes.push((format!("encoder.layer.0.{name}.bias"), vec![WIDTH]));
        }
        for (name, rows, columns) in
            [("intermediate.dense", INNER, WIDTH), ("output.dense", WIDTH, INNER)]
        {
            shapes.push((format!("encoder.layer.0.{name}.weight"), vec![rows, columns]));
            shapes.push((format!("encoder.layer.0.{name}.bias"), vec![rows]));
        }
        for name in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
            shapes.push((format!("{name}.LayerNorm.weight"), vec![WIDTH]));
            shapes.push((format!("{name}.LayerNorm.bias"), vec![WIDTH]));
        }
        let data: Vec<Vec<u8>> = shapes
            .iter()
            .map(|(name, shape)| {
                let values = 0..shape.iter().product::<usize>();
                let value = |index: usize| ((index * 31 + name.len()) % 17) as f32 * 0.1 - 0.8;
                values.flat_map(|index| value(index).to_le_bytes()).collect()
            })
            .collect();
        let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
        });
        safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
    }

    fn encoder(heads: usize) -> Result<Bert, ArtefactError> {
        Bert::from_artefact(&artefact(FORMAT, &tokenizer(&WORDS), &config(heads), model()))
    }

    #[test]
    fn rows_have_length_1_and_do_not_depend_on_their_neighbours() {
        let encoder = encoder(2).unwrap();
        let long = "car loan piano ".repeat(MAX_TOKENS);
        let texts = ["car", "car loan piano", "", "unheard", &long];
        let rows = encoder.try_encode(&texts).unwrap();
        for (text, row) in texts.iter().zip(rows.axis_iter(Axis(0))) {
            let is_known = !["", "unheard"].contains(text);
            assert!((row.dot(&row) - f32::from(u8::from(is_known))).abs() < 1e-5, "{text}");
            let alone = encoder.encode(&[text]);
            let apart = (&alone.row(0) - &row).iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(apart < 1e-5, "{text}: {apart}");
        }
        assert!(rows.row(0).dot(&rows.row(1)) < 0.9999, "they are different texts");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for heads in [0, 3] {
            assert!(matches!(encoder(heads), Err(ArtefactError::Malformed(_))), "{heads}");
        }
        let model = model();
        let torn = artefact(FORMAT, &tokenizer(&WORDS), &config(2), model[..90].to_vec());
        assert!(Bert::from_artefact(&torn).is_err());
    }
}
