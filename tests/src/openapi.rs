//! `infra/openapi.yaml`: what it documents, and whether calls and answers that
//! really happened keep to it.
//!
//! The check is structural: types, required and unknown properties, and
//! enumerations. It reads the keywords that the document uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::api::{ApiRequest, ApiResponse};
use crate::world::World;
use crate::yaml;

/// The document.
pub struct OpenApi {
    document: Value,
}

/// One documented operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The method, in capitals.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
}

impl OpenApi {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is not there or no YAML.
    pub fn read() -> anyhow::Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/openapi.yaml");
        Ok(Self { document: yaml::parse(&std::fs::read_to_string(path)?)? })
    }

    /// A document of one's own.
    #[must_use]
    pub fn from_json(document: Value) -> Self {
        Self { document }
    }

    /// Every operation.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths
            .flat_map(|(path, item)| {
                METHODS
                    .into_iter()
                    .filter(|method| item.get(method).is_some())
                    .map(|method| Operation { method: method.to_uppercase(), path: path.clone() })
            })
            .collect()
    }

    /// What is wrong with a call and its answer; nothing when both are as documented.
    #[must_use]
    pub fn problems(&self, request: &ApiRequest, response: &ApiResponse) -> Vec<String> {
        let method = request.method.as_str();
        let Some(operation) = self.operation(method, &request.path) else {
            return vec![format!("{method} {} is not documented", request.path)];
        };
        let what = format!("{method} {}", operation.path);
        let documented = &self.document["paths"][&operation.path][&method.to_lowercase()];
        let mut problems = Vec::new();
        let status = response.status.to_string();
        let answers = &documented["responses"];
        let answer = self.resolve(answers.get(&status).unwrap_or(&answers["default"]));
        let content = &answer["content"][response.media_type()];
        if content.is_null() && !(answer["content"].is_null() && response.json.is_null()) {
            problems.push(format!(
                "{what}: {status} with {:?} is not documented",
                response.media_type()
            ));
        }
        self.check(
            &content["schema"],
            &response.json,
            &format!("{what} -> {status}"),
            &mut problems,
        );
        if let (200..300, Some(body)) = (response.status, &request.body) {
            let body = serde_json::from_slice(body).unwrap_or_default();
            let schema = &documented["requestBody"]["content"]["application/json"]["schema"];
            self.check(schema, &body, &format!("{what} <-"), &mut problems);
        }
        problems
    }

    fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        self.operations().into_iter().find(|operation| {
            let (wanted, given) = (operation.path.split('/'), path.split('/'));
            operation.method == method
                && wanted.clone().count() == given.clone().count()
                && wanted
                    .zip(given)
                    .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
        })
    }

    /// What a reference leads to, or the value itself.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        match pointer {
            Some(pointer) => self.document.pointer(pointer).unwrap_or(&Value::Null),
            None => value,
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = |choice: &Value| {
                let mut found = Vec::new();
                self.check(choice, value, at, &mut found);
                found.is_empty()
            };
            if !choices.iter().any(fits) {
                problems.push(format!("{at}: {value} fits no alternative"));
            }
            return;
        }
        if !has_type(&schema["type"], value) {
            problems.push(format!("{at}: {value} is not {}", schema["type"]));
            return;
        }
        if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
            problems.push(format!("{at}: {value} is not one of {}", schema["enum"]));
        }
        for element in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], element, &format!("{at}[]"), problems);
        }
        if let Some(object) = value.as_object() {
            self.check_object(schema, object, at, problems);
        }
    }

    fn check_object(
        &self,
        schema: &Value,
        object: &serde_json::Map<String, Value>,
        at: &str,
        problems: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                problems.push(format!("{at}: {name} is missing"));
            }
        }
        let is_described = schema.get("properties").is_some();
        for (name, value) in object {
            let inner = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) if is_described => {
                    problems.push(format!("{inner} is not documented"));
                }
                (Value::Null, Value::Bool(false)) => {
                    problems.push(format!("{inner} is not documented"));
                }
                (Value::Null, additional) => self.check(additional, value, &inner, problems),
                (property, _) => self.check(property, value, &inner, problems),
            }
        }
    }
}

/// Whether a value has a schema's type, one of its types, or none is asked for.
fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |wanted: &Value| match wanted.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => false,
    };
    match wanted {
        Value::Null => true,
        Value::Array(types) => types.iter().any(is),
        one => is(one),
    }
}

/// A world that remembers what was called and answered.
pub struct Recorded<W> {
    world: W,
    calls: Mutex<Vec<(ApiRequest, ApiResponse)>>,
}

impl<W> Recorded<W> {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(world: W) -> Self {
        Self { world, calls: Mutex::default() }
    }

    /// Every call with its answer.
    ///
    /// # Errors
    /// When a caller panicked while it was remembered.
    pub fn calls(self) -> anyhow::Result<Vec<(ApiRequest, ApiResponse)>> {
        self.calls.into_inner().ok().context("a call was remembered in part")
    }
}

#[async_trait]
impl<W: World> World for Recorded<W> {
    fn checks_tokens(&self) -> bool {
        self.world.checks_tokens()
    }

    async fn call(&self, request: ApiRequest) -> anyhow::Result<ApiResponse> {
        let response = self.world.call(request.clone()).await?;
        self.calls.lock().unwrap().push((request, response.clone()));
        Ok(response)
    }

    async fn carry_streams(&self) -> anyhow::Result<()> {
        self.world.carry_streams().await
    }

    fn forget_what_is_cached(&self) -> anyhow::Result<()> {
        self.world.forget_what_is_cached()
    }

    async fn archive(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Bytes>> {
        self.world.archive(prefix).await
    }
}
