//! New items by their text: the map from text to factors that is served, if any.
//!
//! For each domain a fifth of the items that have a text are held out to choose the map's
//! settings, another fifth to judge it, each whole: nobody's evidence about them is used, factors
//! are fitted without them, and they are ranked among themselves, for people who took some of
//! them, as they would be served. A domain's map is served only if it is better for these people
//! than the popularity of the items' categories and than chance, each with the interval of the
//! mean difference above zero. The map that is served is then fitted to all.

pub(super) mod by_text;

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::entities::ids::DomainId;
use crate::evidence::arrivals::Lifetimes;
use crate::evidence::item_facts::CatalogueFacts;
use crate::evidence::item_vectors::{
    ItemVectors, MOST_ENCODED, MOST_ENCODED_OF_A_DOMAIN, TextVectors, VectorSource,
};
use crate::evidence::items::{DomainRows, ItemIndex, ItemKey, LocalRow, Row};
use crate::maths::als::{self, AlsOptions, AlsParams, Factors};
use crate::maths::bootstrap::{Interval, paired_difference};
use crate::maths::measure::{Measurements, RankingCase, evaluate_common_scores, evaluate_factors};
use crate::maths::sparse::SparseRows;
use crate::maths::weighted_ridge::{Examples, WeightedRidge};
use crate::model::content::KnownItems;
use crate::model::young_items::{GROWN_UP, MOST_YOUNG, own_share};
use crate::training::bridging::text_fit::TextLikenesses;
use crate::training::outline::ModelOutline;
use crate::training::shadow::FEWEST_PEOPLE;

/// Fewest items with a text that are judged: of fewer, ten or less are held out.
const FEWEST_ITEMS: usize = 50;
/// Fewest that are encoded: one alone is like no other.
const FEWEST_ENCODED: usize = 2;
/// Most interactions of a domain that factors are fitted to for judging, and of all domains.
const MOST_ENTRIES: usize = 2_000_000;
const MOST_ENTRIES_IN_ALL: usize = 4 * MOST_ENTRIES;
/// Most bytes of encoders that a model holds for its domains, in all.
const MOST_ARTEFACT_BYTES_IN_ALL: usize = 40 * 1024 * 1024;
/// Regularisations that are tried, in squared units of vectors, which have length 1.
const REGULARISATIONS: [f32; 5] = [0.003, 0.01, 0.03, 0.1, 0.3];
/// Orders by chance, whose mean is what chance gives.
const RANDOM_ORDERS: usize = 20;
/// What is measured.
const METRIC: &str = "ndcg@20";

/// How much an item counts for the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemWeighing {
    /// All items the same.
    Alike,
    /// Each as much as the number of people who took it: the factors of one that many took are
    /// known better.
    ByEvidence,
}

impl ItemWeighing {
    /// How much an item counts that so many people took; nothing where nobody did.
    fn weight(self, people: f32) -> f32 {
        match self {
            Self::Alike => f32::from(people > 0.0),
            Self::ByEvidence => people,
        }
    }
}

/// What a run found of ranking a domain's new items by their text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContentReport {
    /// The encoder: its name and version. Which one exactly, the manifest says: one that was fitted
    /// to catalogues is another whenever any of them changes, which nobody else is to learn.
    pub encoder: String,
    /// Items with a text that were looked at.
    pub items: usize,
    /// Those of them that were held out to judge by.
    pub held_out: usize,
    /// People who took some of these.
    pub people: usize,
    /// How much items count.
    pub weighing: ItemWeighing,
    /// The regularisation, in squared units of vectors.
    pub regularisation: f32,
    /// Mean NDCG@20 of the held-out items by text, for each person.
    pub by_text: f64,
    /// The same by the popularity that the text tells, for all alike.
    pub by_expected_popularity: f64,
    /// The same by the popularity of the items' categories.
    pub by_categories: f64,
    /// The same by chance.
    pub by_chance: f64,
    /// By text, minus by categories.
    pub above_categories: Interval,
    /// By text, minus by chance.
    pub above_chance: Interval,
    /// Whether new items are ranked by their text.
    pub served: bool,
    /// Whether they are for people of whom nothing is known as well.
    pub served_by_popularity: bool,
    /// Items that came lately, which are placed by their text as well as by what people did
    /// ([`crate::model::young_items`]).
    #[serde(default)]
    pub young_items: usize,
}

