//! Callers' JSON. As `serde_json` reads it, but for one thing: an object that names a key twice is refused, however deep it
//! stands. Which of the two values was meant nobody can tell, and a write must not guess.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::body::invalid;
use crate::domain::refusal::{Refusal, shown};

/// Reads a text that `what` names: `the body`.
pub fn parse(what: &str, bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(invalid(format!("{what} begins with a byte order mark; send UTF-8 without it")));
    }
    match serde_json::from_slice(bytes) {
        Ok(Unambiguous(value)) => Ok(value),
        // The only complaint that is not the parser's own.
        Err(error) if error.is_data() => Err(invalid(format!("{what} {error}"))),
        Err(error) => Err(invalid(format!("{what} is not valid JSON: {error}"))),
    }
}

/// A value in which no object names a key twice.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(yes.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("names the key {} twice", shown(&key))));
            }
            let Unambiguous(value) = entries.next_value()?;
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_named_twice_is_refused_at_every_depth() {
        for (text, key) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"x":{"a":1,"b":2,"a":null}}"#, "a"),
            (r#"[[{"x":[{"k":1,"k":2}]}]]"#, "k"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"":1,"":2}"#, ""),
        ] {
            let message = parse("the body", text.as_bytes()).unwrap_err().message;
            let expect = format!("the body names the key '{key}' twice at line 1 column ");
            assert!(message.starts_with(&expect), "{text}: {message}");
        }
        assert!(parse("the body", br#"[{"a":1},{"a":{"a":2}}]"#).is_ok());
    }

    #[test]
    fn what_is_no_json_says_why() {
        for (bytes, says) in [
            (&b"{"[..], "is not valid JSON: EOF"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"{\"a\":\"\xff\"}", "invalid unicode"),
            (br#"{"a":"\ud800"}"#, "hex escape"),
            (br#"{"a":"\udc00\ud800"}"#, "surrogate"),
            (br#"{"a":NaN}"#, "expected value"),
            (br#"{"a":-Infinity}"#, "invalid number"),
            (br#"{"a":1e999}"#, "number out of range"),
            (br#"{"a":01}"#, "invalid number"),
            (b"{\"a\":\"\x00\"}", "control character"),
            (b"{'a':1}", "key must be a string"),
            (b"{} {}", "trailing characters"),
        ] {
            let message = parse("the body", bytes).unwrap_err().message;
            assert!(message.contains(says), "{says} is not in {message}");
        }
        assert!(parse("the body", "[".repeat(100_000).as_bytes()).unwrap_err().message.contains("recursion"));
    }

    /// A name that means something inside the parser means nothing here.
    #[test]
    fn no_key_is_special() {
        let text = r#"{"$serde_json::private::RawValue":"[1]"}"#;
        assert_eq!(parse("the body", text.as_bytes()).unwrap().to_string(), text);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any_json()) {
            prop_assert_eq!(parse("the body", value.to_string().as_bytes()), Ok(value));
        }

        /// What is accepted is what `serde_json` reads, what is refused has a message that fits into an answer.
        #[test]
        fn any_bytes_are_read_or_refused(value in any_json(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = value.to_string().into_bytes();
            let at = cut.index(bytes.len());
            bytes[at] = byte;
            for bytes in [&bytes[..], &bytes[..at]] {
                match parse("the body", bytes) {
                    Ok(value) => prop_assert_eq!(serde_json::from_slice::<Value>(bytes).unwrap(), value),
                    Err(refusal) => prop_assert!(refusal.message.chars().count() < 400, "{}", refusal.message),
                }
            }
        }
    }
}
