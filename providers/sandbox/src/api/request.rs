//! What is asked: the parts of a request that the API looks at.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use super::problem::Problem;
use super::users::User;
use crate::objects::Mode;
use crate::protobuf;

/// A request with its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) user: User,
}

impl Call {
    pub(crate) fn text(&self, parameter: &str) -> Option<&str> {
        self.query.get(parameter).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, parameter: &str) -> bool {
        matches!(self.text(parameter), Some("true" | "1"))
    }

    pub(crate) fn number(&self, parameter: &str) -> Option<u64> {
        self.text(parameter)?.parse().ok()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type of the body, without its parameters.
    pub(crate) fn content_type(&self) -> &str {
        self.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim()
    }

    /// Whether objects are to be answered as the rows of a table.
    pub(crate) fn wants_table(&self) -> bool {
        self.header(header::ACCEPT).split(',').next().is_some_and(|first| first.contains("as=Table"))
    }

    /// Whether only metadata is to be answered.
    pub(crate) fn wants_metadata(&self) -> bool {
        self.header(header::ACCEPT)
            .split(',')
            .next()
            .is_some_and(|first| first.contains("as=PartialObjectMetadata"))
    }

    pub(crate) fn mode(&self) -> Result<Mode, Problem> {
        match self.text("dryRun") {
            None => Ok(Mode::Write),
            Some("All") => Ok(Mode::DryRun),
            Some(other) => {
                Err(Problem::bad_request(format!("invalid dry run value {other:?}: only \"All\" is known")))
            }
        }
    }

    /// Who writes: `fieldManager`, or the name of the program.
    pub(crate) fn manager(&self) -> String {
        let program = self.header(header::USER_AGENT).split('/').next().unwrap_or_default();
        self.text("fieldManager").unwrap_or(program).to_owned()
    }

    /// The body as JSON; an empty one is null.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::bad_request(format!("error decoding the body: line {}", error.line())))
    }

    /// The body as typed clients send it; an empty one is null.
    pub(crate) fn protobuf(&self) -> Result<Value, Problem> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        protobuf::decode(&self.body)
            .map_err(|error| Problem::bad_request(format!("error decoding the body: {error}")))
    }

    /// The body of a server-side apply, which is YAML, of which JSON is a part.
    pub(crate) fn yaml(&self) -> Result<Value, Problem> {
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| Problem::bad_request("error decoding YAML: not UTF-8"))?;
        serde_saphyr::from_str(text).map_err(|_| Problem::bad_request("error decoding YAML: not YAML"))
    }
}

/// The parts of a path, decoded; none where one of them is not UTF-8 or leads upwards.
pub(crate) fn path(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !part.is_empty()).map(decode);
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    parts.iter().all(|part| part != ".." && part != "." && !part.contains('/')).then_some(parts)
}

/// The parameters of a query; of one that is given twice the first counts.
pub(crate) fn query(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(&value.replace('+', "%20"))) else { continue };
        parameters.entry(name).or_insert(value);
    }
    parameters
}

/// Percent-decodes (RFC 3986 2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_and_does_not_lead_upwards() {
        assert_eq!(
            path("/api/v1/nodes/a%2Db"),
            Some(["api", "v1", "nodes", "a-b"].map(str::to_owned).to_vec())
        );
        assert_eq!(path("/api/../v1"), None);
        assert_eq!(path("/api/%2e%2e/v1"), None);
        assert_eq!(path("/api/a%2Fb"), None);
        assert_eq!(path("/api/%zz"), None);
    }

    #[test]
    fn a_query_is_decoded() {
        let parameters = query("labelSelector=app%3Dweb&watch=1&empty=&a+b=c+d");
        assert_eq!(parameters["labelSelector"], "app=web");
        assert_eq!(parameters["watch"], "1");
        assert_eq!(parameters["empty"], "");
    }
}
