//! JSON (RFC 8259) as a tree for payloads of any sender: no recursion that a document could deepen
//! at will, a bounded number of values, and lists of bytes as bytes.

use std::collections::BTreeMap;

use crate::poll::Poll;

/// Containers in containers that are taken apart. What is deeper is kept as it is written.
const DEPTH: usize = 64;
/// Most values of a document; a list of bytes is one.
const MAX_VALUES: usize = 1_000_000;
/// Values, and bytes of text, between two polls.
const PER_POLL: usize = 1 << 14;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(Box<str>),
    /// A lone surrogate and a NUL, which no text of a server can hold, are U+FFFD.
    Text(String),
    /// A list of numbers of which each is a byte, as Node.js writes what is attached.
    Bytes(Vec<u8>),
    List(Vec<Json>),
    /// In the order of their names.
    Object(Vec<Field>),
    /// A container deeper than anything is looked for, as it is written.
    Deep(Box<str>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// As it is written.
    pub(crate) key: Box<str>,
    /// How it is looked up: see [`name_of`].
    pub(crate) name: Box<str>,
    pub(crate) value: Json,
}

/// Why a text is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// It is not written as RFC 8259 has it.
    Malformed,
    /// It has more than [`MAX_VALUES`].
    TooMany,
}

/// The name of a key: without capitals, hyphens, underscores and spaces, in which services and their
/// clients differ.
pub(crate) fn name_of(key: &str) -> Box<str> {
    key.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The most memory, in bytes, that a document of this text takes.
pub(crate) fn memory(text: &str) -> usize {
    // A value with the field that it belongs to and what the allocator adds.
    const VALUE: usize = 128;
    let values = memchr::memchr3_iter(b',', b'[', b'{', text.as_bytes())
        .take(MAX_VALUES)
        .count();
    // Texts, keys and names, each in a buffer that has grown by doubling.
    text.len().saturating_mul(3) + values * VALUE
}

impl Json {
    /// Reads a document.
    pub(crate) fn parse(text: &str, poll: Poll) -> Result<Self, JsonError> {
        let mut reader = Reader {
            text,
            at: 0,
            values: 0,
            poll,
        };
        let value = reader.value(0)?;
        reader.blank();
        match reader.at == text.len() {
            true => Ok(value),
            false => Err(JsonError::Malformed),
        }
    }

    /// What a text holds, if it is a JSON object or list.
    pub(crate) fn within(text: &str, poll: Poll) -> Option<Self> {
        let is_container = text.trim_start().starts_with(['{', '[']);
        let value = is_container.then(|| Self::parse(text, poll))?;
        value.ok()
    }

    /// The value of the field with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let at = fields.partition_point(|field| *field.name < *name);
        let named = fields[at..].iter().take_while(|field| *field.name == *name);
        named.map(|field| &field.value).next()
    }

    /// As [`Self::get`], to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let at = fields.partition_point(|field| *field.name < *name);
        let field = fields.get_mut(at).filter(|field| *field.name == *name);
        field.map(|field| &mut field.value)
    }

    /// The fields of an object; none of anything else.
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a text, number or yes and no say as text.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// Whether it says something: an empty text does not.
    pub(crate) fn says_something(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Text(text) => !text.trim().is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(elements) => !elements.is_empty(),
            Self::Object(fields) => !fields.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Deep(_) => true,
        }
    }

    /// An object of these fields. Of those with one name the first that says something comes first;
    /// among those the one in small letters.
    pub(crate) fn object(mut fields: Vec<Field>) -> Self {
        fields.sort_by(|a, b| {
            let order = |field: &Field| (!field.value.says_something(), field.key.len());
            (&a.name, order(a), std::cmp::Reverse(&a.key)).cmp(&(
                &b.name,
                order(b),
                std::cmp::Reverse(&b.key),
            ))
        });
        Self::Object(fields)
    }
}

impl Field {
    pub(crate) fn new(key: &str, value: Json) -> Self {
        Self {
            key: key.into(),
            name: name_of(key),
            value,
        }
    }
}

