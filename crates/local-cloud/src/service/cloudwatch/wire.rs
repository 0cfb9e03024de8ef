//! CBOR and JSON: what a request says, and answers in the protocol of the request.
//!
//! Recent SDKs speak Smithy RPC v2 CBOR, others AWS JSON 1.0; both name the same members, so that everything behind
//! here works on JSON values.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use minicbor::data::{Tag, Type};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::Error as EncodeError;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

use crate::call::Refusal;

/// Deeper than any request, shallower than any stack.
const MAX_DEPTH: usize = 32;

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// AWS JSON 1.0.
    Json,
}

impl Protocol {
    /// Reads a request's members.
    pub(crate) fn read(self, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
        if body.is_empty() {
            return Ok(Map::new());
        }
        let value = match self {
            Self::Cbor => decoded(&mut Decoder::new(body), MAX_DEPTH).map_err(|error| error.to_string()),
            Self::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
        };
        match value {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(unreadable("the body is no structure")),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Writes an answer.
    pub(super) fn write(self, answer: &Value) -> Response<Bytes> {
        self.response(StatusCode::OK, answer)
    }

    /// Writes a refusal: the code in the body, and beside it as the query protocol would have named it.
    pub(crate) fn refuse(self, refusal: &Refusal) -> Response<Bytes> {
        let Refusal { status, code, message, .. } = refusal;
        let mut response = self.response(*status, &serde_json::json!({ "__type": code, "message": message }));
        let side = if status.is_server_error() { "Receiver" } else { "Sender" };
        if let Ok(value) = HeaderValue::from_str(&format!("{code};{side}")) {
            response.headers_mut().insert("x-amzn-query-error", value);
        }
        response
    }

    fn response(self, status: StatusCode, value: &Value) -> Response<Bytes> {
        let (body, kind) = match self {
            Self::Cbor => {
                let mut body = Vec::new();
                // A vector takes everything.
                let _: Result<(), EncodeError<_>> = encode(&mut Encoder::new(&mut body), value, false);
                (body, "application/cbor")
            }
            Self::Json => (value.to_string().into_bytes(), "application/x-amz-json-1.0"),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if self == Self::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        response
    }
}

fn unreadable(why: &str) -> Refusal {
    Refusal::new(400, "SerializationException", format!("could not read the request: {why}"))
}

/// One value. Timestamps, which are tagged, become seconds since 1970, as JSON has them.
fn decoded(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, DecodeError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(DecodeError::message("too deep")) };
    match decoder.datatype()? {
        Type::Bool => Ok(decoder.bool()?.into()),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Ok(Value::Null)
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(decoder.u64()?.into()),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Ok(decoder.i64()?.into()),
        Type::F16 | Type::F32 | Type::F64 => Ok(float(decoder.f64()?)),
        Type::String => Ok(decoder.str()?.into()),
        Type::StringIndef => {
            let mut text = String::new();
            for part in decoder.str_iter()? {
                text.push_str(part?);
            }
            Ok(text.into())
        }
        Type::Array | Type::ArrayIndef => {
            let length = decoder.array()?;
            let mut items = Vec::new();
            while !at_end(decoder, length, items.len())? {
                items.push(decoded(decoder, depth)?);
            }
            Ok(items.into())
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map()?;
            let mut members = Map::new();
            let mut read = 0;
            while !at_end(decoder, length, read)? {
                let Value::String(key) = decoded(decoder, depth)? else {
                    return Err(DecodeError::message("a key that is no text"));
                };
                members.insert(key, decoded(decoder, depth)?);
                read += 1;
            }
            Ok(members.into())
        }
        Type::Tag => {
            decoder.tag()?;
            decoded(decoder, depth)
        }
        other => Err(DecodeError::message(format!("a value of type {other}"))),
    }
}

/// Whether a collection ends here: by its length, or by a break, which is read.
fn at_end(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool, DecodeError> {
    if let Some(length) = length {
        return Ok(read as u64 >= length);
    }
    let ends = decoder.datatype()? == Type::Break;
    if ends {
        decoder.skip()?;
    }
    Ok(ends)
}

/// JSON knows no infinity; nothing here can use one.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn encode(
    encoder: &mut Encoder<&mut Vec<u8>>,
    value: &Value,
    is_time: bool,
) -> Result<(), EncodeError<core::convert::Infallible>> {
    match value {
        Value::Null => encoder.null()?,
        Value::Bool(flag) => encoder.bool(*flag)?,
        Value::Number(number) if is_time => {
            // Tag 1: seconds since 1970.
            encoder.tag(Tag::new(1))?.f64(number.as_f64().unwrap_or_default())?
        }
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => encoder.u64(number)?,
            (_, Some(number)) => encoder.i64(number)?,
            _ => encoder.f64(number.as_f64().unwrap_or_default())?,
        },
        Value::String(text) => encoder.str(text)?,
        Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            for item in items {
                encode(encoder, item, is_time)?;
            }
            return Ok(());
        }
        Value::Object(members) => {
            encoder.map(members.len() as u64)?;
            for (key, value) in members {
                encoder.str(key)?;
                // The model's timestamps are named so, and nothing else is.
                encode(encoder, value, key.ends_with("Timestamp") || key == "Timestamps")?;
            }
            return Ok(());
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_in_cbor_is_read_back() {
        let value = json!({ "AlarmName": "é", "Threshold": 5.0, "Period": 60, "Below": -3, "On": true, "None": null,
                            "StateUpdatedTimestamp": 1.5, "Dimensions": [{ "Name": "a", "Value": "b" }] });
        let answer = Protocol::Cbor.write(&value);
        assert_eq!(Value::Object(Protocol::Cbor.read(answer.body()).unwrap()), value);
        assert_eq!(answer.headers()["smithy-protocol"], "rpc-v2-cbor");
        let hex = hex::encode(answer.body());
        assert!(hex.contains("c1fb3ff8000000000000"), "a timestamp is tagged: {hex}");
        assert!(hex.contains("fb4014000000000000"), "a double stays one, though it is whole: {hex}");
    }

    #[test]
    fn collections_of_unknown_length_are_read() {
        // {_ "a": [_ 1, 2], "b": (_ "x", "y")}
        let body = hex::decode("bf61619f0102ff61627f61786179ffff").unwrap();
        let read = Protocol::Cbor.read(&body).unwrap();
        assert_eq!(Value::Object(read), json!({ "a": [1, 2], "b": "xy" }));
    }

    #[test]
    fn what_is_no_structure_or_too_deep_is_refused() {
        for body in [vec![0x01], vec![0x81; 200], vec![0xbf, 0x01], b"{".to_vec()] {
            let refusal = Protocol::Cbor.read(&body).unwrap_err();
            assert_eq!(refusal.code, "SerializationException", "{body:x?}");
        }
        assert!(Protocol::Json.read(b"[]").is_err());
    }

    #[test]
    fn a_refusal_names_its_code_twice() {
        let refusal = Refusal::new(400, "ResourceNotFound", "no");
        let answer = Protocol::Cbor.refuse(&refusal);
        assert_eq!(answer.headers()["x-amzn-query-error"], "ResourceNotFound;Sender");
        assert_eq!(Protocol::Cbor.read(answer.body()).unwrap()["__type"], "ResourceNotFound");
    }
}
