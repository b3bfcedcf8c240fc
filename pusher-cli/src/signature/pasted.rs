//! HTTP requests as people copy them: whole, without the first line, or only the body.

use std::collections::BTreeMap;

use serde_json::Value;

/// What could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pasted {
    /// Like the path and the query, empty without a first line.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Pasted {
    pub(super) fn read(text: &str) -> Self {
        let (head, body) = match text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")) {
            Some((head, body)) => (head, body),
            // Headers alone, or a body alone.
            None if is_head(text) => (text.trim_end(), ""),
            None => ("", text),
        };
        if !is_head(head) {
            return Self::body(text);
        }
        let mut lines = head.lines().peekable();
        let mut pasted = Self::body(body);
        if let Some([method, target]) = lines.peek().and_then(|line| request_line(line)) {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            (pasted.method, pasted.path, pasted.query) = (method.into(), path.into(), query.into());
            lines.next();
        }
        pasted.headers = lines.filter_map(header).collect();
        pasted
    }

    fn body(text: &str) -> Self {
        let empty = String::new;
        Self { method: empty(), path: empty(), query: empty(), headers: Vec::new(), body: text.to_owned() }
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The fields of the query and of the body, which is a form or a JSON object.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        fields(&self.query, self.body.trim().as_bytes())
    }
}

/// The fields of a query and of a body, which is a form or a JSON object.
pub(crate) fn fields(query: &str, body: &[u8]) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => fields.extend(object.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })),
        _ => fields.extend(form_urlencoded::parse(body).into_owned()),
    }
    fields
}

/// Whether these lines are the first line of a request, its headers, or both.
fn is_head(text: &str) -> bool {
    let mut lines = text.trim_end().lines().peekable();
    let Some(first) = lines.peek() else { return false };
    let is_request = request_line(first).is_some();
    if is_request {
        lines.next();
    }
    let mut headers = lines.map(header).peekable();
    (is_request || headers.peek().is_some()) && headers.all(|header| header.is_some())
}

/// The method and the target.
fn request_line(line: &str) -> Option<[&str; 2]> {
    match *line.split_whitespace().collect::<Vec<_>>() {
        [method, target, version] if version.starts_with("HTTP/") => Some([method, target]),
        _ => None,
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_however_much_of_it_was_copied() {
        let body = "socket_id=1.2&channel_name=private-a%20b";
        let whole = format!("POST /auth?x=1 HTTP/1.1\r\nHost: h\r\nContent-Type: x\r\n\r\n{body}");
        let table = [
            (whole.clone(), ["POST", "/auth", "x=1"], Some("h"), body),
            (whole.replace("\r\n", "\n"), ["POST", "/auth", "x=1"], Some("h"), body),
            (format!("Host: h\n\n{body}"), ["", "", ""], Some("h"), body),
            (body.to_owned(), ["", "", ""], None, body),
            (
                "GET /auth?socket_id=1.2 HTTP/1.1\nHost: h\n".to_owned(),
                ["GET", "/auth", "socket_id=1.2"],
                Some("h"),
                "",
            ),
            ("{\n\n\"a\": 1}".to_owned(), ["", "", ""], None, "{\n\n\"a\": 1}"),
            (String::new(), ["", "", ""], None, ""),
        ];
        for (text, line, host, body) in table {
            let pasted = Pasted::read(&text);
            let read = [pasted.method.as_str(), &pasted.path, &pasted.query];
            assert_eq!((read, pasted.header("host"), pasted.body.as_str()), (line, host, body), "{text}");
        }
    }

    #[test]
    fn fields_come_from_the_query_a_form_or_json() {
        let expected = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let both = expected(&[("socket_id", "1.2"), ("channel_name", "private-a b")]);
        for text in [
            "socket_id=1.2&channel_name=private-a%20b\n",
            r#"{"socket_id":"1.2","channel_name":"private-a b"}"#,
            "GET /a?socket_id=1.2&channel_name=private-a+b HTTP/1.1\n\n",
        ] {
            assert_eq!(Pasted::read(text).fields(), both, "{text}");
        }
    }
}