/// Makes objects of keys such as `headers[subject]`, in which forms have them.
pub(crate) fn nest(value: &mut Json) {
    let Json::Object(fields) = value else {
        return;
    };
    let split = |key: &str| -> Option<(String, String)> {
        let (outer, inner) = key.strip_suffix(']')?.split_once('[')?;
        let is_named = !outer.is_empty() && !inner.contains(['[', ']']) || inner.contains("][");
        is_named.then(|| (outer.to_owned(), inner.to_owned()))
    };
    if !fields.iter().any(|field| split(&field.key).is_some()) {
        return;
    }
    // By the outer key: fields with a value, and those with fields of their own.
    type Within = (Vec<Field>, BTreeMap<String, Vec<Field>>);
    let mut nested: BTreeMap<String, Within> = BTreeMap::new();
    let mut flat = Vec::new();
    for field in std::mem::take(fields) {
        let Some((outer, inner)) = split(&field.key) else {
            flat.push(field);
            continue;
        };
        let (own, deeper) = nested.entry(outer).or_default();
        match inner.split_once("][") {
            Some((inner, last)) => {
                let fields = deeper.entry(inner.to_owned()).or_default();
                fields.push(Field::new(last, field.value));
            }
            None => own.push(Field::new(&inner, field.value)),
        }
    }
    for (key, (mut own, deeper)) in nested {
        let deeper = deeper.into_iter();
        own.extend(deeper.map(|(key, fields)| Field::new(&key, Json::object(fields))));
        flat.push(Field::new(&key, Json::object(own)));
    }
    *value = Json::object(flat);
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many values were read.
    values: usize,
    poll: Poll<'a>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Goes on after blanks and this character.
    fn take(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(JsonError::Malformed),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(JsonError::Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    /// The value that begins here, within so many containers. Recursion ends at `DEPTH`.
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(JsonError::TooMany);
        }
        if self.values.is_multiple_of(PER_POLL) {
            (self.poll)();
        }
        self.blank();
        match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH => self.skip(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Json::Number(self.number().into())),
            _ => Err(JsonError::Malformed),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.expect(b'{')?;
        let mut fields = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.blank();
            let key = self.string()?;
            self.expect(b':')?;
            fields.push(Field::new(&key, self.value(depth + 1)?));
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b'}')?;
        Ok(Json::object(fields))
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(Json::List(Vec::new()));
        }
        let start = self.at;
        if let Some(bytes) = self.bytes() {
            return Ok(Json::Bytes(bytes));
        }
        self.at = start;
        let mut elements = Vec::new();
        loop {
            elements.push(self.value(depth + 1)?);
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b']')?;
        Ok(Json::List(elements))
    }

    /// The rest of a list of which all elements are bytes.
    fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            self.blank();
            let number = self.number();
            bytes.push(number.parse().ok().filter(|_| !number.starts_with('+'))?);
            if bytes.len().is_multiple_of(PER_POLL) {
                (self.poll)();
            }
            if !self.take(b',') {
                break;
            }
        }
        self.take(b']').then_some(bytes)
    }

    fn number(&mut self) -> &'a str {
        let start = self.at;
        while matches!(
            self.peek(),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
        ) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A string from its first to its last quote.
    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).ok_or(JsonError::Malformed)?;
            let end = memchr::memchr2(b'"', b'\\', rest.as_bytes()).ok_or(JsonError::Malformed)?;
            if end > PER_POLL {
                (self.poll)();
            }
            text.push_str(&rest[..end]);
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                // jsonb has none, but texts in it do.
                return Ok(match memchr::memchr(0, text.as_bytes()) {
                    Some(_) => text.replace('\0', "\u{fffd}"),
                    None => text,
                });
            }
            text.push(self.escaped()?);
        }
    }

    /// What stands for a character after a backslash.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or(JsonError::Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                let is_first = (0xd800..0xdc00).contains(&unit);
                let rest = self.text.get(self.at..).unwrap_or_default();
                if is_first && rest.starts_with("\\u") {
                    let before = self.at;
                    self.at += 2;
                    let second = self.unit()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    self.at = before;
                }
                char::from_u32(unit).unwrap_or('\u{fffd}')
            }
            _ => return Err(JsonError::Malformed),
        })
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        self.at += 4;
        u32::from_str_radix(digits.ok_or(JsonError::Malformed)?, 16)
            .map_err(|_| JsonError::Malformed)
    }

    /// A container as it is written, however deep it is.
    fn skip(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        let (mut open, mut polled) = (0_usize, self.at);
        loop {
            let byte = self.peek().ok_or(JsonError::Malformed)?;
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if self.at - polled > PER_POLL {
                (self.poll)();
                polled = self.at;
            }
            if open == 0 {
                let text = self.text.get(start..self.at);
                return Ok(Json::Deep(text.ok_or(JsonError::Malformed)?.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, JsonError> {
        Json::parse(text, &|| ())
    }

    #[test]
    fn reads_values_of_every_kind() {
        let value = read(
            r#" {"b_C": [1, {"x": "a\n\ud83d\ude00\ud800\u0000"}], "bytes": [1,255], "n": -1e400} "#,
        );
        let value = value.unwrap_or(Json::Null);
        assert_eq!(
            value.get("bc").map(|v| v.elements().len()),
            Some(2),
            "{value:?}"
        );
        let text = value.get("bc").and_then(|v| v.elements()[1].get("x"));
        assert_eq!(
            text.and_then(Json::text),
            Some("a\n\u{1f600}\u{fffd}\u{fffd}")
        );
        assert_eq!(value.get("bytes"), Some(&Json::Bytes(vec![1, 255])));
        assert_eq!(value.get("n").and_then(Json::scalar), Some("-1e400"));
    }

    #[test]
    fn what_is_no_json_is_none() {
        for text in [
            "", "{", "[1,]", "{\"a\"}", "\"\\x\"", "[1] 2", "\"\\u12", "nul",
        ] {
            assert_eq!(read(text), Err(JsonError::Malformed), "{text}");
        }
        let many = format!("[{}\"\"]", "{},".repeat(MAX_VALUES));
        assert_eq!(read(&many), Err(JsonError::TooMany));
    }

    #[test]
    fn no_depth_is_too_deep() {
        for depth in [DEPTH, DEPTH + 1, 1_000_000] {
            let text = format!("{}\"]\"{}", "[".repeat(depth), "]".repeat(depth));
            assert!(read(&text).is_ok(), "{depth}");
            let open = "[".repeat(depth);
            assert_eq!(read(&open), Err(JsonError::Malformed));
        }
    }

    #[test]
    fn of_keys_with_one_name_the_one_that_says_something_counts() {
        let value = read(r#"{"Subject": "s", "subject": "", "SUB-JECT": "t"}"#);
        let value = value.unwrap_or(Json::Null);
        assert_eq!(value.get("subject").and_then(Json::text), Some("s"));
    }
}