/// What maps are fitted from, once the factors are there.
pub type ContentMaterial = BTreeMap<DomainId, DomainMaterial>;

/// What the map of one domain is fitted from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainMaterial {
    source: VectorSource,
    artefact: Option<Base64>,
    weighing: ItemWeighing,
    regularisation: f32,
    by_popularity: bool,
    examples: Described,
    /// Of what was done in the domain, the share that is held out as the newest.
    held_out: f32,
}

/// Bytes as a text, since the outline is handed to shards in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Base64(Vec<u8>);

impl TryFrom<String> for Base64 {
    type Error = data_encoding::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        data_encoding::BASE64.decode(text.as_bytes()).map(Self)
    }
}

impl From<Base64> for String {
    fn from(Base64(bytes): Base64) -> Self {
        data_encoding::BASE64.encode(&bytes)
    }
}

/// Items of a domain with their vectors and weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredDescribed", into = "StoredDescribed")]
struct Described {
    items: Vec<LocalRow>,
    /// People who took each.
    people: Vec<u32>,
    /// Of what was done in the domain, the share that was done since each came.
    lifetime: Vec<f32>,
    vectors: Array2<f32>,
}

#[derive(Serialize, Deserialize)]
struct StoredDescribed {
    items: Vec<u32>,
    people: Vec<u32>,
    lifetime: Vec<f32>,
    vectors: Base64,
}

#[derive(Debug, thiserror::Error)]
#[error("the vectors of texts do not fit their items")]
struct Misfit;

impl TryFrom<StoredDescribed> for Described {
    type Error = Misfit;

    fn try_from(
        StoredDescribed { items, people, lifetime, vectors }: StoredDescribed,
    ) -> Result<Self, Misfit> {
        let (words, _) = vectors.0.as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        let columns = values.len() / items.len().max(1);
        let vectors = Array2::from_shape_vec((items.len(), columns), values).map_err(|_| Misfit)?;
        let items: Vec<LocalRow> = items.into_iter().map(LocalRow).collect();
        let fits = people.len() == items.len() && lifetime.len() == items.len();
        fits.then_some(Self { items, people, lifetime, vectors }).ok_or(Misfit)
    }
}

impl From<Described> for StoredDescribed {
    fn from(Described { items, people, lifetime, vectors }: Described) -> Self {
        let bytes = vectors.iter().flat_map(|value| value.to_le_bytes()).collect();
        let items = items.into_iter().map(|LocalRow(item)| item).collect();
        Self { items, people, lifetime, vectors: Base64(bytes) }
    }
}

/// What catalogues say of items, as far as a run looks at it.
pub(super) struct Descriptions {
    /// Of each domain, the texts of the items that are worth a vector.
    pub(super) texts: BTreeMap<DomainId, BTreeMap<ItemKey, String>>,
    pub(super) encoder: Box<dyn TextVectors>,
    pub(super) facts: CatalogueFacts,
    pub(super) lifetimes: Lifetimes,
}

impl Descriptions {
    /// The vectors of each domain's items, of which none depends on another domain's texts.
    pub(super) fn vectors(&self) -> BTreeMap<DomainId, ItemVectors> {
        let of_domain = |(domain, texts): (&DomainId, &BTreeMap<ItemKey, String>)| {
            Some((domain.clone(), self.encoder.vectors_of(texts.clone())?))
        };
        self.texts.iter().filter_map(of_domain).collect()
    }

