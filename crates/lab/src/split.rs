//! A split into what a model is trained on and what it has to find, read from files.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use crossfold_core::entities::counted::were;
use crossfold_core::evidence::items::{DomainRanges, Weighted};
use crossfold_core::maths::als::AlsParams;
use crossfold_core::maths::measure::{
    Catalogue, DomainEvaluation, LIST_LENGTH, RankingCase, rank_by_common_scores, summarise,
};
use crossfold_core::maths::rank::rank_unseen;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::model::scoring::Estimate;
use crossfold_core::training::mixing::{MixtureReport, tables_on};
use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::data_set::{Numbering, Pairs, Times, read_pairs, read_times};
use crate::evaluate::domain;

/// The given split, numbered.
pub(crate) struct Split {
    /// People x items, every confidence 1.
    pub(crate) train: SparseRows,
    /// The people, a row each.
    pub(crate) users: Vec<String>,
    /// For each person with something held out, what they have and what is to be found.
    pub(crate) cases: Vec<RankingCase>,
}

impl Split {
    /// Reads the pairs to train on and, if any are given, those held out.
    ///
    /// # Errors
    /// When a file cannot be read or has no pair, or what is held out tells of nobody.
    pub(crate) fn read(train: &Path, test: Option<&Path>) -> Result<Self> {
        let (train, held_out) = (read_pairs(train)?, test.map(read_pairs).transpose()?);
        if train.is_empty() || held_out.as_ref().is_some_and(Pairs::is_empty) {
            bail!("both --train and --test must have at least one pair");
        }
        let test = held_out.unwrap_or_default();
        let mut items = Numbering::default();
        // In order of ids, as a run numbers them: a fit then begins with the same factors.
        for item in train.values().flatten().collect::<BTreeSet<_>>() {
            items.number(item);
        }
        let rows: Vec<Vec<(u32, f32)>> = train
            .values()
            .map(|row| row.iter().filter_map(|item| Some((items.find(item)?, 1.0))).collect())
            .collect();
        let matrix = SparseRows::from_rows(items.len(), rows);
        let case = |(row, user): (usize, &String)| {
            let (seen, _) = matrix.row(row);
            let held_out = test.get(user)?.iter();
            // An item nobody has in training cannot be found: it counts as missed.
            let number = |(at, item): (usize, &String)| {
                items.find(item).unwrap_or((items.len() + at) as u32)
            };
            let mut relevant: Vec<u32> = held_out.enumerate().map(number).collect();
            relevant.sort_unstable();
            relevant.retain(|item| seen.binary_search(item).is_err());
            Some(RankingCase { person: row, seen: seen.to_vec(), relevant })
        };
        let cases: Vec<RankingCase> = train.keys().enumerate().filter_map(case).collect();
        if !test.is_empty() && cases.iter().all(|case| case.relevant.is_empty()) {
            let both = were(cases.len() as u64, "person");
            bail!(
                "nobody can be measured: {both} found in both --train and --test, and nobody has anything in --test that they do not have in --train"
            );
        }
        Ok(Self { train: matrix, users: train.into_keys().collect(), cases })
    }

    /// The same split, each person's items in the order of their times where the file to
    /// train on has them: what is of one instant shares a place.
    ///
    /// # Errors
    /// As [`Split::read`], and when a time cannot be read.
    pub(crate) fn read_in_order(train: &Path, test: &Path) -> Result<Self> {
        let split = Self::read(train, Some(test))?;
        let Some(times) = read_times(train)? else { return Ok(split) };
        let places = split.users.iter().flat_map(|user| places(user, &times)).collect();
        Ok(Self { train: split.train.with_places(places), ..split })
    }

    /// The rows of the only domain.
    ///
    /// # Errors
    /// None that can be met.
    pub(crate) fn ranges(&self) -> Result<DomainRanges> {
        Ok(DomainRanges::from([(domain()?, 0..self.train.columns())]))
    }

    /// Fits with these parameters, and ranks for each person as they are served by what was
    /// found of the domain's rankers.
    ///
    /// # Errors
    /// When confidences are too extreme.
    pub(crate) fn lists_served(
        &self,
        params: &AlsParams,
        found: &[MixtureReport],
    ) -> Result<Vec<Vec<u32>>> {
        let tables = tables_on(&self.train, (&self.ranges()?, params), found, &|| ())?;
        let domain = domain()?;
        let popularity = self.popularity();
        let rank = |case: &RankingCase| {
            let evidence = Weighted::of_person(&self.train, case.person);
            let estimate = tables.estimate(&domain, &evidence);
            let scores = estimate.map_or_else(|| popularity.clone(), Estimate::into_scores);
            rank_unseen(&scores, &case.seen, LIST_LENGTH)
        };
        Ok(self.cases.par_iter().map(rank).collect())
    }

