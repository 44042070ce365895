//! Lists of every method at every diversity, and what they are like.

use crossfold_maths::als::{AlsOptions, Factors, fit};
use crossfold_maths::dense::{dot, gram};
use crossfold_maths::fold_in::{FoldInBasis, FoldedPerson};
use crossfold_maths::measure::{
    Catalogue, CategoryShares, Measurements, RankingCase, intra_list_distance, list_metrics,
};
use crossfold_maths::rank::rank_unseen;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::Problem;
use crate::data::Data;
use crate::method::{Choices, Method};
use crate::options::Options;

/// Length of a list.
const LENGTH: usize = 10;
/// How many a person sees first.
const BEGINNING: usize = 5;
/// What is added to a seed for the factors that did not choose.
const OTHER_SEED: u64 = 1_000;

/// What a person's list is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Ndcg,
    Recall,
    /// How many are of the best as well.
    Kept,
    OwnDistance,
    OtherDistance,
    BeginningDistance,
    Categories,
    Entropy,
    /// How far the shares of categories are from those in what the person took.
    FromInterests,
}

impl Figure {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ndcg,
        Self::Recall,
        Self::Kept,
        Self::OwnDistance,
        Self::OtherDistance,
        Self::BeginningDistance,
        Self::Categories,
        Self::Entropy,
        Self::FromInterests,
    ];
}

/// A method at every diversity.
pub(crate) struct Curve {
    pub(crate) method: Method,
    pub(crate) points: Vec<Point>,
}

/// A method at one diversity.
pub(crate) struct Point {
    pub(crate) diversity: f64,
    /// By figure, each person's mean over seeds; empty where it is not known.
    people: Vec<Vec<f64>>,
    /// By figure, the mean over people of each seed.
    seeds: Vec<Vec<f64>>,
    /// Share of the catalogue on any list, of each seed.
    pub(crate) coverage: Vec<f64>,
    /// Gini coefficient of how often each item is listed, of each seed.
    pub(crate) gini: Vec<f64>,
}

impl Point {
    pub(crate) fn people(&self, figure: Figure) -> &[f64] {
        &self.people[figure as usize]
    }

    pub(crate) fn seeds(&self, figure: Figure) -> &[f64] {
        &self.seeds[figure as usize]
    }

    pub(crate) fn mean(&self, figure: Figure) -> f64 {
        mean(self.people(figure))
    }

    fn add(&mut self, lists: &[Vec<u32>], spaces: Spaces<'_>, seeds: usize) {
        let Spaces { data, chose, other, pools } = spaces;
        let kept = |(list, pool): (&Vec<u32>, &Pool)| {
            let best = &pool.items[..pool.items.len().min(LENGTH)];
            list.iter().filter(|item| best.contains(item)).count() as f64
        };
        let of_factors = |factors: ArrayView2<'_, f32>, length: usize| -> Vec<f64> {
            let begun = |list: &Vec<u32>| list[..list.len().min(length)].to_vec();
            let distance = |list| intra_list_distance(&begun(list), factors).unwrap_or(0.0);
            lists.iter().map(distance).collect()
        };
        let of_categories = |of: fn(&CategoryShares) -> f64| -> Vec<f64> {
            let weights = data.categories.as_ref();
            let shares = weights.map(|weights| {
                lists.iter().map(|list| of(&CategoryShares::of(list, weights.view()))).collect()
            });
            shares.unwrap_or_default()
        };
        let from_interests = || -> Vec<f64> {
            let Some(weights) = &data.categories else { return Vec::new() };
            let divergence = |(list, pool): (&Vec<u32>, &Pool)| {
                CategoryShares::of(list, weights.view()).divergence_from(&pool.interests)
            };
            lists.iter().zip(pools).map(divergence).collect()
        };
        let mut measured = Measurements::default();
        lists.iter().zip(&data.cases).for_each(|(list, case)| measured.add(list, &case.relevant));
        for figure in Figure::ALL {
            let values = match figure {
                Figure::Ndcg => measured.of("ndcg@10").to_vec(),
                Figure::Recall => measured.of("recall@10").to_vec(),
                Figure::Kept => lists.iter().zip(pools).map(kept).collect(),
                Figure::OwnDistance => of_factors(chose, LENGTH),
                Figure::OtherDistance => of_factors(other, LENGTH),
                Figure::BeginningDistance => of_factors(other, BEGINNING),
                Figure::Categories => of_categories(|shares| shares.covered() as f64),
                Figure::Entropy => of_categories(CategoryShares::entropy),
                Figure::FromInterests => from_interests(),
            };
            if values.is_empty() {
                continue;
            }
            self.seeds[figure as usize].push(mean(&values));
            let sums = &mut self.people[figure as usize];
            sums.resize(values.len(), 0.0);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / seeds as f64);
        }
        let people = data.train.rows() as u64;
        let catalogue = Catalogue { factors: chose, popularity: &data.popularity, people };
        let metrics = list_metrics(lists, catalogue);
        let of_lists = |name: &str| metrics.get(name).copied().unwrap_or(0.0);
        self.coverage.push(of_lists("coverage@10"));
        self.gini.push(of_lists("gini@10"));
    }
}

