//! How long it takes to index a catalogue and to search it.
//!
//! ```text
//! cargo run --release -p crossfold-text --features lexical --example search_speed -- \
//!     [ITEMS [WORDS.txt]]      (100,000 items; a file with a word a line, or the ones built in)
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crossfold_text::search::{Entry, IndexedText, Query, TextIndex};

/// Questions that are timed of each kind.
const QUESTIONS: usize = 1_000;

/// Items that change, of those that are there.
const CHANGED_SHARE: usize = 100;

const WORDS: &str = "贷款 汽车 新能源 二手车 首付 利率 分期 车险 保养 抵押 征信 还款 月供 车型 轿车 越野车 \
    电池 充电 保险 理赔 租赁 试驾 置换 补贴 牌照 过户 钢琴 小提琴 编程 数据分析 机器学习 人工智能 英语 \
    口语 写作 考研 会计 法律 心理学 历史 摄影 绘画 烹饪 健身 瑜伽 投资 基金 股票 理财 管理 营销 设计 \
    产品 运营 入门 进阶 实战 基础 高级 零基础 三十天 案例 讲解 精品 课程 指南 上海 北京 深圳 广州 36期 \
    12期 loan car lease finance credit hybrid electric sedan truck insurance mileage warranty dealer \
    deposit balloon fixed rate refinance used python excel statistics piano violin grammar writing \
    history law design photography cooking fitness investing marketing beginner advanced practice \
    course guide workshop series certificate model cloud network security database algorithm";

/// The same numbers at every run (Marsaglia, Xorshift RNGs, 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most
    }

    /// A word, the first ones far more often: as words are (Zipf), about one over the place.
    fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let most = self.below(words.len()) + 1;
        words[self.below(most)]
    }
}

struct Item {
    title: String,
    tags: String,
    description: String,
}

impl Item {
    fn new(number: usize, words: &[&str], dice: &mut Dice) -> Self {
        let mut some = |many: usize| -> String {
            (0..many).map(|_| dice.word(words)).collect::<Vec<_>>().join(" ")
        };
        let (title, tags, description) = (some(6), some(2), some(20));
        // A name of its own, as a course's code or a car's model.
        Self { title: format!("{title} k{number}"), tags, description }
    }

    fn text(&self) -> IndexedText<'_> {
        IndexedText {
            title: (&*self.title).into(),
            tags: (&*self.tags).into(),
            description: (&*self.description).into(),
        }
    }

    /// Its title alone.
    fn titled(&self) -> IndexedText<'_> {
        IndexedText { title: (&*self.title).into(), ..IndexedText::default() }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let items: usize = arguments.next().map_or(Ok(100_000), |items| items.parse())?;
    let file = arguments.next().map(std::fs::read_to_string).transpose()?;
    let words: Vec<&str> = file.as_deref().unwrap_or(WORDS).split_whitespace().collect();
    if words.is_empty() {
        return Err("the file has no words".into());
    }
    let mut dice = Dice(88_172_645_463_325_252);
    let items: Vec<Item> = (0..items).map(|number| Item::new(number, &words, &mut dice)).collect();
    // Reads the dictionary, which is done once a process.
    let (_, dictionary) = timed(|| TextIndex::build([IndexedText::default(), items[0].titled()]));
    println!("dictionary: {:.0} ms", milliseconds(dictionary));
    measure("titles", &items, Item::titled, &words, &mut dice)?;
    measure("titles, tags, descriptions", &items, Item::text, &words, &mut dice)
}

fn measure<'a>(
    what: &str,
    items: &'a [Item],
    text: impl Fn(&'a Item) -> IndexedText<'a>,
    words: &[&str],
    dice: &mut Dice,
) -> Result<(), Box<dyn Error>> {
    let (index, built) = timed(|| TextIndex::build(items.iter().map(&text)));
    let entries =
        (0..).zip(items).map(|(position, item)| match position as usize % CHANGED_SHARE {
            0 => Entry::Text(text(item)),
            _ => Entry::Kept(position),
        });
    let (changed, in_place) = timed(|| index.with_changes(entries));
    assert!(changed == index, "the same texts make the same index");
    println!("{what}: {} items, {} different words", index.len(), index.words());
    println!("  built in {:.0} ms", milliseconds(built));
    println!("  one in {CHANGED_SHARE} changed in {:.0} ms", milliseconds(in_place));
    let bytes = index.bytes();
    println!("  {bytes} bytes, {:.0} an item", bytes as f64 / items.len() as f64);
    let mut some = |many: usize| -> String {
        (0..many).map(|_| dice.word(words)).collect::<Vec<_>>().join(" ")
    };
    let mut questions = |text: usize, context: usize| -> Vec<(String, String)> {
        (0..QUESTIONS).map(|_| (format!("{} ", some(text)), some(context))).collect()
    };
    let kinds = [
        ("3 words", questions(3, 0)),
        ("10 words in a context of 100", questions(10, 100)),
        ("a name", (0..QUESTIONS).map(|at| (format!("k{at} "), String::new())).collect()),
        ("a mistyped word", vec![("insurence ".to_owned(), String::new()); QUESTIONS]),
        // Every name begins with the letter, and is compared with.
        ("a word that no item has", vec![("keyboards ".to_owned(), String::new()); QUESTIONS]),
        ("the beginning of a word", vec![("ins".to_owned(), String::new()); QUESTIONS]),
    ];
    for (kind, questions) in kinds {
        let mut times = Vec::new();
        let mut found = 0;
        for (text, context) in &questions {
            let (matches, time) =
                timed(|| Ok::<_, Box<dyn Error>>(index.scores(&Query::parse(text, context)?)));
            found += black_box(matches?).len();
            times.push(time);
        }
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_micros();
        let found = found / questions.len();
        println!("  {kind}: {} µs p50, {} µs p99, {found} found", at(50), at(99));
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let made = work();
    (made, start.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
