//! What item-item models are worth on a data set, alone and blended with factors.
//!
//! ```text
//! gunzip -k train.csv.gz test.csv.gz
//! cargo run --release -p crossfold-maths --example item_item -- grid train.csv test.csv
//! cargo run --release -p crossfold-maths --example item_item -- \
//!     grid train.csv test.csv 'ease={"ridge":500,"dropout":0.3}' 'als={"factors":128}'
//! cargo run --release -p crossfold-maths --example item_item -- \
//!     blend train.csv test.csv 'ease={"ridge":500}' 'walks={}' 'als={}'
//! ```
//!
//! The files have a header with `user_id` and `item_id`; with `occurred_at` (a whole
//! number) as well, histories are in its order, what is equal at one place; else nothing
//! is known of their order. A model is
//! `ease`, `local`, `walks`, `cosine`, `next` or `als`, with its options in JSON. Every item
//! is ranked but those of training; NDCG has an ideal list cut at 20. `grid` tells what is
//! lost when 512, 256, 128, 64 weights of a past item are kept. `blend` weighs the scores,
//! each person's made to mean 0 and deviation 1, in steps of a tenth; the best weights
//! on one half of the people are measured on the other as well. `CASES=20000` measures
//! as many people only, evenly chosen.

use std::collections::HashMap;
use std::time::Instant;

use crossfold_maths::als::{self, Factors};
use crossfold_maths::dense::dot;
use crossfold_maths::item_item::next_item::{NextItemParams, Ordered, past_values};
use crossfold_maths::item_item::{
    ConfidenceUse, cosine, ease, local_ridge, next_item, scores, walks,
};
use crossfold_maths::measure::{LIST_LENGTH, Measurements, RankingCase, cases_of, measure};
use crossfold_maths::rank::rank_unseen;
use crossfold_maths::sparse::SparseRows;
use rayon::prelude::*;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What is tried when no model is named.
const USUAL: [&str; 21] = [
    r#"als={"factors":64,"unobserved_weight":0.3,"regularisation":0.03}"#,
    r#"als={"factors":64,"unobserved_weight":0.03,"regularisation":0.003}"#,
    r#"ease={"ridge":50}"#,
    r#"ease={"ridge":200}"#,
    r#"ease={"ridge":500}"#,
    r#"ease={"ridge":1000}"#,
    r#"ease={"ridge":200,"dropout":0.2}"#,
    r#"ease={"ridge":200,"dropout":0.4}"#,
    r#"ease={"ridge":20,"activity_exponent":0.5}"#,
    r#"ease={"ridge":50,"activity_exponent":0.5}"#,
    r#"local={"ridge":50}"#,
    r#"local={"ridge":200}"#,
    r#"local={"ridge":500}"#,
    r#"walks={"alpha":1.0,"beta":0.3}"#,
    r#"walks={"alpha":1.0,"beta":0.6}"#,
    r#"walks={"alpha":0.6,"beta":0.4}"#,
    r#"walks={"alpha":1.4,"beta":0.6}"#,
    r#"cosine={"shrinkage":0}"#,
    r#"cosine={"shrinkage":100}"#,
    r#"cosine={"shrinkage":100,"exponent":0.5}"#,
    r#"cosine={"saturation":100,"length_normalisation":0.2,"exponent":0.5}"#,
];

fn main() -> Result<(), Problem> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, train, test, models @ ..] = &arguments[..] else {
        return Err("grid|blend TRAIN.csv TEST.csv [MODEL={OPTIONS}] ...".into());
    };
    let data = Data::read(train, test)?;
    println!(
        "{} people x {} items, {} entries, {} cases",
        data.train.rows(),
        data.train.columns(),
        data.train.entries(),
        data.cases.len(),
    );
    match command.as_str() {
        "grid" if models.is_empty() => grid(&data, &USUAL.map(str::to_owned)),
        "grid" => grid(&data, models),
        "blend" => blend(&data, models),
        _ => Err("the command is grid or blend".into()),
    }
}

struct Data {
    train: SparseRows,
    orders: Vec<Ordered>,
    cases: Vec<RankingCase>,
}

impl Data {
    fn read(train: &str, test: &str) -> Result<Self, Problem> {
        let (mut users, mut items) = (HashMap::new(), HashMap::new());
        let mut train = read_pairs(train, &mut users, &mut items)?;
        let test = read_pairs(test, &mut users, &mut items)?;
        // Newest first.
        train.sort_by_key(|(_, _, occurred_at)| std::cmp::Reverse(*occurred_at));
        let mut histories = vec![Vec::new(); users.len()];
        let mut held_out = vec![Vec::new(); users.len()];
        train.iter().for_each(|(user, item, at)| histories[*user].push((*item, *at)));
        test.iter().for_each(|(user, item, _)| held_out[*user].push(*item));
        let row = |history: &Vec<(u32, i64)>| {
            let mut items: Vec<u32> = history.iter().map(|(item, _)| *item).collect();
            items.sort_unstable();
            items.dedup();
            items.into_iter().map(|item| (item, 1.0)).collect()
        };
        let train = SparseRows::from_rows(items.len(), histories.iter().map(row));
        let orders = histories.iter().map(|history| order_of(history)).collect();
        let cases = cases_of(&train, &held_out, &(0..items.len()));
        let wanted = std::env::var("CASES").map_or(Ok(cases.len()), |cases| cases.parse())?;
        let step = cases.len().div_ceil(wanted.max(1)).max(1);
        let cases = cases.into_iter().step_by(step).collect();
        Ok(Self { train, orders, cases })
    }
}

