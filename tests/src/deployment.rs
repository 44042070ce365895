//! What `template.yaml` deploys: functions, routes and event sources, read
//! from the template itself so that the tests run what is deployed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::yaml;

/// The template, as far as the tests play its part.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The functions, by logical id.
    pub functions: BTreeMap<String, FunctionSpec>,
    /// The routes of the HTTP API.
    pub routes: Vec<Route>,
    /// The streams that feed functions.
    pub streams: Vec<StreamSource>,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The binary that is its bootstrap.
    pub binary: String,
    /// Megabytes.
    pub memory: u64,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// The most environments at a time; `None` when the template sets no limit.
    pub concurrency: Option<usize>,
    /// Environment variables, with references resolved.
    pub variables: Vec<(String, String)>,
}

/// A route.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// The logical id of the function it leads to.
    pub function: String,
    /// Whether the API's authorizer asks for a token first.
    pub asks_for_token: bool,
}

/// A table's stream that feeds a function.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// The logical id of the table.
    pub table: String,
    /// The logical id of the function.
    pub function: String,
    /// Most records in one invocation.
    pub batch_size: usize,
    /// Patterns of the records that are handed on; with none, all are.
    pub filters: Vec<Value>,
    /// Whether the function's answer names the records that failed.
    pub reports_failures: bool,
}

impl Deployment {
    /// Reads the template. `resources` gives the physical name of a resource
    /// by its logical id; parameters take their defaults.
    ///
    /// # Errors
    /// When the template is not as expected.
    pub fn read(resources: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let template = template()?;
        let mut deployment =
            Self { functions: BTreeMap::new(), routes: routes(&template)?, streams: Vec::new() };
        let reader = Reader { template: &template, resources };
        for (name, resource) in functions(&template) {
            let function = reader.function(resource).with_context(|| name.clone())?;
            deployment.functions.insert(name.clone(), function);
            for (_, event) in entries(&resource["Properties"]["Events"]) {
                if event["Type"] == "DynamoDB" {
                    deployment.streams.push(reader.stream(name, &event["Properties"])?);
                }
            }
        }
        Ok(deployment)
    }

    /// The routes alone, which are the same whatever resources there are.
    ///
    /// # Errors
    /// When the template is not as expected.
    pub fn read_routes() -> anyhow::Result<Vec<Route>> {
        routes(&template()?)
    }
}

fn template() -> anyhow::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    yaml::parse(&std::fs::read_to_string(&path)?)
}

fn functions(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(&template["Resources"])
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
}

fn routes(template: &Value) -> anyhow::Result<Vec<Route>> {
    let mut routes = Vec::new();
    for (function, resource) in functions(template) {
        for (_, event) in entries(&resource["Properties"]["Events"]) {
            if event["Type"] == "HttpApi" {
                routes.push(Route {
                    method: text(&event["Properties"]["Method"])?,
                    path: text(&event["Properties"]["Path"])?,
                    function: function.clone(),
                    asks_for_token: event["Properties"]["Auth"]["Authorizer"] != "NONE",
                });
            }
        }
    }
    ensure!(!routes.is_empty(), "the template has no routes");
    Ok(routes)
}

struct Reader<'a> {
    template: &'a Value,
    resources: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn function(&self, resource: &Value) -> anyhow::Result<FunctionSpec> {
        let properties = &resource["Properties"];
        let globals = &self.template["Globals"]["Function"];
        let number = |name: &str| -> anyhow::Result<u64> {
            Ok(self.resolve(&properties[name]).with_context(|| name.to_owned())?.parse()?)
        };
        let mut variables = BTreeMap::new();
        for source in [globals, properties] {
            for (name, value) in entries(&source["Environment"]["Variables"]) {
                let value = self.resolve(value).with_context(|| name.clone())?;
                variables.insert(name.clone(), value);
            }
        }
        let concurrency = self.chosen(&properties["ReservedConcurrentExecutions"])?.as_u64();
        Ok(FunctionSpec {
            binary: text(&resource["Metadata"]["BuildProperties"]["Binary"])?,
            memory: number("MemorySize")?,
            timeout: Duration::from_secs(number("Timeout")?),
            concurrency: concurrency.map(usize::try_from).transpose()?,
            variables: variables.into_iter().collect(),
        })
    }

    fn stream(&self, function: &str, properties: &Value) -> anyhow::Result<StreamSource> {
        let stream = text(&self.chosen(&properties["Stream"])?["Fn::GetAtt"])?;
        let table = stream.strip_suffix(".StreamArn").context("not a table's stream")?;
        let batch_size = properties["BatchSize"].as_u64().context("BatchSize")?;
        let filters = elements(&properties["FilterCriteria"]["Filters"]);
        let patterns = filters.map(|filter| Ok(serde_json::from_str(&text(&filter["Pattern"])?)?));
        let responses = &properties["FunctionResponseTypes"];
        Ok(StreamSource {
            table: table.to_owned(),
            function: function.to_owned(),
            batch_size: usize::try_from(batch_size)?,
            filters: patterns.collect::<anyhow::Result<_>>()?,
            reports_failures: elements(responses).any(|kind| kind == "ReportBatchItemFailures"),
        })
    }

    /// The branch of an `!If` that the default parameters take; anything else as it is.
    fn chosen<'v>(&self, value: &'v Value) -> anyhow::Result<&'v Value> {
        let Some([condition, then, otherwise]) = value["Fn::If"].as_array().map(Vec::as_slice)
        else {
            return Ok(value);
        };
        let name = text(condition)?;
        let holds = self.holds(&self.template["Conditions"][&name]).with_context(|| name)?;
        self.chosen(if holds { then } else { otherwise })
    }

    fn holds(&self, condition: &Value) -> anyhow::Result<bool> {
        if let Some([inner]) = condition["Fn::Not"].as_array().map(Vec::as_slice) {
            return Ok(!self.holds(inner)?);
        }
        let sides = condition["Fn::Equals"].as_array().map(Vec::as_slice);
        let Some([left, right]) = sides else { bail!("a condition that the tests do not know") };
        Ok(self.resolve(left)? == self.resolve(right)?)
    }

    /// A plain value, or what a `!Ref` stands for.
    fn resolve(&self, value: &Value) -> anyhow::Result<String> {
        let value = self.chosen(value)?;
        let Some(name) = value["Ref"].as_str() else {
            return plain(value).with_context(|| format!("cannot resolve {value}"));
        };
        let resource = (self.resources)(name);
        let default = || plain(&self.template["Parameters"][name]["Default"]);
        resource.or_else(default).with_context(|| format!("{name} stands for nothing"))
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
