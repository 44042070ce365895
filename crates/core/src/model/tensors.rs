//! The tensors of a blob: writing them, and reading them on no trust.

use ndarray::{Array2, ArrayView2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::{ModelError, malformed};

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

/// A tensor before it is written.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn floats(name: impl Into<String>, shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = little_endian(values, f32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::F32, shape, bytes }
    }

    pub(crate) fn numbers(name: impl Into<String>, shape: Vec<usize>, values: &[u32]) -> Self {
        let bytes = little_endian(values, u32::to_le_bytes);
        Self { name: name.into(), dtype: Dtype::U32, shape, bytes }
    }

    pub(crate) fn signed(name: impl Into<String>, shape: Vec<usize>, values: &[i8]) -> Self {
        let bytes = values.iter().map(|value| value.cast_unsigned()).collect();
        Self { name: name.into(), dtype: Dtype::I8, shape, bytes }
    }

    pub(crate) fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), dtype: Dtype::U8, shape: vec![bytes.len()], bytes }
    }

    pub(crate) fn table(
        name: impl Into<String>,
        table: ArrayView2<'_, f32>,
    ) -> Result<Self, ModelError> {
        let values =
            table.to_slice().ok_or_else(|| malformed("factors are not in standard layout"))?;
        Ok(Self::floats(name, table.shape().to_vec(), values))
    }
}

/// The blob of these tensors; in which order they are given does not matter.
pub(crate) fn serialise(tensors: &[Tensor]) -> Result<Vec<u8>, ModelError> {
    let views = tensors
        .iter()
        .map(|tensor| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
            view.map(|view| (tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    safetensors::serialize(views, None).map_err(malformed)
}

pub(crate) fn tensor<'data>(
    tensors: &SafeTensors<'data>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<&'data [u8], ModelError> {
    let view = tensors.tensor(name).map_err(malformed)?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(malformed(format!("{name} has another type or shape")));
    }
    Ok(view.data())
}

/// Bytes, however many there are.
pub(crate) fn bytes_of<'data>(
    tensors: &SafeTensors<'data>,
    name: &str,
) -> Result<&'data [u8], ModelError> {
    let view = tensors.tensor(name).map_err(malformed)?;
    tensor(tensors, name, Dtype::U8, &[view.data().len()])
}

pub(crate) fn finite(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, ModelError> {
    let bytes = tensor(tensors, name, Dtype::F32, shape)?;
    let (words, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(malformed(format!("{name} holds a value that is not finite")));
    }
    Ok(values)
}

pub(crate) fn numbers(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<u32>, ModelError> {
    let (words, _) = tensor(tensors, name, Dtype::U32, shape)?.as_chunks::<4>();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

pub(crate) fn signed(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<i8>, ModelError> {
    let bytes = tensor(tensors, name, Dtype::I8, shape)?;
    Ok(bytes.iter().map(|byte| byte.cast_signed()).collect())
}

pub(crate) fn table(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: (usize, usize),
) -> Result<Array2<f32>, ModelError> {
    let values = finite(tensors, name, &[shape.0, shape.1])?;
    Array2::from_shape_vec(shape, values).map_err(malformed)
}
