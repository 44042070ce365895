//! How well items that are like one are found, by how many people took it.
//!
//! A model is trained on half of the people; of some items all but so many of theirs are taken
//! away first. Items are alike by the other half: the cosine of who took them. Lists of ten are
//! measured by how much of that they hold beside the best ten (NDCG with graded gains), among
//! items that fifteen people of the other half took at least.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use crossfold_core::entities::catalogue::{ChangeNumber, Item as Entry, ItemDetails};
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::serving::similar::{AskedItem, similar};
use crossfold_core::serving::snapshot::CatalogueSnapshot;
use crossfold_core::training::train_cleaned;
use crossfold_text::TextEncoder;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::*;

/// To how many people items are thinned.
const THINNED: [usize; 5] = [0, 1, 3, 10, 30];
/// Items of each of them.
const ASKED: usize = 48;
const SEEDS: u64 = 3;
const LISTED: usize = 10;
const LEAST_PEOPLE: f64 = 15.0;

/// Who took what: by person, items by their number.
type Taken = Vec<Vec<u32>>;

/// The items that one is like, by what was left of it.
type ByThinning = BTreeMap<usize, Vec<f64>>;

/// Prints how each way of telling does.
pub(crate) fn print_similar(directory: &Path, encoder: &dyn TextEncoder) -> Result<()> {
    let Split { known: items, train, .. } = read(directory, 1.0)?;
    let people: Taken = (0..train.rows()).map(|row| train.row(row).0.to_vec()).collect();
    let mut measured: BTreeMap<&'static str, ByThinning> = BTreeMap::new();
    for seed in 0..SEEDS {
        let world = World::drawn(&items, people.clone(), seed);
        let model = world.model(encoder)?;
        for (way, by_item) in world.ways(&model, encoder)? {
            for (item, list) in by_item {
                let left = world.asked[&item];
                let all = measured.entry(way).or_default().entry(left).or_default();
                all.push(world.gain(item, &list));
            }
        }
    }
    println!(
        "{:<34}{}",
        "people who took the item",
        THINNED.map(|left| format!("{left:>8}")).concat()
    );
    for (way, by_thinning) in measured {
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let told: String = by_thinning.values().map(|all| format!("{:>8.3}", mean(all))).collect();
        println!("{way:<34}{told}");
    }
    Ok(())
}

/// One draw.
struct World<'a> {
    items: &'a [Item],
    /// What the model is trained on.
    train: Taken,
    /// Items that are asked for, with how many people they keep.
    asked: BTreeMap<u32, usize>,
    /// Cosines of the other half's items, where enough people took both.
    alike: Array2<f64>,
}

impl<'a> World<'a> {
    fn drawn(items: &'a [Item], mut people: Taken, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        people.shuffle(&mut random);
        let others = people.split_off(people.len() / 2);
        let alike = cosines(&others, items.len());
        let is_judged = |item: &u32| alike[[*item as usize, *item as usize]] > 0.0;
        let mut of_item: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (person, taken) in people.iter().enumerate() {
            taken.iter().for_each(|item| of_item.entry(*item).or_default().push(person));
        }
        let enough = |(_, by): &(&u32, &Vec<usize>)| by.len() >= THINNED[THINNED.len() - 1];
        let known = of_item.iter().filter(enough).map(|(item, _)| *item);
        let mut chosen: Vec<u32> = known.filter(is_judged).collect();
        chosen.shuffle(&mut random);
        let asked: BTreeMap<u32, usize> = chosen
            .into_iter()
            .take(ASKED * THINNED.len())
            .zip(THINNED.into_iter().cycle())
            .collect();
        for (item, left) in &asked {
            let mut by = of_item[item].clone();
            by.shuffle(&mut random);
            by.split_off(*left).iter().for_each(|person| people[*person].retain(|i| i != item));
        }
        Self { items, train: people, asked, alike }
    }

    fn model(&self, encoder: &dyn TextEncoder) -> Result<Model> {
        let domain = DomainId::parse("items")?;
        let rows = self.train.iter().map(|taken| taken.iter().map(|item| (*item, 1.0)).collect());
        let train = SparseRows::from_rows(self.items.len(), rows);
        let known = self.items.to_vec();
        let split = Split { known, new: Vec::new(), train, cases: Vec::new() };
        let texts = split.known.iter().map(|item| Ok((key_of(item, &domain)?, item.text())));
        let texts = texts.collect::<Result<BTreeMap<_, _>>>()?;
        let vectors = Box::new(Encoded(vectors(encoder, &split, &domain)?));
        let cleaned = input(&split, &domain)?.clean().0.describing(texts, vectors);
        let trained = train_cleaned(cleaned, None, &|_, _| ())?;
        Ok(Artefact::encode(&trained.parts, Default::default())?.verify()?)
    }