    /// How alike items of two domains are. Where the encoder is fitted to texts, it is to those of
    /// the two, and kept nowhere.
    pub(super) fn likenesses(
        &self,
        index: &ItemIndex,
        vectors: &BTreeMap<DomainId, ItemVectors>,
    ) -> TextLikenesses {
        let counts = self.texts.iter().map(|(domain, texts)| (domain.clone(), texts.len()));
        TextLikenesses::between(index, &counts.collect(), |one, other| {
            if !self.encoder.is_fitted() {
                return vectors.get(one)?.and(vectors.get(other)?);
            }
            let mut both = self.texts.get(one)?.clone();
            both.extend(self.texts.get(other)?.clone());
            self.encoder.vectors_of(both)
        })
    }
}

/// Judges the map of each domain. What passed becomes part of the outline, and so do the figures.
pub(super) fn judge(
    (vectors, facts, lifetimes): (&BTreeMap<DomainId, ItemVectors>, &CatalogueFacts, &Lifetimes),
    outline: &mut ModelOutline,
    matrix: &SparseRows,
) {
    let mut content = ContentMaterial::new();
    let taken = matrix.column_counts();
    let (mut room, mut bytes_left) = (MOST_ENTRIES_IN_ALL, MOST_ARTEFACT_BYTES_IN_ALL);
    for rows in most_taken_first(&outline.index, &taken) {
        let domain = &rows.domain;
        let Some(vectors) = vectors.get(domain) else { continue };
        let described = described(&outline.index, rows, (vectors, &taken, &lifetimes.of_items));
        let entries = entries_of(rows, &taken).min(MOST_ENTRIES);
        let bytes = vectors.artefact.as_ref().map_or(0, |artefact| artefact.len());
        if described.items.len() < FEWEST_ITEMS || room < entries || bytes_left < bytes {
            continue;
        }
        room -= entries;
        let categories = Categories::of(&outline.index, rows, facts);
        let trial = Trial::new(rows, matrix, (&described, &outline.provenance.params));
        let Some(judged) = trial.and_then(|trial| trial.judge(&categories)) else { continue };
        let VectorSource { name, version, .. } = &vectors.source;
        let report = ContentReport { encoder: format!("{name} {version}"), ..judged };
        if report.served {
            bytes_left -= bytes;
            let material = DomainMaterial {
                source: vectors.source.clone(),
                artefact: vectors.artefact.as_ref().map(|artefact| Base64(artefact.to_vec())),
                weighing: report.weighing,
                regularisation: report.regularisation,
                by_popularity: report.served_by_popularity,
                examples: described,
                held_out: lifetimes.held_out.get(domain).copied().unwrap_or(0.0),
            };
            content.insert(domain.clone(), material);
        }
        outline.report.content.insert(domain.clone(), report);
    }
    outline.content = content;
}

impl Described {
    /// The map from the vectors of some of these items, by their place here and each with how much
    /// it counts, to what is known of them; `known` has a row for each item of the domain.
    fn fit(
        &self,
        known: &KnownItems,
        (places, weights): (&[usize], Array1<f32>),
        regularisation: f32,
    ) -> Option<WeightedRidge> {
        let items: Vec<usize> = places.iter().map(|&place| self.items[place].index()).collect();
        if items.iter().any(|item| *item >= known.targets.nrows()) {
            return None;
        }
        let inputs = self.vectors.select(Axis(0), places);
        let targets = known.targets.select(Axis(0), &items);
        let examples =
            Examples { inputs: inputs.view(), targets: targets.view(), weights: weights.view() };
        WeightedRidge::fit(&examples, regularisation).ok()
    }
}

/// The domains, those first whose items were taken most often: what is bounded over all domains
/// is for these. A domain gets all that it would get alone, or nothing, so that what is told of it
/// tells of no other.
fn most_taken_first<'a>(index: &'a ItemIndex, taken: &[u32]) -> Vec<&'a DomainRows> {
    let mut domains: Vec<&DomainRows> = index.ranges().values().collect();
    domains.sort_by_cached_key(|rows| std::cmp::Reverse(entries_of(rows, taken)));
    domains
}

/// How often the items of a domain were taken.
fn entries_of(rows: &DomainRows, taken: &[u32]) -> usize {
    taken[rows.range.clone()].iter().map(|people| *people as usize).sum()
}

