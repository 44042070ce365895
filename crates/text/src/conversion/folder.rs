//! A folder as Hugging Face's libraries write it, of Model2Vec or of the BERT family: its files
//! go into the artefact as they are.

use safetensors::SafeTensors;

use super::{ConversionError, torn};
use crate::artefact::{ArtefactWriter, Description};

/// The files of a folder that go into the artefact.
pub const FILES: [&str; 3] = ["tokenizer.json", "config.json", "model.safetensors"];

/// A folder's files, read whole.
#[derive(Debug, Clone)]
pub struct Folder {
    /// What it is called.
    pub name: String,
    /// By [`FILES`].
    pub files: [Vec<u8>; 3],
    /// `README.md`, whose first lines say what the licence is.
    pub readme: Option<String>,
    /// `LICENSE`.
    pub licence_text: Option<String>,
}

/// The artefact of a folder. Whether it makes an encoder is found by [`crate::open`].
///
/// # Errors
/// When the model is torn, or neither of Model2Vec nor of the BERT family.
pub fn folder_artefact(folder: Folder) -> Result<Vec<u8>, ConversionError> {
    let Folder { name, files, readme, licence_text } = folder;
    let [_, _, model] = &files;
    let tensors = SafeTensors::deserialize(model).map_err(|error| torn(FILES[2], error))?;
    let has = |name: &str| tensors.tensor(name).is_ok();
    let format = if has("embeddings") || has("0") {
        "model2vec/1"
    } else if has("embeddings.word_embeddings.weight")
        || has("bert.embeddings.word_embeddings.weight")
    {
        "bert/1"
    } else {
        return Err(torn(FILES[2], "it has the tensors of neither Model2Vec nor BERT"));
    };
    let licence = readme.as_deref().and_then(licence_of).unwrap_or("not stated");
    let description = Description {
        format: format.into(),
        source: format!("folder {name}"),
        name,
        version: "1".into(),
        licence: licence.into(),
        licence_text: licence_text.unwrap_or_default(),
    };
    let mut writer = ArtefactWriter::default();
    for (name, bytes) in FILES.into_iter().zip(files) {
        writer.bytes(name, bytes);
    }
    Ok(writer.write(&description)?)
}

/// What a model card's first block says of the licence.
fn licence_of(readme: &str) -> Option<&str> {
    let mut lines = readme.lines();
    (lines.next()?.trim() == "---").then_some(())?;
    let block = lines.take_while(|line| line.trim() != "---");
    block.filter_map(|line| line.strip_prefix("license:")).map(str::trim).next()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    fn folder(tensor: &str) -> Folder {
        let view = TensorView::new(Dtype::F32, vec![1, 1], &[0; 4]).unwrap();
        let model = safetensors::serialize([(tensor, view)], None).unwrap();
        Folder {
            name: "potion".into(),
            files: [b"{}".to_vec(), b"{}".to_vec(), model],
            readme: Some("---\nlicense: mit\n---\nlicense: none\n".into()),
            licence_text: None,
        }
    }

    #[test]
    fn a_folder_is_recognised_by_its_tensors() {
        for (tensor, format) in
            [("embeddings", "model2vec/1"), ("embeddings.word_embeddings.weight", "bert/1")]
        {
            let artefact = folder_artefact(folder(tensor)).unwrap();
            let description = crate::artefact::describe(&artefact).unwrap();
            assert_eq!((&*description.format, &*description.licence), (format, "mit"));
        }
        assert!(matches!(folder_artefact(folder("x")), Err(ConversionError::Torn { .. })));
        assert_eq!(licence_of("license: mit"), None);
    }
}
