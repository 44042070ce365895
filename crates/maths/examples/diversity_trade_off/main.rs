//! What diversity costs in relevance and what is had for it, on files.
//!
//! ```text
//! cargo run --release -p crossfold-maths --example diversity_trade_off -- \
//!     --train train.csv --test test.csv --markdown --svg trade_off.svg
//! cargo run --release -p crossfold-maths --example diversity_trade_off -- \
//!     --train ratings.dat --categories movies.dat --methods dpp,mmr,dpp+power2
//! ```
//!
//! Factors are fitted to the train file; each person of the test file is folded in; of what they
//! have not seen, lists of 10 are chosen from the 200 best. A file has a user and an item a line
//! and maybe a rating and a time, between tabs, commas or `::`; with a header, its columns
//! `user_id`, `item_id` and `occurred_at` count. Every line counts as a like. Without `--test` the
//! last fifth of each person's lines is held out, by time or, without times, at random.
//! Categories are JSON lines with `item_id` and `categories`, or lines that begin with the item and
//! end with its categories between `|`.
//!
//! A method is `dpp`, `mmr` or `calibrated` (to the shares that categories have in what the person took), then
//! after a `+` each:
//!
//! - relevance from 0 to 1: `share` of the greatest score (the usual), `pool` from the least of the
//!   pool to the greatest, `log` the same of logarithms, `rank` in equal steps;
//! - `power2`: the weight of diversity is the square of what is asked for, or `power0.5` its root;
//! - `times0.5`: that weight is then multiplied by a half;
//! - `budget`: that is no weight but the share of relevance that may be given up, of the best
//!   list's, and the weight is for each list the greatest that keeps to it;
//! - `centred`: items are alike by what is left of their factors without the mean of the pool;
//! - `sorted`: what was chosen is listed by its scores.
//!
//! Distances are 1 minus the mean cosine of each two of a list, by the factors that chose, and by
//! other factors: of another seed and half as many. Figures are means over seeds, and intervals
//! are of 95%, of people drawn again, each with their mean over seeds.

#![allow(clippy::print_stdout)] // What it is for.

mod data;
mod measuring;
mod method;
mod options;
mod report;

type Problem = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Problem> {
    let options = options::Options::parse(std::env::args().skip(1))?;
    let data = data::Data::read(&options)?;
    println!(
        "{} people x {} items, {} entries, {} people measured, {} categories, seeds {:?}, {:?}",
        data.train.rows(),
        data.train.columns(),
        data.train.entries(),
        data.cases.len(),
        data.categories.as_ref().map_or(0, ndarray::Array2::ncols),
        options.seeds,
        options.als,
    );
    let curves = measuring::curves(&data, &options)?;
    report::print(&curves, &options)?;
    if let Some(path) = &options.svg {
        std::fs::write(path, report::svg(&curves))?;
    }
    Ok(())
}