/// The items that are worth a vector, with their texts: of each domain those that most people of
/// the matrix took, and up to [`MOST_YOUNG`] of whom their own evidence says least, for these need
/// their text; at most [`MOST_ENCODED_OF_A_DOMAIN`], and [`MOST_ENCODED`] in all.
pub(super) fn worth_encoding(
    (index, lifetimes): (&ItemIndex, &Lifetimes),
    matrix: &SparseRows,
    mut texts: BTreeMap<ItemKey, String>,
) -> BTreeMap<DomainId, BTreeMap<ItemKey, String>> {
    let taken = matrix.column_counts();
    let own = |row: &Row| {
        let own = own_share(taken[row.index()] as f32, lifetimes.of_items[row.index()]);
        own.min(GROWN_UP)
    };
    let (mut kept, mut room) = (BTreeMap::new(), MOST_ENCODED);
    for rows in most_taken_first(index, &taken) {
        let is_taken = |row: &Row| taken[row.index()] > 0;
        let has_text = |row: &Row| index.item(*row).is_some_and(|item| texts.contains_key(item));
        let mut items: Vec<Row> = rows.rows().filter(is_taken).filter(has_text).collect();
        items.sort_by_key(|row| (std::cmp::Reverse(taken[row.index()]), *row));
        if items.len() > MOST_ENCODED_OF_A_DOMAIN {
            // Stable: of those that are not young, the ones that most people took.
            items[MOST_ENCODED_OF_A_DOMAIN - MOST_YOUNG..]
                .sort_by(|one, other| own(one).total_cmp(&own(other)));
            items.truncate(MOST_ENCODED_OF_A_DOMAIN);
        }
        if items.len() < FEWEST_ENCODED || room < items.len() {
            continue;
        }
        room -= items.len();
        let of_domain = items.into_iter().filter_map(|row| texts.remove_entry(index.item(row)?));
        kept.insert(rows.domain.clone(), of_domain.collect());
    }
    kept
}

/// The items of a domain that have vectors, in order of rows.
fn described(
    index: &ItemIndex,
    rows: &DomainRows,
    (vectors, taken, lifetimes): (&ItemVectors, &[u32], &[f32]),
) -> Described {
    let vector = |item: LocalRow| vectors.of(index.item(rows.row(item))?);
    let items: Vec<LocalRow> =
        (0..rows.len() as u32).map(LocalRow).filter(|item| vector(*item).is_some()).collect();
    let mut table = Array2::zeros((items.len(), vectors.dimensions()));
    for (mut row, item) in table.axis_iter_mut(Axis(0)).zip(&items) {
        if let Some(vector) = vector(*item) {
            row.assign(&vector);
        }
    }
    let people = items.iter().map(|item| taken[rows.row(*item).index()]).collect();
    let lifetime = items.iter().map(|item| lifetimes[rows.row(*item).index()]).collect();
    Described { items, people, lifetime, vectors: table }
}

/// The items of a domain that a person likes, with confidences.
fn liked<'a>(
    rows: &'a DomainRows,
    matrix: &'a SparseRows,
    person: usize,
) -> impl Iterator<Item = (LocalRow, f32)> + 'a {
    let (columns, confidences) = rows.entries_of(matrix, person);
    let start = rows.range.start as u32;
    let entries = columns.iter().zip(confidences).filter(|(_, confidence)| **confidence > 0.0);
    entries.map(move |(column, confidence)| (LocalRow(column - start), *confidence))
}

/// The categories of a domain's items.
struct Categories<'a>(Vec<&'a [String]>);

impl<'a> Categories<'a> {
    fn of(index: &ItemIndex, rows: &DomainRows, facts: &'a CatalogueFacts) -> Self {
        let of_row = |row| {
            let facts = index.item(row).and_then(|item| facts.get(item));
            facts.map_or(&[][..], |facts| &facts.categories)
        };
        Self(rows.rows().map(of_row).collect())
    }

