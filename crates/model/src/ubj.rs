//! UBJSON, Draft 12, to [`Value`], as far as `XGBoost` and its relatives write it.
//!
//! Numbers are big-endian. Counts in headers are claims: nothing is allocated for an element whose bytes are not
//! there. Typed lists of elements without bytes (`null`, `true`, `false`) and of containers are therefore refused.

use std::collections::BTreeMap;

use crate::error::ModelError;
use crate::value::{Budget, ListBuilder, TOO_MANY_VALUES, Value};

/// How deep containers may be nested; a model needs seven levels.
const DEPTH_LIMIT: usize = 64;

/// Parses bytes that hold one value and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, ModelError> {
    let mut reader = Reader { bytes, offset: 0, budget: Budget::new() };
    let marker = reader.marker()?;
    let value = reader.value(marker, 0)?;
    if reader.offset < bytes.len() {
        return Err(reader.broken("more bytes after the end"));
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    budget: Budget,
}

/// What stands between the opening bracket and the elements.
struct Header {
    element: Option<u8>,
    count: Option<usize>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, marker: u8, depth: usize) -> Result<Value, ModelError> {
        if depth > DEPTH_LIMIT {
            return Err(self.broken("containers are nested too deeply"));
        }
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' => Value::Number(1.0),
            b'F' => Value::Number(0.0),
            b'S' => Value::Text(self.text()?),
            b'C' => Value::Text(char::from(self.take(1)?[0]).to_string()),
            b'[' => self.list(depth)?,
            b'{' => self.object(depth)?,
            _ => Value::Number(self.number(marker)?),
        })
    }

    fn number(&mut self, marker: u8) -> Result<f64, ModelError> {
        Ok(match marker {
            b'd' => f32::from_be_bytes(self.array()?).into(),
            b'D' => f64::from_be_bytes(self.array()?),
            _ => self.integer(marker, "an unknown type marker")? as f64,
        })
    }

    fn integer(&mut self, marker: u8, otherwise: &'static str) -> Result<i64, ModelError> {
        Ok(match marker {
            b'U' => u8::from_be_bytes(self.array()?).into(),
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Err(self.broken(otherwise)),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value, ModelError> {
        let header = self.header()?;
        if let Some(element) = header.element {
            return self.typed_list(element, header.count.unwrap_or(0));
        }
        let mut list = ListBuilder::new();
        let mut left = header.count;
        while left != Some(0) {
            let marker = self.marker()?;
            if marker == b']' && left.is_none() {
                break;
            }
            let value = self.value(marker, depth + 1)?;
            list.push(value, &self.budget).ok_or_else(|| self.broken(TOO_MANY_VALUES))?;
            left = left.map(|left| left - 1);
        }
        Ok(list.finish())
    }

    fn typed_list(&mut self, element: u8, count: usize) -> Result<Value, ModelError> {
        if element == b'S' {
            self.spend(count)?;
            let texts = (0..count).map(|_| self.text().map(Value::Text)).collect::<Result<_, _>>()?;
            return Ok(Value::List(texts));
        }
        let Some(width) = width(element) else { return Err(self.broken("a list of an unknown element type")) };
        if count.checked_mul(width).is_none_or(|bytes| bytes > self.rest()) {
            return Err(self.broken("a list claims more elements than there are bytes"));
        }
        Ok(Value::Numbers((0..count).map(|_| self.number(element)).collect::<Result<_, _>>()?))
    }

    fn object(&mut self, depth: usize) -> Result<Value, ModelError> {
        let header = self.header()?;
        if header.element.is_some_and(|element| element != b'S' && width(element).is_none()) {
            return Err(self.broken("an object of an unknown element type"));
        }
        let mut object = BTreeMap::new();
        let mut left = header.count;
        while left != Some(0) {
            if left.is_none() && self.peek() == Some(b'}') {
                self.offset += 1;
                break;
            }
            self.spend(1)?;
            let name = self.text()?;
            let marker = header.element.map_or_else(|| self.marker(), Ok)?;
            object.insert(name, self.value(marker, depth + 1)?);
            left = left.map(|left| left - 1);
        }
        Ok(Value::Object(object))
    }

    fn header(&mut self) -> Result<Header, ModelError> {
        let element = if self.peek() == Some(b'$') {
            self.offset += 1;
            Some(self.byte()?)
        } else {
            None
        };
        let count = if self.peek() == Some(b'#') {
            self.offset += 1;
            Some(self.length()?)
        } else {
            None
        };
        if element.is_some() && count.is_none() {
            return Err(self.broken("an element type without a count"));
        }
        Ok(Header { element, count })
    }

    fn text(&mut self) -> Result<String, ModelError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.broken("a text that is not UTF-8"))
    }

    fn length(&mut self) -> Result<usize, ModelError> {
        let marker = self.byte()?;
        let length = self.integer(marker, "a length that is not a whole number")?;
        usize::try_from(length).map_err(|_| self.broken("a negative length"))
    }

    /// Reads the marker of a value, skipping the no-ops that may stand before it.
    fn marker(&mut self) -> Result<u8, ModelError> {
        loop {
            let byte = self.byte()?;
            if byte != b'N' {
                return Ok(byte);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, ModelError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        if length > self.rest() {
            return Err(self.broken("the bytes end too early"));
        }
        let taken = &self.bytes[self.offset..self.offset + length];
        self.offset += length;
        Ok(taken)
    }

    fn spend(&self, values: usize) -> Result<(), ModelError> {
        self.budget.spend(values).ok_or_else(|| self.broken(TOO_MANY_VALUES))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.offset).copied()
    }

    fn rest(&self) -> usize {
        self.bytes.len() - self.offset
    }

    fn broken(&self, what: &'static str) -> ModelError {
        ModelError::Ubj { offset: self.offset, what }
    }
}

/// Returns how many bytes a number of this type takes.
fn width(marker: u8) -> Option<usize> {
    match marker {
        b'U' | b'i' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        match parse(bytes) {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let cases: [&[u8]; 9] = [
            b"[U\xffi\xffI\xff\xfel\xff\xff\xff\xfdL\xff\xff\xff\xff\xff\xff\xff\xfc]",
            b"[$d#i\x02\x3f\x80\x00\x00\xbf\x00\x00\x00",
            b"[$D#U\x01\x3f\xf0\x00\x00\x00\x00\x00\x00",
            b"[#i\x03TFN[]",
            b"[$S#i\x02i\x01ai\x00",
            b"{i\x01aZi\x01bCxi\x01cSi\x01y}",
            b"{#i\x01i\x01aT",
            b"{$U#i\x01i\x01a\x07",
            b"[[]{}]",
        ];
        insta::assert_snapshot!(cases.map(read).join("\n"), @r#"
        Numbers([255.0, -1.0, -2.0, -3.0, -4.0])
        Numbers([1.0, -0.5])
        Numbers([1.0])
        List([Number(1.0), Number(0.0), Numbers([])])
        List([Text("a"), Text("")])
        Object({"a": Null, "b": Text("x"), "c": Text("y")})
        Object({"a": Number(1.0)})
        Object({"a": Number(7.0)})
        List([Numbers([]), Object({})])
        "#);
    }

    #[test]
    fn claims_without_bytes_behind_them_are_refused() {
        let deep = b"[".repeat(100_000);
        let cases: [&[u8]; 13] = [
            b"",
            b"{",
            b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"[$[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"{$T#L\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"SL\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"Si\xff",
            b"Si\x01\xff",
            b"[$d]",
            b"ZZ",
            &deep,
        ];
        insta::assert_snapshot!(cases.map(read).join("\n"), @"
        the UBJSON bytes are broken at offset 0: the bytes end too early
        the UBJSON bytes are broken at offset 1: the bytes end too early
        the UBJSON bytes are broken at offset 13: a list claims more elements than there are bytes
        the UBJSON bytes are broken at offset 11: the bytes end too early
        the UBJSON bytes are broken at offset 13: a list of an unknown element type
        the UBJSON bytes are broken at offset 13: a list of an unknown element type
        the UBJSON bytes are broken at offset 13: an object of an unknown element type
        the UBJSON bytes are broken at offset 10: the bytes end too early
        the UBJSON bytes are broken at offset 3: a negative length
        the UBJSON bytes are broken at offset 4: a text that is not UTF-8
        the UBJSON bytes are broken at offset 3: an element type without a count
        the UBJSON bytes are broken at offset 1: more bytes after the end
        the UBJSON bytes are broken at offset 66: containers are nested too deeply
        ");
    }
}
