//! Words that say nothing of what is looked for: what questions begin and end with.

/// In order, to be searched. Not here is what may be a name or change the meaning: 不 (not),
/// `it` (a trade), `s` (a car), `us`. But 不能 (cannot) is: 能不能 (can one) is cut into 能 and 不能.
#[rustfmt::skip] // One word a line would be pages.
const STOP_WORDS: [&str; 181] = [
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
    "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how",
    "i", "if", "in", "into", "is", "its", "me", "my", "of", "on", "or", "our", "please", "she",
    "should", "so", "some", "tell", "than", "thanks", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "to", "want", "was", "we", "were", "what", "when",
    "where", "which", "who", "why", "will", "with", "would", "you", "your", "一下", "一个", "一些",
    "一点", "不能", "与", "为什么", "么", "也", "了", "了解", "什么", "从", "他", "他们", "以及",
    "会", "但", "但是", "你", "你们", "你好", "关于", "再", "几", "到", "又", "及", "可不可以",
    "可以", "吗", "吧", "呀", "告诉", "呢", "和", "咱们", "哦", "哪", "哪个", "哪些", "哪儿",
    "哪里", "啊", "嗯", "嘛", "因为", "在", "地", "多少", "太", "她", "如何", "如果", "它", "对",
    "对于", "就", "应该", "很", "得", "怎么", "怎么办", "怎么样", "怎样", "您", "您好", "想",
    "想要", "我", "我们", "或", "或者", "所以", "把", "是", "是不是", "是否", "更", "最", "有",
    "有没有", "没有", "的", "着", "知道", "给", "能", "自己", "被", "要", "让", "请", "请问",
    "谢谢", "跟", "过", "还", "这", "这个", "这些", "这里", "那", "那个", "那些", "那里", "都",
    "需要",
];

/// Whether a word, as `lexical::words` gives it, says nothing of what is looked for.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexical::words::words;

    /// What is left of a question.
    fn telling(question: &str) -> Vec<String> {
        let mut words = words(question);
        words.retain(|word| !is_stop_word(word));
        words
    }

    #[test]
    fn the_table_is_in_order_and_as_words_are_cut() {
        assert!(STOP_WORDS.is_sorted_by(|a, b| a < b));
        let is_met = |word: &&str| words(word).iter().any(|cut| cut == word);
        let never_met: Vec<&str> = STOP_WORDS.into_iter().filter(|word| !is_met(word)).collect();
        assert_eq!(never_met, [""; 0]);
    }

    #[test]
    fn questions_are_left_with_what_they_ask_about() {
        for (question, left) in [
            ("我想了解一下车贷利率是多少", &["车贷", "利率"][..]),
            ("请问怎么申请提前还款？", &["申请", "提前", "还款"]),
            ("有没有适合初学者的钢琴课吗", &["适合", "初学", "学者", "初学者", "钢琴", "钢琴课"]),
            ("36期的贷款", &["36", "期", "贷款"]),
            ("What is the rate of a car loan for 3 years?", &["rate", "car", "loan", "3", "years"]),
            ("How do I learn Excel", &["learn", "excel"]),
            ("不", &["不"]),
            ("能不能提前还款", &["提前", "还款"]),
        ] {
            assert_eq!(telling(question), left, "{question}");
        }
    }
}