    /// How popular the categories of some items are: the mean over an item's categories of the
    /// mean popularity of those items that are known.
    fn popularity(&self, popularity: &[f32], is_held_out: &[bool], items: &[LocalRow]) -> Vec<f32> {
        let mut sums: BTreeMap<&str, (f32, f32)> = BTreeMap::new();
        for ((categories, popularity), held_out) in self.0.iter().zip(popularity).zip(is_held_out) {
            for category in categories.iter().filter(|_| !held_out) {
                let (sum, items) = sums.entry(category).or_default();
                *sum += popularity;
                *items += 1.0;
            }
        }
        let mean = |item: &LocalRow| {
            let known = self.0[item.index()].iter().filter_map(|category| sums.get(&**category));
            let means: Vec<f32> = known.map(|(sum, items)| sum / items).collect();
            means.iter().sum::<f32>() / means.len().max(1) as f32
        };
        items.iter().map(mean).collect()
    }
}

/// Items that are held out whole, and who took which of them.
struct HeldOut {
    /// Their places among the described.
    places: Vec<usize>,
    cases: Vec<RankingCase>,
}

/// Factors that were fitted without the held-out items, and these.
struct Trial<'a> {
    described: &'a Described,
    /// The known ones among the described.
    places: Vec<usize>,
    factors: Factors,
    popularity: Vec<f32>,
    is_held_out: Vec<bool>,
    choosing: HeldOut,
    judging: HeldOut,
    seed: u64,
}

/// How much each fifth is.
const PARTS: usize = 5;

