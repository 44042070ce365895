//! What a file is packed in, recognised by its content: its name decides nothing.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use crossfold_lab::output::{Foreign, ForeignNames};
use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::peek::peek;

/// Packings inside one another, at most: a file in an archive may itself be packed, and
/// one that is packed more often was made to waste time.
const MAX_LAYERS: usize = 3;
/// Bytes that tell every packing; a tar archive names itself at byte 257.
const HEAD: usize = 512;
/// What lies in archives beside data.
const NOT_DATA_BEGINS: [&str; 5] = ["readme", "license", "licence", "changelog", ".ds_store"];
/// And how others end.
const NOT_DATA_ENDS: [&str; 2] = [".md", ".pdf"];

/// A file, unpacked.
pub(crate) enum Contents<'a> {
    /// Text of some kind, to be read from its beginning, and how it was packed.
    Stream {
        /// The bytes.
        reader: Box<dyn Read + 'a>,
        /// The packings, the outermost first: `zip`, `gzip`, `zstd`.
        packings: Vec<&'static str>,
    },
    /// A Parquet file, which is read from its end.
    Parquet(File),
}

/// What the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Magic {
    Gzip,
    Zstd,
    Zip,
    Parquet,
    /// A format that is not read, and what to do with it.
    Other(&'static str),
    None,
}

fn magic(head: &[u8]) -> Magic {
    let other: [(&[u8], &'static str); 14] = [
        (b"\xfd7zXZ\0", "is packed with xz; unpack it first (xz -d)"),
        (b"BZh", "is packed with bzip2; unpack it first (bzip2 -d)"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first"),
        (b"Rar!", "is a RAR archive; unpack it first"),
        (b"%PDF", "is a PDF; export the table as CSV"),
        (b"\xd0\xcf\x11\xe0", "is an Excel workbook; save the sheet as CSV UTF-8"),
        (b"SQLite format 3\0", "is an SQLite database; export the table as CSV"),
        (b"ORC", "is an ORC file; write it as Parquet or CSV"),
        (b"Obj\x01", "is an Avro file; write it as Parquet or CSV"),
        (b"\x89HDF", "is an HDF5 file; write it as Parquet or CSV"),
        (b"\x7fELF", "is no text but a program"),
        (b"\x89PNG", "is no text but a picture"),
        (b"\xff\xd8\xff", "is no text but a picture"),
        (b"GIF8", "is no text but a picture"),
    ];
    match head {
        [0x1f, 0x8b, ..] => Magic::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Magic::Zstd,
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Magic::Zip,
        [b'P', b'A', b'R', b'1', ..] => Magic::Parquet,
        _ if head.get(257..262) == Some(&b"ustar"[..]) => {
            Magic::Other("is a tar archive; unpack it first (tar -xf)")
        }
        _ => other
            .into_iter()
            .find(|(bytes, _)| head.starts_with(bytes))
            .map_or(Magic::None, |(_, advice)| Magic::Other(advice)),
    }
}

/// Unpacks a file and hands it on. `entry` names the file wanted of an archive.
///
/// # Errors
/// When the file cannot be read, is of a kind that is not read, or is an archive of
/// several files none of which was named; and those of `use_it`.
pub(crate) fn with_contents<T>(
    path: &Path,
    entry: Option<&str>,
    use_it: impl FnOnce(Contents<'_>) -> Result<T>,
) -> Result<T> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    match magic(&head) {
        Magic::Parquet => use_it(Contents::Parquet(file)),
        Magic::Zip => {
            let mut archive = ZipArchive::new(BufReader::new(file)).map_err(io::Error::from)?;
            let name = choose_entry(&mut archive, entry)?;
            let reader = archive
                .by_name(&name)
                .with_context(|| format!("the entry {} cannot be read", Foreign::name(&name)))?;
            use_it(unpacked(Box::new(reader), vec!["zip"])?)
        }
        _ if entry.is_some() => bail!("--entry names a file in a zip archive; this is none"),
        _ => use_it(unpacked(Box::new(BufReader::new(file)), Vec::new())?),
    }
}

/// Takes off one packing after another.
fn unpacked<'a>(
    mut reader: Box<dyn Read + 'a>,
    mut packings: Vec<&'static str>,
) -> Result<Contents<'a>> {
    loop {
        let (head, whole) = peek(reader, HEAD);
        reader = match magic(&head) {
            Magic::None => return Ok(Contents::Stream { reader: whole, packings }),
            Magic::Other(advice) => bail!("the file {advice}"),
            Magic::Zip | Magic::Parquet => {
                bail!("the file is a Parquet file or an archive in an archive; unpack it first")
            }
            Magic::Gzip => {
                packings.push("gzip");
                Box::new(MultiGzDecoder::new(whole))
            }
            Magic::Zstd => {
                packings.push("zstd");
                Box::new(zstd::stream::read::Decoder::new(whole)?)
            }
        };
        if packings.len() > MAX_LAYERS {
            bail!("the file is packed more than {MAX_LAYERS} times; unpack it first");
        }
    }
}