/// The order of a history, newest first.
fn order_of(history: &[(u32, i64)]) -> Ordered {
    let (mut back, mut last) = (0, None);
    let places = history.iter().map(|(item, at)| {
        back += u16::from(last.is_some_and(|last| last != *at));
        last = Some(*at);
        (*item, back)
    });
    Ordered::by_places(places.collect::<Vec<_>>())
}

/// Rows of a file: the numbers of user and item in the order of first sight, and when.
fn read_pairs(
    path: &str,
    users: &mut HashMap<String, usize>,
    items: &mut HashMap<String, usize>,
) -> Result<Vec<(usize, u32, i64)>, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name| header.iter().position(|column| *column == name);
    let (Some(user), Some(item)) = (column("user_id"), column("item_id")) else {
        return Err(format!("{path} has no columns user_id and item_id").into());
    };
    let occurred_at = column("occurred_at");
    let number = |numbers: &mut HashMap<String, usize>, name: &str| {
        let next = numbers.len();
        *numbers.entry(name.to_owned()).or_insert(next)
    };
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("{path}: {line}"));
            let at =
                occurred_at.map_or(Ok(0), |at| cell(at)?.parse().map_err(|_| line.to_owned()))?;
            Ok((number(users, cell(user)?), number(items, cell(item)?) as u32, at))
        })
        .collect()
}

enum Model {
    Weights(SparseRows, Past),
    Factors(Factors),
}

/// What a person's past counts.
#[derive(Clone, Copy)]
enum Past {
    Whole(ConfidenceUse),
    Ordered(NextItemParams),
}

impl Model {
    /// Fits what `MODEL={OPTIONS}` names.
    fn fit(data: &Data, named: &str) -> Result<Self, Problem> {
        let (name, options) = named.split_once('=').unwrap_or((named, "{}"));
        let mut options: serde_json::Value = serde_json::from_str(options)?;
        if name != "als" && options.get("kept").is_none() {
            options["kept"] = data.train.columns().max(1).into();
        }
        let values: ConfidenceUse = options
            .get("values")
            .map_or(Ok(ConfidenceUse::default()), |value| serde_json::from_value(value.clone()))?;
        let weights = match name {
            "ease" => ease::fit(&data.train, &serde_json::from_value(options)?)?,
            "local" => local_ridge::fit(&data.train, &serde_json::from_value(options)?)?,
            "walks" => walks::fit(&data.train, &serde_json::from_value(options)?)?,
            "cosine" => cosine::fit(&data.train, &serde_json::from_value(options)?)?,
            "next" => {
                let params: NextItemParams = serde_json::from_value(options)?;
                let weights = next_item::fit(&data.orders, data.train.columns(), &params)?;
                return Ok(Self::Weights(weights, Past::Ordered(params)));
            }
            "als" => {
                let params = serde_json::from_value(options)?;
                return Ok(Self::Factors(als::fit(&data.train, &params, &|_| ())?));
            }
            _ => return Err(format!("there is no model {name}").into()),
        };
        Ok(Self::Weights(weights, Past::Whole(values)))
    }

    fn scores(&self, data: &Data, person: usize) -> Vec<f32> {
        match self {
            Self::Weights(weights, past) => {
                let mut all = vec![0.0; data.train.columns()];
                let past = match past {
                    Past::Ordered(params) => past_values(&data.orders[person], params),
                    Past::Whole(values) => {
                        let (items, confidences) = data.train.row(person);
                        let values = confidences.iter().map(|c| values.value(*c));
                        items.iter().copied().zip(values).collect()
                    }
                };
                scores(weights, &past, &mut all);
                all
            }
            Self::Factors(factors) => {
                let vector = factors.people.row(person).to_vec();
                let score = |item: usize| match factors.items.row(item).to_slice() {
                    Some(factors) => dot(&vector, factors),
                    None => unreachable!("factors are in standard layout"),
                };
                (0..data.train.columns()).map(score).collect()
            }
        }
    }

    fn measured(&self, data: &Data) -> Measurements {
        let list = |case: &RankingCase| {
            rank_unseen(&self.scores(data, case.person), &case.seen, LIST_LENGTH)
        };
        measure(&data.cases.par_iter().map(list).collect::<Vec<_>>(), &data.cases)
    }
}

fn grid(data: &Data, models: &[String]) -> Result<(), Problem> {
    println!("model | seconds | peak MB | kept: NDCG@20 / recall@20 / MB");
    for named in models {
        forget_peak();
        let started = Instant::now();
        let model = Model::fit(data, named)?;
        let seconds = started.elapsed().as_secs_f64();
        print!("{named} | {seconds:.2} | {:.0}", peak_megabytes());
        print_figures("all", &model, data);
        if let Model::Weights(weights, values) = model {
            for kept in [512, 256, 128, 64] {
                let fewer = Model::Weights(strongest(&weights, kept), values);
                print_figures(&kept.to_string(), &fewer, data);
            }
        }
        println!();
    }
    Ok(())
}