impl<'a> Trial<'a> {
    /// `None` where nothing can be fitted.
    fn new(
        rows: &DomainRows,
        matrix: &SparseRows,
        (described, params): (&'a Described, &AlsParams),
    ) -> Option<Self> {
        let seed = params.options().seed;
        let mut order: Vec<usize> = (0..described.items.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let fifth = order.len() / PARTS;
        let (choosing, rest) = order.split_at(fifth);
        let (judging, known) = rest.split_at(fifth);
        let mut is_held_out = vec![false; rows.len()];
        choosing.iter().chain(judging).for_each(|&place| {
            is_held_out[described.items[place].index()] = true;
        });
        let (train, people) = without_held_out(rows, matrix, &is_held_out);
        let most = train.rows().min(train.columns());
        let options = *params.options();
        let options = AlsOptions { factors: options.factors.min(most), ..options }.check().ok()?;
        let factors = als::fit(&train, &options, &|_| ()).ok()?;
        let counts = train.column_counts().into_iter();
        let popularity = counts.map(|count| count as f32 / people.len().max(1) as f32).collect();
        let held_out = |places: &[usize]| {
            let items: Vec<LocalRow> = places.iter().map(|at| described.items[*at]).collect();
            HeldOut { places: places.to_vec(), cases: cases(rows, matrix, &people, &items) }
        };
        let (choosing, judging) = (held_out(choosing), held_out(judging));
        let places = known.to_vec();
        Some(Self { described, places, factors, popularity, is_held_out, choosing, judging, seed })
    }

    /// Chooses the settings, and judges what they give. `None` where there is nobody to judge by.
    fn judge(&self, categories: &Categories<'_>) -> Option<ContentReport> {
        let known = KnownItems::new(self.factors.items.view(), &self.popularity);
        let mut best: Option<(f64, ItemWeighing, WeightedRidge, f32)> = None;
        for weighing in [ItemWeighing::Alike, ItemWeighing::ByEvidence] {
            for regularisation in REGULARISATIONS {
                let people = |&place: &usize| self.described.people[place] as f32;
                let weights = self.places.iter().map(|place| weighing.weight(people(place)));
                let examples = (&self.places[..], weights.collect());
                let Some(map) = self.described.fit(&known, examples, regularisation) else {
                    continue;
                };
                let (by_text, _) = self.rank(&map, &known, &self.choosing);
                let figure = mean(by_text.of(METRIC))?;
                if best.as_ref().is_none_or(|(most, ..)| figure > *most) {
                    best = Some((figure, weighing, map, regularisation));
                }
            }
        }
        let (_, weighing, map, regularisation) = best?;
        let (by_text, by_popularity) = self.rank(&map, &known, &self.judging);
        let items = self.items(&self.judging);
        let by_categories = categories.popularity(&self.popularity, &self.is_held_out, &items);
        let by_categories = evaluate_common_scores(&by_categories, &self.judging.cases);
        let by_chance = self.by_chance();
        let (by_text, by_popularity) = (by_text.of(METRIC), by_popularity.of(METRIC));
        let by_categories = by_categories.of(METRIC);
        let above = |one: &[f64], other: &[f64]| paired_difference(one, other, self.seed);
        let above_categories = above(by_text, by_categories)?;
        let above_chance = above(by_text, &by_chance)?;
        let is_better = |interval: Interval| interval.low > 0.0;
        let served = self.judging.cases.len() >= FEWEST_PEOPLE
            && is_better(above_categories)
            && is_better(above_chance);
        let served_by_popularity = served
            && above(by_popularity, by_categories).is_some_and(is_better)
            && above(by_popularity, &by_chance).is_some_and(is_better);
        Some(ContentReport {
            encoder: String::new(),
            items: self.described.items.len(),
            held_out: self.judging.places.len(),
            people: self.judging.cases.len(),
            weighing,
            regularisation,
            by_text: mean(by_text)?,
            by_expected_popularity: mean(by_popularity)?,
            by_categories: mean(by_categories)?,
            by_chance: mean(&by_chance)?,
            above_categories,
            above_chance,
            served,
            served_by_popularity,
            young_items: 0, // Told once all is fitted.
        })
    }

    fn items(&self, held_out: &HeldOut) -> Vec<LocalRow> {
        held_out.places.iter().map(|&place| self.described.items[place]).collect()
    }

    /// Ranks held-out items as they would be served: by what stands in for them, for each person
    /// and, by popularity, for all alike.
    fn rank(
        &self,
        map: &WeightedRidge,
        known: &KnownItems,
        held_out: &HeldOut,
    ) -> (Measurements, Measurements) {
        let vectors = self.described.vectors.select(Axis(0), &held_out.places);
        let expected = map.predict(vectors.view());
        let mut rebuilt = Array2::zeros(expected.dim());
        for (mut row, expected) in rebuilt.axis_iter_mut(Axis(0)).zip(expected.rows()) {
            for (item, weight) in known.stand_ins(&expected.to_vec()) {
                row.scaled_add(weight, &known.targets.row(item.index()));
            }
        }
        let factors = self.factors.items.ncols();
        let of_items: ArrayView2<'_, f32> = rebuilt.slice(s![.., ..factors]);
        let popularity: ArrayView1<'_, f32> = rebuilt.column(factors);
        let by_text = evaluate_factors(self.factors.people.view(), of_items, &held_out.cases);
        (by_text, evaluate_common_scores(&popularity.to_vec(), &held_out.cases))
    }

    /// What orders by chance give each person, in the mean.
    fn by_chance(&self) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut sums = vec![0.0; self.judging.cases.len()];
        for _ in 0..RANDOM_ORDERS {
            let scores: Vec<f32> =
                self.judging.places.iter().map(|_| random.random::<f32>()).collect();
            let measured = evaluate_common_scores(&scores, &self.judging.cases);
            sums.iter_mut().zip(measured.of(METRIC)).for_each(|(sum, value)| *sum += value);
        }
        sums.into_iter().map(|sum| sum / RANDOM_ORDERS as f64).collect()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A domain's part of the matrix without what is held out, by its own items, of people who like
/// something else there: as many as [`MOST_ENTRIES`] let in. With who they are.
fn without_held_out(
    rows: &DomainRows,
    matrix: &SparseRows,
    is_held_out: &[bool],
) -> (SparseRows, Vec<usize>) {
    let (mut people, mut kept, mut entries) = (Vec::new(), Vec::new(), 0);
    for person in 0..matrix.rows() {
        let known = liked(rows, matrix, person).filter(|(item, _)| !is_held_out[item.index()]);
        let known: Vec<(u32, f32)> = known.map(|(item, confidence)| (item.0, confidence)).collect();
        if known.is_empty() {
            continue;
        }
        entries += known.len();
        people.push(person);
        kept.push(known);
        if entries >= MOST_ENTRIES {
            break;
        }
    }
    (SparseRows::from_rows(rows.len(), kept), people)
}

/// Who of these people took which of these items; people and items by their places here.
fn cases(
    rows: &DomainRows,
    matrix: &SparseRows,
    people: &[usize],
    items: &[LocalRow],
) -> Vec<RankingCase> {
    let places: BTreeMap<LocalRow, u32> = items.iter().copied().zip(0..).collect();
    let case = |(at, person): (usize, &usize)| {
        let taken = liked(rows, matrix, *person);
        let mut relevant: Vec<u32> =
            taken.filter_map(|(item, _)| places.get(&item).copied()).collect();
        relevant.sort_unstable();
        (!relevant.is_empty()).then_some(RankingCase { person: at, seen: Vec::new(), relevant })
    };
    people.iter().enumerate().filter_map(case).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crossfold_testing::{domain, item_key};

    const ITEMS: usize = 60;

    /// 80 people of two tastes, who take two in three of the items of theirs.
    fn matrix() -> SparseRows {
        let row = |person: usize| {
            let is_theirs = |item: &usize| item % 2 == person % 2;
            let is_taken = |item: &usize| !(item / 2 + person / 2).is_multiple_of(3);
            let taken = (0..ITEMS).filter(is_theirs).filter(is_taken);
            taken.map(|item| (item as u32, 1.0)).collect()
        };
        SparseRows::from_rows(ITEMS, (0..80).map(row))
    }

    fn judged(vector: impl Fn(usize) -> [f32; 2]) -> ContentReport {
        let (matrix, rows) =
            (matrix(), DomainRows { domain: domain("knowledge"), range: 0..ITEMS });
        let described = Described {
            items: (0..ITEMS as u32).map(LocalRow).collect(),
            people: matrix.column_counts(),
            lifetime: vec![1.0; ITEMS],
            vectors: Array2::from_shape_fn((ITEMS, 2), |(item, at)| vector(item)[at]),
        };
        let options = AlsOptions { factors: 4, iterations: 5, ..AlsOptions::default() };
        let params = options.check().unwrap();
        let trial = Trial::new(&rows, &matrix, (&described, &params)).unwrap();
        trial.judge(&Categories(vec![&[]; ITEMS])).unwrap()
    }

    #[test]
    fn texts_that_tell_tastes_apart_rank_new_items_and_those_that_say_nothing_do_not() {
        let telling = judged(|item| if item % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
        assert!(telling.served, "{telling:?}");
        assert!(telling.by_text > telling.by_chance && telling.by_text > telling.by_categories);
        assert_eq!((telling.items, telling.held_out), (ITEMS, ITEMS / PARTS));
        // All the same: what is expected of every item is the same too, and so is what categories
        // say of items that have none.
        let mute = judged(|_| [0.6, 0.8]);
        assert!(!mute.served && !mute.served_by_popularity, "{mute:?}");
        assert!((mute.by_text - mute.by_categories).abs() < 1e-9, "{mute:?}");
    }

    /// Domains of so many items, each of which that many people took.
    fn catalogue(sizes: &[(usize, u32)]) -> (ItemIndex, SparseRows, BTreeMap<ItemKey, String>) {
        let key = |(domain, item): (usize, usize)| {
            item_key(&format!("d{domain}"), &format!("i{item:05}"))
        };
        let all =
            sizes.iter().enumerate().flat_map(|(at, (items, _))| (0..*items).map(move |i| (at, i)));
        let keys: BTreeSet<ItemKey> = all.map(key).collect();
        let index = ItemIndex::new(keys.iter().cloned().collect());
        let of = |person: u32| {
            let ranges = index.ranges().values().zip(sizes);
            let taken = ranges.filter(|(_, (_, people))| person < *people);
            taken.flat_map(|(rows, _)| rows.range.clone().map(|row| (row as u32, 1.0))).collect()
        };
        let people = sizes.iter().map(|(_, people)| *people).max().unwrap_or(0);
        let matrix = SparseRows::from_rows(index.len(), (0..people).map(of));
        (index, matrix, keys.into_iter().map(|key| (key, "text".to_owned())).collect())
    }

    fn of_old(index: &ItemIndex) -> Lifetimes {
        Lifetimes { of_items: vec![1.0; index.len()], ..Lifetimes::default() }
    }

    #[test]
    fn of_a_large_catalogue_the_youngest_items_are_encoded_beside_those_that_most_took() {
        let (index, matrix, texts) = catalogue(&[(6_000, 1)]);
        let mut lifetimes = of_old(&index);
        let encoded = |lifetimes: &Lifetimes| {
            let mut kept = worth_encoding((&index, lifetimes), &matrix, texts.clone());
            kept.remove(&domain("d0")).unwrap()
        };
        let (last, young) = (item_key("d0", "i04999"), item_key("d0", "i05999"));
        let found = encoded(&lifetimes);
        assert!(found.contains_key(&last) && !found.contains_key(&young));
        lifetimes.of_items[5_999] = 0.25;
        let found = encoded(&lifetimes);
        assert!(!found.contains_key(&last) && found.contains_key(&young));
        assert_eq!(found.len(), MOST_ENCODED_OF_A_DOMAIN);
    }

    fn encoded(sizes: &[(usize, u32)]) -> BTreeMap<DomainId, usize> {
        let (index, matrix, texts) = catalogue(sizes);
        let kept = worth_encoding((&index, &of_old(&index)), &matrix, texts).into_iter();
        kept.map(|(domain, texts)| (domain, texts.len())).collect()
    }

    #[test]
    fn how_many_items_of_a_domain_are_encoded_tells_nothing_of_other_domains() {
        let alone = encoded(&[(6_000, 2)])[&domain("d0")];
        assert_eq!(alone, MOST_ENCODED_OF_A_DOMAIN);
        let among_others = encoded(&[(6_000, 2), (6_000, 3), (6_000, 3), (6_000, 3), (6_000, 1)]);
        assert_eq!(among_others[&domain("d0")], alone);
        assert!(among_others.values().sum::<usize>() <= MOST_ENCODED);
        assert_eq!(among_others.get(&domain("d4")), None, "all of it, or nothing");
    }

    #[test]
    fn what_nobody_took_who_lets_it_be_learned_from_is_not_encoded() {
        let (index, _, texts) = catalogue(&[(100, 1)]);
        let nobody = SparseRows::from_rows(100, [Vec::new()]);
        let old = of_old(&index);
        assert!(worth_encoding((&index, &old), &nobody, texts).is_empty());
        assert_eq!(encoded(&[(1, 5), (2, 5)]), [(domain("d1"), 2)].into(), "like no other");
    }

    pub(super) fn material(lifetime: Vec<f32>) -> DomainMaterial {
        let items = lifetime.len();
        let examples = Described {
            items: (0..items as u32).map(LocalRow).collect(),
            people: vec![1; items],
            lifetime,
            vectors: Array2::from_shape_fn((items, 2), |(item, at)| (item + at) as f32 / 2.0),
        };
        DomainMaterial {
            source: VectorSource::default(),
            artefact: Some(Base64(vec![1, 2, 3])),
            weighing: ItemWeighing::ByEvidence,
            regularisation: 0.03,
            by_popularity: true,
            examples,
            held_out: 0.5,
        }
    }

    #[test]
    fn what_a_map_is_fitted_from_is_handed_on_as_it_is() {
        let material = material(vec![1.0, 0.25]);
        let material = ContentMaterial::from([(domain("knowledge"), material)]);
        let json = serde_json::to_string(&material).unwrap();
        assert_eq!(serde_json::from_str::<ContentMaterial>(&json).unwrap(), material);
        let cut = json.replace("\"people\":[1,1]", "\"people\":[1]");
        assert!(serde_json::from_str::<ContentMaterial>(&cut).is_err());
    }
}
