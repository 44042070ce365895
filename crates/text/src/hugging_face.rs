//! What artefacts of folders as Hugging Face's libraries write them have in common: the files
//! `tokenizer.json`, `config.json` and `model.safetensors`, each as it was.

use tokenizers::Tokenizer;

use crate::artefact::{Artefact, ArtefactError, malformed};

/// Most characters of a text that are read.
pub(crate) const MAX_CHARACTERS: usize = 8192;

/// The files of an artefact.
pub(crate) struct Folder<'data> {
    pub(crate) tokenizer: Tokenizer,
    /// The vocabulary's entry for what is not in it.
    pub(crate) unknown: Option<u32>,
    pub(crate) config: serde_json::Value,
    pub(crate) model: &'data [u8],
}

impl<'data> Folder<'data> {
    pub(crate) fn of(artefact: &Artefact<'data>) -> Result<Self, ArtefactError> {
        let file = artefact.bytes("tokenizer.json")?;
        let mut tokenizer = Tokenizer::from_bytes(file).map_err(malformed)?;
        // Encoders cut and pad by themselves: a file must not lengthen every text.
        tokenizer.with_truncation(None).map_err(malformed)?;
        tokenizer.with_padding(None);
        let read: serde_json::Value = serde_json::from_slice(file).map_err(malformed)?;
        let model = &read["model"];
        let by_name = model["unk_token"].as_str().and_then(|name| tokenizer.token_to_id(name));
        let by_id = model["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let config = serde_json::from_slice(artefact.bytes("config.json")?).map_err(malformed)?;
        let model = artefact.bytes("model.safetensors")?;
        Ok(Self { tokenizer, unknown: by_name.or(by_id), config, model })
    }
}

/// As much of a text as is read.
pub(crate) fn within_limit(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_CHARACTERS).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::artefact::{ArtefactWriter, Description};

    /// A tokenizer of whole words between spaces.
    pub(crate) fn tokenizer(words: &[&str]) -> String {
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            words.iter().zip(0u32..).map(|(word, id)| ((*word).to_owned(), id.into())).collect();
        serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
        })
        .to_string()
    }

    pub(crate) fn artefact(format: &str, tokenizer: &str, config: &str, model: Vec<u8>) -> Vec<u8> {
        let mut writer = ArtefactWriter::default();
        writer.bytes("tokenizer.json", tokenizer.as_bytes().to_vec());
        writer.bytes("config.json", config.as_bytes().to_vec());
        writer.bytes("model.safetensors", model);
        let description = Description {
            format: format.into(),
            name: "tiny".into(),
            version: "0".into(),
            source: "a test".into(),
            licence: "MIT".into(),
            licence_text: String::new(),
        };
        writer.write(&description).unwrap()
    }
}
