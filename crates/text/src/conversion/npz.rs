//! NumPy's `.npz`: a zip archive of `.npy` files, one an array.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::{ConversionError, torn};

/// Most bytes of all arrays together: four times what the published weights have. What is
/// packed well could otherwise take all memory.
const MAX_BYTES: u64 = 512 << 20;

/// Most arrays of an archive.
const MAX_ARRAYS: usize = 1000;

/// What the values of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Byte,
    Float,
    Double,
    /// One that nothing here is made of: refused only when it is asked for.
    Other,
}

/// An array, row by row.
#[derive(Debug)]
pub(super) struct Npy {
    kind: Kind,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// The arrays of an archive, by name.
pub(super) struct Npz {
    arrays: BTreeMap<String, Npy>,
}

const FILE: &str = "weights.npz";

impl Npz {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ConversionError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| torn(FILE, error))?;
        if archive.len() > MAX_ARRAYS {
            return Err(torn(FILE, "more arrays than any encoder has"));
        }
        let mut left = MAX_BYTES;
        let mut arrays = BTreeMap::new();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|error| torn(FILE, error))?;
            let name = entry.name().map_err(|error| torn(FILE, error))?;
            let name = name.trim_end_matches(".npy").to_owned();
            let mut data = Vec::new();
            let read = entry.take(left + 1).read_to_end(&mut data);
            let read = read.map_err(|error| torn(FILE, format_args!("{name}: {error}")))?;
            left = (left.checked_sub(read as u64))
                .ok_or_else(|| torn(FILE, "larger than any encoder's weights"))?;
            let array = Npy::parse(data);
            let array = array.map_err(|problem| torn(FILE, format_args!("{name}: {problem}")))?;
            arrays.insert(name, array);
        }
        Ok(Self { arrays })
    }

    /// Takes an array of bytes with rows and columns.
    pub(super) fn take_bytes(
        &mut self,
        name: &str,
    ) -> Result<(usize, usize, Vec<u8>), ConversionError> {
        let array = self.take(name)?;
        match array.shape[..] {
            [rows, columns] if array.kind == Kind::Byte => Ok((rows, columns, array.data)),
            _ => Err(torn(FILE, format_args!("{name} is no matrix of bytes"))),
        }
    }

    /// Takes an array of floats: its shape, and its values row by row.
    pub(super) fn take_floats(
        &mut self,
        name: &str,
    ) -> Result<(Vec<usize>, Vec<f32>), ConversionError> {
        let array = self.take(name)?;
        let values = match array.kind {
            Kind::Byte | Kind::Other => {
                return Err(torn(FILE, format_args!("{name} is not of floats")));
            }
            Kind::Float => {
                let (words, _) = array.data.as_chunks::<4>();
                words.iter().map(|word| f32::from_le_bytes(*word)).collect()
            }
            Kind::Double => {
                let (words, _) = array.data.as_chunks::<8>();
                words.iter().map(|word| f64::from_le_bytes(*word) as f32).collect()
            }
        };
        Ok((array.shape, values))
    }

    fn take(&mut self, name: &str) -> Result<Npy, ConversionError> {
        self.arrays.remove(name).ok_or_else(|| torn(FILE, format_args!("there is no {name}")))
    }
}

/// What the header's dictionary says under a key, up to the next key.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    Some(rest.split_once("'descr'").map_or(rest, |(before, _)| before).trim_start())
}

impl Npy {
    fn parse(file: Vec<u8>) -> Result<Self, &'static str> {
        let rest = file.strip_prefix(b"\x93NUMPY").ok_or("it is no .npy file")?;
        let (header, data) = match rest {
            [1, _, a, b, rest @ ..] => {
                rest.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))
            }
            [2 | 3, _, a, b, c, d, rest @ ..] => {
                rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize)
            }
            _ => return Err("its version is unknown"),
        }
        .ok_or("its header is cut off")?;
        let header = str::from_utf8(header).map_err(|_| "its header is no text")?;
        let (kind, width) = match entry(header, "descr").ok_or("its header has no type")? {
            descr if descr.starts_with("'|u1'") => (Kind::Byte, 1),
            descr if descr.starts_with("'<f4'") => (Kind::Float, 4),
            descr if descr.starts_with("'<f8'") => (Kind::Double, 8),
            _ => (Kind::Other, 0),
        };
        if !entry(header, "fortran_order").is_some_and(|order| order.starts_with("False")) {
            return Err("it is not in the order of rows");
        }
        let shape = entry(header, "shape").and_then(|shape| shape.strip_prefix('('));
        let (shape, _) = shape.and_then(|shape| shape.split_once(')')).ok_or("it has no shape")?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape: Vec<usize> =
            sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| "it has no shape")?;
        let values = shape.iter().try_fold(width, |all: usize, size| all.checked_mul(*size));
        if kind != Kind::Other && values != Some(data.len()) {
            return Err("it is cut off");
        }
        Ok(Self { kind, shape, data: data.to_vec() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    pub(in super::super) fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(data);
        file
    }

    pub(in super::super) fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, data) in files {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(data).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn arrays_are_read_by_name() {
        let float = 1.5f32.to_le_bytes();
        let archive = zipped(&[
            ("a.npy".into(), npy("|u1", &[2, 1], &[3, 4])),
            ("b.npy".into(), npy("<f4", &[1], &float)),
            ("c.npy".into(), npy("<f8", &[], &2.5f64.to_le_bytes())),
            ("d.npy".into(), npy("|i1", &[1], &[6])),
        ]);
        let mut npz = Npz::read(&archive).unwrap();
        assert_eq!(npz.take_bytes("a").unwrap(), (2, 1, vec![3, 4]));
        assert_eq!(npz.take_floats("b").unwrap(), (vec![1], vec![1.5]));
        assert_eq!(npz.take_floats("c").unwrap(), (vec![], vec![2.5]));
        assert!(npz.take_floats("a").is_err(), "taken already");
        assert!(npz.take_floats("d").is_err() && npz.take_bytes("d").is_err(), "of another type");
    }

    #[test]
    fn what_is_torn_or_of_another_kind_is_refused() {
        let whole = npy("<f4", &[2], &[0; 8]);
        assert!(Npy::parse(whole.clone()).is_ok());
        for cut in [0, 5, 8, 9, 30, whole.len() - 1] {
            assert!(Npy::parse(whole[..cut].to_vec()).is_err(), "{cut}");
        }
        assert!(Npy::parse(npy("<f4", &[usize::MAX, 2], &[0; 8])).is_err());
        let text = String::from_utf8_lossy(&npy("|u1", &[1], &[7])).replace("False", "True");
        assert!(Npy::parse(text.into_bytes()).is_err());
        let archive = zipped(&[("a.npy".into(), whole)]);
        assert!(Npz::read(&archive[..archive.len() - 30]).is_err());
    }
}