    /// What is served beside popularity; `items` are the factors by which items are alike.
    pub(crate) fn evaluate(
        &self,
        served: &[Vec<u32>],
        items: ArrayView2<'_, f32>,
    ) -> DomainEvaluation {
        let popularity = self.popularity();
        let popular = rank_by_common_scores(&popularity, &self.cases);
        let people = self.train.rows() as u64;
        let catalogue = Catalogue { factors: items, popularity: &popularity, people };
        summarise(served, &popular, &self.cases, catalogue)
    }

    /// The share of all people who have each item.
    fn popularity(&self) -> Vec<f32> {
        let people = self.train.rows().max(1) as f32;
        self.train.column_counts().into_iter().map(|count| count as f32 / people).collect()
    }
}

/// How far back each of a user's items stands, in order of ids: 0 for the newest.
fn places(user: &str, times: &Times) -> Vec<u16> {
    let Some(of_user) = times.get(user) else { return Vec::new() };
    let newest_first: BTreeSet<Reverse<i128>> = of_user.values().copied().map(Reverse).collect();
    let newest_first: Vec<Reverse<i128>> = newest_first.into_iter().collect();
    let place = |at: &i128| {
        let back = newest_first.binary_search(&Reverse(*at)).unwrap_or_default();
        u16::try_from(back).unwrap_or(u16::MAX)
    };
    of_user.values().map(place).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    const TRAIN: &str = "user_id,item_id,occurred_at\n\
        a,y,30\na,x,1970-01-01T00:00:20Z\na,z,30\nb,x,5\na,x,10\n";

    fn read_parts(train: &str, test: &str) -> Result<Split> {
        let folder = tempfile::tempdir().unwrap();
        let [trained, held_out] = ["train.csv", "test.csv"].map(|name| folder.path().join(name));
        std::fs::write(&trained, train).unwrap();
        std::fs::write(&held_out, format!("user_id,item_id\n{test}")).unwrap();
        Split::read_in_order(&trained, &held_out)
    }

    fn read(train: &str) -> Result<Split> {
        read_parts(train, "a,w\n")
    }

    #[test]
    fn items_stand_in_the_order_of_their_times_and_those_of_one_instant_together() {
        let split = read(TRAIN).unwrap();
        // Of a, in order of ids: x was last done with at 20, y and z at 30.
        assert_eq!(split.train.places(0), Some(&[1, 0, 0][..]));
        assert_eq!(split.train.places(1), Some(&[0][..]));
    }

    #[test]
    fn in_what_order_lines_stand_changes_nothing() {
        let mut lines: Vec<&str> = TRAIN.lines().collect();
        lines[1..].reverse();
        let turned = read(&lines.join("\n")).unwrap();
        assert_eq!(turned.train, read(TRAIN).unwrap().train);
    }

    #[test]
    fn without_times_nothing_is_known_of_any_order_and_a_time_that_is_none_is_named() {
        assert_eq!(read("user_id,item_id\na,y\na,x\n").unwrap().train.places(0), None);
        let error = read("user_id,item_id,occurred_at\na,y,1\na,x,soon\n").err().unwrap();
        assert!(format!("{error:#}").contains("line 3"), "{error:#}");
    }

    #[test]
    fn a_split_that_holds_nothing_out_of_anybody_is_refused() {
        let train = "u1,i1\nu1,i2\nu2,i1\n";
        let with_header = format!("user_id,item_id\n{train}");
        for (test, both) in [("v1,i1\nv2,i2\n", "0 people were"), (train, "2 people were")] {
            let refused = read_parts(&with_header, test).err().unwrap().to_string();
            assert!(refused.starts_with("nobody can be measured"), "{refused}");
            assert!(refused.contains(both), "{refused}");
        }
        let cases = read_parts(&with_header, "u2,i2\nu1,i1\n").unwrap().cases;
        assert_eq!(cases.iter().filter(|case| !case.relevant.is_empty()).count(), 1);
    }
}
