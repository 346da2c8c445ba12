//! Protobuf on the wire: fields one after another, read in place, and written.

use super::Malformed;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(b) => Ok(b),
            Value::Number(_) => Err(malformed("a number where a message or text belongs")),
        }
    }
    pub fn number(self) -> Result<u64, Malformed> {
        match self {
            Value::Number(n) => Ok(n),
            Value::Bytes(_) => Err(malformed("a message where a number belongs")),
        }
    }
}

fn malformed(what: &str) -> Malformed {
    Malformed(format!("this is not protobuf of OTLP: {what}"))
}

/// Numbers and values of a message's fields; it ends after the first mistake.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Number(u32::from_le_bytes(self.array()?).into()),
            _ => return Err(malformed("a field of an unknown kind")),
        };
        match tag >> 3 {
            0 => Err(malformed("a field without a number")),
            number => Ok((number, value)),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for i in 0..10 {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number of more than ten bytes"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| malformed("it ends too early"))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or_else(|| malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

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

/// Writes a message; fields with their default are left out.
#[derive(Default)]
pub struct Writer {
    pub out: Vec<u8>,
}

impl Writer {
    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.out.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.out.push(v as u8);
    }

    pub fn number(mut self, field: u64, value: u64) -> Writer {
        if value > 0 {
            self.varint(field << 3);
            self.varint(value);
        }
        self
    }

    /// Written even when it is 0: where a number is one of several kinds of value.
    pub fn always(mut self, field: u64, value: u64) -> Writer {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    /// Written even when it is empty, likewise.
    pub fn message(mut self, field: u64, value: &[u8]) -> Writer {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value);
        self
    }

    pub fn fixed(mut self, field: u64, value: u64) -> Writer {
        self.varint(field << 3 | 1);
        self.out.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn bytes(self, field: u64, value: &[u8]) -> Writer {
        match value {
            [] => self,
            value => self.message(field, value),
        }
    }
}