fn choose_entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    wanted: Option<&str>,
) -> Result<String> {
    let names: Vec<String> = (0..archive.len())
        .map(|at| {
            let entry = archive.by_index(at).map_err(io::Error::from)?;
            let name = entry.name().map_err(io::Error::from)?;
            Ok(name.into_owned())
        })
        .collect::<Result<_>>()?;
    if names.iter().any(|name| name == "[Content_Types].xml") {
        bail!("the file is an Excel workbook; save the sheet as CSV UTF-8");
    }
    let is_file = |name: &&String| !name.ends_with('/');
    let is_data = |name: &&String| {
        let lower = name.to_lowercase();
        let file = lower.rsplit('/').next().unwrap_or_default();
        is_file(name)
            && !lower.starts_with("__macosx/")
            && !NOT_DATA_BEGINS.iter().any(|begin| file.starts_with(begin))
            && !NOT_DATA_ENDS.iter().any(|end| file.ends_with(end))
    };
    let data: Vec<&String> = names.iter().filter(is_data).collect();
    let list = || {
        let names: Vec<String> = data.iter().map(|name| (*name).clone()).collect();
        ForeignNames(&names).to_string()
    };
    if let Some(wanted) = wanted {
        let ends_so =
            |name: &&&String| name.as_str() == wanted || name.rsplit('/').next() == Some(wanted);
        let files: Vec<&String> = names.iter().filter(is_file).collect();
        let found = files.iter().find(ends_so);
        return found
            .map(|name| (*name).clone())
            .with_context(|| format!("the archive has no {wanted}, but {}", list()));
    }
    match data.as_slice() {
        [] => bail!("the archive is empty"),
        [only] => Ok((*only).clone()),
        _ => bail!("the archive has several files; name one with --entry: {}", list()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    const TEXT: &str = "user_id,item_id\nu1,i1\n";

    fn read(bytes: &[u8], entry: Option<&str>) -> Result<(String, Vec<&'static str>)> {
        let file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        with_contents(file.path(), entry, |contents| match contents {
            Contents::Parquet(_) => Ok(("parquet".into(), Vec::new())),
            Contents::Stream { mut reader, packings } => {
                let mut text = String::new();
                reader.read_to_string(&mut text)?;
                Ok((text, packings))
            }
        })
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_file_is_unpacked_by_its_content_whatever_its_name() {
        let text = TEXT.as_bytes();
        let cases = [
            (text.to_vec(), vec![]),
            (gzip(text), vec!["gzip"]),
            ([gzip(&text[..9]), gzip(&text[9..])].concat(), vec!["gzip"]),
            (zstd::encode_all(text, 1).unwrap(), vec!["zstd"]),
            (zip(&[("a.csv", text)]), vec!["zip"]),
            (zip(&[("README.txt", b"x"), ("d/a.csv.gz", &gzip(text))]), vec!["zip", "gzip"]),
        ];
        for (bytes, packings) in cases {
            assert_eq!(read(&bytes, None).unwrap(), (TEXT.to_owned(), packings));
        }
    }

    #[test]
    fn a_file_of_an_archive_is_named_when_there_are_several() {
        let archive = zip(&[("ml/ratings.csv", TEXT.as_bytes()), ("ml/movies.csv", b"x")]);
        let error = read(&archive, None).unwrap_err().to_string();
        assert!(error.contains("--entry") && error.contains("ml/movies.csv"), "{error}");
        assert_eq!(read(&archive, Some("ratings.csv")).unwrap().0, TEXT);
        assert!(read(&archive, Some("tags.csv")).unwrap_err().to_string().contains("no tags.csv"));
        assert!(read(TEXT.as_bytes(), Some("ratings.csv")).is_err());
    }

    #[test]
    fn only_a_files_own_name_tells_that_it_is_no_data() {
        let archive = zip(&[
            ("licenced-set/readme/ratings.csv", TEXT.as_bytes()),
            ("licenced-set/LICENCE.txt", b"x"),
            ("__MACOSX/licenced-set/._ratings.csv", b"x"),
            ("notes.md", b"x"),
        ]);
        assert_eq!(read(&archive, None).unwrap().0, TEXT);
    }

    #[test]
    fn what_is_not_read_is_refused_with_advice() {
        let mut tar = vec![0_u8; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let excel = zip(&[("[Content_Types].xml", b"<x/>")]);
        let cases = [
            (tar, "tar"),
            (excel, "Excel"),
            (b"\xfd7zXZ\0rest".to_vec(), "xz"),
            (gzip(&gzip(&gzip(&gzip(b"x")))), "more than"),
            (gzip(b"PAR1...."), "Parquet"),
            (b"\x7fELF\x02\x01\x01\0".to_vec(), "is no text but a program"),
            (gzip(b"\x89PNG\r\n\x1a\n\0\0"), "is no text but a picture"),
        ];
        for (bytes, word) in cases {
            let error = read(&bytes, None).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn a_packed_file_that_ends_early_is_an_error_and_not_a_short_file() {
        let whole = gzip(&TEXT.repeat(100).into_bytes());
        assert!(read(&whole[..whole.len() / 2], None).is_err());
    }
}
