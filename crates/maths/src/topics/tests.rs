use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn params(topics: usize) -> TopicParams {
    TopicOptions { topics, batch: 50, ..TopicOptions::default() }.check().unwrap()
}

/// Documents of 30 words, each of two of the planted topics, of ten words each.
fn planted(documents: usize, topics: u32, seed: u64) -> SparseRows {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = (0..documents).map(|_| {
        let of = [rng.random_range(0..topics), rng.random_range(0..topics)];
        let word = |_| (of[rng.random_range(0..2)] * 10 + rng.random_range(0..10u32), 1.0);
        (0..30).map(word).collect()
    });
    SparseRows::from_rows(topics as usize * 10, rows)
}

#[test]
fn planted_topics_are_found_with_all_their_words() {
    let documents = planted(600, 5, 1);
    let topics = fit(&documents, &params(5)).unwrap();
    let mut found: Vec<u32> = Vec::new();
    for topic in 0..5 {
        let words = topics.likeliest_words(topic, 10);
        assert!(words.iter().all(|word| word / 10 == words[0] / 10), "{words:?}");
        found.push(words[0] / 10);
    }
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3, 4]);
}

#[test]
fn the_planted_number_of_topics_is_chosen() {
    let documents = planted(600, 6, 2);
    let halves = Halves::drawn(&documents, 1);
    // A fit that merged two topics would have more of them look better.
    let options = TopicOptions { batch: 30, restarts: 4, ..TopicOptions::default() };
    let params = options.check().unwrap();
    let chosen = choose((&documents, &halves), &[12, 2, 3, 6], &params).unwrap();
    assert_eq!(chosen.topics, 6, "{chosen:#?}");
    assert!(chosen.tried.iter().map(|tried| tried.topics).eq([2, 3, 6, 12]));
    let others = Halves::drawn(&planted(599, 6, 2), 1);
    let refused = choose((&documents, &others), &[2], &params).unwrap_err();
    assert_eq!(refused, UnusableDocuments::Halves);
}

#[test]
fn words_that_come_together_make_no_topics_of_their_own_where_halves_keep_them_together() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    // Each of 24 books has three words of its own; people of three kinds read eight each.
    let mut halves = [Vec::new(), Vec::new()];
    let mut whole = Vec::new();
    for person in 0..500 {
        let mut document = Vec::new();
        for half in &mut halves {
            let books = (0..4).map(|_| person % 3 * 8 + rng.random_range(0..8u32));
            let words: Vec<(u32, f32)> =
                books.flat_map(|book| (0..3).map(move |word| (book * 3 + word, 1.0))).collect();
            document.extend(words.clone());
            half.push(words);
        }
        whole.push(document);
    }
    let of = |rows| SparseRows::from_rows(72, rows);
    let [given, asked] = halves;
    let halves = Halves::new(of(given), of(asked)).unwrap();
    let options = TopicOptions { batch: 30, restarts: 4, ..TopicOptions::default() };
    let params = options.check().unwrap();
    let chosen = choose((&of(whole), &halves), &[1, 2, 3, 6, 12], &params).unwrap();
    assert_eq!(chosen.topics, 3, "{chosen:#?}");
}