fn print_figures(kept: &str, model: &Model, data: &Data) {
    let means = model.measured(data).means();
    let figure = |name: &str| means.get(name).copied().unwrap_or(0.0);
    print!(" | {kept}: {:.4} / {:.4}", figure("ndcg@20"), figure("recall@20"));
    if let Model::Weights(weights, _) = model {
        print!(" / {:.1}", weights.entries() as f64 * 8e-6);
    }
}

fn strongest(weights: &SparseRows, kept: usize) -> SparseRows {
    let row = |row: usize| {
        let (items, values) = weights.row(row);
        let mut row: Vec<(u32, f32)> = items.iter().copied().zip(values.iter().copied()).collect();
        row.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        row.truncate(kept);
        row
    };
    let rows: Vec<_> = (0..weights.rows()).into_par_iter().map(row).collect();
    SparseRows::from_rows(weights.columns(), rows)
}

fn blend(data: &Data, named: &[String]) -> Result<(), Problem> {
    let models =
        named.iter().map(|named| Model::fit(data, named)).collect::<Result<Vec<_>, _>>()?;
    let mixtures = mixtures(models.len(), 10);
    let lists_of = |case: &RankingCase| -> Vec<Vec<u32>> {
        let all: Vec<Vec<f32>> =
            models.iter().map(|model| standardised(model.scores(data, case.person))).collect();
        let list = |mixture: &Vec<f32>| {
            let mut mixed = vec![0.0; data.train.columns()];
            for (scores, share) in all.iter().zip(mixture).filter(|(_, share)| **share > 0.0) {
                mixed.iter_mut().zip(scores).for_each(|(sum, score)| *sum += share * score);
            }
            rank_unseen(&mixed, &case.seen, LIST_LENGTH)
        };
        mixtures.iter().map(list).collect()
    };
    let lists: Vec<Vec<Vec<u32>>> = data.cases.par_iter().map(lists_of).collect();
    let halves: [Vec<usize>; 2] =
        [0, 1].map(|half| (0..data.cases.len()).filter(|case| case % 2 == half).collect());
    let mean =
        |measured: &Measurements, name: &str| measured.means().get(name).copied().unwrap_or(0.0);
    let mut rows: Vec<(f64, f64, [f64; 2], &Vec<f32>)> = Vec::new();
    for (at, mixture) in mixtures.iter().enumerate() {
        let own: Vec<Vec<u32>> = lists.iter().map(|lists| lists[at].clone()).collect();
        let measured = measure(&own, &data.cases);
        let by_half = [0, 1].map(|half: usize| mean(&measured.select(&halves[half]), "ndcg@20"));
        rows.push((mean(&measured, "ndcg@20"), mean(&measured, "recall@20"), by_half, mixture));
    }
    println!("shares of {named:?} | NDCG@20 | recall@20");
    for (ndcg, recall, _, mixture) in rows.iter().filter(|row| row.3.contains(&1.0)) {
        println!("{mixture:?} | {ndcg:.4} | {recall:.4}");
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("the best:");
    for (ndcg, recall, _, mixture) in rows.iter().take(5) {
        println!("{mixture:?} | {ndcg:.4} | {recall:.4}");
    }
    for half in [0, 1] {
        let Some(best) = rows.iter().max_by(|a, b| a.2[half].total_cmp(&b.2[half])) else {
            continue;
        };
        println!(
            "chosen on half {half} {:?}: {:.4} there, {:.4} on the other",
            best.3,
            best.2[half],
            best.2[1 - half]
        );
    }
    Ok(())
}

/// All shares of `parts` that sum up to 1, in steps of one by `steps`.
fn mixtures(parts: usize, steps: usize) -> Vec<Vec<f32>> {
    fn fill(
        parts: usize,
        left: usize,
        steps: usize,
        begun: &mut Vec<f32>,
        all: &mut Vec<Vec<f32>>,
    ) {
        let shares = if parts == 1 { left..=left } else { 0..=left };
        for share in shares {
            begun.push(share as f32 / steps as f32);
            match parts {
                1 => all.push(begun.clone()),
                _ => fill(parts - 1, left - share, steps, begun, all),
            }
            begun.pop();
        }
    }
    let mut all = Vec::new();
    if parts > 0 {
        fill(parts, steps, steps, &mut Vec::new(), &mut all);
    }
    all
}

fn standardised(mut scores: Vec<f32>) -> Vec<f32> {
    let count = scores.len().max(1) as f64;
    let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / count;
    let squares = scores.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / count).sqrt().max(1e-12);
    scores.iter_mut().for_each(|score| *score = ((f64::from(*score) - mean) / deviation) as f32);
    scores
}

/// Lets the peak begin anew, where the system can (Linux).
fn forget_peak() {
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        eprintln!("the peak is that of all models so far");
    }
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
