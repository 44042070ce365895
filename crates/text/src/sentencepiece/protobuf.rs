//! As much of the protocol buffers' wire format as a model's file needs.
//! <https://protobuf.dev/programming-guides/encoding/>

use super::ModelError;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'data> {
    Number(u64),
    Bytes(&'data [u8]),
    Float(f32),
    /// Of eight bytes: no field that is asked for has them.
    Other,
}

/// The fields of a message, each with its number, in the order in which they stand.
pub(super) struct Fields<'data> {
    rest: &'data [u8],
}

impl<'data> Fields<'data> {
    pub(super) fn of(message: &'data [u8]) -> Self {
        Self { rest: message }
    }

    fn number(&mut self) -> Result<u64, ModelError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ModelError::Torn)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ModelError::Torn)
    }

    fn take(&mut self, length: u64) -> Result<&'data [u8], ModelError> {
        let length = usize::try_from(length).map_err(|_| ModelError::Torn)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ModelError::Torn)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'data>), ModelError> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?.try_into().map_err(|_| ModelError::Torn)?;
                Value::Float(f32::from_le_bytes(bytes))
            }
            _ => return Err(ModelError::Torn),
        };
        Ok((tag >> 3, value))
    }
}

impl<'data> Iterator for Fields<'data> {
    type Item = Result<(u64, Value<'data>), ModelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_a_torn_message_is_an_error() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields: Vec<_> = Fields::of(&message).map(Result::unwrap).collect();
        let expected = [(1, Value::Number(150)), (2, Value::Bytes(b"hi")), (3, Value::Float(1.0))];
        assert_eq!(fields, expected);
        for cut in [1, 2, 4, 6, 9, 11] {
            assert!(Fields::of(&message[..cut]).any(|field| field.is_err()), "{cut}");
        }
        assert!(Fields::of(&[0xff; 20]).any(|field| field.is_err()), "no number is that long");
        assert!(Fields::of(&[0x0b]).any(|field| field.is_err()), "groups are not read");
    }
}
