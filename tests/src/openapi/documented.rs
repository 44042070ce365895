//! One documented operation, and what is wrong with a call of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Operation, closed};
use crate::api::{ApiRequest, ApiResponse};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];

/// An operation with what its calls and answers must be.
pub(super) struct Documented {
    pub(super) operation: Operation,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    /// By status or `default`.
    answers: BTreeMap<String, Content>,
}

struct Parameter {
    name: String,
    place: Place,
    is_required: bool,
    /// Whether its value is a text, not what a text stands for.
    is_text: bool,
    schema: Validator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
}

struct Body {
    is_required: bool,
    content: Content,
}

/// Schemas by media type; none where there is no body.
type Content = BTreeMap<String, Validator>;

/// Every operation of a document.
pub(super) fn read(document: &Value) -> anyhow::Result<Vec<Documented>> {
    let reader = Reader { document, components: closed::components(document) };
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS.into_iter().filter(|method| item.get(method).is_some()) {
            let operation = reader
                .operation(method, path, item)
                .with_context(|| format!("{} {path}", method.to_uppercase()))?;
            documented.push(operation);
        }
    }
    Ok(documented)
}

struct Reader<'a> {
    document: &'a Value,
    components: Value,
}

impl Reader<'_> {
    fn operation(&self, method: &str, path: &str, item: &Value) -> anyhow::Result<Documented> {
        let described = &item[method];
        let id = described["operationId"].as_str().context("it has no operationId")?.to_owned();
        let parameters = [&item["parameters"], &described["parameters"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|parameter| self.parameter(parameter))
            .collect::<anyhow::Result<_>>()?;
        let answers = described["responses"].as_object().context("it has no answers")?;
        Ok(Documented {
            operation: Operation { method: method.to_uppercase(), path: path.to_owned(), id },
            parameters,
            body: described.get("requestBody").map(|body| self.body(body)).transpose()?,
            answers: answers
                .iter()
                .map(|(status, answer)| Ok((status.clone(), self.content(answer)?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }

    fn parameter(&self, parameter: &Value) -> anyhow::Result<Parameter> {
        let parameter = closed::resolve(self.document, parameter);
        let name = parameter["name"].as_str().context("a parameter without a name")?.to_owned();
        let place = match parameter["in"].as_str() {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            other => bail!("parameter {name}: in {other:?}"),
        };
        let schema = &parameter["schema"];
        let kind = &closed::resolve(self.document, schema)["type"];
        Ok(Parameter {
            is_required: parameter["required"] == true,
            is_text: kind.is_null() || kind == "string",
            schema: self.validator(schema).with_context(|| format!("parameter {name}"))?,
            name,
            place,
        })
    }

    fn body(&self, body: &Value) -> anyhow::Result<Body> {
        let body = closed::resolve(self.document, body);
        Ok(Body { is_required: body["required"] == true, content: self.content(body)? })
    }

    fn content(&self, holder: &Value) -> anyhow::Result<Content> {
        let content = &closed::resolve(self.document, holder)["content"];
        content
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media_type, content)| {
                Ok((media_type.clone(), self.validator(&content["schema"])?))
            })
            .collect()
    }

    fn validator(&self, schema: &Value) -> anyhow::Result<Validator> {
        anyhow::ensure!(!schema.is_null(), "there is no schema");
        let mut schema = schema.clone();
        closed::close(self.document, &mut schema);
        let whole = json!({
            "$ref": "#/schema",
            "schema": schema,
            "components": self.components,
        });
        let options = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false);
        Ok(options.build(&whole)?)
    }
}

impl Documented {
    /// Whether a call of a method and a path, percent-encoded, is one of this.
    pub(super) fn is_called_by(&self, method: &str, path: &str) -> bool {
        let (wanted, given) = (self.operation.path.split('/'), path.split('/'));
        self.operation.method == method
            && wanted.clone().count() == given.clone().count()
            && wanted.zip(given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    }

    pub(super) fn answer_problems(&self, response: &ApiResponse) -> Vec<String> {
        let status = response.status.to_string();
        let answer = self.answers.get(&status).or_else(|| self.answers.get("default"));
        let media_type = response.media_type();
        match answer.map(|answer| (answer.get(media_type), answer.is_empty())) {
            Some((Some(schema), _)) => {
                errors(schema, &response.json).map(|error| format!("-> {status}{error}")).collect()
            }
            Some((None, true)) if response.json.is_null() => Vec::new(),
            _ => vec![format!("-> {status} with {media_type:?} is not documented")],
        }
    }

    pub(super) fn request_problems(
        &self,
        request: &ApiRequest,
        response: &ApiResponse,
    ) -> Vec<String> {
        let mut problems = self.parameter_problems(request);
        problems.extend(self.body_problems(request, response));
        problems
    }

    fn parameter_problems(&self, request: &ApiRequest) -> Vec<String> {
        let given = self.given(request);
        let mut problems = Vec::new();
        for (place, name, text) in &given {
            let known = self.parameters.iter().find(|parameter| parameter.is(*place, name));
            match known {
                Some(parameter) => problems.extend(parameter.problems(text)),
                // Any request may carry headers that are none of the operation's.
                None if *place == Place::Header => {}
                None => problems.push(format!("<- {place:?} {name} is not documented")),
            }
        }
        for parameter in self.parameters.iter().filter(|parameter| parameter.is_required) {
            if !given.iter().any(|(place, name, _)| parameter.is(*place, name)) {
                problems.push(format!("<- {:?} {} is missing", parameter.place, parameter.name));
            }
        }
        problems
    }

    /// The parameters of a call: where, name, value.
    fn given(&self, request: &ApiRequest) -> Vec<(Place, String, String)> {
        let segments = self.operation.path.split('/').zip(request.path.split('/'));
        let path = segments.filter_map(|(wanted, given)| {
            let name = wanted.strip_prefix('{')?.strip_suffix('}')?;
            Some((Place::Path, name.to_owned(), decoded(given)))
        });
        let query = request.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (Place::Query, decoded(name), decoded(value))
        });
        let headers = request.headers.iter().cloned();
        path.chain(query).chain(headers.map(|(name, text)| (Place::Header, name, text))).collect()
    }

    fn body_problems(&self, request: &ApiRequest, response: &ApiResponse) -> Vec<String> {
        let (bytes, body) = match (&request.body, &self.body) {
            (Some(bytes), Some(body)) => (bytes, body),
            (Some(_), None) => return vec!["<- a body is not documented".into()],
            (None, Some(body)) if body.is_required => return vec!["<- the body is missing".into()],
            (None, _) => return Vec::new(),
        };
        let media_type = header(request, "content-type").unwrap_or_default();
        let Some(schema) = body.content.get(media_type) else {
            return vec![format!("<- {media_type:?} is not documented")];
        };
        let json = serde_json::from_slice(bytes).unwrap_or_default();
        let rejected = rejected(response);
        errors(schema, &json)
            .filter(|error| !error.element().is_some_and(|element| rejected.contains(&element)))
            .map(|error| format!("<-{error}"))
            .collect()
    }
}

impl Parameter {
    fn is(&self, place: Place, name: &str) -> bool {
        let is_same_name = match place {
            Place::Header => self.name.eq_ignore_ascii_case(name),
            Place::Path | Place::Query => self.name == name,
        };
        self.place == place && is_same_name
    }

    fn problems(&self, text: &str) -> Vec<String> {
        let read = if self.is_text { None } else { serde_json::from_str(text).ok() };
        let value = read.unwrap_or_else(|| Value::from(text));
        let errors = errors(&self.schema, &value);
        errors.map(|error| format!("<- {:?} {}{error}", self.place, self.name)).collect()
    }
}

/// What breaks a schema, and where in the value.
struct SchemaError {
    path: String,
    message: String,
}

impl SchemaError {
    /// The place in a list at the top of the body (`/events/7/...`), if it lies in one.
    fn element(&self) -> Option<u64> {
        self.path.split('/').nth(2)?.parse().ok()
    }
}

impl std::fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => write!(formatter, ": {}", self.message),
            path => write!(formatter, " {path}: {}", self.message),
        }
    }
}

fn errors(schema: &Validator, value: &Value) -> impl Iterator<Item = SchemaError> {
    let errors = schema.iter_errors(value).map(|error| SchemaError {
        path: error.instance_path().to_string(),
        message: error.to_string(),
    });
    errors.collect::<Vec<_>>().into_iter()
}

/// The elements of a batch that were rejected: a call that was otherwise
/// accepted need not be as documented in them.
fn rejected(response: &ApiResponse) -> BTreeSet<u64> {
    let rejected = response.json["rejected"].as_array().into_iter().flatten();
    rejected.filter_map(|rejection| rejection["index"].as_u64()).collect()
}

fn header<'a>(request: &'a ApiRequest, name: &str) -> Option<&'a str> {
    let header = request.headers.iter().find(|(own, _)| own == name);
    header.map(|(_, value)| value.as_str())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