#[test]
fn of_restarts_the_best_bound_is_kept() {
    let documents = planted(200, 6, 11);
    let of = |seed, restarts| {
        let options = TopicOptions { topics: 6, batch: 50, seed, restarts, ..Default::default() };
        let topics = fit(&documents, &options.check().unwrap()).unwrap();
        perplexity(&topics, &documents).unwrap().unwrap()
    };
    let best = (1..=4).map(|seed| of(seed, 1)).fold(f64::INFINITY, f64::min);
    assert_eq!(of(1, 4), best);
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let documents = planted(200, 4, 3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let topics = fit(&documents, &params(7)).unwrap();
            let perplexity = perplexity(&topics, &documents).unwrap();
            (topics, perplexity)
        })
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn what_a_topic_takes_of_words_adds_up_to_its_share() {
    let topics = fit(&planted(300, 3, 4), &params(3)).unwrap();
    let document = [(0, 3.0), (12, 1.0), (4, 2.0), (29, 0.5), (900, 7.0), (1, f32::NAN), (2, 0.0)];
    let mixture = topics.infer(&document);
    assert_eq!(mixture.words, [0, 12, 4, 29]);
    for (row, count) in mixture.taken.outer_iter().zip([3.0, 1.0, 2.0, 0.5]) {
        assert!((row.sum() - count).abs() < 1e-4);
    }
    let prior = topics.priors().document as f32;
    for (topic, share) in mixture.shares.iter().enumerate() {
        let expected = (prior + mixture.taken.column(topic).sum()) / (3.0 * prior + 6.5);
        assert!((share - expected).abs() < 1e-4, "{share} {expected}");
    }
    assert!((mixture.shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn of_nothing_known_nothing_is_said() {
    let topics = fit(&planted(100, 4, 5), &params(4)).unwrap();
    for document in [&[][..], &[(4_000, 2.0)], &[(1, -3.0)]] {
        let mixture = topics.infer(document);
        assert!(mixture.words.is_empty());
        assert!(mixture.shares.iter().all(|share| (share - 0.25).abs() < 1e-6));
    }
}

#[test]
fn the_perplexity_is_that_of_scikit_learn() {
    // sklearn.decomposition.LatentDirichletAllocation with components_ = weights,
    // doc_topic_prior 0.5, topic_word_prior 0.2, perplexity of [[3, 0, 1, 2], [0, 4, 0, 1]].
    let weights = ndarray::array![[4.2f32, 0.3], [0.2, 5.2], [1.7, 0.6], [2.5, 1.1]];
    let topics = TopicModel::new(weights, Priors { document: 0.5, word: 0.2 }).unwrap();
    let documents =
        SparseRows::from_rows(4, [vec![(0, 3.0), (2, 1.0), (3, 2.0)], vec![(1, 4.0), (3, 1.0)]]);
    let found = perplexity(&topics, &documents).unwrap().unwrap();
    assert!((found - SKLEARN).abs() < 2e-4 * SKLEARN, "{found}");
    // The same bound without what `_approx_bound` adds for the topics.
    let found = held_out_perplexity(&topics, &documents).unwrap().unwrap();
    assert!((found - GIVEN_TOPICS).abs() < 2e-4 * GIVEN_TOPICS, "{found}");
}

const SKLEARN: f64 = 5.383110248176042;
const GIVEN_TOPICS: f64 = 3.420683345050125;

#[test]
fn one_topic_foretells_much_worse_than_as_many_as_were_planted() {
    let (train, aside) = (planted(600, 5, 6), planted(200, 5, 7));
    let of = |number| {
        let topics = fit(&train, &params(number)).unwrap();
        completion_perplexity(&topics, &Halves::drawn(&aside, 1)).unwrap().unwrap()
    };
    let (one, five) = (of(1), of(5));
    assert!(five < 0.6 * one, "{one} {five}");
}

#[test]
fn words_that_occur_together_are_coherent_and_others_are_not() {
    let documents = planted(400, 4, 8);
    let found = coherence(&fit(&documents, &params(4)).unwrap(), &documents);
    assert!(found.iter().all(|coherence| *coherence > 0.2), "{found:?}");
    let mixed =
        ndarray::Array2::from_shape_fn((40, 1), |(word, _)| if word % 4 == 0 { 9.0 } else { 1.0 });
    let mixed = TopicModel::new(mixed, Priors { document: 0.1, word: 0.1 }).unwrap();
    assert!(coherence(&mixed, &documents)[0] < 0.1);
}

#[test]
fn unusable_documents_are_refused() {
    let of =
        |rows: Vec<Vec<(u32, f32)>>| fit(&SparseRows::from_rows(3, rows), &params(2)).unwrap_err();
    assert_eq!(of(vec![]), UnusableDocuments::Empty);
    assert_eq!(of(vec![vec![], vec![]]), UnusableDocuments::Empty);
    for count in [f32::NAN, f32::INFINITY, 0.0, -1.0, 1e7] {
        assert_eq!(of(vec![vec![(0, 1.0)], vec![(1, count)]]), UnusableDocuments::Count(1));
    }
    let wide = SparseRows::from_rows(LARGEST_TABLE, [vec![(0, 1.0)]]);
    assert_eq!(fit(&wide, &params(2)).unwrap_err(), UnusableDocuments::TooManyWords);
    let priors = Priors { document: 0.1, word: 0.1 };
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let weights = ndarray::array![[1.0, weight]];
        assert_eq!(TopicModel::new(weights, priors), Err(UnusableDocuments::Weight));
    }
}

#[test]
fn options_out_of_range_are_named() {
    let named = |options: TopicOptions| options.check().unwrap_err().name;
    assert_eq!(named(TopicOptions { topics: 0, ..Default::default() }), "topics");
    assert_eq!(named(TopicOptions { decay: 0.5, ..Default::default() }), "decay");
    assert_eq!(named(TopicOptions { offset: f64::NAN, ..Default::default() }), "offset");
    assert_eq!(named(TopicOptions { restarts: 0, ..Default::default() }), "restarts");
    assert_eq!(named(TopicOptions { word_prior: Some(0.0), ..Default::default() }), "word_prior");
}

proptest! {
    #[test]
    fn any_documents_give_topics_of_finite_weights_and_mixtures_that_add_up(
        rows in proptest::collection::vec(
            proptest::collection::vec((0u32..9, prop_oneof![0.01f32..5.0, Just(1e6f32)]), 0..6), 1..12),
        topics in 1usize..20, passes in 1usize..40,
    ) {
        let documents = SparseRows::from_rows(9, rows.into_iter().map(|mut row| {
            row.sort_by_key(|(word, _)| *word);
            row.dedup_by_key(|(word, _)| *word);
            row
        }));
        let options = TopicOptions { topics, passes, batch: 2, offset: 1.0, decay: 0.51, ..TopicOptions::default() };
        if let Ok(model) = fit(&documents, &options.check().unwrap()) {
            prop_assert!(model.weights().iter().all(|weight| weight.is_finite() && *weight > 0.0));
            let (words, counts) = documents.row(0);
            let document: Vec<(u32, f32)> = words.iter().copied().zip(counts.iter().copied()).collect();
            let sum: f32 = model.infer(&document).shares.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-4);
            let found = perplexity(&model, &documents).unwrap().unwrap();
            prop_assert!(found.is_finite(), "{}", found);
        }
    }
}
