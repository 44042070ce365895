//! `infra/openapi.yaml`: what it documents, and whether calls and answers that
//! really happened keep to it.

mod closed;
mod documented;
mod recorded;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::api::{ApiRequest, ApiResponse};
use crate::yaml;
use documented::Documented;

pub use recorded::Recorded;

/// The document.
pub struct OpenApi {
    document: Value,
    documented: Vec<Documented>,
}

/// One documented operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The method, in capitals.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// Its `operationId`: what it is called in a client.
    pub id: String,
}

impl OpenApi {
    /// Where the document is.
    #[must_use]
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/openapi.yaml")
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When it is not there, no YAML, or says something that is not understood.
    pub fn read() -> anyhow::Result<Self> {
        Self::from_json(yaml::parse(&std::fs::read_to_string(Self::path())?)?)
    }

    /// A document of one's own.
    ///
    /// # Errors
    /// When it says something that is not understood.
    pub fn from_json(document: Value) -> anyhow::Result<Self> {
        let documented = documented::read(&document)?;
        Ok(Self { document, documented })
    }

    /// Every operation.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.documented.iter().map(|documented| &documented.operation)
    }

    /// What a JSON pointer leads to, through references; null when nothing is there.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        let found = pointer.split('/').skip(1).fold(&self.document, |value, key| {
            let key = key.replace("~1", "/").replace("~0", "~");
            match (closed::resolve(&self.document, value), key.parse::<usize>()) {
                (Value::Array(elements), Ok(index)) => elements.get(index).unwrap_or(&Value::Null),
                (value, _) => &value[key],
            }
        });
        closed::resolve(&self.document, found)
    }

    /// What is wrong with a call and its answer; nothing when both are as documented.
    #[must_use]
    pub fn problems(&self, request: &ApiRequest, response: &ApiResponse) -> Vec<String> {
        let (method, path) = (request.method.as_str(), &request.path);
        let Some(documented) = self.documented.iter().find(|one| one.is_called_by(method, path))
        else {
            return vec![format!("{method} {path} is not documented")];
        };
        let mut problems = documented.answer_problems(response);
        // What is wrong with a call may be why it was refused.
        if (200..300).contains(&response.status) {
            problems.extend(documented.request_problems(request, response));
        }
        let path = &documented.operation.path;
        problems.into_iter().map(|problem| format!("{method} {path} {problem}")).collect()
    }
}
