//! CBOR as JSON, of which the models' rules are about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error;
use serde_json::{Map, Value as Json, json};

/// A whole body.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let mut decoder = Decoder::new(bytes);
    let value = value(&mut decoder).map_err(|error| format!("the body is no CBOR: {error}"))?;
    match bytes.len() - decoder.position() {
        0 => Ok(value),
        rest => Err(format!("{rest} bytes follow the body's one value")),
    }
}

/// One value: bytes in base64, times as seconds since 1970.
fn value(decoder: &mut Decoder<'_>) -> Result<Json, Error> {
    Ok(match decoder.datatype()? {
        Type::Bool => decoder.bool()?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64()?.into(),
        Type::F16 | Type::F32 | Type::F64 => json!(decoder.f64()?),
        Type::String => decoder.str()?.into(),
        Type::Bytes => BASE64.encode(decoder.bytes()?).into(),
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.array()?;
            let mut items = vec![];
            while another(decoder, &mut left)? {
                items.push(value(decoder)?);
            }
            items.into()
        }
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map()?;
            let mut members = Map::new();
            while another(decoder, &mut left)? {
                let key = decoder.str()?.to_owned();
                members.insert(key, value(decoder)?);
            }
            members.into()
        }
        Type::Tag => {
            decoder.tag()?;
            value(decoder)?
        }
        Type::Null => {
            decoder.skip()?;
            Json::Null
        }
        other => return Err(Error::message(format!("a value of type {other}"))),
    })
}

/// Whether a collection goes on: so many are left, or it has not been broken off.
fn another(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => return Ok(false),
        Some(count) => *count -= 1,
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            return Ok(false);
        }
        None => {}
    }
    Ok(true)
}
