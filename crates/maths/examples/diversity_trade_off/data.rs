//! Histories, what is held out of them, and categories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;

use crossfold_maths::measure::{RankingCase, cases_of};
use crossfold_maths::sparse::SparseRows;
use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Problem;
use crate::options::Options;

/// One in so many is held out where there is no test file.
const HELD_OUT: usize = 5;
/// Seed of what is held out where there are no times.
const SPLIT_SEED: u64 = 1;

pub(crate) struct Data {
    pub(crate) train: SparseRows,
    pub(crate) cases: Vec<RankingCase>,
    /// Share of people who have each item.
    pub(crate) popularity: Vec<f32>,
    /// Items x categories, 1 where an item is of a category.
    pub(crate) categories: Option<Array2<f32>>,
}

#[derive(Default)]
struct Names {
    users: BTreeMap<String, usize>,
    items: BTreeMap<String, usize>,
}

struct Line {
    user: usize,
    item: u32,
    time: Option<f64>,
}

impl Data {
    pub(crate) fn read(options: &Options) -> Result<Self, Problem> {
        let mut names = Names::default();
        let train = lines(&options.train, &mut names)?;
        let test = options.test.as_deref().map(|path| lines(path, &mut names)).transpose()?;
        let people = names.users.len();
        let (known, held_out) = match test {
            Some(test) => (histories(train, people), histories(test, people)),
            None => split(histories(train, people)),
        };
        let items = names.items.len();
        let row = |history: &Vec<(u32, Option<f64>)>| {
            let items: BTreeSet<u32> = history.iter().map(|(item, _)| *item).collect();
            items.into_iter().map(|item| (item, 1.0)).collect()
        };
        let train = SparseRows::from_rows(items, known.iter().map(row));
        let only_items = |history: &Vec<(u32, Option<f64>)>| {
            history.iter().map(|(item, _)| *item).collect::<Vec<u32>>()
        };
        let held_out: Vec<Vec<u32>> = held_out.iter().map(only_items).collect();
        let all = cases_of(&train, &held_out, &(0..items));
        let count = all.len().min(options.people);
        let cases = (0..count).map(|at| all[at * all.len() / count].clone()).collect();
        let share = |count: u32| count as f32 / people as f32;
        let popularity = train.column_counts().into_iter().map(share).collect();
        let categories =
            options.categories.as_deref().map(|path| categories(path, &names.items)).transpose()?;
        Ok(Self { train, cases, popularity, categories })
    }
}

fn cells(line: &str) -> Vec<&str> {
    let separator = ["\t", "::", ","].into_iter().find(|one| line.contains(one)).unwrap_or(",");
    line.split(separator).map(str::trim).collect()
}

fn lines(path: &str, names: &mut Names) -> Result<Vec<Line>, Problem> {
    let text = read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut rows = text.lines().filter(|line| !line.is_empty()).peekable();
    let header = rows.peek().map(|line| cells(line)).unwrap_or_default();
    let column = |name| header.iter().position(|column| *column == name);
    let (user, item, time) = match (column("user_id"), column("item_id")) {
        (Some(user), Some(item)) => {
            rows.next();
            (user, item, column("occurred_at"))
        }
        _ => (0, 1, Some(3)),
    };
    let number = |numbers: &mut BTreeMap<String, usize>, name: &str| {
        let next = numbers.len();
        *numbers.entry(name.to_owned()).or_insert(next)
    };
    rows.map(|line| {
        let cells = cells(line);
        let cell = |at: usize| cells.get(at).copied().ok_or_else(|| format!("{path}: {line}"));
        let time = time.and_then(|at| cells.get(at)).map(|time| time.parse()).transpose();
        Ok(Line {
            user: number(&mut names.users, cell(user)?),
            item: number(&mut names.items, cell(item)?) as u32,
            time: time.map_err(|_| format!("{path}: no time in {line}"))?,
        })
    })
    .collect()
}

fn histories(lines: Vec<Line>, people: usize) -> Vec<Vec<(u32, Option<f64>)>> {
    let mut histories = vec![Vec::new(); people];
    lines.into_iter().for_each(|line| histories[line.user].push((line.item, line.time)));
    histories
}

type Histories = Vec<Vec<(u32, Option<f64>)>>;

/// What is known of each person, and what is held out: the last of their lines by time, those at
/// the same time in the order of the file; a draw where one has no time.
fn split(mut histories: Histories) -> (Histories, Histories) {
    let mut rng = ChaCha8Rng::seed_from_u64(SPLIT_SEED);
    let hold_out = |history: &mut Vec<(u32, Option<f64>)>| {
        match history.iter().all(|(_, time)| time.is_some()) {
            true => history.sort_by(|a, b| {
                let times = (a.1.unwrap_or_default(), b.1.unwrap_or_default());
                times.0.total_cmp(&times.1)
            }),
            false => history.shuffle(&mut rng),
        }
        history.split_off(history.len() - history.len() / HELD_OUT)
    };
    let held_out = histories.iter_mut().map(hold_out).collect();
    (histories, held_out)
}

fn categories(path: &str, items: &BTreeMap<String, usize>) -> Result<Array2<f32>, Problem> {
    let text = read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (item, own) = if line.starts_with('{') {
            let value: serde_json::Value = serde_json::from_str(line)?;
            let item = value["item_id"].as_str().unwrap_or_default().to_owned();
            let own = value["categories"].as_array().cloned().unwrap_or_default();
            let own = own.iter().filter_map(|one| one.as_str().map(str::to_owned));
            (item, own.collect::<Vec<String>>())
        } else {
            let cells = cells(line);
            let own = cells.last().copied().unwrap_or_default().split('|').map(str::to_owned);
            (cells.first().copied().unwrap_or_default().to_owned(), own.collect())
        };
        let Some(&item) = items.get(&item) else { continue };
        for one in own {
            let next = names.len();
            pairs.push((item, *names.entry(one).or_insert(next)));
        }
    }
    let mut table = Array2::zeros((items.len(), names.len()));
    pairs.into_iter().for_each(|at| table[at] = 1.0);
    Ok(table)
}