    /// The lists of each way for each item that is asked for.
    #[allow(clippy::type_complexity)]
    fn ways(
        &self,
        model: &Model,
        encoder: &dyn TextEncoder,
    ) -> Result<Vec<(&'static str, BTreeMap<u32, Vec<u32>>)>> {
        let domain = DomainId::parse("items")?;
        let entries = self.items.iter().map(|item| entry(item, &domain));
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let snapshot = CatalogueSnapshot::new(entries, Some(model));
        let numbers: BTreeMap<&str, u32> =
            self.items.iter().map(|item| item.item_id.as_str()).zip(0..).collect();
        let mut counts = vec![0.0f32; self.items.len()];
        self.train.iter().flatten().for_each(|item| counts[*item as usize] += 1.0);
        let texts: Vec<String> = self.items.iter().map(Item::text).collect();
        let vectors = encoder.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let found = |item: u32, by_text: bool, by_people: bool| -> Result<Vec<u32>> {
            let id = ItemId::parse(&self.items[item as usize].item_id)?;
            let mut entry = snapshot.find(&id).context("every item is in the catalogue")?;
            entry.row = entry.row.filter(|_| by_people);
            let vector = vectors.row(item as usize);
            let expected = by_text.then(|| model.sections().expected_factors(&domain, vector));
            let asked = AskedItem { entry, expected: expected.flatten(), definition: None };
            let found =
                similar(&asked, (&snapshot, Some(model)), Timestamp::UNIX_EPOCH, usize::MAX);
            let numbers = found.items.iter().map(|item| numbers[item.item_id.as_str()]);
            Ok(numbers.filter(|item| self.is_judged(*item)).take(LISTED).collect())
        };
        let best = |item: u32, score: &dyn Fn(usize) -> f32| -> Vec<u32> {
            let mut others: Vec<u32> = (0..self.items.len() as u32).collect();
            others.retain(|other| *other != item && self.is_judged(*other));
            others.sort_by(|a, b| score(*b as usize).total_cmp(&score(*a as usize)));
            others.truncate(LISTED);
            others
        };
        let each = |list: &dyn Fn(u32) -> Result<Vec<u32>>| -> Result<BTreeMap<u32, Vec<u32>>> {
            self.asked.keys().map(|item| Ok((*item, list(*item)?))).collect()
        };
        Ok(vec![
            ("as served", each(&|item| found(item, true, true))?),
            ("as served, without texts", each(&|item| found(item, false, true))?),
            ("as served, by texts alone", each(&|item| found(item, true, false))?),
            ("popularity", each(&|item| Ok(best(item, &|other| counts[other])))?),
            (
                "cosine of texts",
                each(&|item| {
                    let vector = vectors.row(item as usize);
                    Ok(best(item, &|other| vectors.row(other).dot(&vector)))
                })?,
            ),
        ])
    }

    fn is_judged(&self, item: u32) -> bool {
        self.alike[[item as usize, item as usize]] > 0.0
    }

    fn gain(&self, item: u32, list: &[u32]) -> f64 {
        let of = |other: u32| {
            if other == item { 0.0 } else { self.alike[[item as usize, other as usize]] }
        };
        let mut all: Vec<f64> = (0..self.items.len() as u32).map(of).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let gained = |gains: &mut dyn Iterator<Item = f64>| -> f64 {
            (0..).zip(gains).map(|(at, gain)| gain / f64::from(at + 2).log2()).sum()
        };
        gained(&mut list.iter().map(|other| of(*other))) / gained(&mut all.into_iter().take(LISTED))
    }
}

fn cosines(people: &Taken, items: usize) -> Array2<f64> {
    let mut together = Array2::<f64>::zeros((items, items));
    for taken in people {
        for one in taken {
            taken.iter().for_each(|other| together[[*one as usize, *other as usize]] += 1.0);
        }
    }
    let counts = together.diag().to_owned();
    for ((one, other), value) in together.indexed_iter_mut() {
        let is_judged = counts[one] >= LEAST_PEOPLE && counts[other] >= LEAST_PEOPLE;
        *value = if is_judged { *value / (counts[one] * counts[other]).sqrt() } else { 0.0 };
    }
    together
}

fn entry(item: &Item, domain: &DomainId) -> Result<Entry> {
    let (domain, item_id) = key_of(item, domain)?;
    let details = serde_json::json!({"title": item.title, "categories": item.categories});
    Ok(Entry {
        domain,
        item_id,
        details: Some(ItemDetails::parse(details)?),
        updated_at: Timestamp::UNIX_EPOCH,
        change: ChangeNumber(1),
    })
}
