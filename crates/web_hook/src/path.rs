//! Where in a payload something is: `order.note`, `parts[*].text`, `"a.b"[0]`.

use crate::json::{Json, name_of};
use crate::poll::Poll;

/// Most steps of a path: as deep as payloads are taken apart.
const MAX_STEPS: usize = 32;

/// Most paths of one part of a shape: each is looked for in every payload.
const MAX_PATHS: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A field by its name.
    Field(Box<str>),
    /// An element of a list.
    Element(usize),
    /// Every element of a list.
    Elements,
}

/// Steps from a value to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    steps: Vec<Step>,
    /// Its last key, as it is written.
    pub(crate) last_key: Box<str>,
}

/// Reads paths that are separated by commas. The error says what is wrong, after the name of what
/// has them.
pub(crate) fn paths(text: &str) -> Result<Vec<Path>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut paths = Vec::new();
    loop {
        paths.push(reader.path()?);
        reader.blank();
        match reader.next() {
            None => return Ok(paths),
            Some(',') if paths.len() < MAX_PATHS => {}
            Some(',') => return Err(format!("there are more than {MAX_PATHS} paths")),
            Some(other) => return Err(reader.wrong(&format!("'{other}' is no step"))),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn blank(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn wrong(&self, what: &str) -> String {
        let before = self.text[..self.at].chars().count();
        format!(
            "{what} at character {before}: write keys with dots between them, [*] for every element of a list, [0] \
             for its first, \"...\" around a key with other characters, and commas between paths: order.note, \
             lines[*].text"
        )
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = Path {
            steps: Vec::new(),
            last_key: "".into(),
        };
        self.blank();
        loop {
            if !(path.steps.is_empty() && self.rest().starts_with('[')) {
                path.last_key = self.key()?.into();
                path.steps.push(Step::Field(name_of(&path.last_key)));
            }
            while self.rest().starts_with('[') && path.steps.len() <= MAX_STEPS {
                path.steps.push(self.element()?);
            }
            if path.steps.len() > MAX_STEPS {
                return Err(self.wrong(&format!("the path has more than {MAX_STEPS} steps")));
            }
            if !self.rest().starts_with('.') {
                return Ok(path);
            }
            self.at += 1;
        }
    }

    fn key(&mut self) -> Result<String, String> {
        if self.rest().starts_with('"') {
            self.at += 1;
            let Some(end) = self.rest().find('"') else {
                return Err(self.wrong("a quote is not closed"));
            };
            let key = self.rest()[..end].to_owned();
            self.at += end + 1;
            return self.named(key);
        }
        let end = self.rest().find(['.', ',', '[', ']', '"', '*', '$']);
        let key = self.rest()[..end.unwrap_or(self.rest().len())].trim_end();
        let (key, bytes) = (key.to_owned(), key.len());
        self.at += bytes;
        self.named(key)
    }

    fn named(&self, key: String) -> Result<String, String> {
        match name_of(&key).is_empty() {
            true => Err(self.wrong("a key is missing")),
            false => Ok(key),
        }
    }

    fn element(&mut self) -> Result<Step, String> {
        let end = self.rest().find(']');
        let inner = end.map(|end| self.rest()[1..end].trim().to_owned());
        let step = match inner.as_deref() {
            Some("*") => Some(Step::Elements),
            Some(index) => index.parse().ok().map(Step::Element),
            None => None,
        };
        let step = step.ok_or_else(|| self.wrong("a list's element is [*], [0], [1], ..."))?;
        self.at += end.map_or(0, |end| end + 1);
        Ok(step)
    }
}

impl Path {
    /// The values that it leads to.
    pub(crate) fn find<'j>(&self, root: &'j Json) -> Vec<&'j Json> {
        let mut found = vec![root];
        for step in &self.steps {
            let next = found.into_iter().flat_map(|value| match step {
                Step::Field(name) => value.get(name).map_or(&[][..], std::slice::from_ref),
                Step::Element(n) => value
                    .elements()
                    .get(*n)
                    .map_or(&[][..], std::slice::from_ref),
                Step::Elements => value.elements(),
            });
            found = next.collect();
        }
        found
    }

    /// Whether it leads anywhere.
    pub(crate) fn leads(&self, root: &Json) -> bool {
        !self.find(root).is_empty()
    }

    /// The name of its first key.
    pub(crate) fn first_name(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match step {
            Step::Field(name) => Some(&**name),
            _ => None,
        })
    }

    /// Makes JSON of texts on the way that are JSON, as some services have them; with `last` also of
    /// what it leads to.
    pub(crate) fn unfold(&self, root: &mut Json, last: bool, poll: Poll) {
        let unfold = |value: &mut Json| {
            if let Json::Text(text) = value
                && let Some(inner) = Json::within(text, poll)
            {
                *value = inner;
            }
        };
        for end in 1..self.steps.len() + usize::from(last) {
            change(&self.steps[..end], root, &mut |value| unfold(value));
        }
    }

    /// Changes the values that it leads to.
    pub(crate) fn change(&self, root: &mut Json, f: &mut dyn FnMut(&mut Json)) {
        change(&self.steps, root, f);
    }
}

/// A path is short: its steps are what bounds the recursion.
fn change(steps: &[Step], value: &mut Json, f: &mut dyn FnMut(&mut Json)) {
    let Some((step, steps)) = steps.split_first() else {
        return f(value);
    };
    match (step, value) {
        (Step::Field(name), object) => {
            if let Some(field) = object.get_mut(name) {
                change(steps, field, f);
            }
        }
        (Step::Element(n), Json::List(elements)) => {
            if let Some(element) = elements.get_mut(*n) {
                change(steps, element, f);
            }
        }
        (Step::Elements, Json::List(elements)) => {
            for element in elements {
                change(steps, element, f);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, json: &str) -> Vec<String> {
        let mut root = Json::parse(json, &|| ()).unwrap_or(Json::Null);
        let path = paths(path).unwrap_or_default();
        path.iter().for_each(|p| p.unfold(&mut root, false, &|| ()));
        let found = path.iter().flat_map(|p| p.find(&root));
        found.filter_map(Json::scalar).map(str::to_owned).collect()
    }

    #[test]
    fn leads_to_values() {
        let json = r#"{"Order": {"Line-Items": [{"text": "a"}, {"text": "b"}], "x.y": 1}, "s": "{\"t\": [\"u\"]}"}"#;
        assert_eq!(found("order.line_items[*].text", json), ["a", "b"]);
        assert_eq!(found("order.lineitems[1].text, nothing", json), ["b"]);
        assert_eq!(found(" order.\"x.y\" , s.t[0]", json), ["1", "u"]);
        assert_eq!(found("[*].a", r#"[{"a": 1}, {"a": 2}]"#), ["1", "2"]);
    }

    #[test]
    fn what_is_no_path_says_why() {
        for (text, why) in [
            ("", "a key is missing"),
            ("a..b", "a key is missing at character 2"),
            ("a,", "a key is missing"),
            ("$.a", "a key is missing at character 0"),
            ("a[x]", "a list's element"),
            ("a[", "a list's element"),
            ("a[-1]", "a list's element"),
            ("\"a", "a quote is not closed"),
            ("a b]", "']' is no step"),
            (&"a.".repeat(40), "more than 32 steps"),
            (&"a[0].".repeat(40), "more than 32 steps"),
            (&"[0]".repeat(40), "more than 32 steps"),
            (&"a,".repeat(1001), "more than 1000 paths"),
        ] {
            let error = paths(text).err().unwrap_or_default();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