/// What lists are measured in.
#[derive(Clone, Copy)]
struct Spaces<'a> {
    data: &'a Data,
    /// The factors that chose.
    chose: ArrayView2<'a, f32>,
    other: ArrayView2<'a, f32>,
    pools: &'a [Pool],
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

pub(crate) fn curves(data: &Data, options: &Options) -> Result<Vec<Curve>, Problem> {
    let point = |diversity: &f64| Point {
        diversity: *diversity,
        people: vec![Vec::new(); Figure::ALL.len()],
        seeds: vec![Vec::new(); Figure::ALL.len()],
        coverage: Vec::new(),
        gini: Vec::new(),
    };
    let curve = |method: &Method| Curve {
        method: method.clone(),
        points: options.diversities.iter().map(point).collect(),
    };
    let mut curves: Vec<Curve> = options.methods.iter().map(curve).collect();
    for &seed in &options.seeds {
        let own = AlsOptions { seed, ..options.als };
        let other = AlsOptions {
            seed: seed + OTHER_SEED,
            factors: (own.factors / 2).max(1),
            ..options.als
        };
        let chose = fit(&data.train, &own.check()?, &|_| ())?;
        let other = fit(&data.train, &other.check()?, &|_| ())?;
        let pools = pools(data, &chose, own, options.pool)?;
        for curve in &mut curves {
            for point in &mut curve.points {
                let list = |pool: &Pool| pool.list(&curve.method, point.diversity);
                let lists = pools.par_iter().map(list).collect::<Result<Vec<_>, _>>()?;
                let (chose, other) = (chose.items.view(), other.items.view());
                let spaces = Spaces { data, chose, other, pools: &pools };
                point.add(&lists, spaces, options.seeds.len());
            }
        }
        eprintln!("seed {seed} is measured");
    }
    Ok(curves)
}

/// The best items of a person.
struct Pool {
    items: Vec<u32>,
    scores: Vec<f32>,
    features: Vec<f32>,
    /// Of categories, row after row, and the person's interest in each.
    weights: Vec<f32>,
    interests: Vec<f32>,
}

impl Pool {
    fn list(&self, method: &Method, diversity: f64) -> Result<Vec<u32>, Problem> {
        let choices = Choices {
            scores: &self.scores,
            features: &self.features,
            categories: (&self.weights, &self.interests),
        };
        let chosen = method.choose(choices, diversity, LENGTH)?;
        Ok(chosen.into_iter().map(|at| self.items[at as usize]).collect())
    }
}

fn pools(
    data: &Data,
    chose: &Factors,
    options: AlsOptions,
    size: usize,
) -> Result<Vec<Pool>, Problem> {
    let (gram, params) = (gram(chose.items.view()), options.check()?);
    let items = chose.items.view();
    let basis = FoldInBasis { items, gram: &gram, unobserved: items.nrows(), params: &params };
    let directions = directions(&chose.items);
    let row = |matrix: &Array2<f32>, at: usize| matrix.row(at).to_vec();
    let pool = |case: &RankingCase| {
        let history: Vec<(u32, f32)> = case.seen.iter().map(|item| (*item, 1.0)).collect();
        let person = FoldedPerson::solve(basis, &history)?;
        let score = |item: usize| dot(person.vector(), &row(&chose.items, item));
        let scores: Vec<f32> = (0..items.nrows()).map(score).collect();
        let best = rank_unseen(&scores, &case.seen, size);
        let of_item = |item: &u32| match &data.categories {
            Some(weights) => weights.row(*item as usize).to_vec(),
            None => Vec::new(),
        };
        Ok(Pool {
            weights: best.iter().flat_map(of_item).collect(),
            interests: interests(data, &case.seen),
            scores: best.iter().map(|&item| scores[item as usize]).collect(),
            features: best.iter().flat_map(|&item| row(&directions, item as usize)).collect(),
            items: best,
        })
    };
    data.cases.par_iter().map(pool).collect()
}

/// How much of each category a person took: each item in equal parts of its categories.
fn interests(data: &Data, taken: &[u32]) -> Vec<f32> {
    let Some(weights) = &data.categories else { return Vec::new() };
    let mut interests = vec![0.0; weights.ncols()];
    for item in taken {
        let row = weights.row(*item as usize);
        let sum = row.sum();
        if sum > 0.0 {
            interests.iter_mut().zip(row).for_each(|(interest, weight)| *interest += weight / sum);
        }
    }
    interests
}

/// Rows of length 1, or zero.
fn directions(factors: &Array2<f32>) -> Array2<f32> {
    let mut directions = factors.clone();
    for mut row in directions.rows_mut() {
        let length = row.dot(&row).sqrt();
        row.mapv_inplace(|value| if length.is_normal() { value / length } else { 0.0 });
    }
    directions
}
