//! Writes UBJSON as `XGBoost` does, which the product itself never needs.

use serde_json::Value;

/// Encodes a value; lists of whole numbers become typed lists of 32 bits, lists of other numbers of f32.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    push(&mut bytes, value);
    bytes
}

fn push(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => bytes.push(b'Z'),
        Value::Bool(value) => bytes.push(if *value { b'T' } else { b'F' }),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => bytes.extend([&b"L"[..], &integer.to_be_bytes()].concat()),
            None => bytes.extend([&b"d"[..], &single(value).to_be_bytes()].concat()),
        },
        Value::String(text) => {
            bytes.push(b'S');
            push_text(bytes, text);
        }
        Value::Array(list) => push_list(bytes, list),
        Value::Object(members) => {
            bytes.push(b'{');
            for (name, value) in members {
                push_text(bytes, name);
                push(bytes, value);
            }
            bytes.push(b'}');
        }
    }
}

fn push_list(bytes: &mut Vec<u8>, list: &[Value]) {
    let count = i64::try_from(list.len()).unwrap();
    if !list.is_empty() && list.iter().all(Value::is_i64) {
        bytes.extend(b"[$l#L");
        bytes.extend(count.to_be_bytes());
        bytes.extend(list.iter().flat_map(|value| (value.as_i64().unwrap() as i32).to_be_bytes()));
    } else if !list.is_empty() && list.iter().all(Value::is_number) {
        bytes.extend(b"[$d#L");
        bytes.extend(count.to_be_bytes());
        bytes.extend(list.iter().flat_map(|value| single(value).to_be_bytes()));
    } else {
        bytes.extend(b"[#L");
        bytes.extend(count.to_be_bytes());
        for value in list {
            push(bytes, value);
        }
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'L');
    bytes.extend(i64::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn single(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}
