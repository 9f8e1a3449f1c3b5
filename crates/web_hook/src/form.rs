//! Forms whose fields are a list of names and values, or questions and answers: as an object, which
//! other forms are.

use std::collections::BTreeMap;

use crate::json::{Field, Json};
use crate::shape::BUILT_IN;

/// Keys under which forms have their fields.
const FIELDS: [&str; 10] = [
    "fields",
    "answers",
    "data",
    "values",
    "responses",
    "formdata",
    "form",
    "namedvalues",
    "questions",
    "properties",
];
const LABELS: [&str; 6] = ["label", "name", "title", "question", "key", "id"];
/// The first four are what fields have, the others what kinds of answers have.
const VALUES: [&str; 14] = [
    "value",
    "answer",
    "response",
    "values",
    "text",
    "email",
    "choice",
    "choices",
    "phonenumber",
    "url",
    "fileurl",
    "date",
    "number",
    "boolean",
];

/// Makes objects of the fields of forms in a payload.
pub(crate) fn flatten(payload: &mut Json) {
    let titles = titles(payload);
    for name in FIELDS {
        let Some(value) = payload.get_mut(name) else {
            continue;
        };
        let pairs: Option<Vec<(String, String)>> = match value {
            Json::List(elements) if !elements.is_empty() => elements
                .iter()
                .map(|element| answered(element, &titles))
                .collect(),
            Json::Object(fields) if !fields.is_empty() => {
                let is_list = name == "namedvalues";
                let pair = |field: &Field| match &field.value {
                    Json::List(_) if is_list => Some((field.key.to_string(), said(&field.value))),
                    Json::Object(_) => {
                        let is_number = field.key.bytes().all(|b| b.is_ascii_digit());
                        let label = || LABELS.iter().find_map(|name| field.value.get(name)?.text());
                        let label = label().filter(|_| is_number).unwrap_or(&field.key);
                        Some((label.to_owned(), said(field.value.get("value")?)))
                    }
                    _ => None,
                };
                fields.iter().map(pair).collect()
            }
            _ => None,
        };
        if let Some(pairs) = pairs {
            *value = object(pairs);
        }
    }
}

/// Questions by their id, as Typeform has them beside the answers.
fn titles(payload: &Json) -> BTreeMap<String, String> {
    let fields = payload
        .get("definition")
        .and_then(|definition| definition.get("fields"));
    let fields = fields.map_or(&[][..], Json::elements).iter();
    let title = |field: &Json| {
        Some((
            field.get("id")?.text()?.to_owned(),
            field.get("title")?.text()?.to_owned(),
        ))
    };
    fields.filter_map(title).collect()
}

/// A field of a list: its label and what was put in.
fn answered(element: &Json, titles: &BTreeMap<String, String>) -> Option<(String, String)> {
    let field = element.get("field");
    let id = field.and_then(|field| field.get("id")?.text());
    let kind = element
        .get("type")
        .and_then(Json::text)
        .filter(|_| field.is_some());
    // An address is one whatever the question was.
    let title = match kind {
        Some("email") => Some("email"),
        _ => id.and_then(|id| titles.get(id).map(String::as_str)),
    };
    let own = || LABELS.iter().find_map(|name| element.get(name)?.text());
    let label = title.or_else(own).or(id)?;
    // Elsewhere a list of messages may look like that.
    let values = if field.is_some() {
        &VALUES[..]
    } else {
        &VALUES[..4]
    };
    let value = values.iter().find_map(|name| element.get(name))?;
    Some((label.to_owned(), said(value)))
}

/// What was put into a field, or chosen.
fn said(value: &Json) -> String {
    match value {
        Json::List(elements) => {
            let texts: Vec<String> = elements
                .iter()
                .map(said)
                .filter(|text| !text.is_empty())
                .collect();
            texts.join(", ")
        }
        Json::Object(_) => {
            let inner = ["label", "labels", "value", "text", "other"]
                .iter()
                .find_map(|name| value.get(name));
            inner
                .filter(|v| matches!(v, Json::Text(_) | Json::List(_)))
                .map(said)
                .unwrap_or_default()
        }
        value => value.scalar().unwrap_or_default().to_owned(),
    }
}

/// The fields as an object. If none of them is known to be the text, all that somebody has written is.
fn object(pairs: Vec<(String, String)>) -> Json {
    let mut fields: Vec<Field> = Vec::new();
    for (label, value) in &pairs {
        fields.push(Field::new(label, Json::Text(value.clone())));
    }
    let is_known =
        |field: &Field| BUILT_IN.texts.contains(&field.name) && field.value.says_something();
    if !fields.iter().any(is_known) {
        let is_described = |label: &str| BUILT_IN.metadata.contains(&crate::json::name_of(label));
        let lines = pairs
            .iter()
            .filter(|(label, value)| !value.trim().is_empty() && !is_described(label));
        let lines: Vec<String> = lines
            .map(|(label, value)| format!("{label}\n{value}"))
            .collect();
        if !lines.is_empty() {
            fields.push(Field::new("message", Json::Text(lines.join("\n\n"))));
        }
    }
    Json::object(fields)
}
