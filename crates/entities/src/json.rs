//! Reading JSON as it is documented: where an object is described, only an object, each key
//! of which stands once; and no number that would be rounded ([`crate::json_text`]).
//!
//! What serde derives for a struct takes a list as well, its elements for the fields in
//! the order of their declaration. That order is no part of any description, so a body
//! that is read by it means something else as soon as a field is moved or added. Read
//! through here, a list in the place of an object is of a wrong type, at any depth.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use crate::json_text::{self, Unreadable};

/// Why a JSON text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableText {
    /// A key stands twice in an object, or there is too much of it.
    #[error(transparent)]
    Text(#[from] Unreadable),
    /// It is no JSON, or not of the right shape.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads a JSON text.
///
/// # Errors
/// When it is no JSON, not of the shape of `T`, has a key twice in an object, or too many values.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, UnreadableText> {
    let text = json_text::as_written(text)?;
    let mut from = serde_json::Deserializer::from_slice(&text);
    let read = T::deserialize(ObjectsOnly(&mut from))?;
    from.end()?;
    Ok(read)
}

/// Reads a JSON value.
///
/// # Errors
/// When it is not of the shape of `T`.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> serde_json::Result<T> {
    T::deserialize(ObjectsOnly(value))
}

/// Takes structs from objects alone; everything else as the deserializer in it does.
struct ObjectsOnly<D>(D);

macro_rules! as_it_is {
    ($($method:ident($($name:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Within(visitor))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectsOnly<D> {
    type Error = D::Error;

    as_it_is! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16()
        deserialize_i32() deserialize_i64() deserialize_i128() deserialize_u8()
        deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Within(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// What is within a value is read in the same way as the value.
struct Within<T>(T);

macro_rules! visited_as_it_is {
    ($($method:ident: $type:ty),+ $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visited_as_it_is! {
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128,
        visit_f64: f64, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(ObjectsOnly(value))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(ObjectsOnly(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Within(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Within(object))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Within(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(ObjectsOnly(value))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Within(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Within<A> {
    type Error = A::Error;
    type Variant = Within<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, content) = self.0.variant_seed(Within(seed))?;
        Ok((name, Within(content)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Within<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Within(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Within(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Within(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::definition::DomainDefinition;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
        y: Option<u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Drawing {
        points: Vec<Point>,
        by_name: BTreeMap<String, Point>,
        origin: Option<Box<Point>>,
        pair: (u8, u8),
    }

    #[test]
    fn an_object_is_read_and_a_list_in_its_place_is_refused_at_any_depth() {
        let good = json!({
            "points": [{"x": 1, "y": 2}], "by_name": {"a": {"x": 3}}, "origin": {"x": 4},
            "pair": [5, 6],
        });
        let drawing: Drawing = from_value(good.clone()).unwrap();
        assert_eq!((drawing.points[0].x, drawing.pair), (1, (5, 6)));
        let read = |value: &serde_json::Value| {
            let by_text = from_slice::<Drawing>(value.to_string().as_bytes());
            let by_value = from_value::<Drawing>(value.clone());
            assert_eq!(by_text.is_ok(), by_value.is_ok(), "{value}");
            by_text
        };
        assert_eq!(read(&good).unwrap(), drawing);
        for pointer in ["/points/0", "/by_name/a", "/origin"] {
            let mut wrong = good.clone();
            *wrong.pointer_mut(pointer).unwrap() = json!([1, 2]);
            // As serde alone would not.
            assert!(serde_json::from_value::<Drawing>(wrong.clone()).is_ok());
            let error = read(&wrong).unwrap_err().to_string();
            assert!(error.contains("invalid type: sequence, expected struct Point"), "{error}");
        }
        assert!(read(&json!([[], {}, null, [5, 6]])).is_err());
    }

    #[test]
    fn what_follows_a_value_is_refused_and_other_types_read_as_usual() {
        assert!(from_slice::<u8>(b"7 8").is_err());
        let twice = from_slice::<BTreeMap<String, u8>>(br#"{"a": 1, "a": 2}"#);
        assert!(matches!(twice, Err(UnreadableText::Text(Unreadable::DuplicateKey { .. }))));
        // Without a look at the digits, it is read as 0.1.
        let rounded = from_slice::<f64>(b"0.1000000000000000055511151231257827").unwrap();
        assert_eq!(rounded, f64::MAX);
        assert_eq!(from_slice::<Option<f32>>(b"0.5").unwrap(), Some(0.5));
        let definition = json!({
            "name": "K", "currency": "CNY", "half_life_days": 90,
            "event_types": {"rate": {"weight": 1, "value_scale": "2", "neutral_value": 3.5,
                "repeats": "latest", "seen_days": "forever"}},
            "consent_defaults": [{"to": "k", "purpose": "training", "granted": true}],
            "outcomes": {"click": "rate"},
        });
        let read: DomainDefinition = from_value(definition.clone()).unwrap();
        assert_eq!(read, serde_json::from_value(definition).unwrap());
    }
}
