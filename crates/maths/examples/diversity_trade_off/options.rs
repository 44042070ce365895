//! What is asked for on the command line.

use crossfold_maths::als::AlsOptions;

use crate::Problem;
use crate::method::Method;

/// How much diversity is asked for, when nothing else is said.
const USUAL: &str = "0,.05,.1,.2,.3,.4,.5,.6,.7,.8,.9,1";

pub(crate) struct Options {
    pub(crate) train: String,
    pub(crate) test: Option<String>,
    pub(crate) categories: Option<String>,
    pub(crate) methods: Vec<Method>,
    pub(crate) diversities: Vec<f64>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) als: AlsOptions,
    /// Most people measured.
    pub(crate) people: usize,
    /// Items that a list is chosen from.
    pub(crate) pool: usize,
    pub(crate) markdown: bool,
    pub(crate) svg: Option<String>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Problem> {
        let mut options = Self {
            train: String::new(),
            test: None,
            categories: None,
            methods: list("dpp,mmr")?,
            diversities: list(USUAL)?,
            seeds: vec![1, 2, 3],
            als: AlsOptions::default(),
            people: 3_000,
            pool: 200,
            markdown: false,
            svg: None,
        };
        while let Some(name) = arguments.next() {
            if name == "--markdown" {
                options.markdown = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--train" => options.train = value,
                "--test" => options.test = Some(value),
                "--categories" => options.categories = Some(value),
                "--svg" => options.svg = Some(value),
                "--methods" => options.methods = list(&value)?,
                "--diversities" => options.diversities = list(&value)?,
                "--seeds" => options.seeds = list(&value)?,
                "--people" => options.people = value.parse()?,
                "--pool" => options.pool = value.parse()?,
                "--factors" => options.als.factors = value.parse()?,
                "--iterations" => options.als.iterations = value.parse()?,
                "--unobserved-weight" => options.als.unobserved_weight = value.parse()?,
                "--regularisation" => options.als.regularisation = value.parse()?,
                _ => return Err(format!("{name} is unknown: see the head of the program").into()),
            }
        }
        match options.train.is_empty() {
            true => Err("--train FILE [--test FILE] [--categories FILE] ...".into()),
            false => Ok(options),
        }
    }
}

fn list<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, Problem>
where
    T::Err: Into<Problem>,
{
    text.split(',').map(|one| one.parse().map_err(Into::into)).collect()
}
